"""Ours beside what is published: tables of numbers, verdicts and percentages."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from egic.reproduction.documents import Block
from egic.reproduction.experiment import Column, Experiment, Row
from egic.reproduction.parts import described
from egic.reproduction.registry import EXPERIMENTS
from egic.reproduction.verdicts import (
    ABSENT,
    DIFFERENT,
    EQUAL,
    Compared,
    Percentage,
    compare,
    percentages,
    relative,
)

# Row -> column -> number of ours.
Ours = Mapping[str, Mapping[str, float]]
_MANY = 3  # Columns, above which a table gets a line for each number.


@dataclasses.dataclass(frozen=True)
class Comparison:
    """The two parts of an experiment's document that hold numbers.

    Attributes:
        blocks: For people.
        data: For programs.
        differs: Whether a number that must be equal is not.
    """

    blocks: list[Block]
    data: dict[str, Any]
    differs: bool


def compared(
    experiment: Experiment,
    ours: Ours,
    known: Mapping[tuple[str, str], str] | None = None,
    verdicts: bool = True,
) -> Comparison:
    """Sets the numbers of an experiment side by side.

    Args:
        experiment: With what is published.
        ours: What was measured or counted.
        known: (row, column) -> why ours differs from print there; such differences
            are no failures.
        verdicts: Whether to judge; numbers of another scale are only shown.
    """
    known = known or {}
    found = {
        row.key: {
            column.key: compare(
                column,
                row.published.get(column.key),
                ours.get(row.key, {}).get(column.key),
            )
            for column in experiment.columns
        }
        for row in experiment.rows
    }
    if not verdicts:
        found = {
            row: {
                key: one._replace(difference=None, percent=None, verdict=ABSENT)
                for key, one in columns.items()
            }
            for row, columns in found.items()
        }
    differs = any(
        one.verdict == DIFFERENT and (row, column) not in known
        for row, columns in found.items()
        for column, one in columns.items()
    )
    blocks = [_table(experiment, found, known)]
    lines = percentages(experiment, EXPERIMENTS)
    if lines:
        blocks.append(_percentages(experiment, lines, ours))
    data = {
        "rows": {
            row.key: {
                "label": row.label,
                "needs": list(row.needs),
                **{key: found[row.key][key]._asdict() for key in found[row.key]},
            }
            for row in experiment.rows
        },
        "percentages": [line._asdict() for line in lines],
    }
    return Comparison(blocks, data, differs)


def _table(experiment, found, known) -> Block:
    """Rows that hold a number; a line for each number where there are many columns."""
    columns = [c for c in experiment.columns if _occurs(c.key, found.values())]
    rows = [
        row
        for row in experiment.rows
        if row.needs or _occurs_in(found[row.key].values())
    ]
    needs = described(experiment.all_needs())
    notes = [f"need: {line}" for line in needs] + _bands(columns, found)
    notes += [f"* {reason}" for reason in dict.fromkeys(known.values())]
    if not columns:
        return Block("", notes=[*notes, "Nothing of ours was measured yet."])
    if len(columns) > _MANY:
        header = ["", "", "paper", "ours", "off by"]
        lines = [
            [row.label, column.title, *_cells(row, column, found[row.key], known, True)]
            for row in rows
            for column in columns
            if _occurs_in([found[row.key][column.key]])
        ]
        return Block("", header, lines, notes)
    header = [""]
    for column in columns:
        if _is_published(column.key, found.values()):
            header += [f"{column.title}\npaper", "ours", "off by"]
        else:
            header.append(f"{column.title}\nours")
    lines = []
    for row in rows:
        cells = [row.label]
        for column in columns:
            three = _cells(row, column, found[row.key], known, column is columns[0])
            all_of_it = _is_published(column.key, found.values())
            cells += three if all_of_it else three[1:2]
        lines.append(cells)
    return Block("", header, lines, notes)


def _is_published(column: str, rows) -> bool:
    return any(columns[column].published is not None for columns in rows)


def _occurs(column: str, rows) -> bool:
    return _occurs_in(columns[column] for columns in rows)


def _occurs_in(numbers: Iterable[Compared]) -> bool:
    return any(one.published is not None or one.ours is not None for one in numbers)


def _cells(row: Row, column: Column, found, known, says_needs: bool) -> list[str]:
    """Paper, ours, difference."""
    one: Compared = found[column.key]
    ours = _number(one.ours, column)
    if row.needs and says_needs and not ours:
        ours = f"need: {', '.join(row.needs)}"
    mark = " *" if (row.key, column.key) in known else ""
    return [_printed(one.published, column), ours, _off_by(one, column) + mark]


def _number(value: float | None, column: Column) -> str:
    return "" if value is None else format(value, column.form.replace(".", ",."))


def _printed(value: float | None, column: Column) -> str:
    """As the paper has it, where that is more digits than usual."""
    text = _number(value, column)
    if value is None or float(text.replace(",", "")) == value:
        return text
    return f"{value:g}"


def _off_by(one: Compared, column: Column) -> str:
    if one.difference is None:
        return ""
    if not one.difference or one.verdict == EQUAL:
        return one.verdict
    percent = "" if one.percent is None else f" ({one.percent:+.1f} %)"
    return f"{one.difference:+{column.form}}{percent} {one.verdict}".rstrip()


def _bands(columns: Sequence[Column], found) -> list[str]:
    """What "within" means, where the word may stand."""
    if not any(
        one.verdict and not column.exact
        for column in columns
        for one in (columns_[column.key] for columns_ in found.values())
    ):
        return []
    words = []
    for column in columns:
        band = column.band
        limits = [f"{band.absolute:g}"] if band.absolute else []
        limits += [f"{band.percent:g} % of the paper's"] if band.percent else []
        words.append(f"{column.title} {' or '.join(limits)}")
    return [f"within (bands are ours; the wider counts): {', '.join(words)}"]


def _percentages(
    experiment: Experiment, lines: Sequence[Percentage], ours: Ours
) -> Block:
    rows, notes = [], []
    for line in lines:
        row, column = experiment.row(line.row), experiment.column(line.column)
        name, _, key = row.relative_to.partition("/")
        mine = ours.get(row.key, {}).get(line.column)
        base = ours.get(key, {}).get(line.column) if name == experiment.name else None
        rows.append(
            [
                row.label,
                column.title,
                f"{line.value:+.1f} %",
                "" if line.printed is None else f"{line.printed:+.1f} %",
                "" if line.fits else "does not follow",
                f"{relative(mine, base):+.1f} %" if mine and base else "",
            ]
        )
        if not line.fits:
            notes.append(_misprint(row, column, line))
    header = ["", "of", "computed", "printed", "", "ours"]
    title = "Percentages, computed from the paper's numbers"
    return Block(title, header, rows, notes)


def _misprint(row: Row, column: Column, line: Percentage) -> str:
    name, _, key = row.relative_to.partition("/")
    reference = EXPERIMENTS[name].row(key)
    text = (
        f"{row.label}, {column.title}: {row.published[column.key]:g} is "
        f"{line.value:+.1f} % against {reference.published[column.key]:g} "
        f"({reference.label}), between {line.low:+.2f} and "
        f"{line.high:+.2f} with rounding; printed is {line.printed:+.1f} %."
    )
    others = [f"{label} ({path})" for path, label in line.fits_instead.items()]
    if others:
        text += f" All that is printed in this row is relative to {others[0]}."
    return text
