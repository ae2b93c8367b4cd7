"""Results of an evaluation: one row a picture and codec, their means, a table."""

import csv
import dataclasses
import io
import json
import math
import pathlib
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import rich.console
import rich.table

from hific.files import write_atomically

Row = dict[str, Any]  # Column -> str, int, float or None.


@dataclasses.dataclass(frozen=True)
class Result:
    """One picture through one codec. docs/evaluation.md explains every column.

    None where a column does not apply. Rates are bits over pixels, the gaps percent,
    times wall-clock seconds.
    """

    image: str
    codec: str
    curve: str
    width: int
    height: int
    setting: str
    bytes: int
    bpp: float
    encode_seconds: float
    decode_seconds: float
    target_bytes: int | None = None
    padded_bpp: float | None = None
    header_bpp: float | None = None
    z_bpp: float | None = None
    y_bpp: float | None = None
    estimated_bpp: float | None = None
    gap_percent: float | None = None
    payload_gap_percent: float | None = None
    clipped: int | None = None
    metrics: Mapping[str, float | None] = dataclasses.field(default_factory=dict)

    def row(self) -> Row:
        """Returns the columns, the metrics after the others."""
        fields = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if field.name != "metrics"
        }
        return {**fields, **self.metrics}


# The first picture of a size is slower by whatever the codec prepares for it, so times
# are summarised by their median, all else by its mean.
_MEDIANS = {"encode_seconds", "decode_seconds"}
_NOT_SUMMARISED = {"image", "codec", "curve", "width", "height", "setting"}

# Title in the terminal's table -> (column, format).
_TABLE = {
    "bytes": ("bytes", ".0f"),
    "bpp": ("bpp", ".4f"),
    "gap %": ("gap_percent", "+.2f"),
    "PSNR dB": ("psnr", ".2f"),
    "MS-SSIM": ("ms_ssim", ".4f"),
    "LPIPS": ("lpips", ".4f"),
    "DISTS": ("dists", ".4f"),
    "FD-alex": ("fd_alex", ".3f"),
    "FID tf": ("fid_torch_fidelity", ".3f"),
    "FID clean": ("fid_clean_fid", ".3f"),
    "encode s": ("encode_seconds", ".3f"),
    "decode s": ("decode_seconds", ".3f"),
}


def write_csv(results: Sequence[Result], path: pathlib.Path) -> None:
    """Writes one line per result; an absent value is an empty cell."""
    rows = [result.row() for result in results]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(path, text.getvalue().encode())


def summarise(
    results: Sequence[Result], of_all: Mapping[str, Row] | None = None
) -> dict[str, dict[str, Any]]:
    """Averages over the pictures, per codec.

    Args:
        results: Of pictures.
        of_all: Codec -> columns that are measured on all pictures together.

    Returns:
        Codec -> column -> mean (median for seconds) of the pictures that have a
        value; None where no picture has. `pictures` counts them all, and
        `without` those that lack a column which others have. `curve` is kept.
    """
    codecs: dict[str, list[Row]] = {}
    for result in results:
        codecs.setdefault(result.codec, []).append(result.row())
    more = of_all or {}
    return {
        codec: _summary(rows) | more.get(codec, {}) for codec, rows in codecs.items()
    }


def write_summary(
    results: Sequence[Result],
    settings: Mapping[str, Any],
    path: pathlib.Path,
    of_all: Mapping[str, Row] | None = None,
    compared: Mapping[str, Any] | None = None,
) -> None:
    """Writes the settings of the run, `summarise` and comparisons as JSON.

    Infinite means (PSNR of a picture that came back unchanged) are null.
    """
    codecs = {
        codec: {name: _json_value(value) for name, value in summary.items()}
        for codec, summary in summarise(results, of_all).items()
    }
    content = {"settings": dict(settings), "codecs": codecs}
    if compared:
        content["bjontegaard"] = dict(compared)
    text = json.dumps(content, indent=2, allow_nan=False)
    write_atomically(path, text.encode() + b"\n")


def print_table(
    results: Sequence[Result],
    console: rich.console.Console | None = None,
    of_all: Mapping[str, Row] | None = None,
) -> None:
    """Prints `summarise`, one line per codec."""
    console = console or rich.console.Console()
    # A log file has no width of its own; rich takes 80 and would cut columns.
    console.width = max(console.width, 120)
    summaries = summarise(results, of_all)
    shown = {
        title: (column, form)
        for title, (column, form) in _TABLE.items()
        if any(summary.get(column) is not None for summary in summaries.values())
    }
    pictures = next(iter(summaries.values()))["pictures"]
    table = rich.table.Table(
        title=f"Mean of {pictures} pictures (seconds: median)", title_justify="left"
    )
    table.add_column("codec", no_wrap=True)
    for title in shown:
        table.add_column(title, justify="right", no_wrap=True)
    for codec, summary in summaries.items():
        table.add_row(
            codec,
            *(_cell(summary.get(column), form) for column, form in shown.values()),
        )
    console.print(table)


def _summary(rows: list[Row]) -> dict[str, Any]:
    summary: dict[str, Any] = {"curve": rows[0]["curve"], "pictures": len(rows)}
    without = {}
    for column in rows[0]:
        if column in _NOT_SUMMARISED:
            continue
        values = [row[column] for row in rows if row[column] is not None]
        average = statistics.median if column in _MEDIANS else statistics.fmean
        summary[column] = average(values) if values else None
        if 0 < len(values) < len(rows):
            without[column] = len(rows) - len(values)
    return summary | {"without": without}


def _json_value(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _cell(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)
