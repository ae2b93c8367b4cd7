"""Losses of HiFiC. All are unweighted; the system multiplies.

The adversarial ones see logits of any shape and count every logit (patch) alike.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import tensorflow as tf


def mse_255(reconstruction: tf.Tensor, original: tf.Tensor) -> tf.Tensor:
    """Mean squared error over batch, pixels and channels, on the [0, 255] scale.

    The reconstruction is not clipped, so that an overshoot still has a gradient. 65 is
    a PSNR of 30 dB.

    Source: HiFiC's distortion; there it weighs 0.075 * 2**-5.

    Args:
        reconstruction: [B, H, W, 3] float, [0, 255] and a little beyond.
        original: [B, H, W, 3] float, [0, 255].

    Returns:
        [] float32, squared grey levels.
    """
    return tf.reduce_mean(tf.math.squared_difference(reconstruction, original))


class DiscriminatorTerms(NamedTuple):
    """What a discriminator minimises: the sum of both, each [] float32."""

    real: tf.Tensor
    fake: tf.Tensor


def non_saturating_discriminator_loss(
    real_logits: tf.Tensor, fake_logits: tf.Tensor
) -> DiscriminatorTerms:
    """mean softplus(-r) and mean softplus(f), without a factor 1/2.

    In nats. A discriminator that knows nothing scores 2 ln 2 = 1.386 in all.

    Source: `non_saturating` in google/compare_gan, compare_gan/gans/loss_lib.py.
    """
    return DiscriminatorTerms(
        tf.reduce_mean(tf.nn.softplus(-real_logits)),
        tf.reduce_mean(tf.nn.softplus(fake_logits)),
    )


def non_saturating_generator_loss(fake_logits: tf.Tensor) -> tf.Tensor:
    """mean softplus(-f), in nats; ln 2 = 0.693 where the discriminator is undecided."""
    return tf.reduce_mean(tf.nn.softplus(-fake_logits))


def least_squares_discriminator_loss(
    real_logits: tf.Tensor, fake_logits: tf.Tensor
) -> DiscriminatorTerms:
    """0.5 mean (sigmoid(r) - 1)^2 and 0.5 mean sigmoid(f)^2; 0.25 if undecided.

    The sigmoid is not in the least-squares GAN paper; it follows J. Tan's PyTorch port
    of HiFiC.
    """
    return DiscriminatorTerms(
        0.5 * tf.reduce_mean((tf.sigmoid(real_logits) - 1.0) ** 2),
        0.5 * tf.reduce_mean(tf.sigmoid(fake_logits) ** 2),
    )


def least_squares_generator_loss(fake_logits: tf.Tensor) -> tf.Tensor:
    """0.5 mean (sigmoid(f) - 1)^2; 0.125 where the discriminator is undecided."""
    return 0.5 * tf.reduce_mean((tf.sigmoid(fake_logits) - 1.0) ** 2)


def hinge_discriminator_loss(
    real_logits: tf.Tensor, fake_logits: tf.Tensor
) -> DiscriminatorTerms:
    """mean relu(1 - r) and mean relu(1 + f); 2 in all if undecided."""
    return DiscriminatorTerms(
        tf.reduce_mean(tf.nn.relu(1.0 - real_logits)),
        tf.reduce_mean(tf.nn.relu(1.0 + fake_logits)),
    )


def hinge_generator_loss(fake_logits: tf.Tensor) -> tf.Tensor:
    """-mean f: the generator has no hinge. Unbounded below."""
    return -tf.reduce_mean(fake_logits)


class AdversarialLoss(NamedTuple):
    """Both sides of one game.

    Attributes:
        discriminator: (real_logits, fake_logits) -> DiscriminatorTerms.
        generator: fake_logits -> [] float32.
    """

    discriminator: Callable[[tf.Tensor, tf.Tensor], DiscriminatorTerms]
    generator: Callable[[tf.Tensor], tf.Tensor]


# `HificConfig.adversarial_loss` -> the game.
ADVERSARIAL_LOSSES: Mapping[str, AdversarialLoss] = {
    "non_saturating": AdversarialLoss(
        non_saturating_discriminator_loss, non_saturating_generator_loss
    ),
    "least_squares": AdversarialLoss(
        least_squares_discriminator_loss, least_squares_generator_loss
    ),
    "hinge": AdversarialLoss(hinge_discriminator_loss, hinge_generator_loss),
}
