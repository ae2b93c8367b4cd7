"""What an evaluation found, as the tables and facts of its page."""

from collections.abc import Mapping, Sequence
from typing import Any

from hific.evaluation import columns
from hific.evaluation.bd import Comparison, Delta
from hific.evaluation.columns import Column
from hific.evaluation.page_tables import (
    Cell,
    Noted,
    Row,
    Table,
    groups_of_rates,
    used_columns,
)

# Ends of the names of columns that say how another one was measured; `sets.distances`.
_NOTE = "_note"
_HOW = {
    "_patches": "patches",
    "_protocol": "grid of patches",
    "_side": "side of a patch, pixels",
    "_resize": "resize",
    "_sha256": "SHA-256 of the weights",
}
_ONLY_FACTS = (_NOTE, "_protocol", "_side", "_resize", "_sha256")

_COMPARABLE = 0.1
_HOW_ROWS_COMPARE = (
    f"Shaded: the best of the rows whose rates lie within {_COMPARABLE:.0%} of the "
    "lowest among them."
)


def summary_table(summaries: Mapping[str, Mapping[str, Any]]) -> Table:
    """Returns `report.summarise` as a table, a row per codec.

    How a distance between sets was measured is left to `facts_of_sets`; what is wrong
    with it becomes a footnote, and so does the number of pictures without a value.
    """
    rates = {codec: summary.get("bpp") for codec, summary in summaries.items()}
    groups = groups_of_rates(rates, _COMPARABLE)
    rows = [
        Row({"codec": codec, **_cells(summary)}, groups[codec])
        for codec, summary in summaries.items()
    ]
    counts = sorted({summary["pictures"] for summary in summaries.values()})
    pictures = " to ".join(map(str, counts[:1] + counts[1:][-1:]))
    return Table(
        used_columns(rows, "codec"),
        rows,
        f"Mean of {pictures} pictures (seconds: median)",
        _HOW_ROWS_COMPARE,
    )


def points_table(summaries: Mapping[str, Mapping[str, Any]]) -> Table:
    """Returns rows of `report.summarise` that are points of curves, as a table."""
    rows = [
        Row({"codec": codec, **_cells(summary)}) for codec, summary in summaries.items()
    ]
    return Table(used_columns(rows, "codec"), rows)


def facts_of_sets(summaries: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Says how the distances between sets were measured, for `Page.settings`.

    Returns:
        Heading of the Fréchet distance -> what is to be known beside it.
    """
    facts: dict[str, Any] = {}
    for summary in summaries.values():
        for name in summary:
            if name.endswith("_sha256"):
                distance = name.removesuffix("_sha256")
                facts[columns.of(distance).heading] = {
                    title: summary[f"{distance}{end}"]
                    for end, title in _HOW.items()
                    if f"{distance}{end}" in summary
                }
    return facts


def pictures_table(results: Sequence[Mapping[str, Any]]) -> Table:
    """Returns rows of results.csv as a table, by picture and codec."""
    rows = [Row(result) for result in results]
    return Table(used_columns(rows, "image"), rows)


def comparison_table(
    anchor: str, compared: Mapping[str, Mapping[str, Comparison]]
) -> Table:
    """Returns Bjøntegaard differences of curves against one of them.

    Args:
        anchor: The curve they are compared with.
        compared: Curve -> column of a quality (`psnr`, `lpips`) -> the comparison.
    """
    qualities = dict.fromkeys(name for found in compared.values() for name in found)
    shown = [Column("curve", meaning="Rows that differ in their rate alone.")]
    for name in qualities:
        shown += _columns_of_comparison(columns.of(name))
    rows = [
        Row({"curve": curve, **_cells_of_comparisons(found)}, "all")
        for curve, found in compared.items()
    ]
    return Table(shown, rows, f"Against the curve {anchor}")


def _cells(summary: Mapping[str, Any]) -> dict[str, Cell]:
    without = summary.get("without", {})
    cells: dict[str, Cell] = {}
    for name, value in summary.items():
        if name == "without" or name.endswith(_ONLY_FACTS):
            continue
        note = summary.get(f"{name}{_NOTE}")
        if name in without:
            note = f"{without[name]} of {summary['pictures']} pictures have none"
        cells[name] = Noted(note, value) if note else value
    return cells


def _columns_of_comparison(quality: Column) -> list[Column]:
    return [
        Column(
            f"bd_rate_{quality.name}",
            f"BD-rate at equal {quality.heading}",
            "%",
            f"Bits more (+) or fewer (−) than the anchor's for the same "
            f"{quality.heading}, mean over the qualities that both reach.",
            "lower",
            "+.1f",
        ),
        Column(
            f"bd_{quality.name}",
            f"BD-{quality.heading}",
            quality.unit,
            f"{quality.heading} gained (+) or lost (−) at the same bits, mean over "
            "the rates that both reach; + is better, whichever way the metric points.",
            "higher",
            f"+{quality.form}",
        ),
    ]


def _cells_of_comparisons(found: Mapping[str, Comparison]) -> dict[str, Cell]:
    cells: dict[str, Cell] = {}
    for name, comparison in found.items():
        cells[f"bd_rate_{name}"] = _cell_of(comparison.rate)
        cells[f"bd_{name}"] = _cell_of(comparison.quality)
    return cells


def _cell_of(delta: Delta) -> Cell:
    return Noted(delta.note, delta.value) if delta.note else delta.value
