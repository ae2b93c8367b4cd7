"""Tables of the report's page: which rows compare, and which value is the best."""

import dataclasses
from collections.abc import Mapping, Sequence

from hific.evaluation.columns import Column


@dataclasses.dataclass(frozen=True)
class Missing:
    """A value that could not be had, and why; the reason becomes a footnote."""

    reason: str


Cell = str | int | float | Missing | None


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
