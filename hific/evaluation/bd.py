"""Bjøntegaard's differences of two rate-quality curves, as one number each."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy.interpolate

MIN_POINTS = 2
# Bjøntegaard drew a cubic through four; fewer say little about the curve between.
USUAL_POINTS = 4
# Share of both curves' range that they have in common, below which it is said.
USUAL_OVERLAP = 0.5
# Piecewise cubic, monotone where the points are: a rate can neither swing back between
# points nor beyond them, as Bjøntegaard's cubic and, less, Akima's splines do.
METHOD = "pchip"
_ONE_POINT = "of one point"


class Delta(NamedTuple):
    """A difference, or why there is none.

    Attributes:
        value: Percent or the unit of the quality; None where it is not defined.
        note: Why there is none, or what makes it doubtful; None otherwise.
    """

    value: float | None
    note: str | None


class Comparison(NamedTuple):
    """A test curve against an anchor.

    Attributes:
        rate: Bits that the test needs for the same quality, percent more than the
            anchor: -50 is half.
        quality: What the test gains at the same bits, in the unit of the quality and
            positive where it is better.
    """

    rate: Delta
    quality: Delta


def compare(
    anchor: Sequence[tuple[float, float]],
    test: Sequence[tuple[float, float]],
    higher_is_better: bool = True,
) -> Comparison:
    """Compares two curves by BD-rate and BD-PSNR, or the like of another metric.

    Means over the qualities, or the logarithms of rates, that both curves reach, of the
    curves interpolated by `METHOD`. Points that another point of the same curve beats
    or equals in quality with no more bits are left out. Of a test of one point, the
    differences are those at its quality and at its rate, which the note says.

    Source: Bjøntegaard 2001, VCEG-M33; computed by the `bjontegaard` library (Herglotz
    et al. 2022).

    Args:
        anchor, test: (bits per pixel, quality) of each point, in any order.
        higher_is_better: False for LPIPS, FID and other distances.

    Raises:
        ValueError: A rate is not positive, or the library is not installed.
    """
    curves = [_signed(points, higher_is_better) for points in (anchor, test)]
    kept = [_best(points) for points in curves]
    reason = _infinite(curves) or _short(kept)
    if reason:
        return Comparison(Delta(None, reason), Delta(None, reason))
    notes = _notes(curves, kept)
    if len(kept[1]) == 1:
        return _at_one_point(kept[0], kept[1][0], "; ".join(notes))
    return Comparison(
        _delta("bd_rate", kept, 1, notes, "qualities"),
        _delta("bd_psnr", kept, 0, notes, "rates"),
    )


def _signed(points, higher_is_better):
    points = np.asarray(points, np.float64).reshape(-1, 2)
    if not (points[:, 0] > 0).all():
        raise ValueError(
            "Points of a curve are (bits per pixel, quality), with more than 0 bits; "
            f"got {points.tolist()}."
        )
    return points if higher_is_better else points * (1, -1)


def _best(points):
    """Sorts by rate; keeps those that are better than all that cost no more."""
    points = points[np.lexsort((-points[:, 1], points[:, 0]))]
    before = np.maximum.accumulate(np.r_[-np.inf, points[:, 1]])[:-1]
    return points[points[:, 1] > before]


def _infinite(curves) -> str | None:
    """A picture that came back unchanged has an infinite PSNR, and so has the mean."""
    for name, points in zip(("anchor", "test"), curves, strict=True):
        if not np.isfinite(points).all():
            return f"a quality of the {name} is not finite"
    return None


def _short(kept) -> str | None:
    parts = zip(("anchor", "test"), kept, (MIN_POINTS, 1), strict=True)
    for name, points, least in parts:
        if len(points) < least:
            return (
                f"the {name} has {len(points)} point{'s' * (len(points) != 1)}, and "
                f"needs {least}"
            )
    return None


def _at_one_point(anchor, point, note: str) -> Comparison:
    """Compares a point with a curve, where the curve has its quality and its rate."""
    rate, quality = point
    logarithms, qualities = np.log(anchor[:, 0]), anchor[:, 1]
    needed = _between(qualities, logarithms, quality)
    reached = _between(logarithms, qualities, np.log(rate))
    return Comparison(
        Delta(None, f"{_ONE_POINT}, at a quality that the anchor has not")
        if needed is None
        else Delta(float(100 * np.expm1(np.log(rate) - needed)), note),
        Delta(None, f"{_ONE_POINT}, at a rate that the anchor has not")
        if reached is None
        else Delta(quality - reached, note),
    )


def _between(x, y, wanted: float) -> float | None:
    if not x[0] <= wanted <= x[-1]:
        return None
    return float(scipy.interpolate.PchipInterpolator(x, y)(wanted))


def _notes(curves, kept) -> list[str]:
    notes = []
    for name, all_of, best in zip(("anchor", "test"), curves, kept, strict=True):
        if len(best) == 1:
            notes.append(_ONE_POINT)
        elif len(best) < USUAL_POINTS:
            notes.append(f"only {len(best)} points of the {name}")
        if len(best) < len(all_of):
            notes.append(
                f"{len(all_of) - len(best)} beaten points of the {name} left out"
            )
    return notes


def _delta(function, kept, column, notes, name) -> Delta:
    """Calls the library, which warns where curves overlap little, and not at all."""
    low = max(points[:, column].min() for points in kept)
    high = min(points[:, column].max() for points in kept)
    if low >= high:
        return Delta(None, f"the curves have no {name} in common")
    ranges = [np.log(points[:, 0]) if column == 0 else points[:, 1] for points in kept]
    overlap = _overlap(ranges)
    if overlap < USUAL_OVERLAP:
        notes = [*notes, f"only {overlap:.0%} of the {name} in common"]
    value = getattr(_library(), function)(
        *kept[0].T,
        *kept[1].T,
        method=METHOD,
        require_matching_points=False,
        min_overlap=0,
    )
    return Delta(float(value), "; ".join(notes) or None)


def _overlap(ranges) -> float:
    lows, highs = [x.min() for x in ranges], [x.max() for x in ranges]
    return (min(highs) - max(lows)) / (max(highs) - min(lows))


def _library():
    try:
        import bjontegaard
    except ImportError as error:
        raise ValueError(
            'BD-rate needs the bjontegaard library: pip install "egic[report]".'
        ) from error
    return bjontegaard
