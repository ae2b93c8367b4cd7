"""FD-alex: how far features of reconstructions are from those of originals, as sets.

A Fréchet distance like FID, of other features, so its values compare with nothing but
each other: FID's network is not at hand, and needs thousands of patches. What is
measured is stated at `FrechetAlex`.
"""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from hific import lpips

ORIGINAL = "original"
NUM_FEATURES = 256  # Channels of conv5.


class Moments:
    """Mean and covariance of samples that come in batches.

    float64; batches are merged by the update of Chan et al. 1979, which does not lose
    digits where the mean is far from 0.

    Attributes:
        count: Samples so far.
        mean: [D] of them.
    """

    def __init__(self, dimension: int):
        self.count = 0
        self.mean = np.zeros(dimension)
        self._scatter = np.zeros((dimension, dimension))

    def add(self, samples: np.ndarray) -> None:
        """Counts in samples [N, D]."""
        if not len(samples):
            return
        samples = np.asarray(samples, np.float64)
        number, mean = len(samples), samples.mean(0)
        centred, step = samples - mean, mean - self.mean
        total = self.count + number
        self._scatter += centred.T @ centred
        self._scatter += np.outer(step, step) * (self.count * number / total)
        self.mean = self.mean + step * (number / total)
        self.count = total

    def covariance(self) -> np.ndarray:
        """Returns [D, D], divided by the number of samples less one.

        Raises:
            ValueError: There are fewer than two samples.
        """
        if self.count < 2:
            raise ValueError(f"A covariance needs 2 samples, there are {self.count}.")
        return self._scatter / (self.count - 1)


def frechet_distance(a: Moments, b: Moments) -> float:
    """Distance of two Gaussians with these moments, squared, as FID has it.

        |m_a - m_b|^2 + Tr(S_a + S_b - 2 (S_a S_b)^(1/2))

    Tr (S_a S_b)^(1/2) is the sum of singular values of S_a^(1/2) S_b^(1/2), whose roots
    are of symmetric matrices: that keeps its digits where covariances are singular, and
    nothing becomes complex.

    Source: Heusel et al. 2017, arXiv:1706.08500.

    Raises:
        ValueError: Either has fewer than two samples.
    """
    covariances = a.covariance(), b.covariance()
    roots = [_root(covariance) for covariance in covariances]
    common = np.linalg.svd(roots[0] @ roots[1], compute_uv=False).sum()
    spread = sum(np.trace(covariance) for covariance in covariances) - 2 * common
    # Rounding may leave a little less than nothing.
    return float(np.sum((a.mean - b.mean) ** 2) + max(spread, 0.0))


def _root(covariance: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(covariance)
    return (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T


def cut_patches(image: np.ndarray, side: int) -> np.ndarray:
    """Cuts a picture [H, W, C] into patches [N, side, side, C], on two grids.

    Those of the first touch, from the upper left corner; the second is the same, half a
    side further down and right. floor(H/s) floor(W/s) and floor((H-s/2)/s)
    floor((W-s/2)/s) patches; what is left over at the edges is not seen.

    Source: FID/256 of HiFiC, arXiv:2006.09965, appendix A.7, with the second grid's
    number of patches as in NeuralCompression.
    """
    height, width = image.shape[:2]
    patches = [
        image[top : top + side, left : left + side]
        for start in (0, side // 2)
        for top in range(start, height - side + 1, side)
        for left in range(start, width - side + 1, side)
    ]
    return np.stack(patches) if patches else np.zeros((0, side, side, 3), image.dtype)


def alexnet_features(network: lpips.Lpips) -> Callable[[np.ndarray], np.ndarray]:
    """Returns patches [N, s, s, 3] uint8 -> features [N, 256], see `FrechetAlex`."""

    @tf.function(input_signature=[tf.TensorSpec((None, None, None, 3), tf.uint8)])
    def measure(patches):
        last = network.activations(tf.cast(patches, tf.float32))[-1]
        return tf.reduce_mean(last, (1, 2))

    return lambda patches: measure(patches).numpy()


class FrechetAlex:
    """FD-alex of every codec to the originals, over all patches of all pictures.

    Features are the outputs of AlexNet's fifth convolution after its ReLU, averaged
    over the patch: 256 numbers. The network is that of LPIPS, and sees 8-bit RGB scaled
    and centred as LPIPS does. Patches as in `cut_patches`. Originals and
    reconstructions are pooled apart, so a reconstruction need not be like its own
    original to count.
    """

    def __init__(self, features: Callable[[np.ndarray], np.ndarray], side: int):
        """Starts without pictures.

        Args:
            features: Of patches, [N, side, side, 3] uint8 -> [N, 256].
            side: Of a patch, pixels; smaller patches are more, but see less.
        """
        self._features = features
        self._side = side
        self._moments: dict[str, Moments] = {}

    def add(self, name: str, image: np.ndarray) -> None:
        """Counts in a picture.

        Args:
            name: `ORIGINAL`, or the codec that made it.
            image: [H, W, 3] uint8.
        """
        moments = self._moments.setdefault(name, Moments(NUM_FEATURES))
        patches = cut_patches(image, self._side)
        if len(patches):
            moments.add(self._features(patches))

    def summary(self) -> dict[str, dict[str, float | None]]:
        """Returns codec -> `fd_alex` and the number of patches it was measured on.

        `fd_alex` is None where there are fewer than two. See `shortage`.
        """
        return {
            name: {
                "fd_alex": self._distance(moments) if moments.count > 1 else None,
                "fd_alex_patches": moments.count,
            }
            for name, moments in self._moments.items()
            if name != ORIGINAL
        }

    def _distance(self, moments: Moments) -> float:
        return frechet_distance(self._moments[ORIGINAL], moments)

    @property
    def shortage(self) -> str | None:
        """What to say beside the numbers where patches are too few, or None.

        With fewer samples than dimensions and one, covariances are singular.
        """
        count = self._moments[ORIGINAL].count if self._moments else 0
        if count > NUM_FEATURES:
            return None
        return (
            f"FD-alex is of {count} patches of {self._side} pixels; below "
            f"{NUM_FEATURES + 1} the covariances of {NUM_FEATURES} features are "
            "singular, and values compare only with those of the same patches. Smaller "
            "patches (--fd_patch) are more."
        )
