"""Names in a config, looked up in the tables of what they stand for."""

from collections.abc import Mapping
from typing import TypeVar

T = TypeVar("T")


def choose(table: Mapping[str, T], name: str, what: str) -> T:
    """Looks a name up, or says which there are.

    Args:
        table: Name -> what it stands for.
        name: As a config or a flag gives it.
        what: Kind of thing, for the message: "normalisation".

    Raises:
        ValueError: The table has no such name.
    """
    if name not in table:
        raise ValueError(f"No {what} {name!r}; there are {', '.join(table)}.")
    return table[name]
