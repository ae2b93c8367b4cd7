"""Layers shared by the HiFiC transforms."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import tensorflow as tf
import tensorflow_compression as tfc


class ChannelNorm(tf.keras.layers.Layer):
    """Normalises every pixel over its channels, then scales and shifts.

        y = gamma * (x - mean_c(x)) / sqrt(var_c(x) + epsilon) + beta

    Statistics are per pixel, so a crop is normalised exactly as it is inside the
    whole image; with InstanceNorm the answer depends on where the crop was cut. The
    variance divides by C - 1, as in the original. 16-bit inputs are normalised in
    float32.

    Source: `ChannelNorm` in tensorflow/compression, models/hific/archs.py.
    """

    def __init__(self, epsilon: float = 1e-3, **kwargs):
        super().__init__(**kwargs)
        self.epsilon = epsilon

    def build(self, input_shape):
        channels = input_shape[-1]
        if channels is None or channels < 2:
            raise ValueError(
                "ChannelNorm needs at least 2 known channels on the last axis, got "
                f"input shape {tuple(input_shape)}."
            )
        self.gamma = self.add_weight(
            "gamma", (channels,), initializer="ones", experimental_autocast=False
        )
        self.beta = self.add_weight(
            "beta", (channels,), initializer="zeros", experimental_autocast=False
        )
        super().build(input_shape)

    def call(self, x):
        wide = tf.cast(x, self.variable_dtype)
        gamma, beta = tf.identity(self.gamma), tf.identity(self.beta)
        return tf.cast(_channel_norm(wide, gamma, beta, self.epsilon), x.dtype)


def _channel_norm(x, gamma, beta, epsilon):
    """ChannelNorm with its own gradient.

    Being element-wise it is bound by memory traffic: the gradient below touches x twice
    where the one that TensorFlow derives touches it five times, which takes a third off
    forward and backward together at 512x768x60.
    """
    unbiased = x.shape[-1] - 1

    @tf.custom_gradient
    def normalise(x, gamma, beta):
        centred = x - tf.reduce_mean(x, -1, keepdims=True)
        variance = tf.reduce_sum(centred * centred, -1, keepdims=True) / unbiased
        inverse = tf.math.rsqrt(variance + epsilon)
        normal = centred * inverse

        def gradient(dy):
            others = list(range(x.shape.rank - 1))
            d_gamma = tf.reduce_sum(dy * normal, others)
            d_beta = tf.reduce_sum(dy, others)
            dn = dy * gamma
            along_mean = tf.reduce_mean(dn, -1, keepdims=True)
            along_scale = tf.reduce_sum(dn * normal, -1, keepdims=True) / unbiased
            dx = inverse * (dn - along_mean - normal * along_scale)
            return dx, d_gamma, d_beta

        return normal * gamma + beta, gradient

    return normalise(x, gamma, beta)


def _layer_norm(**kwargs) -> tf.keras.layers.Layer:
    return tf.keras.layers.LayerNormalization(epsilon=1e-3, **kwargs)


def _instance_norm(**kwargs) -> tf.keras.layers.Layer:
    return tf.keras.layers.GroupNormalization(groups=-1, epsilon=1e-3, **kwargs)


def _no_norm(**kwargs) -> tf.keras.layers.Layer:
    return tf.keras.layers.Activation("linear", **kwargs)


# Makes a layer; takes Keras' keyword arguments (`dtype`).
LayerMaker = Callable[..., tf.keras.layers.Layer]

# Name in a config -> how to make one. A new choice is one line here and one row in
# tests/test_layers.py. Layer norm divides by C where channel norm divides by C - 1;
# instance norm is there to see why HiFiC left it.
NORMALISATIONS: Mapping[str, LayerMaker] = {
    "channel": ChannelNorm,
    "layer": _layer_norm,
    "instance": _instance_norm,
    "none": _no_norm,
}


class ResidualBlock(tf.keras.layers.Layer):
    """x + norm(conv(relu(norm(conv(x))))), the body of the HiFiC decoder.

    [B, H, W, C] -> [B, H, W, C], C = filters. There is no activation after the sum.
    """

    def __init__(self, filters: int, norm: LayerMaker = ChannelNorm, **kwargs):
        """Creates the block.

        Args:
            filters: C, channels in and out.
            norm: Makes a fresh normalisation layer; called once per convolution.
            **kwargs: Passed to Keras; `dtype` also reaches the layers inside.
        """
        super().__init__(**kwargs)
        dtype = self.dtype_policy
        self.filters = filters
        self.conv_0 = tf.keras.layers.Conv2D(filters, 3, padding="same", dtype=dtype)
        self.norm_0 = norm(dtype=dtype)
        self.conv_1 = tf.keras.layers.Conv2D(filters, 3, padding="same", dtype=dtype)
        self.norm_1 = norm(dtype=dtype)

    def build(self, input_shape):
        if input_shape[-1] != self.filters:
            raise ValueError(
                f"ResidualBlock of {self.filters} filters adds its input to its "
                f"output, but the input has shape {tuple(input_shape)}."
            )
        for layer in (self.conv_0, self.norm_0, self.conv_1, self.norm_1):
            built(layer, self.filters)
        super().build(input_shape)

    def call(self, x):
        residual = tf.nn.relu(self.norm_0(self.conv_0(x)))
        residual = self.norm_1(self.conv_1(residual))
        return x + residual


class FourierKernel(tfc.Parameter):
    """A convolution kernel kept as the Fourier coefficients of its two spatial axes.

        kernel = irfft2(real + i imag) * sqrt(kh * kw)

    Adam then sees every frequency on its own scale, which is how HiFiC's hyper-analysis
    trains. Means the same as `tfc.RDFTParameter`, but the inverse transform is one
    small matrix product instead of kh * kw point transforms for each pair of channels:
    at the paper's size those take longer than the convolutions.

    Attributes:
        coefficients: [2 * kh * (kw // 2 + 1), Cin, Cout]; real parts, then imaginary.
    """

    def __init__(self, kernel: tf.Tensor, name: str = "kernel"):
        """Starts from a kernel, [kh, kw, Cin, Cout]."""
        super().__init__(name=name)
        self._shape = tuple(kernel.shape)
        forward, self._inverse = _fourier_matrices(*self._shape[:2])
        flat = tf.reshape(kernel, (forward.shape[1], -1))
        start = tf.matmul(tf.constant(forward, kernel.dtype), flat)
        self.coefficients = tf.Variable(
            tf.reshape(start, (-1, *self._shape[2:])), name="coefficients"
        )

    def __call__(self, compute_dtype=None) -> tf.Tensor:
        """Returns the kernel, [kh, kw, Cin, Cout]; the sum is never in 16 bits."""
        flat = tf.reshape(self.coefficients, (self._inverse.shape[1], -1))
        kernel = tf.matmul(tf.constant(self._inverse, flat.dtype), flat)
        kernel = tf.reshape(kernel, self._shape)
        return kernel if compute_dtype is None else tf.cast(kernel, compute_dtype)

    def get_config(self):
        return {"name": self.name, "kernel": np.zeros(self._shape)}


def _fourier_matrices(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """rfft2 / sqrt(h * w) and its inverse as real matrices, [2f, hw] and [hw, 2f]."""
    norm = np.sqrt(height * width)
    pixels = np.eye(height * width).reshape(-1, height, width)
    spectra = (np.fft.rfft2(pixels) / norm).reshape(height * width, -1)
    forward = np.concatenate([spectra.real, spectra.imag], axis=1).T
    count = spectra.shape[1]
    units = np.concatenate([np.eye(count), 1j * np.eye(count)])
    units = units.reshape(2 * count, height, -1)
    inverse = np.fft.irfft2(units, s=(height, width)) * norm
    return forward, inverse.reshape(2 * count, -1).T


def built(layer: tf.keras.layers.Layer, channels: int) -> tf.keras.layers.Layer:
    """Creates the weights of a layer that will see [B, H, W, channels]; returns it.

    Nothing is run, so a network's weights exist as soon as it is constructed.
    """
    if not layer.built:
        with tf.name_scope(layer.name):
            layer.build(tf.TensorShape((None, None, None, channels)))
    return layer


def run(layers: Sequence[Callable[[tf.Tensor], tf.Tensor]], x: tf.Tensor) -> tf.Tensor:
    """Applies layers in order."""
    for layer in layers:
        x = layer(x)
    return x
