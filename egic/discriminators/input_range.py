"""Where a discriminator wants black and white to be."""

import tensorflow as tf


def mapped(
    image: tf.Tensor, input_range: tuple[float, float], dtype: tf.DType = tf.float32
) -> tf.Tensor:
    """Maps [0, 255] to [low, high] linearly; beyond it too, nothing is clipped."""
    low, high = input_range
    return low + tf.cast(image, dtype) * ((high - low) / 255.0)
