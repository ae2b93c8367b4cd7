"""What a player minimises, as named values."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import tensorflow as tf


class Derived(NamedTuple):
    """A logged number that is a function of means over images, not such a mean itself.

    Where a step is done in shares, the means are taken over all of them first.

    Attributes:
        function: Of the means, as many [] tensors, to a [] tensor.
        means: Equal shares of a batch count alike in them. A ratio of sums is one of
            means.
    """

    function: Callable[..., tf.Tensor]
    means: tuple[tf.Tensor, ...]

    def value(self) -> tf.Tensor:
        """The number, if the means are those of all images."""
        return self.function(*self.means)


class Terms(NamedTuple):
    """An objective's value at one step.

    Attributes:
        weighted: Name -> [] float32, already multiplied by its weight. The player
            minimises their sum.
        logged: Name -> what only the log sees, [] float32 or `Derived`: rates in bits
            per pixel, PSNR, losses before their weights. It carries no gradient.

    Both are means over images, so that those of equal shares of a batch have the mean
    of the batch for their mean.
    """

    weighted: Mapping[str, tf.Tensor]
    logged: Mapping[str, Any] = {}

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


def value(number: Any) -> tf.Tensor:
    """A logged number of a whole batch, [] float."""
    return number.value() if isinstance(number, Derived) else number


def psnr_of(mse: tf.Tensor) -> Derived:
    """`psnr` of a mean squared error, for the log."""
    return Derived(psnr, (mse,))
