"""What painted scenes are covered with: periodic noise, bricks and mixtures.

Arrays are float32. Colours come as planes, [3, h, w], which numpy walks through several
times faster than [h, w, 3].
"""

import functools

import numpy as np


@functools.cache
def _interpolation(cells: int, size: int) -> np.ndarray:
    """Weights [size, cells] that stretch a ring of `cells` values to `size`."""
    at = np.arange(size) / size * cells
    left = np.floor(at).astype(int)
    share = at - left
    share = share * share * (3.0 - 2.0 * share)
    weights = np.zeros((size, cells), np.float32)
    weights[np.arange(size), left] = 1.0 - share
    weights[np.arange(size), (left + 1) % cells] += share
    weights.flags.writeable = False
    return weights


@functools.cache
def noise_tile(number: int, side: int = 256) -> np.ndarray:
    """A tile of blobs upon finer blobs that repeats without a seam.

    Args:
        number: Which one; scenes share a few.
        side: In samples, a power of two.

    Returns:
        [side, side] float32 in [0, 1].
    """
    rng = np.random.default_rng(number)
    total = np.zeros((side, side), np.float32)
    for octave in range(6):
        cells = 4 << octave
        weights = _interpolation(cells, side)
        values = rng.random((cells, cells), np.float32)
        total += np.float32(0.55**octave) * (weights @ values @ weights.T)
    total -= total.min()
    total /= total.max()
    total.flags.writeable = False
    return total


def sample(tile: np.ndarray, x: np.ndarray, y: np.ndarray | float) -> np.ndarray:
    """Reads a tile of side 1 at any place of the plane, bilinearly."""
    size = tile.shape[0]
    x, y = np.broadcast_arrays(x * np.float32(size), y * np.float32(size))
    left, top = np.floor(x), np.floor(y)
    right_share, bottom_share = x - left, y - top
    left, top = left.astype(np.int32) & (size - 1), top.astype(np.int32) & (size - 1)
    right, bottom = (left + 1) & (size - 1), (top + 1) & (size - 1)
    top, bottom = top * size, bottom * size
    above = tile.take(top + left)
    above += right_share * (tile.take(top + right) - above)
    below = tile.take(bottom + left)
    below += right_share * (tile.take(bottom + right) - below)
    return above + bottom_share * (below - above)


def bricks(
    x: np.ndarray, y: np.ndarray, length: float, height: float
) -> tuple[np.ndarray, np.ndarray]:
    """Running bond: rows of bricks, every other one shifted by half a brick.

    Args:
        x, y: Place on the wall, metres.
        length, height: Of a brick with its joint, metres.

    Returns:
        Distance to the nearest joint's middle, metres, and a number in [0, 1) that is
        one for each brick.
    """
    row = np.floor(y / height)
    shifted = x / length + 0.5 * (row % 2.0)
    column = np.floor(shifted)
    along = np.abs(shifted - column - 0.5) * length
    across = np.abs(y / height - row - 0.5) * height
    joint = np.minimum(0.5 * length - along, 0.5 * height - across)
    return joint, (column * 0.37 + row * 0.61 + column * row * 0.17) % 1.0


def unit(x: np.ndarray) -> np.ndarray:
    """Clips to [0, 1]."""
    return np.minimum(np.maximum(x, 0.0), 1.0)


def rgb(colour) -> np.ndarray:
    """One colour as an array that broadcasts with [3, h, w]."""
    return np.asarray(colour, np.float32).reshape(3, 1, 1)


def mix(start: np.ndarray, end: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Colours from `start`, at share 0, to `end`, at share 1, [3, h, w].

    Args:
        start, end: Colours that broadcast with [3, h, w].
        share: [h, w].
    """
    return start + share * (end - start)


def step_between(low: float, high: float, x: np.ndarray) -> np.ndarray:
    """0 below `low`, 1 above `high`, and smooth between."""
    share = unit((x - low) / (high - low))
    return share * share * (3.0 - 2.0 * share)
