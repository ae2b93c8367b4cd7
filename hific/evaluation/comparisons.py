"""Curves of an evaluation against one of them, by Bjøntegaard's differences."""

import importlib.util
from collections.abc import Mapping, Sequence
from typing import Any

from hific.evaluation import bd, columns
from hific.evaluation.bd import Comparison, Delta

# Curve -> column of a quality -> what it is against the anchor.
Compared = Mapping[str, Mapping[str, Comparison]]

# EGIC's baseline, whose curve reaches as far down as JPEG does.
_USUAL_ANCHOR = "jpeg444"


def missing() -> str | None:
    """Says what is needed to compare and not installed, or None."""
    if importlib.util.find_spec("bjontegaard"):
        return None
    return 'the bjontegaard library is not installed: pip install "egic[report]"'


def anchor(rows: Sequence[Mapping[str, Any]], wanted: str = "") -> str | None:
    """Returns the curve that others are compared with.

    Args:
        rows: Means of all pictures: `codec`, `curve`, `bpp`, metrics.
        wanted: A curve, or a row of it; by default that of JPEG 4:4:4, else the first
            baseline's, else the first; always of several rows.

    Returns:
        None where no curve has several rows.

    Raises:
        ValueError: There is no such row.
    """
    names = [row["curve"] for row in rows]
    if wanted:
        found = [row["curve"] for row in rows if wanted in (row["curve"], row["codec"])]
        if not found:
            known = dict.fromkeys([*names, *(row["codec"] for row in rows)])
            raise ValueError(f"No row {wanted!r}; there are {', '.join(known)}.")
        return found[0]
    several = [row for row in rows if names.count(row["curve"]) >= bd.MIN_POINTS]
    baselines = [row["curve"] for row in several if row.get("padded_bpp") is None]
    usual = [name for name in baselines if name == _USUAL_ANCHOR]
    return next(iter(usual + baselines + [row["curve"] for row in several]), None)


def compare(rows: Sequence[Mapping[str, Any]], against: str) -> Compared:
    """Compares every curve with one of them, in every quality that both have.

    Baselines of one rate have no curve and are left out; models are told so.
    """
    curves: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        curves.setdefault(row["curve"], []).append(row)
    found = {}
    for name, of_curve in curves.items():
        learned = any(row.get("padded_bpp") is not None for row in of_curve)
        rates = {row["bpp"] for row in of_curve}
        if name != against and (learned or len(rates) >= bd.MIN_POINTS):
            found[name] = _compare(curves[against], of_curve)
    return found


def _compare(first, second) -> dict[str, Comparison]:
    qualities = [
        name
        for name in first[0]
        if _is_quality(name) and _compares(name, [*first, *second])
    ]
    return {
        name: bd.compare(
            [(row["bpp"], row[name]) for row in first],
            [(row["bpp"], row[name]) for row in second],
            columns.of(name).better == "higher",
        )
        for name in qualities
    }


def _is_quality(column: str) -> bool:
    return bool(columns.of(column).better) and not column.endswith("_seconds")


def _compares(column: str, rows: Sequence[Mapping[str, Any]]) -> bool:
    values = [row.get(column) for row in rows]
    numbers = [value for value in values if isinstance(value, int | float)]
    return len(numbers) == len(values) and columns.tell_apart(
        columns.of(column), numbers
    )


def plain(against: str | None, compared: Compared) -> dict[str, Any]:
    """Returns comparisons as plain data, for JSON."""
    if against is None:
        return {}
    curves = {
        curve: {
            quality: {
                "bd_rate_percent": _plain(comparison.rate),
                "bd_quality": _plain(comparison.quality),
            }
            for quality, comparison in of_curve.items()
        }
        for curve, of_curve in compared.items()
    }
    return {"anchor": against, "curves": curves}


def _plain(delta: Delta) -> dict[str, Any]:
    return delta._asdict()
