"""Convolutions of discriminators: how their kernels are kept in bounds."""

import contextlib
import functools
from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from hific.layers import LayerMaker

Padding = str | list[list[int]]


class NormalisedConv2D(tf.keras.layers.Layer):
    """A convolution that derives the kernel it uses from the one it trains.

        y = conv(x, effective_kernel()) + b

    Subclasses say how, in `effective_kernel`.

    Attributes:
        kernel: [kh, kw, Cin, Cout], trained.
        learns_statistics: Whether calls set weights from what the convolution gives;
            see `calibrate`.
    """

    learns_statistics = False

    def __init__(
        self,
        filters: int,
        kernel_size: int,
        strides: int = 1,
        *,
        padding: Padding = "SAME",
        use_bias: bool = True,
        kernel_initializer: Any = None,
        **kwargs,
    ):
        """Creates the layer.

        Args:
            filters: Cout.
            kernel_size: kh and kw.
            strides: In both directions.
            padding: As `tf.nn.conv2d` takes it; zeros.
            use_bias: Whether there is b.
            kernel_initializer: By default N(0, 0.02^2), HiFiC's.
            **kwargs: Passed to Keras.
        """
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel_size = kernel_size
        self.strides = strides
        self.padding = padding
        self.use_bias = use_bias
        self.kernel_initializer = kernel_initializer or (
            tf.keras.initializers.RandomNormal(stddev=0.02)
        )

    def build(self, input_shape):
        shape = (self.kernel_size, self.kernel_size, input_shape[-1], self.filters)
        self.kernel = self.add_weight(
            "kernel",
            shape,
            initializer=self.kernel_initializer,
            experimental_autocast=False,
        )
        if self.use_bias:
            self.bias = self.add_weight("bias", (self.filters,), initializer="zeros")
        self.build_norm()
        super().build(input_shape)

    def build_norm(self) -> None:
        """Creates what the norm itself keeps; `kernel` exists."""

    def effective_kernel(self, training: bool | None) -> tf.Tensor:
        """The kernel that the convolution uses, in the precision of the variables.

        `training` is None where nobody said whether the call is one of training.
        """
        raise NotImplementedError

    def call(self, x, training=None, through=None):
        """Returns y.

        Args:
            x: [B, H, W, Cin].
            training: See `effective_kernel`.
            through: (x, kernel) -> what to convolve by instead of `convolve`.
        """
        y = (through or self.convolve)(x, self.effective_kernel(training))
        return tf.nn.bias_add(y, self.bias) if self.use_bias else y

    def convolve(self, x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        """Convolves without bias."""
        return tf.nn.conv2d(x, tf.cast(kernel, x.dtype), self.strides, self.padding)

    def _matrix(self) -> tf.Tensor:
        return tf.reshape(self.kernel, (-1, self.filters))

    def _state(self, name: str, length: int, initializer) -> tf.Variable:
        return self.add_weight(
            name,
            (length, 1),
            initializer=initializer,
            trainable=False,
            experimental_autocast=False,
            aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
        )


class SpectralConv2D(NormalisedConv2D):
    """Convolution whose kernel is divided by its largest singular value.

        y = conv(x, W / sigma) + b,   sigma = u^T W v

    W is the kernel as a [kh * kw * Cin, Cout] matrix, u and v approximate its first
    singular vectors: each call runs one power iteration from the stored u and stores
    the new one, unless it is told not to be training. No gradient flows through u and
    v, but it does through sigma. Keras' SpectralNormalization instead overwrites W by
    W / sigma at each call, which leaves sigma out of the gradient.

    Source: `spectral_norm` in google/compare_gan, architectures/arch_ops.py.
    """

    def build_norm(self):
        length = self.kernel.shape[:3].num_elements()
        normal = tf.keras.initializers.RandomNormal(stddev=1.0)
        self.u = self._state("u", length, normal)

    def effective_kernel(self, training=True):
        """Runs one power iteration and returns W / sigma; stores u unless just looking.

        The original stores it at every call, whoever's step it is.
        """
        matrix = self._matrix()
        still = tf.stop_gradient(matrix)
        v = tf.math.l2_normalize(tf.matmul(still, self.u, transpose_a=True))
        u = tf.math.l2_normalize(tf.matmul(still, v))
        if training is not False:
            self.u.assign(u)
        sigma = tf.reduce_sum(u * tf.matmul(matrix, v))
        return self.kernel / sigma


class TrainingSpectralConv2D(NormalisedConv2D):
    """Spectral norm that iterates in training only, from the vector of outputs.

        v = W u / |W u|,   u = W^T v / |W^T v|,   sigma = v^T W u

    Both vectors are kept, and used as they are outside of training. This is the form of
    OASIS and the other discriminators that began in PyTorch; `SpectralConv2D` is
    HiFiC's.

    Source: Miyato et al. 2018, arXiv:1802.05957, Algorithm 1.
    """

    def build_norm(self):
        normal = tf.keras.initializers.RandomNormal(stddev=1.0)
        self.u = self._state("u", self.filters, _unit(normal))
        self.v = self._state(
            "v",
            self.kernel.shape[:3].num_elements(),
            lambda shape, dtype: tf.math.l2_normalize(
                tf.matmul(self._matrix(), self.u)
            ),
        )

    def effective_kernel(self, training=True):
        """Runs one power iteration if training, and returns W / sigma."""
        matrix = self._matrix()
        u, v = self.u.value(), self.v.value()
        if training:
            still = tf.stop_gradient(matrix)
            v = tf.math.l2_normalize(tf.matmul(still, u))
            u = tf.math.l2_normalize(tf.matmul(still, v, transpose_a=True))
            self.u.assign(u)
            self.v.assign(v)
        sigma = tf.reduce_sum(v * tf.matmul(matrix, u))
        return self.kernel / sigma


def _unit(initializer) -> Callable:
    return lambda shape, dtype: tf.math.l2_normalize(initializer(shape, dtype))


class WeightNormConv2D(NormalisedConv2D):
    """Convolution whose kernel has a direction and a length of its own per output.

        w_k = g_k * v_k / |v_k|,   the norm over kh, kw and Cin

    `kernel` is v. A new layer may be given g and b from data, by `calibrate`: with t
    the outputs for g = 1 and b = 0, g = 1 / std(t) and b = -mean(t) / std(t) over batch
    and pixels, which makes each output standard normal on that batch.

    Source: Salimans and Kingma 2016, arXiv:1602.07868, Eq. 2 and 6. The released EGIC
    takes t of v instead of v / |v| (as TensorFlow Addons did), so that its outputs have
    a deviation of 1 / |v|; `raw_statistics` does the same.
    """

    def __init__(
        self, filters, kernel_size, strides=1, *, raw_statistics: bool = False, **kwargs
    ):
        kwargs.setdefault("kernel_initializer", "glorot_uniform")
        super().__init__(filters, kernel_size, strides, **kwargs)
        self.raw_statistics = raw_statistics

    def build_norm(self):
        self.gain = self.add_weight(
            "gain", (self.filters,), initializer="ones", experimental_autocast=False
        )
        self.calibrated = self.add_weight(
            "calibrated", (), tf.bool, initializer="zeros", trainable=False
        )

    def effective_kernel(self, training=False):
        """Returns g * v / |v|."""
        del training
        return self.gain * tf.math.l2_normalize(self.kernel, axis=(0, 1, 2))

    def call(self, x, training=None, through=None):
        if self.learns_statistics:
            self._calibrate(x)
        return super().call(x, training=training, through=through)

    def _calibrate(self, x: tf.Tensor) -> None:
        unit = tf.math.l2_normalize(self.kernel, axis=(0, 1, 2))
        t = self.convolve(x, self.kernel if self.raw_statistics else unit)
        mean, variance = tf.nn.moments(tf.cast(t, self.variable_dtype), (0, 1, 2))
        scale = tf.math.rsqrt(variance + 1e-10)
        self.gain.assign(scale)
        if self.use_bias:
            self.bias.assign(-mean * scale)
        self.calibrated.assign(True)


def calibrate(network: tf.Module, *inputs: tf.Tensor) -> int:
    """Initialises from data every weight-normalised layer that has not been yet.

    Runs the network once, eagerly; each layer is set before the next one sees its
    output. Layers that were calibrated before, in this process or in the one that saved
    the checkpoint, keep their weights.

    Args:
        network: Called with `inputs`.
        *inputs: A batch as in training.

    Returns:
        Number of layers that were initialised.
    """
    new = [
        layer
        for layer in network.submodules
        if isinstance(layer, WeightNormConv2D) and not layer.calibrated.numpy()
    ]
    with contextlib.ExitStack() as stack:
        for layer in new:
            layer.learns_statistics = True
            stack.callback(setattr, layer, "learns_statistics", False)
        if new:
            network(*inputs)
    return len(new)


class LayerNormConv2D(tf.keras.layers.Layer):
    """A plain convolution followed by layer norm over a sample's pixels and channels.

        y = gamma * (t - mean(t)) / sqrt(var(t) + 1e-3) + beta,   t = conv(x)

    Statistics are over H, W and C of each sample, gamma and beta are per channel. The
    paper's Table 5 does not report the axes; these are the usual ones of convolutional
    layer norm (Ba et al. 2016, arXiv:1607.06450).
    """

    def __init__(self, filters: int, kernel_size: int, strides: int = 1, **kwargs):
        super().__init__(**kwargs)
        self.conv = tf.keras.layers.Conv2D(
            filters, kernel_size, strides, padding="same", dtype=self.dtype_policy
        )
        self.norm = tf.keras.layers.GroupNormalization(
            groups=1, epsilon=1e-3, dtype=self.dtype_policy
        )

    def build(self, input_shape):
        self.conv.build(input_shape)
        self.norm.build(self.conv.compute_output_shape(input_shape))
        super().build(input_shape)

    def call(self, x):
        return self.norm(self.conv(x))


def _plain_convolution(filters, kernel_size, strides=1, **kwargs):
    kwargs.setdefault("padding", "same")
    if "kernel_initializer" not in kwargs:
        normal = tf.keras.initializers.RandomNormal(stddev=0.02)
        kwargs["kernel_initializer"] = normal
    return tf.keras.layers.Conv2D(filters, kernel_size, strides, **kwargs)


# Name in a config -> (filters, kernel_size, strides) -> convolution of a discriminator.
WEIGHT_NORMS: Mapping[str, LayerMaker] = {
    "spectral": SpectralConv2D,
    "spectral_training": TrainingSpectralConv2D,
    "weight": WeightNormConv2D,
    "weight_released": functools.partial(WeightNormConv2D, raw_statistics=True),
    "layer": LayerNormConv2D,
    "none": _plain_convolution,
}
