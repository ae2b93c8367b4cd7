"""How many multiplications a SwinT-ChARM codec needs, from its config alone.

Counted are matrix products and convolutions, attention's included; one
multiply-accumulate is two floating-point operations.
"""

from typing import NamedTuple

from egic.config import EgicConfig


class Macs(NamedTuple):
    """Multiply-accumulates for one picture: E, G, h_a with h_s, and the slice nets."""

    analysis: int
    synthesis: int
    hyper: int
    walk: int


def count(config: EgicConfig, height: int, width: int) -> Macs:
    """Counts for a padded picture of height x width pixels."""
    dims = config.transform.dims
    tokens = [height * width // 4**level for level in range(1, 7)]
    stages = sum(
        _stage(n, dim, depth, config.transform.window)
        for n, dim, depth in zip(tokens, dims, config.transform.depths, strict=False)
    )
    # Merging and splitting are the same product in the two directions.
    resampling = 12 * tokens[0] * dims[0] + sum(
        4 * tokens[i + 1] * dims[i] * dims[i + 1] for i in range(3)
    )
    hyper, latent = config.hyper, dims[-1]
    inner = sum(
        _stage(n, hyper.channels, depth, window)
        for n, depth, window in zip(
            tokens[4:], hyper.depths, hyper.windows, strict=True
        )
    )
    inner += 4 * tokens[5] * hyper.channels**2
    outer = 4 * tokens[4] * latent * hyper.channels
    return Macs(
        stages + resampling,
        stages + resampling,
        2 * inner + outer + 2 * outer,  # h_s ends in means and scales.
        2 * tokens[3] * _slice_nets(config),
    )


def _stage(tokens: int, dim: int, depth: int, window: int) -> int:
    """Four dense layers of 12 dim^2 together, and two products of attention."""
    return tokens * depth * (12 * dim**2 + 2 * window**2 * dim)


def _slice_nets(config: EgicConfig) -> int:
    """Of one position, for the nets of one kind."""
    size = config.transform.dims[-1] // len(config.charm.widths)
    total = 0
    for i, (first, second) in enumerate(config.charm.widths):
        inputs = size * (1 + min(i, config.charm.max_support))
        total += 9 * (inputs * first + first * second + second * size)
    return total
