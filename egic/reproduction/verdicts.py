"""Ours against a published number, and percentages that are computed, not copied."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from egic.reproduction.experiment import Column, Experiment, Row

EQUAL, DIFFERENT = "equal", "differs"
WITHIN, OUTSIDE = "within", "outside"
ABSENT = ""


class Compared(NamedTuple):
    """One number of ours beside one of theirs.

    Attributes:
        published, ours: None where there is none.
        difference: Ours less theirs.
        percent: The difference in percent of theirs.
        verdict: One of the five words above.
    """

    published: float | None
    ours: float | None
    difference: float | None
    percent: float | None
    verdict: str


def compare(column: Column, published: float | None, ours: float | None) -> Compared:
    """Judges one number.

    "equal" and "differs" are for columns that must come out as printed: ours rounds to
    the printed figure. Elsewhere it is "within" or "outside" the column's band.
    """
    if published is None or ours is None:
        return Compared(published, ours, None, None, ABSENT)
    difference = ours - published
    percent = 100 * difference / published if published else None
    if column.exact:
        same = format(ours, column.form) == format(published, column.form)
        verdict = EQUAL if same else DIFFERENT
    else:
        near = abs(difference) <= column.band.width(published)
        verdict = WITHIN if near else OUTSIDE
    return Compared(published, ours, difference, percent, verdict)


class Percentage(NamedTuple):
    """One relative number of the paper, computed again.

    Attributes:
        row, column: Keys.
        value: 100 (this / that - 1) of the printed numbers.
        low, high: What the numbers may be before they were rounded for print, and so
            the percentage.
        printed: By the paper.
        fits: Whether some value from low to high rounds to `printed`.
        fits_instead: "experiment/row" -> label, other references under which all
            printed percentages of the row come out.
    """

    row: str
    column: str
    value: float
    low: float
    high: float
    printed: float | None
    fits: bool
    fits_instead: Mapping[str, str]


def percentages(
    experiment: Experiment, experiments: Mapping[str, Experiment]
) -> list[Percentage]:
    """Every percentage that an experiment's rows have a reference for."""
    found = []
    for row in experiment.rows:
        if not row.relative_to:
            continue
        reference = _row(row.relative_to, experiments)
        ranges = _ranges(row, reference, experiment.columns)
        wrong = any(not _rounds_to(ranges[c][1:], p) for c, p in row.printed.items())
        instead = (
            _other_references(row, experiment.columns, experiments) if wrong else {}
        )
        for column, (value, low, high) in ranges.items():
            printed = row.printed.get(column)
            fits = printed is None or _rounds_to((low, high), printed)
            found.append(
                Percentage(row.key, column, value, low, high, printed, fits, instead)
            )
    return found


def relative(value: float, reference: float) -> float:
    """By how many percent a value lies above a reference."""
    return 100 * (value / reference - 1)


def _row(path: str, experiments: Mapping[str, Experiment]) -> Row:
    name, _, key = path.partition("/")
    return experiments[name].row(key)


def _ranges(row: Row, reference: Row, columns: Sequence[Column]):
    """Column -> (percentage, least, largest), of the columns that both rows have."""
    ranges = {}
    for column in columns:
        ours, theirs = (one.published.get(column.key) for one in (row, reference))
        if ours is None or theirs is None:
            continue
        half = 0.5 * 10.0 ** -int(column.form[1])
        ranges[column.key] = (
            relative(ours, theirs),
            relative(ours - half, theirs + half),
            relative(ours + half, theirs - half),
        )
    return ranges


def _rounds_to(bounds: Sequence[float], printed: float) -> bool:
    """Whether a number between the bounds is printed so, with one decimal."""
    low, high = bounds
    return low <= printed + 0.05 and high >= printed - 0.05


def _other_references(row, columns, experiments) -> dict[str, str]:
    """Rows of the referenced table of which all the printed percentages would hold."""
    name, _, key = row.relative_to.partition("/")
    fitting = {}
    for other in experiments[name].rows:
        ranges = _ranges(row, other, columns)
        if other.key != key and all(
            column in ranges and _rounds_to(ranges[column][1:], printed)
            for column, printed in row.printed.items()
        ):
            fitting[f"{name}/{other.key}"] = other.label
    return fitting
