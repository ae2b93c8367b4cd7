"""Probability models of the latents: what a symbol costs, in training and in use.

y is Gaussian around a predicted mean, with a standard deviation named by a scale index
s in [0, 63]; z has a learned density for each channel. Both are convolved with the unit
box of the quantiser. Integer tables of the same distributions are in `hific.tables`.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf
import tensorflow_compression as tfc

from hific import shares

NUM_SCALES = 64
SCALE_MIN = 0.11
SCALE_MAX = 256.0
LEAST_LIKELIHOOD = 2.0**-16  # Of a symbol in the integer tables of `hific.tables`.
LOG_STEP = (math.log(SCALE_MAX) - math.log(SCALE_MIN)) / (NUM_SCALES - 1)  # 0.1230548


class Rate(NamedTuple):
    """What the prior says of a batch of latents.

    Attributes:
        y_hat: [B, h, w, C], the latents as the decoder will know them; the gradient to
            y is the identity.
        y_bits, z_bits: [B] float32, differentiable: of noisy latents while training.
        hard_y_bits, hard_z_bits: [B] float32, of the rounded latents, which is what a
            file weighs.
    """

    y_hat: tf.Tensor
    y_bits: tf.Tensor
    z_bits: tf.Tensor
    hard_y_bits: tf.Tensor
    hard_z_bits: tf.Tensor


def scale_from_index(index: tf.Tensor) -> tf.Tensor:
    """sigma = exp(ln 0.11 + s * 0.1230548), s clipped to [0, 63].

    Outside of the range only a gradient that leads back into it passes. Source: the
    scale table of Balle et al. 2018 as tensorflow-compression parameterises it.
    """
    index = tfc.lower_bound(index, 0.0)
    index = tfc.upper_bound(index, float(NUM_SCALES - 1))
    return tf.exp(math.log(SCALE_MIN) + LOG_STEP * index)


def round_index(index: tf.Tensor) -> tf.Tensor:
    """The scale index that coding uses: floor(s + 1/2), clipped to [0, 63]; same dtype.

    The one rounding rule of this project: hard bits and range coding both call it.
    """
    return tf.clip_by_value(tf.floor(index + 0.5), 0.0, float(NUM_SCALES - 1))


def gaussian_bits(
    residual: tf.Tensor, index: tf.Tensor, floor: float = 0.0
) -> tf.Tensor:
    """-log2 of Phi((r + 1/2) / sigma) - Phi((r - 1/2) / sigma), elementwise.

    Args:
        residual: r = y - mu, rounded or noisy.
        index: s, of the same shape.
        floor: Least likelihood; below it only a gradient that raises the likelihood
            passes. HiFiC used 1e-9.
    """
    sigma = scale_from_index(index)
    distribution = tfc.NoisyNormal(loc=tf.zeros_like(sigma), scale=sigma)
    log_likelihood = distribution.log_prob(residual)
    if floor:
        log_likelihood = tfc.lower_bound(log_likelihood, math.log(floor))
    return log_likelihood * (-1.0 / math.log(2.0))


def straight_through_round(x: tf.Tensor) -> tf.Tensor:
    """round(x), with the gradient of x."""
    return x + tf.stop_gradient(tf.round(x) - x)


class FactorizedDensity(tf.Module):
    """The density of z: one learned univariate distribution for each channel.

    Source: Balle et al. 2018, arXiv:1802.01436, appendix 6.1.
    """

    def __init__(self, channels: int, num_filters: tuple[int, ...] = (3, 3)):
        super().__init__()
        self.channels = channels
        self.distribution = tfc.NoisyDeepFactorized(
            batch_shape=(channels,), num_filters=num_filters, init_scale=10
        )

    def bits(self, z: tf.Tensor) -> tf.Tensor:
        """Bits of z [B, h, w, C] that is rounded or noisy, summed: [B]."""
        bits = self.distribution.log_prob(z) * (-1.0 / math.log(2.0))
        return tf.reduce_sum(bits, axis=(1, 2, 3))


class Prior(tf.Module):
    """P: everything that knows probabilities of one codec.

    y -> h_a -> z, which is coded with a factorised density; z_hat -> h_s -> features,
    from which `walk` predicts the mean and scale index of y slice by slice.
    """

    def __init__(
        self,
        hyper_analysis: Callable[[tf.Tensor], tf.Tensor],
        density: FactorizedDensity,
        hyper_synthesis: Callable[[tf.Tensor], Any],
        walk: Callable[..., tf.Tensor],
        noisy_hyper: bool = False,
        likelihood_floor: float = 0.0,
    ):
        """Creates the prior.

        Args:
            hyper_analysis: y [B, h, w, C] -> z [B, h/4, w/4, channels].
            density: Of z.
            hyper_synthesis: z_hat -> whatever `walk` takes first.
            walk: (features, code_slice) -> y_hat, see `egic.charm.SliceWalk`.
            noisy_hyper: While training, h_s sees z with noise (HiFiC) and not rounded
                with a straight-through gradient (EGIC).
            likelihood_floor: See `gaussian_bits`.
        """
        super().__init__()
        self.hyper_analysis = hyper_analysis
        self.density = density
        self.hyper_synthesis = hyper_synthesis
        self.walk = walk
        self.noisy_hyper = noisy_hyper
        self.likelihood_floor = likelihood_floor

    def rate(self, y: tf.Tensor, seed: tf.Tensor | None = None) -> Rate:
        """Quantises y and counts what it costs.

        Args:
            y: [B, h, w, C] float32.
            seed: [2] int32, of the uniform noise that stands for rounding in the soft
                bits; None counts rounded latents, and soft and hard bits are equal.
        """
        z = self.hyper_analysis(y)
        z_hat = straight_through_round(z)
        z_noisy = z_hat if seed is None else z + _noise(z, seed, 0)
        noisy = self.noisy_hyper and seed is not None
        hyper = self.hyper_synthesis(z_noisy if noisy else z_hat)
        slices: list[tf.Tensor] = []
        residuals, indexes = [], []

        def code_slice(i, mean, index):
            if not slices:
                slices.extend(_slices_like(y, mean))
            residual = slices[i] - mean
            residuals.append(residual)
            indexes.append(index)
            return slices[i] + tf.stop_gradient(tf.round(residual) - residual)

        y_hat = self.walk(hyper, code_slice)
        # Bits of all slices at once: a graph a tenth as large.
        residual, index = tf.concat(residuals, -1), tf.concat(indexes, -1)
        hard_y_bits = _sum_of_bits(
            tf.stop_gradient(tf.round(residual)), round_index(index), LEAST_LIKELIHOOD
        )
        y_bits = hard_y_bits
        if seed is not None:
            noisy_residual = residual + _noise(residual, seed, 1)
            y_bits = _sum_of_bits(noisy_residual, index, self.likelihood_floor)
        return Rate(
            y_hat,
            y_bits,
            self.density.bits(z_noisy),
            hard_y_bits,
            self.density.bits(tf.stop_gradient(z_hat)),
        )


def _sum_of_bits(residual: tf.Tensor, index: tf.Tensor, floor: float) -> tf.Tensor:
    """`gaussian_bits` summed over each picture, [B]."""
    return tf.reduce_sum(gaussian_bits(residual, index, floor), axis=(1, 2, 3))


def _slices_like(y: tf.Tensor, slice_: tf.Tensor) -> list[tf.Tensor]:
    return tf.split(y, y.shape[-1] // slice_.shape[-1], axis=-1)


def _noise(x: tf.Tensor, seed: tf.Tensor, stream: int) -> tf.Tensor:
    """U(-1/2, 1/2) like x, the same for the same seed, stream and image."""
    seed = tf.random.experimental.stateless_fold_in(seed, stream)
    return shares.stateless_uniform(tf.shape(x), seed, -0.5, 0.5, dtype=x.dtype)
