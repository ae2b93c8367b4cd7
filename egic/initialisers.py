"""Where the variables of a network get their first values.

A network asks for variables by kind and shape, so that what fills them is decided once:
random numbers of a seed, or nothing at all when a file is about to be read into them.
"""

import numpy as np
import tensorflow as tf


class Initialiser:
    """Makes variables with seeded random values.

    Drawn by numpy, so that a seed gives the same weights in every version and on every
    device, and a network exists without having been run.
    """

    def __init__(self, seed: int = 0, dtype: str = "float32"):
        self._rng = np.random.default_rng(seed)
        self._dtype = dtype

    def glorot(self, shape, fan_in: int, fan_out: int) -> tf.Variable:
        """Uniform in +-sqrt(6 / (fan_in + fan_out)), the default of Keras."""
        limit = np.sqrt(6.0 / (fan_in + fan_out))
        return self._variable(self._rng.uniform(-limit, limit, shape))

    def he(self, shape, fan_in: int) -> tf.Variable:
        """Normal of standard deviation sqrt(1 / fan_in): variance scaling by fan-in."""
        return self.normal(np.sqrt(1.0 / fan_in), shape)

    def normal(self, std: float, shape) -> tf.Variable:
        """Normal of mean 0 and standard deviation `std`."""
        return self._variable(std * self._rng.standard_normal(shape))

    def constant(self, value: float, shape) -> tf.Variable:
        """The same value everywhere."""
        return self._variable(np.full(shape, value))

    def _variable(self, value: np.ndarray) -> tf.Variable:
        return tf.Variable(value.astype(self._dtype))


class Blank(Initialiser):
    """Makes variables of zeros, for weights that are read from a file."""

    def _variable(self, value: np.ndarray) -> tf.Variable:
        return tf.Variable(tf.zeros(value.shape, self._dtype))

    def glorot(self, shape, fan_in: int, fan_out: int) -> tf.Variable:
        return self.constant(0.0, shape)

    def normal(self, std: float, shape) -> tf.Variable:
        return self.constant(0.0, shape)
