"""KID: how far two sets of features are apart, by a kernel, without bias.

Where a Fréchet distance needs more samples than features have numbers and is too large
by an amount that depends on how many there are, this is right on average from two
samples on, if the sets are independent. Single values scatter, and near 0 may be
negative.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

SUBSETS = 100
SUBSET_SIZE = 1000
_BLOCK = 1000  # Samples whose kernel is in memory at a time.


class KernelDistance(NamedTuple):
    """What `kernel_distance` finds.

    Attributes:
        mean: Over the subsets.
        deviation: Standard deviation over the subsets, divided by their number; None
            where there was one only, the whole of both sets.
        subset_size: Samples of either set in a subset.
    """

    mean: float
    deviation: float | None
    subset_size: int


def squared_mmd(x: np.ndarray, y: np.ndarray, paired: bool = False) -> float:
    """Maximum mean discrepancy, squared, of the kernel k(a, b) = (a.b / D + 1)^3.

        mean_{i != j} k(x_i, x_j) + mean_{i != j} k(y_i, y_j)
            - 2 mean_{i, j} k(x_i, y_j)

    Unbiased: its expectation is 0 where both sets are drawn alike, and independently.
    For x = (1, 0), (0, 1) and y = (1, 1), (0, 0) it is 1 + 1 - 2 * 2.1875 = -2.375.

    A patch and its reconstruction are not independent: they are more alike than two
    patches, and N such pairs put it 2/N (mean_i k(x_i, y_i) - mean_{i != j} k(x_i,
    y_j)) too low. `paired` leaves them out of the last mean.

    Source: Gretton et al. 2012, lemma 6; the kernel of Bińkowski et al. 2018,
    arXiv:1801.01401.

    Args:
        x: [N, D], N >= 2.
        y: [M, D], M >= 2.
        paired: N = M, and x_i belongs to y_i.

    Raises:
        ValueError: A set has fewer than two samples, or features or pairs do not match.
    """
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if min(len(x), len(y)) < 2 or x.shape[1:] != y.shape[1:]:
        raise ValueError(
            f"A kernel distance needs two sets of at least 2 samples with equally many "
            f"features, got {x.shape} and {y.shape}."
        )
    if paired and len(x) != len(y):
        raise ValueError(f"{len(x)} samples are no pairs with {len(y)}.")
    across = _kernel(x, y)
    mean = _mean_off_diagonal(across) if paired else float(np.mean(across))
    within = sum(_mean_off_diagonal(_kernel(z, z)) for z in (x, y))
    return within - 2 * mean


def kernel_distance(
    x: np.ndarray,
    y: np.ndarray,
    subsets: int = SUBSETS,
    subset_size: int = SUBSET_SIZE,
    seed: int = 0,
    paired: bool = False,
) -> KernelDistance:
    """KID of two sets of features: `squared_mmd` of random subsets, averaged.

    Subsets have as many samples as asked for, or as the smaller set has. Where that is
    all of both sets, there is one value and no deviation. The order of `x` and `y` only
    decides what is drawn; it is that of clean-fid, so that the mean is its
    `kernel_distance` after `numpy.random.seed(seed)`.

    Args:
        x: [N, D], N >= 2.
        y: [M, D], M >= 2.
        subsets: How many; 100 is usual.
        subset_size: Samples in each; 1000 is usual.
        seed: Of the draw.
        paired: As in `squared_mmd`; the same samples of both sets are drawn.

    Raises:
        ValueError: As `squared_mmd`.
    """
    size = min(len(x), len(y), subset_size)
    if size == len(x) == len(y):
        return KernelDistance(squared_mmd(x, y, paired), None, size)
    random = np.random.RandomState(seed)
    draws = []
    for _ in range(subsets):
        of_y = random.choice(len(y), size, replace=False)
        of_x = of_y if paired else random.choice(len(x), size, replace=False)
        draws.append((of_x, of_y))
    if len(x) * len(x) + len(y) * len(y) <= 2 * subsets * size * size:
        values = _of_subsets_at_once(x, y, draws, paired)
    else:
        values = np.array(
            [squared_mmd(x[of_x], y[of_y], paired) for of_x, of_y in draws]
        )
    return KernelDistance(float(np.mean(values)), float(np.std(values)), size)


def _of_subsets_at_once(x, y, draws, paired) -> np.ndarray:
    """`squared_mmd` of each pair of subsets, [S], from the kernel of the whole sets.

    The sum of a kernel over a subset is w' K w where w is 1 for its samples: subsets
    that overlap, as those of 1,200 patches do, share nearly all of the work.
    """
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    in_x, in_y = (
        _indicators(each, len(of))
        for each, of in zip(zip(*draws, strict=True), (x, y), strict=True)
    )
    size = len(draws[0][0])
    within = sum(
        _sums(z, z, in_z, in_z) - in_z @ _own(z, z)
        for z, in_z in ((x, in_x), (y, in_y))
    )
    across = _sums(x, y, in_x, in_y)
    if paired:
        across = (across - in_x @ _own(x, y)) / (size * (size - 1))
    else:
        across = across / size**2
    return within / (size * (size - 1)) - 2 * across


def _indicators(drawn: Sequence[np.ndarray], count: int) -> np.ndarray:
    """Returns [S, count], 1 where a subset has a sample, else 0."""
    chosen = np.zeros((len(drawn), count))
    for row, samples in zip(chosen, drawn, strict=True):
        row[samples] = 1.0
    return chosen


def _sums(x, y, in_x, in_y) -> np.ndarray:
    """Returns [S], the sum of k(x_i, y_j) over the pairs of each subset."""
    totals = np.zeros(len(in_x))
    for start in range(0, len(x), _BLOCK):
        rows = slice(start, start + _BLOCK)
        totals += np.sum(in_x[:, rows] @ _kernel(x[rows], y) * in_y, 1)
    return totals


def _own(x, y) -> np.ndarray:
    """Returns [N], k(x_i, y_i)."""
    return (np.sum(x * y, 1) / x.shape[1] + 1.0) ** 3


def _kernel(x, y):
    root = x @ y.T / x.shape[1] + 1.0
    return root * root * root  # A power takes several times as long.


def _mean_off_diagonal(values):
    count = len(values)
    return float((values.sum() - np.trace(values)) / (count * (count - 1)))
