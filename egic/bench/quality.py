"""What engines make of pictures, against TensorFlow: bytes and PSNR.

    python -m egic.bench.quality --images=FOLDER [--model=BUNDLE] [--engines=...]

Every file of an engine is decoded by that engine and by TensorFlow, and every file of
TensorFlow's by each engine. Prints a table: the mean over the pictures and the worst
of them. Other programs do not disturb these figures.
"""

import argparse
import pathlib
from collections.abc import Iterable, Mapping

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

import egic
from egic import default_model
from hific.codec import Codec
from hific.engine_names import NEEDS, TENSORFLOW
from hific.images import read_image


def main(argv: list[str] | None = None) -> None:
    """Codes the pictures with every engine and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", required=True, help="a folder of PNG pictures")
    parser.add_argument("--model", default=str(default_model.PATH), help="a bundle")
    others = [name for name in NEEDS if name != TENSORFLOW]
    parser.add_argument("--engines", default=",".join(others))
    flags = parser.parse_args(argv)
    codecs = {name: egic.load(flags.model, name) for name in flags.engines.split(",")}
    reference = egic.load(flags.model, TENSORFLOW)
    err = Console(stderr=True)
    paths = sorted(pathlib.Path(flags.images).glob("*.png"))
    pictures = (read_image(path) for path in track(paths, "", console=err))
    alphas = [1.0] if reference._engine.ends is None else [0.0, 1.0]
    found = differences(reference, codecs, pictures, alphas)
    console = Console(width=110)
    console.print(f"{len(paths)} pictures, {flags.model}", table_of(found, alphas))


def differences(
    reference: Codec,
    codecs: Mapping[str, Codec],
    pictures: Iterable[np.ndarray],
    alphas: list[float],
) -> dict[str, np.ndarray]:
    """How files and pictures of each codec differ from the reference's.

    Returns:
        Name -> [pictures, 1 + 2 * alphas]: bytes in per cent, dB of PSNR at each alpha,
        and at each alpha the mean grey levels between two drawings of the codec's file,
        by itself and by the reference.

    Raises:
        CodecError: A file of one does not decode with the other.
    """
    rows: dict[str, list[list[float]]] = {name: [] for name in codecs}
    for image in pictures:
        data = reference.compress(image)
        theirs = [psnr(x, image) for x in reference.decompress_all(data, alphas)]
        for name, codec in codecs.items():
            codec.decompress_all(data, alphas)
            file = codec.compress(image)
            drawn = codec.decompress_all(file, alphas)
            again = reference.decompress_all(file, alphas)
            rows[name].append(
                [
                    100 * (len(file) / len(data) - 1),
                    *(psnr(x, image) - y for x, y in zip(drawn, theirs, strict=True)),
                    *(_levels(x, y) for x, y in zip(drawn, again, strict=True)),
                ]
            )
    return {name: np.array(each) for name, each in rows.items()}


def psnr(image: np.ndarray, original: np.ndarray) -> float:
    """PSNR in dB of two uint8 pictures that differ."""
    error = np.mean(np.square(image.astype(np.float64) - original))
    return float(10 * np.log10(255.0**2 / error))


def _levels(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.mean(np.abs(a.astype(np.float64) - b)))


def table_of(found: Mapping[str, np.ndarray], alphas: list[float]) -> Table:
    """Two rows for each engine: the mean over the pictures, and the worst."""
    table = Table(title="against tensorflow", title_justify="left")
    names = ["engine", "", "bytes %"]
    names += [f"PSNR dB, alpha {alpha:g}" for alpha in alphas]
    names += [f"grey levels, alpha {alpha:g}" for alpha in alphas]
    for name in names:
        table.add_column(name, justify="right")
    for engine, rows in found.items():
        worst = np.take_along_axis(rows, np.abs(rows).argmax(0)[np.newaxis], 0)[0]
        for label, row in (("mean", rows.mean(0)), ("worst", worst)):
            table.add_row(engine, label, *(f"{value:+.4f}" for value in row))
    return table


if __name__ == "__main__":
    main()
