"""Where words go in a plot: beside what they name, and over nothing else."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

_APART = 5.0  # Between a point and its words, in points of 1/72 inch.
_PADDING = 1.0  # Around words, pixels.
# (horizontal, vertical) alignment of words to their point; the first that is best wins.
_SIDES = (
    ("left", "center"),
    ("left", "bottom"),
    ("left", "top"),
    ("right", "bottom"),
    ("right", "top"),
    ("center", "bottom"),
    ("center", "top"),
    ("right", "center"),
)
# Alignment -> which way the words lie from their point.
_WAY = {"left": 1, "right": -1, "center": 0, "bottom": 1, "top": -1}
_RANK_COST = 0.2
_LINE_SHARE = 0.8  # Pixels of lines within words, of the words' height.


class Label(NamedTuple):
    """Words that belong beside any of some points.

    Attributes:
        text: The words.
        points: [N, 2] in the coordinates of the data, the best first.
        colour: Of the words.
        must: Whether they may lie over any line; else over little of them.
    """

    text: str
    points: np.ndarray
    colour: str
    must: bool = False


def place(
    axes: Any,
    labels: Sequence[Label],
    size: float,
    lines: np.ndarray,
    taken: np.ndarray,
) -> tuple[list[Any], list[Label]]:
    """Writes labels where they cover no other, and of lines as little as possible.

    Args:
        axes: Of matplotlib, with limits and layout settled.
        labels: The most important first.
        size: Of the letters, points.
        lines: [N, 2] pixels a pixel or two apart, better left free.
        taken: [M, 2] pixels over which nothing is written, as of markers.

    Returns:
        The texts that were written, and the labels for which there was no room.
    """
    texts: list[Any] = []
    boxes = np.zeros((0, 4))
    left_out: list[Label] = []
    on_lines, on_markers = _counter(axes, lines), _counter(axes, taken)
    for label in labels:
        text = axes.annotate(
            label.text,
            label.points[0],
            textcoords="offset points",
            xytext=(0, 0),
            annotation_clip=False,  # Else words beside a hidden point have no size.
            color=label.colour,
            fontsize=size,
            zorder=6,
        )
        extent = text.get_window_extent()
        places = _places(axes, label.points, (extent.width, extent.height))
        free = _shown(axes, label.points) & _inside_frame(axes, places)
        free &= ~_overlap(places, boxes)
        free &= on_markers(places) == 0
        costs = np.where(
            free, on_lines(places) + _preference(len(label.points)), np.inf
        )
        best = int(np.argmin(costs))
        # A line may touch the words, but not run along them.
        most = np.inf if label.must else _LINE_SHARE * extent.height
        if costs[best] >= most:
            text.remove()
            left_out.append(label)
            continue
        side = _SIDES[best % len(_SIDES)]
        text.xy = label.points[best // len(_SIDES)]
        text.set_position([_WAY[name] * _APART for name in side])
        text.set(ha=side[0], va=side[1])
        texts.append(text)
        boxes = np.concatenate([boxes, places[best : best + 1]])
    return texts, left_out


def _places(axes, points, size) -> np.ndarray:
    """Returns [N * sides, 4], left, bottom, right and top of words beside points."""
    apart = _APART * axes.figure.dpi / 72
    way = np.array([[_WAY[name] for name in side] for side in _SIDES])
    pixels = axes.transData.transform(points)[:, np.newaxis]
    corners = (pixels + way * apart + (way - 1) / 2 * size).reshape(-1, 2)
    return np.concatenate([corners - _PADDING, corners + size + _PADDING], 1)


def _preference(count: int) -> np.ndarray:
    """Returns what the places of so many points cost for being late in the order."""
    ranks = np.arange(count)[:, np.newaxis] * _RANK_COST
    return (ranks + np.arange(len(_SIDES)) / len(_SIDES)).ravel()


def _shown(axes, points) -> np.ndarray:
    """Returns of every place whether the point it is beside is shown."""
    pixels = axes.transData.transform(points)
    shown = _inside_frame(axes, np.concatenate([pixels, pixels], 1))
    return np.repeat(shown, len(_SIDES))


def _inside_frame(axes, places) -> np.ndarray:
    frame = axes.get_window_extent().extents
    return (places[:, :2] >= frame[:2]).all(1) & (places[:, 2:] <= frame[2:]).all(1)


def _overlap(places, boxes) -> np.ndarray:
    a, b = places[:, np.newaxis], boxes[np.newaxis]
    both = (a[..., :2] < b[..., 2:]) & (b[..., :2] < a[..., 2:])
    return both.all(-1).any(-1)


def _counter(axes, pixels) -> Callable[[np.ndarray], np.ndarray]:
    """Returns a function, boxes [N, 4] -> how many of the pixels are in each.

    It looks up sums over the rectangles from the frame's corner, since there are
    thousands of pixels and of places.
    """
    frame = axes.get_window_extent().extents
    size = np.ceil(frame[2:] - frame[:2]).astype(int) + 1
    at = np.floor(pixels - frame[:2]).astype(int)
    at = at[((at >= 0) & (at < size)).all(1)]
    sums = np.zeros(size + 1, np.int64)
    np.add.at(sums, (at[:, 0] + 1, at[:, 1] + 1), 1)
    sums = sums.cumsum(0).cumsum(1)

    def count(boxes):
        corners = np.round(boxes - np.tile(frame[:2], 2)).astype(int)
        left, bottom, right, top = np.clip(corners, 0, np.tile(size, 2)).T
        return (
            sums[right, top]
            - sums[left, top]
            - sums[right, bottom]
            + sums[left, bottom]
        )

    return count
