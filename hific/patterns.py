"""Pictures made of integers only: the same on every machine, with every numpy.

They are what conformance vectors show: something of what photographs have, and much
that they do not.
"""

from collections.abc import Callable, Mapping

import numpy as np


def clouds(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Coarse to fine noise in each channel, as bumpy as a photograph."""
    return _channels(lambda c: _clouds(height, width, 8 * seed + c))


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Every byte on its own: what no codec can predict."""
    return _channels(lambda c: _hashed(*_grid(height, width), 8 * seed + c))


def rings(height: int, width: int, seed: int = 0) -> np.ndarray:
    """A ramp, a product and rings that grow ever finer."""
    y, x = _grid(height, width)
    far = ((x - width // 2) ** 2 + (y - height // 2) ** 2) // 8
    return _stacked([3 * x + y + seed, x * y // 14, far])


def edges(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Black and coloured squares of 7 pixels, a thin line through them."""
    y, x = _grid(height, width)
    bright = (y // 7 + x // 7) % 2 == 0
    line = x == y
    return _channels(
        lambda c: np.where(line, 128, np.where(bright, 255 - 60 * (c + seed) % 256, 0))
    )


def white(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Nothing."""
    return np.full((height, width, 3), 255, np.uint8)


# Name of a vector -> what it shows, height, width.
VECTORS: Mapping[str, tuple[Callable[..., np.ndarray], int, int]] = {
    "pixel": (clouds, 1, 1),
    "row": (edges, 1, 300),
    "column": (noise, 300, 1),
    "clouds": (clouds, 64, 64),
    "clouds_odd": (clouds, 67, 131),
    "clouds_wide": (clouds, 256, 384),
    "clouds_tall": (clouds, 384, 256),
    "noise": (noise, 128, 128),
    "noise_odd": (noise, 33, 31),
    "rings": (rings, 128, 96),
    "rings_odd": (rings, 65, 63),
    "edges": (edges, 96, 128),
    "edges_odd": (edges, 199, 301),
    "white": (white, 70, 20),
}


def pictures() -> dict[str, np.ndarray]:
    """The pictures of `VECTORS`, [H, W, 3] uint8."""
    return {
        name: draw(height, width, seed)
        for seed, (name, (draw, height, width)) in enumerate(VECTORS.items())
    }


def _grid(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    y, x = np.mgrid[:height, :width]
    return y, x


def _channels(channel: Callable[[int], np.ndarray]) -> np.ndarray:
    return _stacked([channel(c) for c in range(3)])


def _stacked(channels: list[np.ndarray]) -> np.ndarray:
    return np.stack([each % 256 for each in channels], -1).astype(np.uint8)


def _hashed(y: np.ndarray, x: np.ndarray, seed: int) -> np.ndarray:
    """A byte for each position, without any order to be seen in them."""
    value = (y * 73856093 ^ x * 19349663 ^ (seed + 1) * 83492791) & 0xFFFFFFFF
    for factor in (0x7FEB352D, 0x846CA68B):
        value = (value ^ value >> 16) * factor & 0xFFFFFFFF
    return value >> 24


def _clouds(height: int, width: int, seed: int) -> np.ndarray:
    """Bytes between random ones on a lattice, of five lattices together."""
    y, x = _grid(height, width)
    total = np.zeros((height, width), np.int64)
    for level, step in enumerate((64, 32, 16, 8, 4)):
        top, left = y // step, x // step
        down, right = y % step, x % step
        between = np.zeros_like(total)
        for below in (0, 1):
            for beside in (0, 1):
                weight = (down if below else step - down) * (
                    right if beside else step - right
                )
                corner = _hashed(top + below, left + beside, 16 * seed + level)
                between += weight * corner
        total += between // (step * step) << (4 - level)
    return total // 31
