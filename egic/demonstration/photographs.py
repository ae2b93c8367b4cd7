"""Photographs through a codec and its rivals: files, numbers, a table to print."""

import dataclasses
import pathlib
import time
from collections.abc import Mapping, Sequence

import numpy as np

from egic.demonstration.comparison import Comparison, ImageCodec, compare
from hific import lpips, lpips_weights
from hific.evaluation import columns, metrics
from hific.evaluation.baselines import BASELINES
from hific.evaluation.metrics import Metric
from hific.files import write_atomically
from hific.images import write_png

ALPHAS = (0.0, 0.5, 1.0)
RIVALS = ("jpeg444", "jpeg", "webp", "avif")
ORIGINAL = "original"
# Column -> its heading where lines are short.
_SHORT = {"bytes": "bytes", "bpp": "bpp", "psnr": "PSNR dB"}


@dataclasses.dataclass(frozen=True)
class Version:
    """One way in which a picture came back.

    Attributes:
        label: What readers call it.
        image: [H, W, 3] uint8.
        data: The whole file it came from.
        fits: False where the file is larger than ours.
        numbers: Column of `hific.evaluation.columns` -> value.
    """

    label: str
    image: np.ndarray
    data: bytes
    fits: bool
    numbers: Mapping[str, float | None]


@dataclasses.dataclass(frozen=True)
class Photograph:
    """A picture and all that came of it.

    Attributes:
        name: Of its files.
        about: What it shows and whose it is.
        comparison: Ours and the others.
        versions: Ours at each alpha, then the others.
        seconds: "compress" and "decompress" -> how long it took; the first call for a
            size includes preparing the networks for it.
    """

    name: str
    about: str
    comparison: Comparison
    versions: tuple[Version, ...]
    seconds: Mapping[str, float]


def measures() -> dict[str, Metric]:
    """Column -> metric; LPIPS where this machine has its weights, never fetched."""
    found = dict(metrics.METRICS)
    if lpips_weights.default_path().is_file():
        found["lpips"] = metrics.lpips_of(lpips.load(None))
    return found


def show(
    codec: ImageCodec,
    name: str,
    about: str,
    image: np.ndarray,
    measured: Mapping[str, Metric],
) -> Photograph:
    """Compresses a picture, decodes it at three alphas, and measures it and its rivals.

    Args:
        codec: Ours.
        name, about: See `Photograph`.
        image: [H, W, 3] uint8.
        measured: Column -> metric.
    """
    stopwatch = _Stopwatch(codec)
    comparison = compare(stopwatch, image, ALPHAS, RIVALS)
    made = [
        (f"EGIC, alpha {alpha:g}", drawn, comparison.data, True)
        for alpha, drawn in comparison.drawn.items()
    ]
    made += [
        (rival.label, rival.image, rival.data, rival.fits)
        for rival in comparison.rivals
    ]
    versions = []
    for label, shown, data, fits in made:
        numbers: dict[str, float | None] = {
            "bytes": len(data),
            "bpp": comparison.bpp(data),
        }
        numbers |= {column: of(shown, image) for column, of in measured.items()}
        versions.append(Version(label, shown, data, fits, numbers))
    return Photograph(name, about, comparison, tuple(versions), stopwatch.seconds)


def write(photograph: Photograph, folder: pathlib.Path) -> None:
    """Writes the original, our file, what it shows, and the files of the others."""
    name, comparison = photograph.name, photograph.comparison
    write_png(folder / f"{name}.png", comparison.original)
    write_atomically(folder / f"{name}.egic", comparison.data)
    for alpha, image in comparison.drawn.items():
        write_png(folder / f"{name}.alpha-{alpha:g}.png", image)
    for rival in comparison.rivals:
        suffix = f"{rival.name}{BASELINES[rival.name].suffix}"
        write_atomically(folder / f"{name}.{suffix}", rival.data)


def table(photograph: Photograph) -> str:
    """Returns the numbers of a picture as lines to print."""
    height, width, _ = photograph.comparison.original.shape
    used = used_columns([photograph])
    titles = [_SHORT.get(column.name, column.heading) for column in used]
    heading = "".join(f"{title:>9}" for title in titles)
    lines = [f"{photograph.name}, {width}x{height}", f"  {'':26}{heading}"]
    for version in photograph.versions:
        cells = [columns.shown(version.numbers[one.name], one) for one in used]
        lines.append(f"  {version.label:26}" + "".join(f"{cell:>9}" for cell in cells))
    return "\n".join(lines)


def used_columns(photographs: Sequence[Photograph]) -> list[columns.Column]:
    """Returns the columns in which a version has a value."""
    every = [version.numbers for one in photographs for version in one.versions]
    names = dict.fromkeys(name for numbers in every for name in numbers)
    return [
        columns.of(name)
        for name in names
        if any(numbers[name] is not None for numbers in every)
    ]


class _Stopwatch:
    """A codec that keeps how long it took."""

    def __init__(self, codec: ImageCodec):
        self._codec = codec
        self.seconds: dict[str, float] = {}

    def compress(self, image: np.ndarray) -> bytes:
        start = time.perf_counter()
        data = self._codec.compress(image)
        self.seconds["compress"] = time.perf_counter() - start
        return data

    def decompress_all(
        self, data: bytes, alphas: Sequence[float]
    ) -> Sequence[np.ndarray]:
        start = time.perf_counter()
        drawn = self._codec.decompress_all(data, alphas)
        self.seconds["decompress"] = time.perf_counter() - start
        return drawn
