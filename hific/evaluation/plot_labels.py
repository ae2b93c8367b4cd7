"""Where words go in a plot: beside what they name, and over nothing else."""

from collections.abc import Sequence
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
    boxes: list[np.ndarray] = []
    left_out: list[Label] = []
    for label in labels:
        text = axes.annotate(
            label.text,
            label.points[0],
            textcoords="offset points",
            xytext=(0, 0),
            color=label.colour,
            fontsize=size,
            zorder=6,
        )
        extent = text.get_window_extent()
        found = _best(axes, label, (extent.width, extent.height), boxes, lines, taken)
        if found is None:
            text.remove()
            left_out.append(label)
            continue
        point, side, box = found
        text.xy = point
        text.set_position([_WAY[name] * _APART for name in side])
        text.set(ha=side[0], va=side[1])
        texts.append(text)
        boxes.append(box)
    return texts, left_out


def _best(axes, label, size, boxes, lines, taken):
    """Returns (point, side, box) of least cost, or None where all room is taken."""
    frame = axes.get_window_extent().extents
    apart = _APART * axes.figure.dpi / 72
    best, least = None, np.inf
    for rank, pixel in enumerate(axes.transData.transform(label.points)):
        for i, side in enumerate(_SIDES):
            box = _box(pixel, size, side, apart)
            if not _free(box, frame, boxes, taken):
                continue
            cost = rank * _RANK_COST + i / len(_SIDES) + _inside(lines, box)
            if cost < least:
                best, least = (label.points[rank], side, box), cost
    # A line may cross the words, but not run along them.
    return best if label.must or least < 0.8 * size[1] else None


def _box(pixel, size, side, apart) -> np.ndarray:
    """Returns left, bottom, right, top of words on one side of a pixel."""
    way = np.array([_WAY[name] for name in side])
    corner = pixel + way * apart + (way - 1) / 2 * size
    return np.concatenate([corner - _PADDING, corner + size + _PADDING])


def _free(box, frame, boxes, taken) -> bool:
    if (box[:2] < frame[:2]).any() or (box[2:] > frame[2:]).any():
        return False
    overlaps = [(box[:2] < b[2:]).all() and (b[:2] < box[2:]).all() for b in boxes]
    return not any(overlaps) and not _inside(taken, box)


def _inside(points, box) -> int:
    return int(((points > box[:2]) & (points < box[2:])).all(1).sum())
