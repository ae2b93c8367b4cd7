"""Convolutions, normalisation and resizing as DeepLab2 has them.

Layers are built with known channel counts, so that every variable of a network exists
once it is constructed.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

import tensorflow as tf

LayerT = TypeVar("LayerT", bound=tf.keras.layers.Layer)


def built(layer: LayerT, channels: int) -> LayerT:
    """Creates the weights of a layer that will see [B, H, W, channels]; returns it."""
    if not layer.built:
        with tf.name_scope(layer.name):
            layer.build(tf.TensorShape((None, None, None, channels)))
    return layer


def batch_norm(**kwargs) -> tf.keras.layers.Layer:
    """Batch normalisation with momentum 0.99 and epsilon 1e-3.

    The fused kind, which moves the running variance towards the unbiased variance of
    the batch: what DeepLab2 does with `use_sync_batchnorm: false`. Its synchronised
    kind moves it towards the biased one; the two differ by n / (n - 1) for n pixels.
    """
    return tf.keras.layers.BatchNormalization(
        axis=3, momentum=0.99, epsilon=1e-3, **kwargs
    )


class Conv2DSame(tf.keras.layers.Conv2D):
    """Convolution that pads a strided input alike on both sides.

    [B, H, W, C] -> [B, ceil(H / strides), ceil(W / strides), filters]. Keras' SAME
    pads an even input with stride 2 by one pixel less at the top and left, which
    shifts the features by a pixel. He-normal kernels.

    A strided 1x1 convolution picks its pixels first. It is the same, and oneDNN's
    gradient of the strided form writes outside of its memory for some shapes (TF 2.14
    on CPUs; 16x16x8 to 8x8x8 and one picture will do).

    Source: `Conv2DSame` in google-research/deeplab2, model/layers/convolutions.py.
    """

    def __init__(self, filters: int, kernel_size: int, strides: int = 1, **kwargs):
        self._every = strides if kernel_size == 1 else 1
        super().__init__(
            filters,
            kernel_size,
            strides // self._every,
            padding="same" if strides == 1 else "valid",
            kernel_initializer="he_normal",
            **kwargs,
        )
        total = 0 if strides == 1 else (kernel_size - 1) * self.dilation_rate[0]
        self._margin = (total // 2, total - total // 2)

    def call(self, x):
        margin, every = self._margin, self._every
        x = tf.pad(x[:, ::every, ::every], ((0, 0), margin, margin, (0, 0)))
        return super().call(x)


class ConvNorm(tf.keras.layers.Layer):
    """activation(norm(conv(x))) for a convolution without bias.

    [B, H, W, C] -> [B, H', W', filters]; C is given to the constructor.

    Attributes:
        filters: Channels out.
    """

    def __init__(
        self,
        conv: tf.keras.layers.Layer,
        channels: int,
        activation: Callable[[tf.Tensor], tf.Tensor] = tf.nn.relu,
        gamma_initializer: str = "ones",
        **kwargs,
    ):
        """Creates the layer and its weights.

        Args:
            conv: Makes [B, H', W', filters] of [B, H, W, channels].
            channels: C, channels in.
            activation: Applied last; `tf.identity` for none.
            gamma_initializer: Of the normalisation's scale.
            **kwargs: Passed to Keras.
        """
        super().__init__(**kwargs)
        self.conv = built(conv, channels)
        self.filters = conv.compute_output_shape((None, None, None, channels))[-1]
        norm = batch_norm(gamma_initializer=gamma_initializer, dtype=self.dtype_policy)
        self.norm = built(norm, self.filters)
        self.activation = activation
        self.built = True

    def call(self, x, training=False):
        return self.activation(self.norm(self.conv(x), training=training))


def conv_norm(
    channels: int,
    filters: int,
    kernel_size: int = 1,
    strides: int = 1,
    dilation_rate: int = 1,
    dtype=None,
    **kwargs,
) -> ConvNorm:
    """ConvNorm of a `Conv2DSame`; keyword arguments go to ConvNorm."""
    conv = Conv2DSame(
        filters,
        kernel_size,
        strides,
        dilation_rate=dilation_rate,
        use_bias=False,
        dtype=dtype,
    )
    return ConvNorm(conv, channels, dtype=dtype, **kwargs)


class SeparableConv(tf.keras.layers.Layer):
    """A depthwise convolution, then a pointwise one; BN and ReLU after both.

    [B, H, W, C] -> [B, H, W, filters]. Glorot-uniform depthwise kernels, He-normal
    pointwise ones.

    Source: `StackedConv2DSame` with `depthwise_separable_conv` in
    google-research/deeplab2, model/layers/convolutions.py.
    """

    def __init__(self, channels: int, filters: int, kernel_size: int, **kwargs):
        super().__init__(**kwargs)
        dtype = self.dtype_policy
        depthwise = tf.keras.layers.DepthwiseConv2D(
            kernel_size, padding="same", use_bias=False, dtype=dtype
        )
        self.depthwise = ConvNorm(depthwise, channels, dtype=dtype)
        self.pointwise = conv_norm(channels, filters, dtype=dtype)
        self.built = True

    def call(self, x, training=False):
        return self.pointwise(self.depthwise(x, training=training), training=training)

    def ignore_channels_from(self, first: int) -> None:
        """Zeroes what the output takes from input channels `first` and later."""
        kernel = self.pointwise.conv.kernel
        heard = tf.range(kernel.shape[2]) < first
        kernel.assign(tf.where(heard[:, tf.newaxis], kernel, tf.zeros_like(kernel)))


def resize_bilinear(x: tf.Tensor, size: Sequence[int] | tf.Tensor) -> tf.Tensor:
    """Resizes [B, h, w, C] so that the centres of corner pixels stay corners.

    Pixel i of the output is read at i * (h - 1) / (H - 1) of the input, unlike
    `tf.image.resize`. Worked out in float32; returns the type of x.

    Args:
        x: [B, h, w, C].
        size: H, W.
    """
    resized = tf.raw_ops.ResizeBilinear(images=x, size=size, align_corners=True)
    return tf.cast(resized, x.dtype)


def appended(x: tf.Tensor, extras: Sequence[tf.Tensor]) -> tf.Tensor:
    """Appends to x [B, H, W, C] the channels of others, nearest neighbours resized."""
    size = tf.shape(x)[1:3]
    resized = [tf.image.resize(extra, size, method="nearest") for extra in extras]
    return tf.concat([x, *(tf.cast(extra, x.dtype) for extra in resized)], axis=-1)
