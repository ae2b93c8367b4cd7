"""Curves and planes as figures, published curves behind what was measured here.

Which figures an evaluation has is decided in `hific.evaluation.figures`.
"""

import dataclasses
import io
from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from hific.evaluation.plot_labels import Label, place

_INCHES = (8.6, 5.2)
_DPI = 150
_SIZE = 10.0  # Of letters, points.
_SMALL = 8.0
# An axis is logarithmic where its ends are further apart than this factor.
_LOG_FROM = 8.0
# Of the ends of a rate axis; around a single point there would be nothing to see.
_LEAST_RATIO = 6.0
_MARGIN = 0.05
_TICKS = (1.0, 2.0, 5.0)


class Point(NamedTuple):
    """A place in a figure.

    Attributes:
        curve: Points of one are connected, in the order in which they come.
        x, y: Where it is.
        label: Written beside it, or empty.
    """

    curve: str
    x: float
    y: float
    label: str = ""


@dataclasses.dataclass(frozen=True)
class Axis:
    """What an axis shows.

    Attributes:
        title: With the unit.
        is_rate: Bits per pixel: cut to where own points are.
        better: Which end is the good one, if any.
    """

    title: str
    is_rate: bool = False
    better: Literal["", "higher", "lower"] = ""

    @property
    def text(self) -> str:
        return f"{self.title}, {self.better} is better" if self.better else self.title


RATE = Axis("bits per pixel", is_rate=True)


class _Style(NamedTuple):
    """Lines of one kind: colours and markers are taken in turn.

    A marker that no line leads to is as large as `alone`.
    """

    colours: Sequence[str]
    markers: str
    width: float
    marker_size: float
    alone: float
    order: int


# The strong colours stay apart for colour-blind eyes (Okabe and Ito 2008).
_MODEL = _Style(("#d55e00", "#0072b2", "#009e73", "#b0508f"), "os^", 2.4, 7, 8, 5)
_BASELINE = _Style(
    ("#4d4d4d", "#7a6230", "#3f6f8f", "#6b4c7a", "#5a7a3a", "#8f4b4b"),
    "PXvsD",
    1.4,
    5,
    7,
    4,
)
_PUBLISHED = _Style(
    (
        *("#8fa8cc", "#d1a878", "#8cbf88", "#c48fc4", "#d19494", "#74bcbc"),
        *("#a9a37c", "#a394d6", "#c9b85f", "#9a9a9a", "#e0a0c0", "#b58f7a"),
    ),
    ".",
    1.1,
    4,
    6,
    2,
)


def figure(
    points: Sequence[Point],
    published: Sequence[Point],
    x: Axis,
    y: Axis,
    models: Iterable[str] = (),
    form: Literal["svg", "png"] = "svg",
) -> bytes:
    """Draws own curves strong, with a legend, and published ones thin and behind them.

    The same arguments give the same bytes.

    Args:
        points: Measured here.
        published: By others; curves that lie outside of what is shown are left out.
        x, y: What the axes are.
        models: Curves of `points` that are drawn strongest; others are baselines.
        form: "svg", its words as paths so that they look alike everywhere, or "png".

    Raises:
        ValueError: There are no points, one is not finite or not positive where it is
            a rate, or matplotlib is not installed.
    """
    _check(points, x)
    matplotlib = _matplotlib()
    settings = {
        "font.family": "DejaVu Sans",
        "font.size": _SIZE,
        "svg.fonttype": "path",
        "svg.hashsalt": "hific.evaluation",
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
    with matplotlib.rc_context(settings):
        drawn = matplotlib.figure.Figure(_INCHES, dpi=_DPI, layout="constrained")
        _draw(drawn, points, published, x, y, set(models))
        file = io.BytesIO()
        metadata: dict[str, Any] = {"Date": None} if form == "svg" else {}
        drawn.savefig(file, format=form, dpi=_DPI, metadata=metadata)
    return file.getvalue()


def _check(points, x) -> None:
    if not points:
        raise ValueError("A figure needs at least one point that was measured here.")
    for point in points:
        if not np.isfinite([point.x, point.y]).all() or (x.is_rate and point.x <= 0):
            raise ValueError(f"{point} has no place in a figure.")


def _matplotlib():
    try:
        import matplotlib.figure
    except ImportError as error:
        raise ValueError(
            'Figures need matplotlib: pip install "egic[report]".'
        ) from error
    return matplotlib


def _draw(drawn, points, published, x, y, models) -> None:
    axes = drawn.add_subplot()
    own = _curves(points)
    window = _window(points, published, x)
    others = {
        name: of_curve
        for name, of_curve in _curves(published).items()
        if any(window[0] <= point.x <= window[1] for point in of_curve)
    }
    _scale(axes, "x", window, x)
    _scale(axes, "y", _range_of_y(own, others, window), y)
    axes.grid(True, color="#eeeeee", linewidth=0.8)
    axes.set_axisbelow(True)
    lines = _lines(axes, others, _PUBLISHED)
    lines |= _lines(
        axes, {k: of for k, of in own.items() if k not in models}, _BASELINE
    )
    lines |= _lines(axes, {k: of for k, of in own.items() if k in models}, _MODEL)
    named: list[str] = []  # Published curves beside which there is no room for a name.
    while True:
        _legend(drawn, [lines[name] for name in own], [lines[name] for name in named])
        drawn.draw_without_rendering()  # Settles where everything is.
        wanted = _labels(
            axes, own, {k: others[k] for k in others if k not in named}, lines
        )
        written, left_out = place(axes, wanted, _SMALL, *_obstacles(axes, own, others))
        more = [label.text for label in left_out if label.text in others]
        if not more:
            return
        named += more
        for text in written:
            text.remove()


def _legend(drawn, own, published) -> None:
    for old in drawn.legends[:]:
        old.remove()
    heading = drawn.axes[0].plot([], [], linestyle="none", label="published:")
    handles = own + (heading + published if published else [])
    drawn.legend(
        handles=handles,
        title="measured here:",
        alignment="left",
        loc="outside right upper",
        frameon=False,
        fontsize=_SIZE - 1,
        title_fontsize=_SIZE - 1,
    )


def _curves(points: Sequence[Point]) -> dict[str, list[Point]]:
    curves: dict[str, list[Point]] = {}
    for point in points:
        curves.setdefault(point.curve, []).append(point)
    return curves


def _window(points, published, x) -> tuple[float, float]:
    """Returns which part of the x axis is shown."""
    if not x.is_rate:
        return _with_margin([point.x for point in [*points, *published]], 2 * _MARGIN)
    rates = [point.x for point in points]
    low, high = min(rates), max(rates)
    widen = max((_LEAST_RATIO / (high / low)) ** 0.5, 1.25)
    return low / widen, high * widen


def _range_of_y(own, others, window) -> tuple[float, float]:
    values = [point.y for curve in own.values() for point in curve]
    for curve in others.values():
        values += [p.y for p in curve if window[0] <= p.x <= window[1]]
    return _with_margin(values, _MARGIN)


def _with_margin(values, share) -> tuple[float, float]:
    low, high = min(values), max(values)
    if low > 0 and high / low > _LOG_FROM:
        factor = (high / low) ** share
        return low / factor, high * factor
    margin = share * (high - low) or max(share * abs(high), share)
    return low - margin, high + margin


def _scale(axes, name: str, limits, what: Axis) -> None:
    """Sets scale, limits, ticks and title of the axis "x" or "y"."""
    from matplotlib import ticker

    axis = getattr(axes, f"{name}axis")
    low, high = limits
    if low > 0 and high / low > _LOG_FROM:
        axes.set(**{f"{name}scale": "log"})
        axis.set_major_locator(ticker.LogLocator(subs=_TICKS))
        axis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_locator(ticker.NullLocator())
    axes.set(**{f"{name}lim": limits})
    axis.set_label_text(what.text)


def _lines(axes, curves, style: _Style) -> dict[str, Any]:
    """Draws curves; returns name -> line of matplotlib."""
    drawn = {}
    for i, (name, of_curve) in enumerate(curves.items()):
        (drawn[name],) = axes.plot(
            [point.x for point in of_curve],
            [point.y for point in of_curve],
            color=style.colours[i % len(style.colours)],
            marker=style.markers[i % len(style.markers)],
            linewidth=style.width,
            markersize=style.marker_size if len(of_curve) > 1 else style.alone,
            zorder=style.order,
            label=name,
        )
    return drawn


def _labels(axes, own, others, lines) -> list[Label]:
    """What is written: labels of own points, then names beside published curves."""
    labels = [
        Label(p.label, np.array([[p.x, p.y]]), lines[name].get_color(), must=True)
        for name, of_curve in own.items()
        for p in of_curve
        if p.label
    ]
    for name, of_curve in others.items():
        # Places along the curve, from its right end; the pixels of both ends included.
        places = axes.transData.inverted().transform(_traced(axes, of_curve, 12.0))
        labels.append(Label(name, places[::-1], _darker(lines[name].get_color())))
    labels += [
        Label(p.label, np.array([[p.x, p.y]]), _darker(lines[name].get_color()))
        for name, of_curve in others.items()
        for p in of_curve
        if p.label
    ]
    return labels


def _obstacles(axes, own, others):
    """Returns the pixels of all lines, and of markers: ours, and those without line."""
    curves = [*own.values(), *others.values()]
    lines = [_traced(axes, of_curve, 1.0) for of_curve in curves]
    marked = [*own.values(), *(of for of in others.values() if len(of) == 1)]
    markers = axes.transData.transform([(p.x, p.y) for of in marked for p in of])
    around = [(dx, dy) for dx in (-4, 0, 4) for dy in (-4, 0, 4)]
    return np.concatenate(lines), np.concatenate([markers + step for step in around])


def _traced(axes, of_curve, apart: float) -> np.ndarray:
    """Returns pixels along a curve, about so far apart, its points among them."""
    corners = axes.transData.transform([(point.x, point.y) for point in of_curve])
    pieces = [corners[:1]]
    for start, end in zip(corners, corners[1:], strict=False):
        steps = max(1, int(np.hypot(*(end - start)) / apart))
        pieces.append(start + np.linspace(0, 1, steps + 1)[1:, None] * (end - start))
    return np.concatenate(pieces)


def _darker(colour: str) -> str:
    parts = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return "#" + "".join(f"{int(part * 0.7):02x}" for part in parts)
