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


def vgg16():
    """Returns a state dict of VGG-16's convolutions, by torchvision's names."""
    widths = (64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512)
    numbers = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
    arrays, before = {}, 3
    for number, width in zip(numbers, widths, strict=True):
        random = np.random.default_rng([7, number])
        shape = (width, before, 3, 3)
        arrays[f"features.{number}.weight"] = _draw("conv.weight", shape, random)
        arrays[f"features.{number}.bias"] = _draw("bias", (width,), random)
        before = width
    return arrays


def alpha_beta():
    """Returns a state dict of DISTS' own weights, [1, 1475, 1, 1] each."""
    random = np.random.default_rng(9)
    shape = (1, 3 + 64 + 128 + 256 + 512 + 512, 1, 1)
    return {
        name: random.uniform(0, 1, shape).astype("f4") for name in ("alpha", "beta")
    }
