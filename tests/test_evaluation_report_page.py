import pytest

from hific.evaluation import report_page
from hific.evaluation.bd import Comparison, Delta
from hific.evaluation.page_tables import Noted

OF_SETS = {
    "fd_alex": 5.0,
    "fd_alex_patches": 936,
    "fd_alex_note": None,
    "fd_alex_protocol": "hific",
    "fd_alex_side": 128,
    "fd_alex_resize": "none",
    "fd_alex_sha256": "ab12",
}


def _summary(bpp=0.2, psnr=30.0, **more):
    return {
        "pictures": 24,
        "bpp": bpp,
        "psnr": psnr,
        "lpips": None,
        "without": {},
        **more,
    }


def _names(table):
    return [column.name for column in table.columns]


def test_a_summary_becomes_a_row_per_codec():
    table = report_page.summary_table({"model": _summary(), "jpeg": _summary(0.19)})
    assert _names(table) == ["codec", "pictures", "bpp", "psnr"]
    assert [row.cells["codec"] for row in table.rows] == ["model", "jpeg"]
    assert table.caption == "Mean of 24 pictures (seconds: median)"


def test_rows_of_about_one_rate_compare():
    summaries = {"a": _summary(0.2), "b": _summary(0.21), "c": _summary(0.5)}
    groups = [row.group for row in report_page.summary_table(summaries).rows]
    assert groups[0] == groups[1] != groups[2]


def test_how_a_distance_was_measured_is_a_fact_and_no_column():
    summaries = {"model": _summary(**OF_SETS), "jpeg": _summary(**OF_SETS)}
    names = _names(report_page.summary_table(summaries))
    assert names[-2:] == ["fd_alex", "fd_alex_patches"]
    assert report_page.facts_of_sets(summaries) == {
        "FD-alex": {
            "patches": 936,
            "grid of patches": "hific",
            "side of a patch, pixels": 128,
            "resize": "none",
            "SHA-256 of the weights": "ab12",
        }
    }


def test_what_is_wrong_with_a_value_becomes_its_footnote():
    of_sets = OF_SETS | {"fd_alex_note": "40 patches for 256 features"}
    summary = _summary(without={"psnr": 2}, **of_sets)
    (row,) = report_page.summary_table({"model": summary}).rows
    assert row.cells["fd_alex"] == Noted("40 patches for 256 features", 5.0)
    assert row.cells["psnr"] == Noted("2 of 24 pictures have none", 30.0)


def test_results_are_named_by_their_picture():
    rows = [{"codec": "model", "bpp": 0.2, "image": "kodim01", "clipped": None}]
    assert _names(report_page.pictures_table(rows)) == ["image", "codec", "bpp"]


@pytest.mark.parametrize("note", [None, "only 2 points of the anchor"])
def test_a_comparison_shows_both_differences_and_their_notes(note):
    found = Comparison(Delta(-12.5, note), Delta(None, "no rates in common"))
    table = report_page.comparison_table("jpeg", {"webp": {"psnr": found}})
    assert _names(table) == ["curve", "bd_rate_psnr", "bd_psnr"]
    assert [column.better for column in table.columns] == ["", "lower", "higher"]
    assert table.caption == "Against the curve jpeg"
    assert table.rows[0].cells == {
        "curve": "webp",
        "bd_rate_psnr": Noted(note, -12.5) if note else -12.5,
        "bd_psnr": Noted("no rates in common"),
    }
