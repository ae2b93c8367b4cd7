import importlib.util
import pathlib

import pytest

from hific.evaluation import published

ROOT = pathlib.Path(__file__).resolve().parents[1]


def test_every_row_says_where_it_is_from_and_has_a_metric():
    for dataset in published.datasets():
        for row in published.load(dataset):
            assert row.source and row.curve and row.bpp > 0
            metrics = (row.psnr, row.ms_ssim, row.lpips, row.dists, row.fid, row.kid)
            assert any(value is not None for value in metrics)


def test_known_points_are_where_they_were_published():
    (low, middle, high) = published.load("clic2020", ["HiFiC"])
    assert (low.bpp, low.fid) == (0.129023, 4.19737)
    assert low.psnr < middle.psnr < high.psnr
    assert low.source.startswith("Mentzer et al. 2020")
    assert low.dists is None


def test_egic_is_there_with_its_seven_alphas():
    rows = published.load("clic2020", ["EGIC"])
    assert [row.point for row in rows][::3] == ["alpha=0", "alpha=0.5", "alpha=1"]
    assert len(rows) == 7
    assert {row.bpp for row in rows} == {0.094}
    assert (rows[0].psnr, rows[-1].psnr) == (32.03, 30.9)
    assert [row.fid for row in rows] == sorted((r.fid for r in rows), reverse=True)
    assert "Fig. 1" in rows[0].source


def test_curves_come_in_the_order_asked_for():
    rows = published.load("kodak", ["JPEG", "no such curve", "BPG 4:4:4"])
    assert list(dict.fromkeys(row.curve for row in rows)) == ["JPEG", "BPG 4:4:4"]


def test_every_prominent_curve_is_somewhere():
    curves = {r.curve for name in published.datasets() for r in published.load(name)}
    assert set(published.PROMINENT) <= curves


def test_an_unknown_data_set_is_refused_by_name():
    with pytest.raises(ValueError, match="of 'tecnick'; there are .*div2k, kodak"):
        published.load("tecnick")


@pytest.mark.parametrize(
    "names, expected",
    [
        (["kodim01.png", "kodim24.png"], "kodak"),
        (["kodim03"], "kodak"),
        (["kodim03", "chelsea"], None),
        (["kodim25"], None),
        ([], None),
    ],
)
def test_kodak_is_told_by_its_names(names, expected):
    assert published.recognise(names) == expected


def test_sources_are_named_once():
    rows = published.load("clic2020", ["HiFiC", "MS-ILLM"])
    assert [source[:7] for source in published.sources(rows)] == ["Mentzer", "Muckley"]


def _tool():
    path = ROOT / "tools/make_published.py"
    spec = importlib.util.spec_from_file_location("make_published", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


COLLECTED = """\
method,variant,dataset,bpp,psnr,ms_ssim,lpips,dists,fid,kid,niqe,source
CRDR,quality=1.0 beta=3.84,kodak,0.123456789,28.5,,,,,,,somebody
JPEG2000,jpeg2000,kodak,0.5,31,,,,,,,somebody
elic2022,rate only,kodak,0.5,,,,,,,,somebody
"""


def test_the_tool_regroups_and_rounds(tmp_path):
    source, target = tmp_path / "collected.csv", tmp_path / "published.csv"
    source.write_text(COLLECTED)
    _tool().main(source, target)
    lines = target.read_text().splitlines()
    assert "kodak,CRDR beta=3.84,quality=1,0.123457,28.5,,,,,,,somebody" in lines
    assert "kodak,JPEG 2000,,0.5,31,,,,,,,somebody" in lines
    assert not any("ELIC" in line for line in lines)  # There was only a rate.


def test_the_shipped_file_is_what_the_tool_makes(shared, tmp_path):
    made = tmp_path / "published.csv"
    _tool().main(shared / "data/published/results.csv", made)
    shipped = ROOT / "hific/evaluation/published.csv"
    assert made.read_text() == shipped.read_text()
