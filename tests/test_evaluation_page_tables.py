import math

import pytest

from hific.evaluation import columns
from hific.evaluation.columns import Column
from hific.evaluation.markup import document, element
from hific.evaluation.page_tables import (
    Noted,
    Row,
    Table,
    best_cells,
    draw,
    groups_of_rates,
    used_columns,
)
from tests import page_reading

CODEC = Column("codec")
PSNR = Column("psnr", "PSNR", "dB", "Fidelity.", "higher", ".2f")
LPIPS = Column("lpips", "LPIPS", better="lower", form=".3f")
BYTES = Column("bytes", "size", "bytes", form=",.0f")


def _table(*rows: Row, shown=(CODEC, PSNR, LPIPS)) -> Table:
    return Table(shown, rows)


def _drawn(table: Table) -> page_reading.Node:
    return page_reading.read(document(element("div", *draw(table, "name"))).decode())


def _row(codec, psnr=None, lpips=None, group="all") -> Row:
    return Row({"codec": codec, "psnr": psnr, "lpips": lpips}, group)


@pytest.mark.parametrize(
    "value, text",
    [
        (None, "–"),
        (31.456, "31.46"),
        (-0.5, "−0.50"),
        (math.inf, "∞"),
        (math.nan, "not a number"),
        ("q=5", "q=5"),
        (True, "yes"),
    ],
)
def test_values_are_shown_as_readers_know_them(value, text):
    assert columns.shown(value, PSNR) == text


def test_counts_are_never_rounded():
    assert columns.shown(1234567, Column("unknown")) == "1,234,567"
    assert columns.shown(0.123456, Column("unknown")) == "0.1235"


def test_the_best_is_the_highest_or_the_lowest_as_the_column_says():
    table = _table(_row("a", 30.0, 0.2), _row("b", 31.0, 0.3))
    assert best_cells(table) == {(1, "psnr"), (0, "lpips")}


def test_only_rows_of_one_group_compete():
    table = _table(
        _row("a", 30.0, group="low"),
        _row("b", 31.0, group="low"),
        _row("c", 40.0, group="high"),
        _row("d", 90.0, group=""),
        _row("e", 91.0, group=""),
    )
    assert best_cells(table) == {(1, "psnr")}


def test_values_that_look_equal_share_the_mark():
    table = _table(_row("a", 30.001), _row("b", 30.004), _row("c", 29.0))
    assert best_cells(table) == {(0, "psnr"), (1, "psnr")}


def test_where_all_are_equal_none_is_the_best():
    assert best_cells(_table(_row("a", 30.0), _row("b", 30.0))) == set()


def test_infinite_is_best_and_what_is_no_number_does_not_compete():
    rows = [_row("a", math.inf), _row("b", 30.0), _row("c", math.nan), _row("d")]
    rows.append(_row("e", Noted("too small")))
    rows.append(_row("f", Noted("doubtful", 29.0)))
    assert best_cells(_table(*rows)) == {(0, "psnr")}


def test_an_estimate_below_what_can_be_marks_no_best_row():
    kernel = columns.of("kd_alex")
    for values, best in (((0.02, 0.01), {(1, "kd_alex")}), ((0.02, -0.01), set())):
        rows = [Row({"codec": "a", "kd_alex": value}, "all") for value in values]
        assert best_cells(Table((CODEC, kernel), rows)) == best


def test_rates_within_a_tenth_of_the_lowest_compare():
    rates = {"c": 0.12, "a": 0.1, "b": 0.109, "none": None, "d": 0.131}
    groups = groups_of_rates(rates)
    assert groups["a"] == groups["b"] == "from 0.1 bpp"
    assert groups["c"] == groups["d"] == "from 0.12 bpp"
    assert groups["none"] == ""


def test_columns_without_a_value_are_dropped_and_unknown_ones_kept():
    rows = [Row({"novel": 1.0, "codec": "a", "psnr": 30.0, "lpips": None, "bpp": 0.1})]
    assert [column.name for column in used_columns(rows, "codec")] == [
        "codec",
        "bpp",
        "psnr",
        "novel",
    ]


def test_headings_name_unit_direction_and_scope():
    heads = _drawn(_table(_row("a", 30.0, 0.1))).one("thead").all("th")
    assert [head.text for head in heads] == ["codec", "PSNR dB ↑", "LPIPS ↓"]
    assert {head.attributes["scope"] for head in heads} == {"col"}
    assert heads[1].attributes["title"] == "Fidelity. Higher is better."
    assert [head.attributes["data-kind"] for head in heads] == [
        "text",
        "number",
        "number",
    ]


def test_rows_are_named_by_a_heading():
    names = _drawn(_table(_row("a"), _row("b"))).one("tbody").all("th", scope="row")
    assert [name.text for name in names] == ["a", "b"]


def test_a_best_value_is_said_and_against_whom():
    body = _drawn(_table(_row("a", 30.0), _row("b", 31.0))).one("tbody")
    cell = body.one("td", class_="number best")
    assert cell.text == "31.00 (best)"
    assert cell.attributes["title"] == "best of a, b"


def test_a_footnote_is_written_once():
    missing, doubtful = "the curves do not overlap", "only 2 points"
    drawn = _drawn(
        _table(_row("a", Noted(missing), Noted(missing)), _row("b", Noted(doubtful, 3)))
    )
    space = "\N{NARROW NO-BREAK SPACE}"
    assert page_reading.rows(drawn) == [
        ["a", f"–{space}1", f"–{space}1"],
        ["b", f"3.00{space}2", "–"],
    ]
    assert [note.text for note in drawn.all("sup")] == ["1", "1", "2"]
    assert [item.text for item in drawn.one("ol").all("li")] == [missing, doubtful]


def test_a_count_that_never_varies_is_said_below_the_table():
    rows = [Row({"codec": name, "bytes": 1000, "psnr": 30.0}) for name in "ab"]
    drawn = _drawn(_table(*rows, shown=(CODEC, BYTES, PSNR)))
    assert page_reading.rows(drawn) == [["a", "30.00"], ["b", "30.00"]]
    assert drawn.one("p").text == "The same in all rows: size 1,000 bytes."


@pytest.mark.parametrize("second", [None, 1001])
def test_a_count_that_varies_or_is_not_everywhere_stays(second):
    rows = [Row({"codec": "a", "bytes": 1000}), Row({"codec": "b", "bytes": second})]
    drawn = _drawn(_table(*rows, shown=(CODEC, BYTES)))
    assert page_reading.rows(drawn)[0] == ["a", "1,000"]


@pytest.mark.parametrize("count", [0, 1, 30])
def test_any_number_of_rows_is_a_table(count):
    drawn = _drawn(_table(*[_row(f"codec {i}", float(i), 0.1) for i in range(count)]))
    assert len(page_reading.rows(drawn)) == count
