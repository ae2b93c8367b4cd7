"""Fréchet distance of two sets of features, which FID and FD-alex are."""

from typing import NamedTuple

import numpy as np


class Gaussian(NamedTuple):
    """The Gaussian with the mean and the covariance of samples.

    Attributes:
        mean: [D] float64.
        factor: [K, D] float64, of which factor' factor is the covariance, divided by
            the number of samples less one. K is that number, or D where that is less.
    """

    mean: np.ndarray
    factor: np.ndarray


def gaussian_of(samples: np.ndarray) -> Gaussian:
    """Returns the Gaussian of samples [N, D], in float64 whatever their type.

    The covariance itself is never formed: squares have half the digits.

    Raises:
        ValueError: There are fewer than two samples.
    """
    if len(samples) < 2:
        raise ValueError(f"A covariance needs 2 samples, there are {len(samples)}.")
    samples = np.asarray(samples, np.float64)
    mean = samples.mean(0)
    factor = (samples - mean) / np.sqrt(len(samples) - 1)
    if len(samples) > samples.shape[1]:
        factor = np.linalg.qr(factor, mode="r")
    return Gaussian(mean, factor)


def frechet_distance(a: Gaussian, b: Gaussian) -> float:
    """Distance of two Gaussians, squared, as FID has it.

        |m_a - m_b|^2 + Tr(S_a + S_b - 2 (S_a S_b)^(1/2))

    With factors F, Tr (S_a S_b)^(1/2) is the sum of singular values of F_a F_b':
    that keeps its digits where covariances are singular, nothing becomes complex, and
    few samples of many features take no time.

    Source: Heusel et al. 2017, arXiv:1706.08500.
    """
    common = np.linalg.svd(a.factor @ b.factor.T, compute_uv=False).sum()
    spread = np.sum(a.factor**2) + np.sum(b.factor**2) - 2 * common
    # Rounding may leave a little less than nothing.
    return float(np.sum((a.mean - b.mean) ** 2) + max(spread, 0.0))
