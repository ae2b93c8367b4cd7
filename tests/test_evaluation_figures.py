"""Which figures there are, and which points are in them."""

import math

import pytest

from hific.evaluation import figures, published
from hific.evaluation.published import Row


def row(codec, bpp, psnr, learned=False, **metrics):
    alpha_free = codec.partition(" alpha=")[0]
    found = {"codec": codec, "curve": codec, "bpp": bpp, "psnr": psnr, **metrics}
    if " q=" in codec:
        found["curve"] = alpha_free.partition(" q=")[0]
    return found | ({"padded_bpp": bpp} if learned else {})


ROWS = [
    row("model alpha=1", 0.4, 28.0, learned=True, lpips=0.1, fid_clean_fid=5.0),
    row("model alpha=0", 0.4, 30.0, learned=True, lpips=0.2, fid_clean_fid=9.0),
    row("webp", 0.39, 31.0, lpips=0.15, fid_clean_fid=20.0),
    row("jpeg q=10", 0.2, 25.0, lpips=0.4),
    row("jpeg q=20", 0.35, 27.0, lpips=0.3),
    row("jpeg q=5", 0.1, 22.0, lpips=0.5),
]


def publish(curve, bpp, **metrics):
    nothing = dict.fromkeys(Row._fields)
    return Row(
        **nothing
        | {"dataset": "kodak", "curve": curve, "point": "", "source": "them"}
        | {"bpp": bpp, **metrics}
    )


def by_name(rows=ROWS, behind=()):
    return {drawing.name: drawing for drawing in figures.drawings(rows, behind)}


def test_there_is_a_figure_for_every_metric_that_was_measured():
    assert list(by_name()) == [
        "psnr-over-bpp",
        "lpips-over-bpp",
        "fid-clean-fid-over-bpp",
        "lpips-over-psnr",
        "fid-clean-fid-over-psnr",
    ]


def test_a_rate_curve_is_in_the_order_of_its_rates():
    drawing = by_name()["psnr-over-bpp"]
    jpeg = [(p.x, p.y) for p in drawing.points if p.curve == "jpeg"]
    assert jpeg == [(0.1, 22.0), (0.2, 25.0), (0.35, 27.0)]
    assert set(drawing.models) == {"model alpha=0", "model alpha=1"}
    assert drawing.y.better == "higher" and drawing.x.is_rate


def test_alphas_are_a_path_of_one_model_in_the_plane():
    drawing = by_name()["lpips-over-psnr"]
    path = [p for p in drawing.points if p.curve == "model, 0.4 bpp"]
    assert [(p.label, p.x, p.y) for p in path] == [
        ("α=0", 30.0, 0.2),
        ("α=1", 28.0, 0.1),
    ]
    assert drawing.models == ["model, 0.4 bpp"]


def test_of_each_baseline_the_plane_has_what_lies_at_the_models_rate():
    curves = {p.curve for p in by_name()["lpips-over-psnr"].points}
    assert curves == {"model, 0.4 bpp", "webp, 0.39 bpp", "jpeg, 0.35 bpp"}


def test_a_baseline_at_the_models_bytes_stands_for_its_curve_in_the_plane():
    given = row("jpeg at model's bytes", 0.41, 28.0, lpips=0.2, target_bytes=100)
    rows = [*ROWS, given | {"curve": figures.matched("jpeg")}]
    curves = {p.curve for p in by_name(rows)["lpips-over-psnr"].points}
    assert curves == {"model, 0.4 bpp", "webp, 0.39 bpp", "jpeg matched, 0.41 bpp"}


def test_curves_come_in_the_order_of_the_rows():
    drawing = by_name()["lpips-over-bpp"]
    names = list(dict.fromkeys(point.curve for point in drawing.points))
    assert names == ["model alpha=1", "model alpha=0", "webp", "jpeg"]


def test_published_points_stand_where_their_metric_is_the_same():
    behind = [
        publish("HiFiC", 0.35, psnr=29.0, lpips=0.05, fid=4.0),
        publish("HiFiC", 0.9, psnr=33.0, lpips=0.02),
        publish("rate only", 0.35, ms_ssim=0.9),
    ]
    found = by_name(behind=behind)
    assert [p.curve for p in found["psnr-over-bpp"].published] == ["HiFiC"] * 2
    assert [p.y for p in found["fid-clean-fid-over-bpp"].published] == [4.0]
    (near,) = found["lpips-over-psnr"].published
    assert near == ("HiFiC, 0.35 bpp", 29.0, 0.05, "")
    assert found["psnr-over-bpp"].caption == "Thin lines are published. HiFiC: them."


def test_fd_alex_has_no_published_counterpart():
    rows = [row("model", 0.4, 28.0, learned=True, fd_alex=3.0)]
    found = by_name(rows, [publish("HiFiC", 0.35, psnr=29.0, fid=4.0)])
    assert found["fd-alex-over-bpp"].published == []
    assert found["fd-alex-over-bpp"].caption == ""
    assert found["fd-alex-over-psnr"].published == []


def test_what_is_missing_or_infinite_is_left_out():
    rows = [
        row("model", 0.4, math.inf, learned=True, lpips=None),
        row("webp", 0.3, 30.0),
    ]
    found = by_name(rows)
    assert list(found) == ["psnr-over-bpp"]
    assert [p.curve for p in found["psnr-over-bpp"].points] == ["webp"]


def test_baselines_alone_have_no_plane():
    rows = [row("webp", 0.3, 30.0, lpips=0.1)]
    assert list(by_name(rows)) == ["psnr-over-bpp", "lpips-over-bpp"]


def test_a_drawing_says_in_words_what_it_shows():
    alt = by_name()["psnr-over-bpp"].alt
    assert alt.startswith("PSNR over rate. ")
    assert "jpeg: 22 at 0.1 to 27 at 0.35" in alt
    assert "webp: 31 at 0.39" in alt


@pytest.mark.slow
def test_every_figure_is_drawn_before_kodaks_published_curves():
    behind = published.load("kodak", published.PROMINENT)
    for drawing in figures.drawings(ROWS, behind):
        assert drawing.svg().startswith(b"<?xml")
