"""Tables of the report's page: which rows compare, and which value is the best."""

import dataclasses
import math
from collections.abc import Mapping, Sequence

from hific.evaluation import columns
from hific.evaluation.columns import Column
from hific.evaluation.markup import Element, add, element


@dataclasses.dataclass(frozen=True)
class Noted:
    """A value with a footnote: why it could not be had, or what makes it doubtful."""

    note: str
    value: float | None = None


_LONG_HEADING = 14  # Characters.

Cell = str | int | float | Noted | None


@dataclasses.dataclass(frozen=True)
class Row:
    """A line of a table.

    Attributes:
        cells: Column's name -> value; None, or no entry, where it does not apply.
        group: Rows of one group compare: the best value of each column is marked
            among them. A row of no group ("") is never marked.
    """

    cells: Mapping[str, Cell]
    group: str = ""


@dataclasses.dataclass(frozen=True)
class Table:
    """A table that the reader can sort.

    Attributes:
        columns: From left to right; the first one names the row.
        rows: From top to bottom, until sorted.
        caption: What is in it: mean of what, measured against what.
        note: Read after the table, such as how its rows compare.
    """

    columns: Sequence[Column]
    rows: Sequence[Row]
    caption: str = ""
    note: str = ""


def used_columns(rows: Sequence[Row], first: str) -> list[Column]:
    """Returns the columns in which a row has a value.

    `first` comes first, then those of `columns.COLUMNS` in their order, then the others
    in the order in which rows have them.
    """
    found = {
        name
        for row in rows
        for name, cell in row.cells.items()
        if cell is not None and name != first
    }
    known = [name for name in columns.COLUMNS if name in found]
    others = dict.fromkeys(name for row in rows for name in row.cells if name in found)
    names = dict.fromkeys([first, *known, *others])
    return [columns.of(name) for name in names]


def groups_of_rates(
    rates: Mapping[str, float | None], within: float = 0.1
) -> dict[str, str]:
    """Says which rows spend about the same bits, so that their quality compares.

    From the lowest rate upwards, a group takes every rate of up to (1 + within) times
    its lowest one.

    Args:
        rates: Row -> bits per pixel, or None.
        within: Width of a group.

    Returns:
        Row -> its group, in words; "" for a row without a rate.
    """
    groups = {}
    lowest = 0.0
    for name, rate in sorted(
        rates.items(), key=lambda item: math.inf if item[1] is None else item[1]
    ):
        if rate is not None and not (lowest and rate <= (1 + within) * lowest):
            lowest = rate
        groups[name] = "" if rate is None else f"from {lowest:.4g} bpp"
    return groups


def best_cells(table: Table) -> set[tuple[int, str]]:
    """Finds the best values of a table.

    Returns:
        (index of the row, column's name); several where they are equal as shown. None
        in a group of one row, or where all its rows have the same, or where an estimate
        is below what it estimates can be.
    """
    groups: dict[str, list[int]] = {}
    for index, row in enumerate(table.rows):
        if row.group:
            groups.setdefault(row.group, []).append(index)
    best = set()
    for column in table.columns:
        if not column.better:
            continue
        choose = max if column.better == "higher" else min
        for indices in groups.values():
            values = _numbers(table, column, indices)
            texts = {i: columns.shown(value, column) for i, value in values.items()}
            told = columns.tell_apart(column, values.values())
            if not told or len(set(texts.values())) < 2:
                continue
            top = columns.shown(choose(values.values()), column)
            best |= {(i, column.name) for i, text in texts.items() if text == top}
    return best


def draw(table: Table, name: str) -> list[Element]:
    """Returns a table, its footnotes and its legend as HTML.

    Counts that are the same in every row, such as those of pictures, are said below
    the table instead of filling a column.

    Args:
        table: To be drawn.
        name: Identifies it in the page.
    """
    same = _same_everywhere(table)
    shown = [column for column in table.columns if column.name not in same]
    footnotes: dict[str, int] = {}
    whole = element("table", class_="sortable", id=name)
    if table.caption:
        add(whole, element("caption", table.caption))
    add(whole, element("thead", _head(table, shown)), _body(table, shown, footnotes))
    drawn = [
        element(
            "div",
            whole,
            class_="wide",
            tabindex="0",
            role="region",
            aria_label=table.caption or name,
        )
    ]
    notes = [table.note] if table.note else []
    if same:
        notes.append(f"The same in all rows: {', '.join(same.values())}.")
    drawn += [element("p", note, class_="note") for note in notes]
    if footnotes:
        items = (element("li", note) for note in footnotes)
        drawn.append(element("ol", *items, class_="footnotes"))
    return drawn + _legend(table.columns)


def _same_everywhere(table: Table) -> dict[str, str]:
    """Column's name -> "heading value unit" of counts that do not vary."""
    same = {}
    for column in table.columns[1:]:
        cells = {row.cells.get(column.name) for row in table.rows}
        if len(table.rows) > 1 and len(cells) == 1 and not column.better:
            (cell,) = cells
            if isinstance(cell, int):
                text = f"{column.heading} {columns.shown(cell, column)} {column.unit}"
                same[column.name] = text.strip()
    return same


def _head(table: Table, shown: Sequence[Column]) -> Element:
    row = element("tr")
    for column in shown:
        cells = [line.cells.get(column.name) for line in table.rows]
        numbers = not any(isinstance(cell, str) for cell in cells)
        add(row, _heading(column, numbers))
    return row


def _body(table: Table, shown: Sequence[Column], footnotes: dict[str, int]) -> Element:
    """Draws the rows; adds their footnotes to those already found."""
    best = best_cells(table)
    rivals: dict[str, list[str]] = {}
    for row in table.rows:
        name = columns.shown(row.cells.get(shown[0].name), shown[0])
        rivals.setdefault(row.group, []).append(name)
    body = element("tbody")
    for index, row in enumerate(table.rows):
        line = element("tr")
        for column in shown:
            cell = _cell(
                row.cells.get(column.name), column, column is shown[0], footnotes
            )
            if (index, column.name) in best:
                _mark(cell, f"best of {', '.join(rivals[row.group])}")
            add(line, cell)
        add(body, line)
    return body


def _numbers(table: Table, column: Column, indices: list[int]) -> dict[int, float]:
    found = {}
    for i in indices:
        cell = table.rows[i].cells.get(column.name)
        value = cell.value if isinstance(cell, Noted) else cell
        if isinstance(value, int | float) and not math.isnan(value):
            found[i] = value
    return found


def _heading(column: Column, numbers: bool) -> Element:
    arrow = {"higher": "↑", "lower": "↓", "": ""}[column.better]
    attributes = {
        "scope": "col",
        "data-column": column.name,
        "data-kind": "number" if numbers else "text",
        "data-better": column.better,
        "title": _meaning(column),
        "class": "wraps" if len(column.heading) > _LONG_HEADING else "",
    }
    heading = element("th", column.heading)
    heading.attrib.update({name: text for name, text in attributes.items() if text})
    if column.unit or arrow:
        add(heading, " ", element("small", f"{column.unit} {arrow}".strip()))
    return heading


def _cell(
    cell: Cell, column: Column, header: bool, footnotes: dict[str, int]
) -> Element:
    node = element("th", scope="row") if header else element("td")
    if isinstance(cell, Noted):
        number = footnotes.setdefault(cell.note, len(footnotes) + 1)
        text = f"{columns.shown(cell.value, column)}\N{NARROW NO-BREAK SPACE}"
        add(node, text, element("sup", str(number)))
        node.set("title", cell.note)
    else:
        add(node, columns.shown(cell, column))
    if not isinstance(cell, str) and not header:
        node.set("class", "number")
    return node


def _mark(cell: Element, why: str) -> None:
    """Marks a best value, for those who see it and for those who hear it."""
    cell.set("class", "number best")
    cell.set("title", why)
    add(cell, element("span", " (best)", class_="unseen"))


def _legend(described: Sequence[Column]) -> list[Element]:
    entries = []
    for column in described:
        if meaning := _meaning(column):
            entries += [element("dt", column.heading), element("dd", meaning)]
    if not entries:
        return []
    summary = element("summary", "What the columns mean")
    return [element("details", summary, element("dl", *entries), class_="legend")]


def _meaning(column: Column) -> str:
    direction = f"{column.better.capitalize()} is better." if column.better else ""
    return f"{column.meaning} {direction}".strip()
