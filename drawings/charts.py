"""Small line charts as SVG text, legible on light and dark pages."""

import math
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

WIDTH, HEIGHT = 340, 220
LEFT, RIGHT, TOP, BOTTOM = 46, 12, 30, 30  # Margins around the plot.

# A card of its own: the page behind may be light or dark, whatever the system says.
STYLE = """<style>
svg{--paper:#fff;--ink:#23303a;--quiet:#6b7a85;--rule:#dfe5e9;
--line-0:#00796b;--line-1:#c2571a;--line-2:#5b4bb5;--line-3:#8a6d00}
@media (prefers-color-scheme:dark){svg{--paper:#1d2329;--ink:#e4eaee;--quiet:#9aa8b2;
--rule:#37424b;--line-0:#4cc3b0;--line-1:#f0935a;--line-2:#a79bf0;--line-3:#e0c050}}
text{font:11px system-ui,sans-serif;fill:var(--quiet)}
.title{font-weight:600;fill:var(--ink);font-size:12px}
.rule{stroke:var(--rule)}polyline{fill:none;stroke-linejoin:round}
</style>"""


class Line(NamedTuple):
    """One curve.

    Attributes:
        name: For the legend.
        xs, ys: Points, in the order of x.
    """

    name: str
    xs: Sequence[float]
    ys: Sequence[float]


def chart(title: str, lines: Sequence[Line]) -> str:
    """Returns an SVG: every line as it is, faint, and its running mean.

    Raises:
        ValueError: No line has a point.
    """
    ys = [y for line in lines for y in [*_inner(line.ys), *smooth(line.ys)]]
    xs = [x for line in lines for x in line.xs]
    if not xs:
        raise ValueError(f"{title!r} has no points to draw.")
    rows, columns = ticks(min(ys), max(ys)), ticks(0.0, max(xs))
    low, high = min(rows[0], min(ys)), max(rows[-1], max(ys))
    right = max(xs)

    def place(x: float, y: float) -> tuple[float, float]:
        across = LEFT + (WIDTH - LEFT - RIGHT) * x / right
        down = TOP + (HEIGHT - TOP - BOTTOM) * (high - y) / ((high - low) or 1.0)
        return round(across, 1), round(min(max(down, TOP), HEIGHT - BOTTOM), 1)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
        f'viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
        STYLE,
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" rx="6" style="fill:var(--paper)"/>',
        f'<text class="title" x="12" y="18">{escape(title)}</text>',
        *_axes(rows, [x for x in columns if x <= right], place),
    ]
    for i, line in enumerate(lines):
        parts += _curve(line, i % 4, place)
    return "\n".join([*parts, *_legend(lines), "</svg>"]) + "\n"


def _inner(values: Sequence[float]) -> list[float]:
    """Without the lowest and the highest twentieth, which would flatten the rest."""
    out = len(values) // 20
    return sorted(values)[out : len(values) - out]


def _axes(rows, columns, place) -> list[str]:
    parts = []
    for y in rows:
        _, down = place(0.0, y)
        parts.append(
            f'<line class="rule" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{down}" '
            f'y2="{down}"/><text x="{LEFT - 6}" y="{down + 4}" text-anchor="end">'
            f"{y:g}</text>"
        )
    for x in columns:
        across, _ = place(x, rows[0])
        anchor = "end" if across > WIDTH - 26 else "middle"
        across = min(across, WIDTH - RIGHT)
        parts.append(
            f'<text x="{across}" y="{HEIGHT - 12}" text-anchor="{anchor}">'
            f"{x:,.0f}</text>"
        )
    return parts


def _curve(line: Line, colour: int, place) -> list[str]:
    parts = []
    for ys, look in (
        (line.ys, 'stroke-width="1" stroke-opacity="0.3"'),
        (smooth(line.ys), 'stroke-width="2"'),
    ):
        places = (place(x, y) for x, y in zip(line.xs, ys, strict=True))
        points = " ".join(f"{across:g},{down:g}" for across, down in places)
        style = f'style="stroke:var(--line-{colour})"'
        parts.append(f'<polyline {style} {look} points="{points}"/>')
    return parts


def _legend(lines: Sequence[Line]) -> list[str]:
    """Names beside the title, each in the colour of its line."""
    names = [
        f'<tspan dx="8" style="fill:var(--line-{i % 4})">{escape(line.name)}</tspan>'
        for i, line in enumerate(lines)
    ]
    place = f'x="{WIDTH - RIGHT}" y="18" text-anchor="end"'
    return [f"<text {place}>{''.join(names)}</text>"]


def smooth(values: Sequence[float], reach: int = 4) -> list[float]:
    """The mean of each value and of those up to `reach` before and after it.

    Of 40 values or fewer, the values.
    """
    if len(values) <= 40:
        return list(values)
    near = [values[max(0, i - reach) : i + reach + 1] for i in range(len(values))]
    return [sum(some) / len(some) for some in near]


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """At most `count` + 1 round numbers that span [low, high], steps of 1, 2 or 5."""
    raw = (high - low) / count or abs(high) or 1.0
    size = 10.0 ** math.floor(math.log10(raw))
    step = next(size * k for k in (1, 2, 5, 10) if size * k >= raw * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(k * step, 10) for k in range(first, last + 1)]
