"""BD-rate and BD-PSNR against closed forms."""

import sys

import numpy as np
import pytest

from hific.evaluation import bd, published

RATES = np.array([0.1, 0.2, 0.5, 1.0, 1.5])
PSNR = np.array([25.0, 27.5, 30.0, 33.0, 34.5])


def curve(rates, qualities):
    return list(zip(rates, qualities, strict=True))


ANCHOR = curve(RATES, PSNR)


def test_a_curve_differs_from_itself_by_0():
    found = bd.compare(ANCHOR, ANCHOR)
    assert found.rate.value == pytest.approx(0.0, abs=1e-9)
    assert found.quality.value == pytest.approx(0.0, abs=1e-9)
    assert found.rate.note is found.quality.note is None


def test_half_the_rate_is_minus_50_percent():
    found = bd.compare(ANCHOR, curve(RATES / 2, PSNR))
    assert found.rate.value == pytest.approx(-50.0)
    assert found.quality.value > 0


def test_one_decibel_more_everywhere_is_one_decibel():
    found = bd.compare(ANCHOR, curve(RATES, PSNR + 1))
    assert found.quality.value == pytest.approx(1.0)
    assert found.rate.value < 0


def test_straight_lines_by_hand():
    # PSNR = 30 + 10 log10(R) against 28 + 5 log10(R), from 1 to 100 bits: over log R
    # in [0, 2] the difference is -2 - 5 log10(R), its mean -7. They share the PSNR of
    # 30 to 38, where the logarithms of rates are (P - 30) / 10 and (P - 28) / 5, which
    # differ by (P - 26) / 10, on the average 0.8.
    rates = np.array([1.0, 10.0, 100.0])
    logarithms = np.log10(rates)
    found = bd.compare(
        curve(rates, 30 + 10 * logarithms), curve(rates, 28 + 5 * logarithms)
    )
    assert found.quality.value == pytest.approx(-7.0)
    assert found.rate.value == pytest.approx(100 * (10**0.8 - 1))


def test_a_published_pair_by_numerical_integration():
    interpolate = pytest.importorskip("scipy.interpolate")
    anchor, test = (
        np.array([(r.bpp, r.psnr) for r in published.load("kodak", [name])])
        for name in ("VTM", "BPG 4:4:4")
    )
    low = max(anchor[0, 1], test[0, 1])
    high = min(anchor[-1, 1], test[-1, 1])
    qualities = np.linspace(low, high, 20001)
    logarithms = [
        interpolate.PchipInterpolator(x[:, 1], np.log(x[:, 0]))(qualities)
        for x in (anchor, test)
    ]
    step = np.diff(qualities)
    difference = logarithms[1] - logarithms[0]
    mean = np.sum((difference[1:] + difference[:-1]) / 2 * step) / (high - low)
    found = bd.compare(anchor, test)
    assert found.rate.value == pytest.approx(100 * np.expm1(mean), rel=1e-6)
    assert 20 < found.rate.value < 25  # BPG needs about a fifth more than VTM.


def test_of_a_distance_less_is_better():
    distances = np.array([0.5, 0.4, 0.3, 0.2, 0.1])
    found = bd.compare(
        curve(RATES, distances), curve(RATES / 2, distances), higher_is_better=False
    )
    assert found.rate.value == pytest.approx(-50.0)
    closer = bd.compare(
        curve(RATES, distances), curve(RATES, distances - 0.05), higher_is_better=False
    )
    assert closer.quality.value == pytest.approx(0.05)


def test_the_order_of_points_does_not_matter():
    test = curve(RATES * 0.7, PSNR)
    found = bd.compare(ANCHOR[::-1], test[2:] + test[:2])
    assert found == bd.compare(ANCHOR, test)


def test_beaten_points_are_left_out_and_counted():
    test = curve(RATES / 2, PSNR)
    found = bd.compare(ANCHOR, [*test, (0.6, 26.0)])
    assert found.rate.value == pytest.approx(-50.0)
    assert found.rate.note == "1 beaten points of the test left out"


def test_one_point_is_compared_at_its_quality_and_at_its_rate():
    # On a line PSNR = 30 + 10 log10(R): 35 dB take 10^0.5 bits, 1 bit gives 30 dB.
    rates = np.array([0.1, 1.0, 10.0, 100.0])
    line = curve(rates, 30 + 10 * np.log10(rates))
    found = bd.compare(line, [(1.0, 35.0)])
    assert found.rate == (pytest.approx(100 * (10**-0.5 - 1)), "of one point")
    assert found.quality == (pytest.approx(5.0), "of one point")


def test_what_makes_one_point_doubtful_is_said_of_it_too():
    found = bd.compare([(0.1, 25.0), (1.0, 35.0)], [(0.3, 30.0), (0.4, 29.0)])
    notes = (
        "only 2 points of the anchor; of one point; 1 beaten points of the test left "
        "out"
    )
    assert found.rate.note == found.quality.note == notes
    assert bd.compare(ANCHOR, []).rate.note == "the test has 0 points, and needs 1"


def test_one_point_beyond_the_other_curve_has_no_difference():
    found = bd.compare(ANCHOR, [(0.05, 26.0)])
    assert -75 < found.rate.value < -50  # The anchor has 26 dB at 0.1 to 0.2 bits.
    assert found.quality == (None, "of one point, at a rate that the anchor has not")
    found = bd.compare(ANCHOR, [(0.5, 20.0)])
    assert found.rate == (None, "of one point, at a quality that the anchor has not")
    assert bd.compare([(0.5, 20.0)], ANCHOR).rate == (
        None,
        "the anchor has 1 point, and needs 2",
    )


def test_few_points_and_little_overlap_are_said():
    found = bd.compare(ANCHOR, curve([0.1, 0.2], [33.5, 40.0]))
    assert found.rate.value < 0
    assert "only 2 points of the test" in found.rate.note
    assert "of the qualities in common" in found.rate.note
    assert "of the rates in common" in found.quality.note


def test_curves_without_a_common_quality_have_no_bd_rate_but_a_bd_psnr():
    found = bd.compare(ANCHOR, curve(RATES, PSNR + 20))
    assert found.rate == (None, "the curves have no qualities in common")
    assert found.quality.value == pytest.approx(20.0)


def test_a_picture_without_loss_has_no_place_on_a_curve():
    found = bd.compare(ANCHOR, [*ANCHOR, (9.0, np.inf)])
    assert found.rate == (None, "a quality of the test is not finite")


def test_a_rate_of_0_is_refused():
    with pytest.raises(ValueError, match="more than 0 bits; got .*0.0, 20.0"):
        bd.compare(ANCHOR, [(0.0, 20.0), (1.0, 30.0)])


def test_without_the_library_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "bjontegaard", None)
    with pytest.raises(ValueError, match=r'pip install "egic\[report\]"'):
        bd.compare(ANCHOR, ANCHOR)
