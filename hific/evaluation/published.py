"""Numbers that others published, to set plots before.

They come from published.csv, which says of every row where it is from. FID of different
sources was measured with different networks and patches (docs/evaluation.md).
"""

import csv
import functools
import importlib.resources
import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

_TEXTS = ("dataset", "curve", "point", "source")


class Row(NamedTuple):
    """One point of a published curve; a metric that was not published is None.

    Attributes:
        dataset: One of `datasets()`.
        curve: The method, with its setting where that makes several curves of one.
        point: What else tells it from the others of its curve, or empty.
        bpp: Bits per pixel.
        psnr: dB, mean over the pictures.
        fid, kid: On patches of 256 pixels.
        source: Where the numbers are from.
    """

    dataset: str
    curve: str
    point: str
    bpp: float
    psnr: float | None
    ms_ssim: float | None
    lpips: float | None
    dists: float | None
    fid: float | None
    kid: float | None
    niqe: float | None
    source: str


# What a plot has room for. Others are variants of these, or older than them.
PROMINENT = (
    "EGIC",
    "HiFiC",
    "MS-ILLM",
    "CRDR beta=3.84",
    "CRDR beta=0",
    "MRIC",
    "DIRAC",
    "HFD",
    "ELIC",
    "ChARM",
    "VTM",
    "VTM-20.0",
    "BPG 4:4:4",
    "BPG-0.9.8",
    "AV1",
    "JPEG 2000",
    "WebP",
    "JPEG",
)


# Pictures of data sets that `recognise` knows.
PICTURES = {"kodak": 24}


@functools.cache
def _all() -> tuple[Row, ...]:
    file = importlib.resources.files("hific.evaluation") / "published.csv"
    lines = file.read_text(encoding="utf-8").splitlines()
    return tuple(_row(fields) for fields in csv.DictReader(lines))


def _row(fields: dict[str, str]) -> Row:
    values: dict[str, Any] = {
        name: value if name in _TEXTS else float(value) if value else None
        for name, value in fields.items()
    }
    return Row(**values)


def datasets() -> list[str]:
    """Returns the data sets of which there are rows, in alphabetical order."""
    return sorted({row.dataset for row in _all()})


def load(dataset: str, curves: Sequence[str] | None = None) -> list[Row]:
    """Returns the rows of a data set.

    Args:
        dataset: One of `datasets()`.
        curves: Only these, in this order, those absent left out; `PROMINENT` for what
            a plot has room for, None for all.

    Raises:
        ValueError: There is no such data set.
    """
    if dataset not in datasets():
        raise ValueError(
            f"Nothing is published here of {dataset!r}; there are "
            f"{', '.join(datasets())}."
        )
    rows = [row for row in _all() if row.dataset == dataset]
    if curves is None:
        return rows
    rows = [row for row in rows if row.curve in curves]
    return sorted(rows, key=lambda row: curves.index(row.curve))


def recognise(names: Iterable[str]) -> str | None:
    """Returns the data set that pictures of these names are, or None.

    Only Kodak can be told by its names, kodim01 to kodim24, of which some may be
    missing.
    """
    kodak = {f"kodim{i:02d}" for i in range(1, 25)}
    stems = {re.sub(r"\.\w+$", "", name).lower() for name in names}
    return "kodak" if stems and stems <= kodak else None


def sources(rows: Iterable[Row]) -> list[str]:
    """Returns where rows are from, each source once, in the order of the rows."""
    return list(dict.fromkeys(row.source for row in rows))
