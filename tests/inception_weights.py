"""Weights and pictures for FID's Inception, drawn by numpy."""

import math

import numpy as np


def weights(shapes):
    """Returns name -> float32 array, of a scale that lets signals through."""
    return {
        name: _draw(name, shapes[name], np.random.default_rng([5, number]))
        for number, name in enumerate(sorted(shapes))
    }


def patches():
    """Returns two pictures, [2, 64, 80, 3] uint8: smooth waves, and noise."""
    y, x = (grid[..., np.newaxis] for grid in np.mgrid[:64, :80])
    waves = 128 + 100 * np.sin(0.2 * x + 0.1 * y * np.arange(1, 4))
    noise = np.random.default_rng(6).integers(0, 256, (64, 80, 3))
    return np.stack([waves, noise]).astype(np.uint8)


def _draw(name, shape, random):
    values = random.standard_normal(shape, np.float32)
    if name.endswith("conv.weight"):
        return values * np.float32(math.sqrt(2 / math.prod(shape[1:])))
    if name.endswith(("bn.weight", "running_var")):
        return 1 + 0.3 * np.tanh(values)
    return 0.1 * values
