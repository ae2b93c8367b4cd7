"""Figures: what is in them, and that no words lie over others."""

import io
import re
import sys
import xml.etree.ElementTree

import numpy as np
import pytest
from PIL import Image

from hific.evaluation import plot_labels, plots
from hific.evaluation.plots import RATE, Axis, Point

PSNR = Axis("PSNR (dB)", better="higher")
OURS = [Point("model", 0.2, 30.0, "α=0"), Point("model", 0.4, 33.0, "α=1")]
JPEG = [Point("jpeg", rate, 30 + 5 * np.log2(rate)) for rate in (0.2, 0.4, 0.8)]


def curves(count, x=(0.2, 0.4, 0.8)):
    """As many published curves, close to each other."""
    return [
        Point(f"published {i}", rate, 31 + i / 10 + 4 * np.log2(rate))
        for i in range(count)
        for rate in x
    ]


def ids(svg):
    """Words of a figure: matplotlib leaves each as a comment beside its paths."""
    return re.findall(r"<!-- (.*?) -->", svg.decode())


def test_an_svg_is_whole_and_has_all_words():
    svg = plots.figure([*OURS, *JPEG], curves(2), RATE, PSNR, ["model"])
    assert xml.etree.ElementTree.fromstring(svg).tag.endswith("svg")
    assert b"<text" not in svg  # Words are paths: fonts differ between machines.
    words = ids(svg)
    for word in ("bits per pixel", "PSNR (dB), higher is better", "α=0", "α=1"):
        assert words.count(word) == 1
    for curve in ("model", "jpeg", "published 0", "published 1"):
        assert words.count(curve) == 1


def test_the_same_points_give_the_same_bytes():
    for form in ("svg", "png"):
        first, second = (
            plots.figure(OURS, curves(3), RATE, PSNR, ["model"], form) for _ in range(2)
        )
        assert first == second


def test_a_png_is_drawn_in_strong_colours_for_models():
    found = plots.figure(OURS, curves(3), RATE, PSNR, ["model"], "png")
    pixels = np.asarray(Image.open(io.BytesIO(found)).convert("RGB"))
    assert pixels.shape[0] > 500 and pixels.shape[1] > 900
    assert (pixels == (0xD5, 0x5E, 0x00)).all(-1).sum() > 500


@pytest.mark.parametrize("count", [1, 6, 14])
def test_every_published_curve_is_named_once(count):
    words = ids(plots.figure(OURS, curves(count), RATE, PSNR, ["model"]))
    for i in range(count):
        assert words.count(f"published {i}") == 1
    # The heading of those for whose names there is no room beside the curve.
    assert words.count("published:") == (
        1 if count == 14 else words.count("published:")
    )


def test_curves_that_leave_the_part_shown_are_named_too():
    long = [
        Point("long", 0.01, 8.0),
        Point("long", 0.3, 32.0),
        Point("long", 9.0, 60.0),
    ]
    words = ids(plots.figure(OURS, long, RATE, PSNR))
    assert words.count("long") == 1
    near_the_edge = [Point("short", 0.119, 30.0), Point("short", 0.13, 30.5)]
    words = ids(plots.figure(OURS, near_the_edge, RATE, PSNR))
    assert words.count("short") == 1


def test_published_curves_beyond_our_rates_are_left_out():
    far = [Point("far", rate, 40.0) for rate in (5.0, 9.0)]
    words = ids(plots.figure(OURS, [*far, *curves(1)], RATE, PSNR))
    assert "far" not in words and "published 0" in words


def test_far_published_points_of_a_plane_are_shown():
    far = [Point("far", 50.0, 40.0)]
    plane = [Point("model", 30.0, 5.0)]
    words = ids(plots.figure(plane, far, PSNR, Axis("FID", better="lower")))
    assert "far" in words and "FID, lower is better" in words


def test_a_single_point_has_a_rate_axis_around_it():
    words = ids(plots.figure([Point("model", 0.44, 29.0)], [], RATE, PSNR))
    assert "0.2" in words and "1.0" in words


def test_a_wide_rate_axis_is_logarithmic():
    wide = [Point("model", 0.05, 25.0), Point("model", 2.0, 40.0)]
    words = ids(plots.figure(wide, [], RATE, PSNR))
    for tick in ("0.05", "0.1", "0.2", "0.5", "1", "2"):
        assert tick in words


def _figure_of(points):
    figure_module = pytest.importorskip("matplotlib.figure")
    drawn = figure_module.Figure((4, 3), dpi=100)
    axes = drawn.add_axes((0.1, 0.1, 0.8, 0.8))
    axes.set(xlim=(0, 1), ylim=(0, 1))
    pixels = axes.transData.transform(points)
    return axes, pixels


def _boxes(texts):
    return [text.get_window_extent().extents for text in texts]


def _overlap(a, b):
    return (a[:2] < b[2:]).all() and (b[:2] < a[2:]).all()


def test_labels_of_close_points_do_not_overlap():
    points = np.array([[0.5, 0.5], [0.52, 0.5], [0.5, 0.53], [0.95, 0.98]])
    axes, pixels = _figure_of(points)
    labels = [plot_labels.Label(f"label {i}", points[i : i + 1], "k") for i in range(4)]
    texts, left_out = plot_labels.place(axes, labels, 8, pixels, pixels)
    assert len(texts) == 4 and left_out == []
    boxes = _boxes(texts)
    for i, box in enumerate(boxes):
        assert not any(_overlap(box, other) for other in boxes[:i])
        assert not ((pixels > box[:2]) & (pixels < box[2:])).all(1).any()
        frame = axes.get_window_extent().extents
        assert (box[:2] >= frame[:2]).all() and (box[2:] <= frame[2:]).all()


def test_words_stay_in_the_frame_where_the_first_point_is_outside():
    points = np.array([[1.5, 0.5], [0.99, 0.5], [0.98, 0.5]])
    axes, pixels = _figure_of(points)
    label = plot_labels.Label("a long label", points, "k")
    (text,), _ = plot_labels.place(axes, [label], 8, pixels[:0], pixels[:0])
    (box,) = _boxes([text])
    assert tuple(text.xy) == (0.99, 0.5)
    assert box[2] <= axes.get_window_extent().x1


def test_a_label_without_room_is_given_back():
    points = np.array([[0.5, 0.5]])
    axes, _ = _figure_of(points)
    everywhere = np.stack(np.meshgrid(np.arange(400), np.arange(300)), -1).reshape(
        -1, 2
    )
    label = plot_labels.Label("no room", points, "k")
    nothing = np.zeros((0, 2))
    assert plot_labels.place(axes, [label], 8, nothing, everywhere) == ([], [label])
    assert plot_labels.place(axes, [label], 8, everywhere, nothing) == ([], [label])
    must = label._replace(must=True)
    texts, left_out = plot_labels.place(axes, [must], 8, everywhere, nothing)
    assert len(texts) == 1 and left_out == []


def test_a_figure_needs_points_that_have_a_place():
    with pytest.raises(ValueError, match="at least one point"):
        plots.figure([], curves(2), RATE, PSNR)
    with pytest.raises(ValueError, match="y=inf.* has no place"):
        plots.figure([Point("model", 0.2, np.inf)], [], RATE, PSNR)
    with pytest.raises(ValueError, match="x=0.0.* has no place"):
        plots.figure([Point("model", 0.0, 30.0)], [], RATE, PSNR)


def test_without_matplotlib_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ValueError, match=r'pip install "egic\[report\]"'):
        plots.figure(OURS, [], RATE, PSNR)
