"""Convolutions of discriminators: how their kernels are kept in bounds."""

from collections.abc import Mapping

import tensorflow as tf

from hific.layers import LayerMaker


class SpectralConv2D(tf.keras.layers.Layer):
    """Convolution whose kernel is divided by its largest singular value.

        y = conv(x, W / sigma) + b,   sigma = u^T W v

    W is the kernel as a [kh * kw * Cin, Cout] matrix, u and v approximate its first
    singular vectors: each call runs one power iteration from the stored u and stores
    the new one. No gradient flows through u and v, but it does through sigma. Keras'
    SpectralNormalization instead overwrites W by W / sigma at each call, which leaves
    sigma out of the gradient. SAME padding, zeros.

    Source: `spectral_norm` in google/compare_gan, architectures/arch_ops.py.
    """

    def __init__(self, filters: int, kernel_size: int, strides: int = 1, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel_size = kernel_size
        self.strides = strides

    def build(self, input_shape):
        shape = (self.kernel_size, self.kernel_size, input_shape[-1], self.filters)
        self.kernel = self.add_weight(
            "kernel",
            shape,
            initializer=tf.keras.initializers.RandomNormal(stddev=0.02),
            experimental_autocast=False,
        )
        self.bias = self.add_weight("bias", (self.filters,), initializer="zeros")
        self.u = self.add_weight(
            "u",
            (shape[0] * shape[1] * shape[2], 1),
            initializer=tf.keras.initializers.RandomNormal(stddev=1.0),
            trainable=False,
            experimental_autocast=False,
            aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
        )
        super().build(input_shape)

    def call(self, x):
        kernel = tf.cast(self.normalised_kernel(), x.dtype)
        y = tf.nn.conv2d(x, kernel, self.strides, padding="SAME")
        return tf.nn.bias_add(y, self.bias)

    def normalised_kernel(self) -> tf.Tensor:
        """Runs one power iteration, stores u and returns W / sigma, [kh, kw, Ci, Co].

        In the precision of the variables, whatever the layer computes in.
        """
        matrix = tf.reshape(self.kernel, (-1, self.filters))
        still = tf.stop_gradient(matrix)
        v = tf.math.l2_normalize(tf.matmul(still, self.u, transpose_a=True))
        u = tf.math.l2_normalize(tf.matmul(still, v))
        self.u.assign(u)
        sigma = tf.reduce_sum(u * tf.matmul(matrix, v))
        return self.kernel / sigma


def _plain_convolution(filters, kernel_size, strides=1, **kwargs):
    return tf.keras.layers.Conv2D(
        filters,
        kernel_size,
        strides,
        padding="same",
        kernel_initializer=tf.keras.initializers.RandomNormal(stddev=0.02),
        **kwargs,
    )


# Name in a config -> (filters, kernel_size, strides) -> convolution of a discriminator.
WEIGHT_NORMS: Mapping[str, LayerMaker] = {
    "spectral": SpectralConv2D,
    "none": _plain_convolution,
}
