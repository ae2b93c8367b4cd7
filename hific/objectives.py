"""What a player minimises, as named values."""

from collections.abc import Mapping
from typing import NamedTuple

import tensorflow as tf


class Terms(NamedTuple):
    """An objective's value at one step.

    Attributes:
        weighted: Name -> [] float32, already multiplied by its weight. The player
            minimises their sum.
        logged: Name -> [] float32 that only the log sees: rates in bits per pixel,
            PSNR, losses before their weights. It carries no gradient.
    """

    weighted: Mapping[str, tf.Tensor]
    logged: Mapping[str, tf.Tensor] = {}

    def total(self) -> tf.Tensor:
        """Sum of the weighted terms, [] float32."""
        return tf.add_n([tf.cast(term, tf.float32) for term in self.weighted.values()])


def psnr(mse: tf.Tensor) -> tf.Tensor:
    """Peak signal-to-noise ratio in dB of errors on the [0, 255] scale.

        10 log10(255^2 / mse);   mse 65.025 is 30 dB

    Args:
        mse: [...] float32, mean squared error; below 1e-6 counts as 1e-6.
    """
    return 10.0 * tf.math.log(255.0**2 / tf.maximum(mse, 1e-6)) / tf.math.log(10.0)
