"""AutoAugment as DeepLab2 uses it: colours change, labels do not.

An operation maps [H, W, 3] uint8 to the same, exactly as DeepLab2's does, its quirks
included. A policy is a table; one of its rows is drawn for a sample, and each of the
row's two steps happens or not with a probability of its own. Only what was drawn runs.

Source: spec of DeepLab2's data/preprocessing/autoaugment_utils.py; Cubuk et al. 2018
(AutoAugment), arXiv:1805.09501, and Pillow, whose arithmetic it copies.
"""

import functools
from collections.abc import Callable, Mapping
from typing import NamedTuple

import tensorflow as tf

_BLUR = ((1.0, 1.0, 1.0), (1.0, 5.0, 1.0), (1.0, 1.0, 1.0))  # Divided by its sum, 13.


def sharpness(image: tf.Tensor, factor: float) -> tf.Tensor:
    """Moves every pixel away from a 3x3 blur: 0 blurs, 1 leaves, more sharpens.

    The outermost rows and columns stay.
    """
    kernel = tf.reshape(tf.constant(_BLUR) / 13.0, (3, 3, 1, 1))
    blurred = tf.nn.depthwise_conv2d(
        tf.cast(image, tf.float32)[tf.newaxis],
        tf.tile(kernel, (1, 1, 3, 1)),
        strides=(1, 1, 1, 1),
        padding="VALID",
    )
    blurred = tf.cast(tf.clip_by_value(blurred[0], 0.0, 255.0), tf.uint8)
    inside = _blend(blurred, image[1:-1, 1:-1], factor)
    middle = tf.concat([image[1:-1, :1], inside, image[1:-1, -1:]], axis=1)
    return tf.concat([image[:1], middle, image[-1:]], axis=0)


def brightness(image: tf.Tensor, factor: float) -> tf.Tensor:
    """Moves every pixel away from black: 0 is black, 1 leaves, more brightens."""
    return _blend(tf.zeros((), tf.uint8), image, factor)


def contrast(image: tf.Tensor, factor: float) -> tf.Tensor:
    """Moves every pixel away from one grey, which is min(255, H * W / 256).

    The grey ought to be the picture's mean. DeepLab2 averages the counts of the
    histogram instead of the values, which makes it white for all but tiny pictures;
    trained networks saw it that way.
    """
    pixels = tf.shape(image)[0] * tf.shape(image)[1]
    grey = tf.cast(tf.minimum(pixels // 256, 255), tf.uint8)
    return _blend(grey, image, factor)


def color(image: tf.Tensor, factor: float) -> tf.Tensor:
    """Moves every pixel away from its luma: 0 is grey, 1 leaves, more saturates."""
    return _blend(tf.image.rgb_to_grayscale(image), image, factor)


def solarize(image: tf.Tensor, threshold: float) -> tf.Tensor:
    """Inverts values that reach the threshold: v -> 255 - v where v >= threshold."""
    return tf.where(image < tf.cast(threshold, tf.uint8), image, 255 - image)


def equalize(image: tf.Tensor, argument: float = 0.0) -> tf.Tensor:
    """Flattens the histogram of each channel, as Pillow does.

        step = (pixels - count of the largest value) // 255
        v -> (pixels below v + step // 2) // step

    A channel whose step is 0 stays.

    Args:
        image: [H, W, 3] uint8.
        argument: Has no effect; every operation takes one.
    """
    channel = tf.constant((0, 256, 512))
    index = tf.cast(image, tf.int32) + channel
    counts = tf.math.bincount(
        tf.reshape(index, (-1,)), minlength=3 * 256, maxlength=3 * 256
    )
    largest = tf.gather(counts, tf.reduce_max(index, axis=(0, 1)))[:, tf.newaxis]
    counts = tf.reshape(counts, (3, 256))
    step = (tf.shape(image)[0] * tf.shape(image)[1] - largest) // 255
    below = tf.cumsum(counts, axis=1, exclusive=True)
    table = tf.minimum((below + step // 2) // tf.maximum(step, 1), 255)
    table = tf.where(step > 0, table, tf.range(256))
    return tf.gather(tf.reshape(tf.cast(table, tf.uint8), (-1,)), index)


# Name in a policy -> the operation, (image, argument) -> image.
OPERATIONS: Mapping[str, Callable[[tf.Tensor, float], tf.Tensor]] = {
    "brightness": brightness,
    "color": color,
    "contrast": contrast,
    "equalize": equalize,
    "sharpness": sharpness,
    "solarize": solarize,
}


class Step(NamedTuple):
    """One half of a row of a policy.

    Attributes:
        operation: A key of `OPERATIONS`.
        probability: With which it happens.
        argument: Factor or threshold.
    """

    operation: str
    probability: float
    argument: float = 0.0


Policy = tuple[tuple[Step, Step], ...]


def _simple_classification(magnitude_scale: float) -> Policy:
    """DeepLab2's policy; its levels, of 10, are multiplied by `magnitude_scale`."""

    def factor(level):
        return level * magnitude_scale / 10 * 1.8 + 0.1

    threshold = int(7 * magnitude_scale / 10 * 256)
    return (
        (Step("sharpness", 0.4, factor(7)), Step("brightness", 0.2, factor(10))),
        (Step("equalize", 0.0), Step("contrast", 0.2, factor(10))),
        (Step("sharpness", 0.2, factor(9)), Step("color", 0.2, factor(9))),
        (Step("solarize", 0.2, threshold), Step("equalize", 0.6)),
        (Step("sharpness", 0.2, factor(1)), Step("equalize", 0.2)),
    )


POLICIES: Mapping[str, Policy] = {
    "simple_classification_policy": _simple_classification(1.0),
    "simple_classification_policy_magnitude_scale_0.2": _simple_classification(0.2),
}


class Draws(NamedTuple):
    """What is random about one picture; all uniform in [0, 1).

    Attributes:
        row: [] float32, chooses the row of the policy.
        steps: [2] float32; a step happens where its number is below its probability.
    """

    row: tf.Tensor
    steps: tf.Tensor


def draw(seed: tf.Tensor) -> Draws:
    """Draws for one picture from a stateless seed, [2] int."""
    row, steps = tf.unstack(tf.random.experimental.stateless_split(seed, 2))
    return Draws(
        row=tf.random.stateless_uniform((), row),
        steps=tf.random.stateless_uniform((2,), steps),
    )


def augment(image: tf.Tensor, policy: Policy, draws: Draws) -> tf.Tensor:
    """Applies the drawn row of a policy: [H, W, 3] uint8 -> [H, W, 3] uint8."""
    row = tf.cast(draws.row * len(policy), tf.int32)
    rows = [functools.partial(_run, image, steps, draws.steps) for steps in policy]
    result = tf.switch_case(row, rows)
    return tf.ensure_shape(result, image.shape)


def _run(image, steps, chances):
    for i, step in enumerate(steps):
        changed = functools.partial(OPERATIONS[step.operation], image, step.argument)
        image = tf.cond(chances[i] < step.probability, changed, lambda x=image: x)
    return image


def _blend(start, end, factor):
    """start + factor (end - start), rounded down to uint8."""
    start, end = tf.cast(start, tf.float32), tf.cast(end, tf.float32)
    blended = start + factor * (end - start)
    if factor > 1:
        blended = tf.clip_by_value(blended, 0.0, 255.0)
    return tf.cast(blended, tf.uint8)
