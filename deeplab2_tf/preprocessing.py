"""From a labelled picture to a training or validation sample.

    resize to range, random scale, AutoAugment, pad, crop, flip, targets

in training; in validation only resize to range, pad at the bottom and right, targets.
Images stay in [0, 255], not normalised. What is random about a training sample is a
`Draws`, a pure function of a seed; everything else is deterministic. All of it works
eagerly and inside `tf.data`, where it traces once for pictures of any size.

Source: spec of DeepLab2's data/preprocessing/ and data/sample_generator.py, as
configured by EGIC: a crop may be smaller than the range pictures are resized to.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import tensorflow as tf

from deeplab2_tf import autoaugment, geometry, targets
from deeplab2_tf.config import DataConfig
from deeplab2_tf.labels import LabelSet

_GREY = 127.5  # What pictures are padded with; 0 for networks that see x / 127.5 - 1.

Sample = dict[str, tf.Tensor]


class Draws(NamedTuple):
    """What is random about one training sample.

    Attributes:
        scale: [] float32, one of `geometry.scale_factors`; where the step is 0, any
            number between the ends.
        autoaugment: For `autoaugment.augment`.
        pad: [2] float32 in [0, 1), height before width: where in its padding the
            picture lies, as a share of `geometry.pad_bound`.
        crop: [2] float32 in [0, 1): where in the picture the crop lies, as a share of
            `geometry.crop_bound`.
        flip: [] float32 in [0, 1); up to 0.5 mirrors.
    """

    scale: tf.Tensor
    autoaugment: autoaugment.Draws
    pad: tf.Tensor
    crop: tf.Tensor
    flip: tf.Tensor


def draw(config: DataConfig, seed: tf.Tensor) -> Draws:
    """Draws for one sample, each from a seed of its own.

    Args:
        config: Its scales.
        seed: [2] int; equal seeds give equal draws, in any process.
    """
    seeds = tf.unstack(tf.random.experimental.stateless_split(seed, 5))
    return Draws(
        scale=_draw_scale(config, seeds[0]),
        autoaugment=autoaugment.draw(seeds[1]),
        pad=tf.random.stateless_uniform((2,), seeds[2]),
        crop=tf.random.stateless_uniform((2,), seeds[3]),
        flip=tf.random.stateless_uniform((), seeds[4]),
    )


def train_sample(
    image: tf.Tensor,
    panoptic: tf.Tensor,
    config: DataConfig,
    label_set: LabelSet,
    seed: tf.Tensor,
) -> Sample:
    """Makes a random training sample, a pure function of the arguments.

    Args:
        image: [H, W, 3] uint8 or float32 in [0, 255].
        panoptic: [H, W] int32.
        config: Sizes and augmentation.
        label_set: What the panoptic ids mean.
        seed: [2] int, different for every sample of a run.

    Returns:
        "image", [h, w, 3] float32 in [0, 255] with (h, w) = config.crop; "semantic",
        [h, w] int32; "weights", [h, w] float32, ones where they depend on the batch;
        "crowd", [h, w] bool; "panoptic", [h, w] int32.

    Raises:
        ValueError: A name in `config` is unknown, or its scales are no range.
    """
    draws = draw(config, seed)
    return apply(image, panoptic, draws, config, label_set)


def apply(
    image: tf.Tensor,
    panoptic: tf.Tensor,
    draws: Draws,
    config: DataConfig,
    label_set: LabelSet,
) -> Sample:
    """The deterministic part of `train_sample`."""
    size = tf.shape(image)[:2]
    range_size = geometry.size_in_range(size, config.min_resize, config.max_resize)
    size = geometry.scaled_size(range_size, draws.scale)
    # Two interpolations of the image, as in DeepLab2: together they blur.
    image = geometry.resize_image(geometry.resize_image(image, range_size), size)
    panoptic = geometry.resize_labels(
        geometry.resize_labels(panoptic, range_size), size
    )
    if config.autoaugment:
        policy = _look_up(autoaugment.POLICIES, config.autoaugment, "autoaugment")
        pixels = tf.cast(image, tf.uint8)  # Rounds down, also where nothing happens.
        pixels = autoaugment.augment(pixels, policy, draws.autoaugment)
        image = tf.cast(pixels, tf.float32)

    pad_at = geometry.offset(draws.pad, geometry.pad_bound(size, config.crop))
    crop_at = geometry.offset(draws.crop, geometry.crop_bound(size, config.crop))
    flipped = tf.logical_and(config.flip, draws.flip <= 0.5)

    def cut(x, fill):
        x = geometry.pad(x, pad_at, config.crop, fill)
        x = geometry.crop(x, crop_at, config.crop)
        return geometry.flip(x, flipped)

    return _with_targets(
        cut(image, _GREY), cut(panoptic, label_set.void), config, label_set
    )


def eval_sample(
    image: tf.Tensor, panoptic: tf.Tensor, config: DataConfig, label_set: LabelSet
) -> Sample:
    """Makes a validation sample: the whole picture, padded at the bottom and right.

    Where `config.max_resize` is 0, pictures are shrunk to fit `config.eval_crop`.

    Args:
        image: [H, W, 3] uint8 or float32 in [0, 255].
        panoptic: [H, W] int32.
        config: Sizes.
        label_set: What the panoptic ids mean.

    Returns:
        What `train_sample` returns, (h, w) being config.eval_crop, and "size", [2]
        int32, the part of it that is picture; "semantic_raw", [H, W] int32, classes at
        the original size. See `undo_preprocessing`.

    Raises:
        ValueError: A name in `config` is unknown.
        tf.errors.InvalidArgumentError: The resized picture exceeds config.eval_crop.
    """
    size = geometry.size_in_range(
        tf.shape(image)[:2], config.min_resize, config.max_resize or config.eval_crop
    )
    fits = tf.debugging.assert_less_equal(
        size,
        tf.constant(config.eval_crop),
        f"A picture resized to this size exceeds eval_crop (={config.eval_crop}); is "
        f"max_resize (={config.max_resize}) larger than it?",
    )
    with tf.control_dependencies([fits]):  # Or memory is spent on it first.
        size = tf.identity(size)

    def pad(x, fill):
        x = geometry.pad(x, tf.constant((0, 0)), config.eval_crop, fill)
        return tf.ensure_shape(x, (*config.eval_crop, *x.shape[2:]))

    sample = _with_targets(
        pad(geometry.resize_image(image, size), _GREY),
        pad(geometry.resize_labels(panoptic, size), label_set.void),
        config,
        label_set,
    )
    return sample | {
        "size": size,
        "semantic_raw": panoptic // label_set.label_divisor,
    }


def undo_preprocessing(
    labels: tf.Tensor, size: tf.Tensor, raw_size: tf.Tensor
) -> tf.Tensor:
    """Brings predicted classes of a validation sample to the picture's own size.

    Args:
        labels: [h, w] int32, (h, w) as `eval_sample` padded it.
        size: [2] int32, height and width of the part that is picture.
        raw_size: [2] int32, height and width to return.

    Returns:
        [raw_h, raw_w] int32.
    """
    picture = labels[: size[0], : size[1]]
    return geometry.resize_labels(picture, raw_size)


def _draw_scale(config: DataConfig, seed: tf.Tensor) -> tf.Tensor:
    low, high = config.min_scale, config.max_scale
    if config.scale_step == 0:
        return tf.random.stateless_uniform((), seed, low, high)
    factors = geometry.scale_factors(low, high, config.scale_step)
    index = tf.random.stateless_uniform((), seed, 0, len(factors), tf.int32)
    return tf.gather(factors, index)


def _with_targets(image, panoptic, config: DataConfig, label_set: LabelSet) -> Sample:
    parts = targets.split(panoptic, label_set)
    weights = _look_up(PIXEL_WEIGHTS, config.pixel_weights, "pixel_weights")
    return {
        "image": image,
        "semantic": parts.semantic,
        "weights": weights(parts, config, label_set),
        "crowd": parts.crowd,
        "panoptic": panoptic,
    }


def _instance_size(parts, config, label_set):
    return targets.small_instance_weights(
        parts.instances,
        label_set,
        config.small_instance_threshold,
        config.small_instance_weight,
    )


def _ones(parts, config, label_set):
    del config, label_set
    return tf.ones_like(parts.semantic, tf.float32)


# Value of `DataConfig.pixel_weights` -> weights of one sample.
PIXEL_WEIGHTS: Mapping[
    str, Callable[[targets.Parts, DataConfig, LabelSet], tf.Tensor]
] = {
    "instance_size": _instance_size,
    "class_frequency": _ones,  # Of a batch: see `targets.class_frequency_weights`.
    "none": _ones,
}


def _look_up(table: Mapping, name: str, field: str):
    if name not in table:
        raise ValueError(f"No {field} {name!r}; there are {', '.join(table)}.")
    return table[name]
