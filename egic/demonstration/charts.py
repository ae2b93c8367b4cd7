"""Small line charts that take the colours of the page they stand in."""

from collections.abc import Sequence

from hific.evaluation.markup import Element, element

_WIDTH, _HEIGHT, _MARGIN = 300, 120, 8


def line(steps: Sequence[float], values: Sequence[float], label: str) -> Element:
    """Draws one line over steps; its ends are marked.

    Args:
        steps: Ascending.
        values: As many, finite.
        label: Says in words what is to be seen.

    Returns:
        An <svg> to be put into a page.
    """
    points = [
        (_place(x, steps, _WIDTH), _HEIGHT - _place(y, values, _HEIGHT))
        for x, y in zip(steps, values, strict=True)
    ]
    path = "M" + " L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    ends = [points[0], points[-1]]
    return element(
        "svg",
        element("path", d=path),
        *(element("circle", cx=f"{x:.1f}", cy=f"{y:.1f}", r="4") for x, y in ends),
        viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
        role="img",
        aria_label=label,
        class_="chart",
    )


def _place(value: float, values: Sequence[float], length: int) -> float:
    """Where a value lies between the least and the greatest, in the chart's units."""
    low, high = min(values), max(values)
    share = (value - low) / (high - low) if high > low else 0.5
    return _MARGIN + share * (length - 2 * _MARGIN)
