"""LabelMix: pictures put together from an original and its reconstruction by class.

The discriminator should say of a mixed picture, at every pixel, what it said of the
picture that the pixel came from. Boundaries between classes are where a swap shows
least, so that is where the two are cut.

Everything is a table look-up inside the graph. Sushko et al.'s and EGIC's released
loops overwrite a label map in place, class by class, with zeros and ones, and so read
bits that they wrote as classes 0 and 1: there class 0 stays real once in four draws.

Source: Sushko et al. 2021 (OASIS), arXiv:2012.04781.
"""

from collections.abc import Mapping

import tensorflow as tf

from hific import shares
from hific.choices import choose

# Label maps are stored as bytes, so 255, the usual mark of unlabelled pixels, has a
# coin like every other id.
NUM_IDS = 256

# Who shares the coins of a class -> rows of the table for a batch of `n` images.
SCOPES: Mapping[str, int | None] = {"image": None, "batch": 1}


def class_mask(
    labels: tf.Tensor, seed: tf.Tensor, scope: str = "image", num_ids: int = NUM_IDS
) -> tf.Tensor:
    """Draws one fair coin per class and spreads it over the pixels of the class.

    Args:
        labels: [B, H, W] int in [0, num_ids), class of each pixel; unlabelled pixels
            are one class more.
        seed: [2] int, of this draw; the same seed draws the same coins for the same
            image of the batch.
        scope: "image" for coins of its own for every image, as EGIC defines it;
            "batch" for one set of coins, as both released codes have it.
        num_ids: Number of coins.

    Returns:
        [B, H, W, 1] float32 of zeros (reconstruction) and ones (original).

    Raises:
        ValueError: There is no such scope.
    """
    batch = tf.shape(labels)[0]
    if rows := choose(SCOPES, scope, "LabelMix scope"):
        coins = tf.random.stateless_uniform((rows, num_ids), seed, 0, 2, tf.int32)
    else:
        coins = shares.stateless_uniform((batch, num_ids), seed, 0, 2, tf.int32)
    return mask_from_coins(labels, tf.broadcast_to(coins, (batch, num_ids)))


def mask_from_coins(labels: tf.Tensor, coins: tf.Tensor) -> tf.Tensor:
    """Looks every pixel's class up in a table of coins.

    Args:
        labels: [B, H, W] int in [0, num_ids).
        coins: [B, num_ids] int, 1 where the class is taken from the original.

    Returns:
        [B, H, W, 1] float32 of zeros and ones.
    """
    mask = tf.gather(coins, labels, batch_dims=1)
    return tf.cast(mask, tf.float32)[..., tf.newaxis]


def mix(mask: tf.Tensor, real: tf.Tensor, fake: tf.Tensor) -> tf.Tensor:
    """LM(a, b, M) = M * a + (1 - M) * b, on images and on logits alike.

    Args:
        mask: [B, H, W, 1] float in {0, 1}.
        real: [B, H, W, C] float, original images or their logits.
        fake: [B, H, W, C] float, reconstructions or their logits.
    """
    return mask * real + (1.0 - mask) * fake


def consistency_loss(
    mixed_logits: tf.Tensor,
    real_logits: tf.Tensor,
    fake_logits: tf.Tensor,
    mask: tf.Tensor,
) -> tf.Tensor:
    """mean [D(LM(x, x', M), y) - LM(D(x, y), D(x', y), M)]^2 over pixels and logits.

    Of logits before the softmax, with a gradient through all three. 0 where the
    discriminator judges each pixel by itself. A mask finer than the logits is read at
    every n-th pixel, as their labels are.

    Source: EGIC, arXiv:2309.03244, Eq. 6, as a mean; it counts ten times in the
    discriminator's loss.

    Args:
        mixed_logits: [B, h, w, C] float, of the mixed images.
        real_logits: [B, h, w, C] float, of the originals.
        fake_logits: [B, h, w, C] float, of the reconstructions.
        mask: [B, H, W, 1] float, what the images were mixed with; H, W are multiples
            of h, w.

    Returns:
        [] float32.

    Raises:
        ValueError: The mask's sides are not multiples of the logits'.
    """
    mask = strided_to(mask, real_logits)
    target = mix(mask, real_logits, fake_logits)
    return tf.reduce_mean(tf.math.squared_difference(mixed_logits, target))


def strided_to(pixels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Every n-th row and column, so that there is one pixel for each logit.

    Args:
        pixels: [B, H, W, ...], a mask, labels or weights.
        logits: [B, h, w, C]; both heights and widths known.

    Returns:
        [B, h, w, ...].

    Raises:
        ValueError: H, W are not multiples of h, w.
    """
    (height, width), (rows, columns) = pixels.shape[1:3], logits.shape[1:3]
    if height % rows or width % columns:
        raise ValueError(
            f"a map {tuple(pixels.shape)} cannot be read at the logits' pixels "
            f"{tuple(logits.shape)}: its height and width are not multiples of "
            "theirs. Was the map cropped with the image?"
        )
    return pixels[:, :: height // rows, :: width // columns]
