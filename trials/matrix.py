"""Decodes pictures in every way of computing, and counts what is not the same.

    python -m trials.matrix --model=DIR --images='/data/kodak/*.png' [--out=FILE]

Each picture is compressed once, in this process, and decoded in a process for each of
`egic.configurations.CONFIGURATIONS`. Scale indexes, symbols and y_hat must be exactly
those of the first; pictures, at every alpha the model has, may differ by one grey level
and by 0.01 in the mean. Prints one table in Markdown; the exit code is 1 where there is
any mismatch.

What is compared in which mode is said in `hific.reexecution`.
"""

import argparse
import pathlib
import sys
import time
from collections.abc import Mapping, Sequence

import egic
import egic.config
from egic import configurations
from egic.configurations import Comparison, Configuration, File
from egic.remote_codec import PROGRAM
from hific import conformance, pictures
from hific.files import write_atomically


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the matrix and returns the exit code."""
    args = _parser().parse_args(argv)
    chosen = dict(configurations.CONFIGURATIONS)
    if args.only:
        names = [configurations.REFERENCE, *args.only]
        chosen = {name: chosen[name] for name in dict.fromkeys(names)}
    files = compress(args.model, args.images, args.limit)
    found = run(args.model, files, alphas_of(args.model), chosen)
    return report(found, len(files), args.out)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=pathlib.Path, required=True, metavar="DIR")
    parser.add_argument("--images", required=True, metavar="GLOB")
    parser.add_argument("--out", type=pathlib.Path, metavar="FILE", help="of the table")
    parser.add_argument("--limit", type=int, metavar="N", help="the first N pictures")
    parser.add_argument(
        "--only",
        action="append",
        choices=list(configurations.CONFIGURATIONS),
        help="leave the others out, but for the first; may be given several times",
    )
    return parser


def compress(
    model: pathlib.Path, images: str, limit: int | None = None
) -> dict[str, bytes]:
    """Compresses pictures in this process; name -> file."""
    codec = egic.load(model, "tensorflow")
    found = pictures.find_pictures(images)
    chosen = range(len(found))[:limit]
    return {found.name(i): codec.compress(found.read(i)) for i in chosen}


def alphas_of(model: pathlib.Path) -> tuple[float, ...]:
    """The ends that a model has pictures at."""
    config = egic.config.load(model / "config.json")
    return (0.0, 1.0) if config.head.stages else (1.0,)


def run(
    model: pathlib.Path,
    files: Mapping[str, bytes],
    alphas: Sequence[float],
    chosen: Mapping[str, Configuration],
    program: str = PROGRAM,
) -> dict[str, Comparison]:
    """Decodes files in every configuration; name of each -> what was found.

    Args:
        model: A bundle.
        files: Name -> compressed file.
        alphas: Of the pictures that are compared.
        chosen: The first is what the others are compared with. A file that it does not
            decode is a mismatch in all.
        program: What the others run; see `egic.remote_codec.RemoteCodec`.
    """
    reference: dict[str, File] = {}
    found = {}
    for name, configuration in chosen.items():
        row = found[name] = Comparison()
        start = time.perf_counter()
        runs = program if reference else PROGRAM
        for file in configurations.decode(configuration, model, files, alphas, runs):
            expected = reference.setdefault(file.name, file)
            digest = expected.digest or conformance.Digest("", "", "")
            row.add(file, digest, expected.pictures)
        seconds = time.perf_counter() - start
        print(f"{name}: {row.mismatches} mismatches, {seconds:.0f} s", file=sys.stderr)
    return found


def report(
    found: Mapping[str, Comparison], files: int, out: pathlib.Path | None
) -> int:
    """Prints the table and the mismatches, and returns the exit code."""
    complaints = [
        f"{name}: {complaint}"
        for name, row in found.items()
        for complaint in row.complaints
    ]
    decoded = sum(row.files for row in found.values())
    text = (
        f"{configurations.table(found)}\n\n{files} files in {len(found)} "
        f"configurations: {decoded} tried, {len(complaints)} mismatches.\n"
    )
    print("\n".join([text, *complaints]))
    if out is not None:
        write_atomically(out, text.encode())
    return int(bool(complaints))


if __name__ == "__main__":
    sys.exit(main())
