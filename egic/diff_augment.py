"""DiffAugment: random changes of the images that a discriminator sees.

Originals and reconstructions are changed alike, in the discriminator's round and in the
generator's, and the gradient flows back through the change; so the discriminator is
given more to learn from and the generator is not taught to make changed images. The
latent is left as it is.

Images are on [-1, 1], where the zeros that are moved or cut in are mid-grey. Nothing is
clipped.

Source: Zhao et al. 2020, arXiv:2006.10738.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import tensorflow as tf

from hific.choices import choose

TRANSLATION_RATIO = 0.125
CUTOUT_RATIO = 0.2


class Draws(NamedTuple):
    """The random numbers of one pass, each [B].

    Attributes:
        brightness: float in [0, 1).
        saturation: float in [0, 1).
        contrast: float in [0, 1).
        shift: (rows, columns), int, at most an eighth of the sides either way.
        hole: (row, column), int, centre of what is cut out.
    """

    brightness: tf.Tensor
    saturation: tf.Tensor
    contrast: tf.Tensor
    shift: tuple[tf.Tensor, tf.Tensor]
    hole: tuple[tf.Tensor, tf.Tensor]


def draw(seed: tf.Tensor, batch: int, height: int, width: int) -> Draws:
    """Draws for a batch of images; the same for the same seed ([2] int)."""
    seeds = tf.unstack(tf.random.experimental.stateless_split(seed, 7))
    colors = [tf.random.stateless_uniform((batch,), s) for s in seeds[:3]]
    shifts, holes = [], []
    for size, of_shift, of_hole in zip(
        (height, width), seeds[3:5], seeds[5:], strict=True
    ):
        reach = _share(size, TRANSLATION_RATIO)
        shifts.append(_integers(of_shift, batch, -reach, reach + 1))
        # An even hole has its centre between two pixels: one more place for it.
        even = 1 - _share(size, CUTOUT_RATIO) % 2
        holes.append(_integers(of_hole, batch, 0, size + even))
    return Draws(
        colors[0], colors[1], colors[2], (shifts[0], shifts[1]), (holes[0], holes[1])
    )


def _share(size: int, ratio: float) -> int:
    return int(size * ratio + 0.5)


def _integers(seed, batch, low, high):
    return tf.random.stateless_uniform((batch,), seed, low, high, tf.int32)


def brightness(images: tf.Tensor, u: tf.Tensor) -> tf.Tensor:
    """x + u - 1/2."""
    return images + (_per_image(u) - 0.5)


def saturation(images: tf.Tensor, u: tf.Tensor) -> tf.Tensor:
    """2 u (x - m) + m, m the mean of a pixel's channels; u = 0 is grey."""
    mean = tf.reduce_mean(images, axis=-1, keepdims=True)
    return (images - mean) * (2.0 * _per_image(u)) + mean


def contrast(images: tf.Tensor, u: tf.Tensor) -> tf.Tensor:
    """(u + 1/2) (x - m) + m, m the mean of the image."""
    mean = tf.reduce_mean(images, axis=(1, 2, 3), keepdims=True)
    return (images - mean) * (_per_image(u) + 0.5) + mean


def _per_image(u: tf.Tensor) -> tf.Tensor:
    return tf.reshape(tf.cast(u, tf.float32), (-1, 1, 1, 1))


def translate(images: tf.Tensor, shift: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
    """Moves images by whole pixels: y[i, j] = x[i + rows, j + columns], 0 outside."""
    batch, (height, width, channels) = tf.shape(images)[0], images.shape[1:]
    rows = tf.range(height) + shift[0][:, tf.newaxis]
    columns = tf.range(width) + shift[1][:, tf.newaxis]
    inside = _grid((rows >= 0) & (rows < height), (columns >= 0) & (columns < width))
    nearest_row = tf.clip_by_value(rows, 0, height - 1)[:, :, tf.newaxis]
    nearest_column = tf.clip_by_value(columns, 0, width - 1)[:, tf.newaxis, :]
    flat = tf.reshape(images, (batch, height * width, channels))
    moved = tf.gather(flat, nearest_row * width + nearest_column, batch_dims=1)
    return moved * tf.cast(inside, images.dtype)


def cut_out(images: tf.Tensor, hole: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
    """Sets a fifth of the height by a fifth of the width to 0, around `hole`."""
    rows = _around(hole[0], images.shape[1])
    columns = _around(hole[1], images.shape[2])
    return images * tf.cast(~_grid(rows, columns), images.dtype)


def _around(centre: tf.Tensor, size: int) -> tf.Tensor:
    """[B, size] bool, True at the positions of the hole along one axis."""
    length = _share(size, CUTOUT_RATIO)
    start = (centre - length // 2)[:, tf.newaxis]
    positions = tf.range(size)[tf.newaxis]
    return (positions >= start) & (positions < start + length)


def _grid(rows: tf.Tensor, columns: tf.Tensor) -> tf.Tensor:
    """[B, H] and [B, W] bool -> [B, H, W, 1], where both are True."""
    return (rows[:, :, tf.newaxis] & columns[:, tf.newaxis, :])[..., tf.newaxis]


# Name in a policy -> (images, draws) -> images.
OPERATIONS: Mapping[str, Callable[[tf.Tensor, Draws], tf.Tensor]] = {
    "color": lambda x, draws: contrast(
        saturation(brightness(x, draws.brightness), draws.saturation), draws.contrast
    ),
    "translation": lambda x, draws: translate(x, draws.shift),
    "cutout": lambda x, draws: cut_out(x, draws.hole),
}

POLICY = ("color", "translation", "cutout")


def augment(
    images: tf.Tensor, seed: tf.Tensor, policy: Sequence[str] = POLICY
) -> tf.Tensor:
    """Changes each image by draws of its own.

    Args:
        images: [B, H, W, C] float on [-1, 1]; height and width known.
        seed: [2] int; every pass through a discriminator should have one of its own.
        policy: Keys of `OPERATIONS`, in order. Without "translation", image and latent
            stay aligned.

    Returns:
        Like `images`, a little beyond [-1, 1].

    Raises:
        ValueError: There is no such operation.
    """
    draws = draw(seed, tf.shape(images)[0], *images.shape[1:3])
    for name in policy:
        images = choose(OPERATIONS, name, "augmentation")(images, draws)
    return images
