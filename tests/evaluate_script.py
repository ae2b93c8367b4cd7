"""Runs evaluate.py on small pictures, in a process of its own.

The flags of two root scripts do not fit in one.
"""

import csv
import os
import pathlib
import subprocess
import sys

from skimage import data

from hific import images


def write_pictures(folder: pathlib.Path, names="ab") -> None:
    """Writes pieces of a photograph, 64 pixels square."""
    for i, name in enumerate(names):
        cut = data.chelsea()[:64, 20 * i : 20 * i + 64]
        images.write_png(folder / f"pictures/{name}.png", cut)


def command(
    folder: pathlib.Path, *flags: str, model: str | None = "none", out="out"
) -> list[str]:
    """The command line, without --model where that is None; all are `four_bits`."""
    driver = pathlib.Path(__file__).with_name("evaluate_four_bits.py")
    line = [sys.executable, str(driver)]
    line += [] if model is None else [f"--model={model}"]
    return [*line, f"--images={folder}/pictures", f"--out={folder / out}", *flags]


def environment(folder: pathlib.Path, **more: str) -> dict[str, str]:
    """What it runs under: no weights but those that a test puts into its cache."""
    return os.environ | {"XDG_CACHE_HOME": str(folder / "cache")} | more


def run(folder: pathlib.Path, *flags: str, **fields) -> subprocess.CompletedProcess:
    """Runs it to the end."""
    more = fields.pop("environment", {})
    return subprocess.run(
        command(folder, *flags, **fields),
        capture_output=True,
        text=True,
        env=environment(folder, **more),
    )


def results(out: pathlib.Path) -> list[dict[str, str]]:
    """The lines of results.csv."""
    return list(csv.DictReader((out / "results.csv").read_text().splitlines()))


def without_times(out: pathlib.Path) -> list[dict[str, str]]:
    """The same, without the columns that differ from run to run."""
    return [
        {name: value for name, value in row.items() if not name.endswith("_seconds")}
        for row in results(out)
    ]
