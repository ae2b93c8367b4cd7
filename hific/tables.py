"""Integer probability tables: built once from a trained prior, then data.

Floating-point tables built on two machines may differ in a last bit, after which range
decoding yields garbage; so they are stored with the model and never rebuilt. There is
no escape code, whose decoder can be made to loop for ever: symbols are clipped to their
table, which holds all but 2^-16 of the probability, and more of a Gaussian.
"""

import dataclasses
import math

import numpy as np
import tensorflow as tf
import tensorflow_compression as tfc
from scipy import special

from hific import entropy

PRECISION = 16
TAIL_MASS = 2.0**-16
# Predicted scales are at times too small, so Gaussian rows reach up to twice as far as
# the tail mass asks for, by at most this many symbols; each costs 2^-16.
MARGIN = 16


@dataclasses.dataclass(frozen=True)
class Tables:
    """Cumulative distributions of every symbol, one row each.

    Rows 0 to 63 are the Gaussians of the scale indexes, row 64 + c is channel c of z.

    Attributes:
        cdf: [N] int32, the rows one after the other as tensorflow-compression's range
            coder reads them: the precision (positive: no escape code), then the
            cumulative counts from 0 to 2^16.
        offset: [rows] int32, the symbol that each row begins with.
        length: [rows] int32, how many symbols it has.
    """

    cdf: np.ndarray
    offset: np.ndarray
    length: np.ndarray

    def check(self, z_channels: int) -> None:
        """Checks tables that were read from a file.

        The range coder takes any numbers for tables; with wrong ones it reads beyond
        their end, or does not come back.

        Args:
            z_channels: Channels of z.

        Raises:
            ValueError: They are no tables that `build` makes.
        """
        arrays = (self.cdf, self.offset, self.length)
        if any(array.ndim != 1 or array.dtype != np.int32 for array in arrays):
            raise ValueError("Coding tables must be lists of 32-bit integers.")
        rows = entropy.NUM_SCALES + z_channels
        size = int((self.length.astype(np.int64) + 2).sum())
        if {len(self.offset), len(self.length)} != {rows} or len(self.cdf) != size:
            raise ValueError(
                f"{len(self.offset)} and {len(self.length)} coding tables with "
                f"{len(self.cdf)} entries; {rows} with {size} are needed."
            )
        if self.length.min() < 1:
            raise ValueError(f"Coding table {self.length.argmin()} has no symbol.")
        for row in range(rows):
            precision, *counts = self._row(row)
            rises = np.all(np.diff(counts) > 0)
            if precision != PRECISION or counts[0] or counts[-1] != 2**16 or not rises:
                raise ValueError(f"Coding table {row} does not rise from 0 to 2^16.")

    def least_bits(self) -> float:
        """What the cheapest symbol of y costs, by any scale index."""
        most = max(np.diff(self._row(i)[1:]).max() for i in range(entropy.NUM_SCALES))
        return PRECISION - math.log2(most)

    def _row(self, row: int) -> np.ndarray:
        start = int((self.length[:row] + 2).sum())
        return self.cdf[start : start + self.length[row] + 2]


def build(density: entropy.FactorizedDensity) -> Tables:
    """Builds the tables of a trained prior."""
    rows = [_gaussian(i) for i in range(entropy.NUM_SCALES)] + _factorized(density)
    cdf = [
        np.concatenate([[PRECISION], _quantise(probabilities)])
        for _, probabilities in rows
    ]
    return Tables(
        np.concatenate(cdf).astype(np.int32),
        np.array([offset for offset, _ in rows], np.int32),
        np.array([len(probabilities) for _, probabilities in rows], np.int32),
    )


def _quantise(probabilities: np.ndarray) -> np.ndarray:
    """Cumulative counts from 0 to 2^16, at least one for every symbol."""
    normal = (probabilities / probabilities.sum()).astype(np.float32)
    return tfc.pmf_to_quantized_cdf(normal, precision=PRECISION).numpy()


def _gaussian(index: int) -> tuple[int, np.ndarray]:
    """First symbol and probabilities of a Gaussian rounded to integers."""
    sigma = math.exp(math.log(entropy.SCALE_MIN) + entropy.LOG_STEP * index)
    reach = -special.ndtri(TAIL_MASS / 2) * sigma
    half = math.ceil(reach + min(reach, MARGIN))
    edges = (np.arange(-half, half + 2) - 0.5) / sigma
    # Differences of the smaller tail, which keeps its digits.
    below, above = special.ndtr(edges), special.ndtr(-edges)
    return -half, np.where(edges[1:] > 0, -np.diff(above), np.diff(below))


def _factorized(density: entropy.FactorizedDensity) -> list[tuple[int, np.ndarray]]:
    """First symbol and probabilities of each channel of z."""
    distribution = density.distribution
    # Both are found by an iteration, which is thirty times slower outside of a graph.
    lower, upper = tf.function(
        lambda: (
            tfc.lower_tail(distribution, TAIL_MASS),
            tfc.upper_tail(distribution, TAIL_MASS),
        ),
        autograph=False,
    )()
    lower = np.floor(lower.numpy()).astype(int)
    upper = np.ceil(upper.numpy()).astype(int)
    first, last = lower.min(), upper.max()
    symbols = tf.range(first, last + 1, dtype=tf.float32)[:, tf.newaxis]
    symbols = tf.repeat(symbols, density.channels, axis=1)
    probabilities = distribution.prob(symbols).numpy().astype(np.float64)
    return [
        (int(low), probabilities[low - first : high + 1 - first, channel])
        for channel, (low, high) in enumerate(zip(lower, upper, strict=True))
    ]
