"""Training systems as tuples of players.

Weights multiply here and nowhere else. A term whose weight is 0 is absent, and what
only it needs is not computed.
"""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from hific.losses import mse_255
from hific.objectives import Terms, psnr
from hific.rate_control import rate_term
from hific.training import Group, Player, make_optimizer

Lpips = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


def stage1(
    model: Any, config: Any, lpips: Lpips | None = None, seed: int = 0
) -> tuple[Player, ...]:
    """One player, E, G and P together: rate, distortion and perception.

        L = w_R * R + k_M * MSE + k_P * LPIPS

    R is in bits per pixel of the crop, MSE on [0, 255] without clipping; both and LPIPS
    are means over the batch.

    Source: Eq. 1 of EGIC (arXiv:2309.03244); HiFiC's "mselpips" stage.

    Args:
        model: A `hific.codec.CodecModel`.
        config: With rate, distortion_weight, perceptual_weight and optimizer.
        lpips: (reconstruction, original) -> [B] float32.
        seed: Of the noise on latents, together with the step.

    Raises:
        ValueError: k_P is not 0 and there is no `lpips`.
    """
    if config.perceptual_weight and lpips is None:
        raise ValueError(
            f"perceptual_weight (={config.perceptual_weight}) needs LPIPS: pass "
            "--lpips_weights, or --config.perceptual_weight=0."
        )
    objective = _Stage1Objective(model, config, lpips, seed)
    return (
        Player(
            "generator",
            objective,
            transform_and_entropy_groups(model, config.optimizer),
            config.optimizer.clip_norm or None,
        ),
    )


def transform_and_entropy_groups(model: Any, config: Any) -> Sequence[Group]:
    """E and G with one learning rate, P with its own.

    Args:
        model: A `hific.codec.CodecModel`.
        config: An `OptimizerConfig`.
    """
    transforms = [
        *model.analysis.trainable_variables,
        *model.synthesis.trainable_variables,
    ]
    return (
        Group(transforms, make_optimizer(config.learning_rate, config), "transforms"),
        Group(
            model.prior.trainable_variables,
            make_optimizer(config.entropy_learning_rate, config),
            "entropy",
        ),
    )


def reconstruct(model: Any) -> Callable[[tf.Tensor], tf.Tensor]:
    """Returns the traced map from images to what a file of them would show.

    [B, H, W, 3] float32 in [0, 255] -> the same, from rounded latents, not clipped.
    """

    @tf.function
    def run(image):
        return model.synthesis(model.prior.rate(model.analysis(image)).y_hat)

    return run


class _Stage1Objective:
    def __init__(self, model: Any, config: Any, lpips: Lpips | None, seed: int):
        self._model = model
        self._rate_term = rate_term(config.rate)
        self._distortion_weight = config.distortion_weight
        self._perceptual_weight = config.perceptual_weight
        self._lpips = lpips
        self._seed = seed

    def __call__(self, batch: tf.Tensor, step: tf.Tensor) -> Terms:
        """Returns the terms for images [B, H, W, 3] float32 in [0, 255]."""
        seed = tf.stack([tf.constant(self._seed), tf.cast(step, tf.int32)])
        rate = self._model.prior.rate(self._model.analysis(batch), seed=seed)
        reconstruction = self._model.synthesis(rate.y_hat)
        pixels = tf.cast(tf.shape(batch)[1] * tf.shape(batch)[2], tf.float32)
        bpp = tf.reduce_mean(rate.y_bits + rate.z_bits) / pixels
        hard_bpp = tf.reduce_mean(rate.hard_y_bits + rate.hard_z_bits) / pixels
        mse = mse_255(reconstruction, batch)
        weighted = {
            "rate": self._rate_term(bpp, hard_bpp, step),
            "distortion": self._distortion_weight * mse,
        }
        logged = {
            "bpp": bpp,
            "hard_bpp": hard_bpp,
            "z_bpp": tf.reduce_mean(rate.hard_z_bits) / pixels,
            "mse": mse,
            "psnr": psnr(mse),
        }
        if self._perceptual_weight:
            lpips = tf.reduce_mean(self._lpips(reconstruction, batch))
            weighted["perceptual"] = self._perceptual_weight * lpips
            logged["lpips"] = lpips
        return Terms(weighted, logged)
