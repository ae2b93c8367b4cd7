"""The rate term of the loss: a fixed weight, or HiFiC's controller.

*soft* bpp comes from noisy latents and has a gradient; *hard* bpp is what a file made
of rounded latents would weigh. Both are bits per pixel of the picture.
"""

import dataclasses
from collections.abc import Callable, Mapping

import tensorflow as tf

from hific.choices import choose
from hific.config import RateConfig

RateTerm = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]


@dataclasses.dataclass(frozen=True)
class Schedule:
    """A number that changes at given steps.

    factors[i] holds for boundaries[i - 1] <= step < boundaries[i]: the new value counts
    *at* its boundary. (Keras' PiecewiseConstantDecay still returns the old one there.)

    Attributes:
        factors: One more than there are boundaries.
        boundaries: Steps, strictly increasing.
    """

    factors: tuple[float, ...] = (1.0,)
    boundaries: tuple[int, ...] = ()

    def __post_init__(self):
        if len(self.factors) != len(self.boundaries) + 1:
            raise ValueError(
                f"{len(self.boundaries)} boundaries {self.boundaries} separate "
                f"{len(self.boundaries) + 1} factors, got {self.factors}."
            )
        if list(self.boundaries) != sorted(set(self.boundaries)):
            raise ValueError(f"boundaries must increase, got {self.boundaries}.")

    def __call__(self, step) -> tf.Tensor:
        """Returns the value at `step`, [] float32."""
        factors = tf.constant(self.factors, tf.float32)
        if not self.boundaries:
            return factors[0]
        passed = tf.cast(step, tf.int64) >= tf.constant(self.boundaries, tf.int64)
        return factors[tf.math.count_nonzero(passed)]


@dataclasses.dataclass(frozen=True)
class FixedRate:
    """A constant price per bit: L_R = weight * R.

    Attributes:
        weight: lambda, loss per bit per pixel.
    """

    weight: float

    def __post_init__(self):
        if not self.weight > 0:
            raise ValueError(f"weight must be positive, got {self.weight}.")

    def __call__(self, soft_bpp, hard_bpp, step) -> tf.Tensor:
        """Returns the weighted rate term, a scalar. Only `soft_bpp` ([]) counts."""
        del hard_bpp, step
        return self.weight * soft_bpp


@dataclasses.dataclass(frozen=True)
class RateControl:
    """Weight on the rate that switches at a target, as in HiFiC.

        L_R = w(step) * R,   w = w_above  if R_hard > r_t(step)  else  w_below

    R is the differentiable rate (noisy latents), R_hard the rate of the rounded
    latents that a real bitstream would have; only R carries a gradient.

    Source: Mentzer et al. 2020, arXiv:2006.09965; the weights are C / lmbda_a and
    C / lmbda_b of `_LossScaler` in tensorflow/compression, models/hific/model.py.

    Attributes:
        target_bpp: r_t, in bits per pixel.
        weight_above: Loss per bit per pixel while over the target.
        weight_below: The same under the target; smaller, so the rate may rise.
        target_factor: Multiplies r_t by step. HiFiC starts high and comes down.
        above_factor, below_factor: Multiply the two weights by step. HiFiC starts with
            half of each.
    """

    target_bpp: float
    weight_above: float
    weight_below: float
    target_factor: Schedule = Schedule()
    above_factor: Schedule = Schedule()
    below_factor: Schedule = Schedule()

    def __post_init__(self):
        if not self.target_bpp > 0:
            raise ValueError(f"target_bpp must be positive, got {self.target_bpp}.")
        if self.weight_above <= self.weight_below:
            raise ValueError(
                f"weight_above (={self.weight_above}) must exceed weight_below "
                f"(={self.weight_below}), or the rate would be pushed away from "
                f"target_bpp (={self.target_bpp})."
            )

    def weight(self, hard_bpp, step) -> tf.Tensor:
        """Returns w, loss per bit per pixel, [] float32."""
        target = self.target_bpp * self.target_factor(step)
        return tf.where(
            tf.cast(tf.stop_gradient(hard_bpp), tf.float32) > target,
            self.weight_above * self.above_factor(step),
            self.weight_below * self.below_factor(step),
        )

    def __call__(self, soft_bpp, hard_bpp, step) -> tf.Tensor:
        """Returns the weighted rate term, a scalar.

        Args:
            soft_bpp: [] float, differentiable bits per pixel of the batch.
            hard_bpp: [] float, bits per pixel after rounding; gradient ignored.
            step: [] int64, completed training steps.
        """
        return self.weight(hard_bpp, step) * soft_bpp


def _target(config: RateConfig) -> RateControl:
    return RateControl(
        config.target_bpp,
        config.weight_above,
        config.weight_below,
        Schedule(config.target_factors, config.target_boundaries),
        Schedule(config.above_factors, config.weight_boundaries),
        Schedule(config.below_factors, config.weight_boundaries),
    )


# `RateConfig.kind` -> how to make the term, (soft_bpp, hard_bpp, step) -> [] float32.
RATE_TERMS: Mapping[str, Callable[[RateConfig], RateTerm]] = {
    "fixed": lambda config: FixedRate(config.weight),
    "target": _target,
}


def rate_term(config: RateConfig) -> RateTerm:
    """Makes the rate term a config asks for.

    Raises:
        ValueError: The kind is unknown, or its numbers contradict each other.
    """
    return choose(RATE_TERMS, config.kind, "rate term")(config)


def hyper_price(config: RateConfig) -> Schedule:
    """What a bit of z counts for at each step, relative to one of y.

    Raises:
        ValueError: Factors and boundaries contradict each other.
    """
    return Schedule(config.hyper_factors, config.hyper_boundaries)
