"""CutMix and the losses of the U-Net discriminator.

The U-Net judges every pixel and the whole picture. In some rounds it is shown pictures
with a rectangle of one kind in the other, and should say so pixel by pixel.

Source: Schonfeld et al. 2020 (A U-Net Based Discriminator for GANs),
arXiv:2002.12655.
"""

from typing import NamedTuple

import tensorflow as tf

from egic import labelmix
from hific.losses import (
    DiscriminatorTerms,
    non_saturating_discriminator_loss,
    non_saturating_generator_loss,
)


class UNetLogits(NamedTuple):
    """What the U-Net says; positive is real.

    Attributes:
        local: [B, H, W, 1] float, of every pixel.
        whole: [B, 1] float, of the picture.
    """

    local: tf.Tensor
    whole: tf.Tensor


def unet_discriminator_loss(real: UNetLogits, fake: UNetLogits) -> DiscriminatorTerms:
    """Half the loss of the pixels and half that of the picture, non-saturating.

    In nats; 2 ln 2 = 1.386 in all if undecided.
    """
    local = non_saturating_discriminator_loss(real.local, fake.local)
    whole = non_saturating_discriminator_loss(real.whole, fake.whole)
    return DiscriminatorTerms(
        0.5 * (local.real + whole.real), 0.5 * (local.fake + whole.fake)
    )


def unet_generator_loss(fake: UNetLogits) -> tf.Tensor:
    """Half the loss of the pixels and half that of the picture; ln 2 if undecided."""
    local = non_saturating_generator_loss(fake.local)
    return 0.5 * (local + non_saturating_generator_loss(fake.whole))


class CutMixTerms(NamedTuple):
    """What the discriminator minimises in a round of mixed pictures: the sum.

    Each [] float32.

    Attributes:
        local: Cross-entropy of the pixels with the mask, ln 2 if undecided.
        whole: Cross-entropy of the pictures with "fake", ln 2 if undecided.
        consistency: Mean squared difference of the pixels' logits to the mixed logits
            of the two pictures.
    """

    local: tf.Tensor
    whole: tf.Tensor
    consistency: tf.Tensor


def cutmix_loss(
    mixed: UNetLogits, real: UNetLogits, fake: UNetLogits, mask: tf.Tensor
) -> CutMixTerms:
    """The discriminator's loss in a CutMix round, in place of the plain one.

    The terms count alike, and without the halves of the plain round. A mixed picture is
    fake as a whole. Gradients flow through all three passes.

    Args:
        mixed: Of `labelmix.mix(mask, images, reconstructions)`.
        real: Of the originals; only `local` is read.
        fake: Of the reconstructions; only `local` is read.
        mask: [B, H, W, 1] float, 1 where the original shows.
    """
    cross_entropy = tf.nn.sigmoid_cross_entropy_with_logits
    return CutMixTerms(
        tf.reduce_mean(cross_entropy(mask, mixed.local)),
        tf.reduce_mean(tf.nn.softplus(mixed.whole)),
        labelmix.consistency_loss(mixed.local, real.local, fake.local, mask),
    )


class CutMixDraws(NamedTuple):
    """The random numbers of a mask, each [B].

    Attributes:
        share: float in [0, 1), pixels left outside the rectangle, before it is clipped.
        centre_y: int in [0, H), its centre's row.
        centre_x: int in [0, W), its centre's column.
        side: float in [0, 1); above 1/2 the rectangle is what is real.
    """

    share: tf.Tensor
    centre_y: tf.Tensor
    centre_x: tf.Tensor
    side: tf.Tensor


def draw(seed: tf.Tensor, batch: int, height: int, width: int) -> CutMixDraws:
    """Draws for a batch; one mask for each image, the same for the same seed ([2])."""
    seeds = tf.unstack(tf.random.experimental.stateless_split(seed, 4))
    uniform = tf.random.stateless_uniform
    return CutMixDraws(
        uniform((batch,), seeds[0]),
        uniform((batch,), seeds[1], 0, height, tf.int32),
        uniform((batch,), seeds[2], 0, width, tf.int32),
        uniform((batch,), seeds[3]),
    )


def mask_from_draws(draws: CutMixDraws, height: int, width: int) -> tf.Tensor:
    """Masks with one rectangle each, of the image's proportions.

    Its sides are int(H sqrt(1 - share)) and int(W sqrt(1 - share)); where it
    overhangs the border it is cut off, so that the mean over masks is 1/2 only thanks
    to the sides being swapped at random.

    Returns:
        [B, H, W, 1] float32, 1 for the original and 0 for the reconstruction.
    """
    ratio = tf.sqrt(1.0 - draws.share)
    rows = _between(draws.centre_y, ratio, height)
    columns = _between(draws.centre_x, ratio, width)
    inside = rows[:, :, tf.newaxis] & columns[:, tf.newaxis, :]
    rectangle_is_real = (draws.side > 0.5)[:, tf.newaxis, tf.newaxis]
    mask = tf.cast(tf.equal(inside, rectangle_is_real), tf.float32)
    return mask[..., tf.newaxis]


def _between(centre: tf.Tensor, ratio: tf.Tensor, size: int) -> tf.Tensor:
    """[B, size] bool, True from centre - length // 2 to centre + length // 2."""
    length = tf.cast(tf.cast(size, ratio.dtype) * ratio, tf.int32)
    half = (length // 2)[:, tf.newaxis]
    centre = tf.cast(centre, tf.int32)[:, tf.newaxis]
    positions = tf.range(size)[tf.newaxis]
    return (positions >= centre - half) & (positions < centre + half)


def cutmix_mask(seed: tf.Tensor, batch: int, height: int, width: int) -> tf.Tensor:
    """Masks of a seed ([2] int), [batch, height, width, 1] float32 in {0, 1}."""
    return mask_from_draws(draw(seed, batch, height, width), height, width)


def mixing_probability(
    step: tf.Tensor, warmup_steps: int, probability: float = 0.5
) -> tf.Tensor:
    """Share of CutMix rounds at a step: rises to `probability` in a straight line.

    A discriminator that cannot tell originals from reconstructions yet has nothing to
    learn from their mixtures. The original warms up over 100 or 200 epochs; EGIC's
    study does not say.

    Args:
        step: [] int, completed steps.
        warmup_steps: Steps of the rise; 0 for none.
        probability: At the end of it.

    Returns:
        [] float32 in [0, probability].
    """
    done = tf.cast(step, tf.float32) / tf.cast(tf.maximum(warmup_steps, 1), tf.float32)
    risen = tf.minimum(done, 1.0) if warmup_steps else tf.ones_like(done)
    return probability * risen
