"""Resizing, padding, cropping and flipping of pictures and their label maps.

Every function works eagerly and inside `tf.data`, and draws nothing: what is random
comes in as an argument, see `deeplab2_tf.preprocessing.Draws`. Both resizes map corner
pixels onto corner pixels,

    source = target * (in - 1) / (out - 1),

as DeepLab2's do; `tf.image.resize` maps pixel borders instead and moves labels.

Source: spec of DeepLab2's preprocessing, data/preprocessing/ in google-research.
"""

import numpy as np
import tensorflow as tf

Sides = int | tuple[int, int]


def size_in_range(
    size: tf.Tensor, min_size: Sides = 0, max_size: Sides = 0, factor: int = 0
) -> tf.Tensor:
    """Size of a picture after it is brought into a range, aspect ratio kept.

        s_1 = max(min_h / H, min_w / W)              H_1 = floor(H s_1), W_1 alike
        s_2 = min(max_h / H_1, max_w / W_1, 1)       H_2 = floor(H_1 s_2), W_2 alike

    The first step also shrinks, the second never enlarges. The products are float32
    and floored, so a side may end one pixel short: 1024x2048 becomes 320x641, not
    321x641, where both bounds are 641.

    Args:
        size: [2] int, height and width.
        min_size: Least height and width, or one number for both; 0 skips the step.
        max_size: Largest height and width, alike.
        factor: Sides become k * factor + 1, which networks that align corners prefer:
            `max_size` is lowered to such a number, the result raised to one. 0 skips.

    Returns:
        [2] int32, sides of at least 1.
    """
    sides = tf.cast(size, tf.float32)
    least, most = _pair(min_size), _pair(max_size)
    if factor:
        most = tuple((side - 1) // factor * factor + 1 for side in most)
    if min(least) > 0:
        sides = tf.floor(sides * tf.reduce_max(tf.cast(least, tf.float32) / sides))
    if min(most) > 0:
        scale = tf.reduce_min(tf.cast(most, tf.float32) / sides)
        sides = tf.floor(sides * tf.minimum(scale, 1.0))
    if factor:
        sides = tf.math.ceil((sides - 1.0) / factor) * factor + 1.0
    return _at_least_one(sides)


def scaled_size(size: tf.Tensor, scale: tf.Tensor) -> tf.Tensor:
    """floor(size * scale) in float32: [2] int -> [2] int32, sides of at least 1."""
    return _at_least_one(tf.floor(tf.cast(size, tf.float32) * scale))


def scale_factors(min_scale: float, max_scale: float, step: float) -> np.ndarray:
    """The factors that random scaling chooses from, evenly spaced, both ends included.

    There are floor((max - min) / float32(step)) + 1 of them. float32(0.1) is a little
    more than 0.1, so COCO's 0.5, 1.5 and 0.1 give 10, of which none is 1, and
    Cityscapes' 0.5, 2.0 and 0.1 give 15: with 0.1 itself it would be 11 and 16.

    Returns:
        [n] float32, ascending; one value where both ends are the same.

    Raises:
        ValueError: The ends are not positive or in the wrong order, or the step is not
            positive.
    """
    if not 0 < min_scale <= max_scale:
        raise ValueError(
            f"min_scale (={min_scale}) must be positive and at most max_scale "
            f"(={max_scale})."
        )
    if min_scale == max_scale:
        return np.array([min_scale], np.float32)
    if not step > 0:
        raise ValueError(
            f"scale_step must be positive, got {step}; for no random scaling make "
            f"min_scale (={min_scale}) and max_scale (={max_scale}) the same."
        )
    count = int((max_scale - min_scale) / float(np.float32(step)) + 1)
    factors = np.float32(min_scale) + np.arange(count, dtype=np.float32) * np.float32(
        (max_scale - min_scale) / max(count - 1, 1)
    )
    if count > 1:
        factors[-1] = max_scale
    return factors


def resize_image(image: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    """Bilinear with aligned corners: [H, W, C] any number -> [h, w, C] float32.

    Not antialiased; the range stays.
    """
    resized = tf.raw_ops.ResizeBilinear(
        images=image[tf.newaxis], size=size, align_corners=True
    )
    return resized[0]


def resize_labels(labels: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    """Nearest with aligned corners, halves away from zero: [H, W] int -> [h, w]."""
    resized = tf.raw_ops.ResizeNearestNeighbor(
        images=labels[tf.newaxis, ..., tf.newaxis], size=size, align_corners=True
    )
    return resized[0, ..., 0]


def offset(fraction: tf.Tensor, bound: tf.Tensor) -> tf.Tensor:
    """An integer in [0, bound) from a uniform number in [0, 1): floor(fraction bound).

    Shapes broadcast; float32 and int in, int32 out.
    """
    scaled = tf.cast(fraction, tf.float32) * tf.cast(bound, tf.float32)
    return tf.cast(scaled, tf.int32)


def pad_bound(size: tf.Tensor, crop: Sides) -> tf.Tensor:
    """Exclusive upper bound of the offset of a picture in its padding, [2] int32.

    max(crop - side, 1): a picture that needs padding never touches the bottom or right
    edge. DeepLab2 draws so.
    """
    return tf.maximum(tf.constant(_pair(crop), tf.int32) - size, 1)


def crop_bound(size: tf.Tensor, crop: Sides) -> tf.Tensor:
    """Exclusive upper bound of the offset of a crop in a picture, [2] int32."""
    return tf.maximum(size - tf.constant(_pair(crop), tf.int32), 0) + 1


def pad(x: tf.Tensor, at: tf.Tensor, least: Sides, fill: float) -> tf.Tensor:
    """Pads up to at least a size; sides that reach it already stay.

    Args:
        x: [H, W] or [H, W, C].
        at: [2] int, rows above and columns left of the picture; below `pad_bound`.
        least: Height and width to reach.
        fill: Value of the padding.

    Returns:
        [max(H, least_h), max(W, least_w), ...] of x's dtype.
    """
    size = tf.shape(x)[:2]
    missing = tf.maximum(tf.constant(_pair(least), tf.int32) - size, 0)
    paddings = tf.stack([at, missing - at], axis=1)
    if x.shape.rank > 2:
        paddings = tf.pad(paddings, [[0, x.shape.rank - 2], [0, 0]])
    padded = tf.pad(x, paddings, constant_values=tf.cast(fill, x.dtype))
    return tf.ensure_shape(padded, (None, None, *x.shape[2:]))


def crop(x: tf.Tensor, at: tf.Tensor, size: Sides) -> tf.Tensor:
    """Cuts `size` pixels at row and column `at`: [H, W, ...] -> [h, w, ...].

    The result's shape is static.
    """
    rest = x.shape[2:]
    begin = tf.pad(at, [[0, len(rest)]])
    return tf.slice(x, begin, [*_pair(size), *rest])


def flip(x: tf.Tensor, wanted: tf.Tensor) -> tf.Tensor:
    """Mirrors left and right where `wanted`, [] bool: [H, W, ...] -> the same."""
    return tf.cond(wanted, lambda: tf.reverse(x, [1]), lambda: x)


def _pair(sides: Sides) -> tuple[int, ...]:
    return (sides, sides) if isinstance(sides, int) else tuple(sides)


def _at_least_one(sides: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.maximum(sides, 1.0), tf.int32)
