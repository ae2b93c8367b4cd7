"""Convolutions next to a change of resolution, as one operation.

Averaging 2x2 pixels and repeating each pixel are linear, so a convolution before the
one, or after the other, is a convolution with another kernel and a stride of 2:

    halve(conv3x3(x))  = conv of x with a 4x4 kernel, stride 2
    conv3x3(double(x)) = transposed conv of x with a 4x4 kernel, stride 2

Each needs 16 multiplications where the two steps need 36, and the large tensor between
them is never made. Equal to rounding, borders included: zeros are padded in all forms.
"""

import numpy as np
import tensorflow as tf

from hific.weight_norms import NormalisedConv2D


def halve(x: tf.Tensor) -> tf.Tensor:
    """Averages blocks of 2x2 pixels, [B, H, W, C] -> [B, H/2, W/2, C]."""
    return tf.nn.avg_pool2d(x, 2, 2, "VALID")


def double(x: tf.Tensor) -> tf.Tensor:
    """Repeats each pixel in a block of 2x2, [B, H, W, C] -> [B, 2H, 2W, C]."""
    return tf.keras.backend.resize_images(x, 2, 2, "channels_last", "nearest")


def convolve_and_halve(layer: tf.keras.layers.Layer, x: tf.Tensor) -> tf.Tensor:
    """halve(layer(x)), at one convolution's cost where the layer is only that.

    Args:
        layer: Any; a convolution has stride 1, 3x3 or 1x1 taps and zero padding.
        x: [B, H, W, C], sides even.
    """
    if not _is_linear(layer):
        return halve(layer(x))
    if layer.kernel_size == 1:
        return layer(halve(x))
    return layer(x, through=_halving)


def double_and_convolve(layer: tf.keras.layers.Layer, x: tf.Tensor) -> tf.Tensor:
    """layer(double(x)), at one convolution's cost where the layer is only that.

    Args:
        layer: Any; a convolution has stride 1, 3x3 taps and zero padding.
        x: [B, H, W, C].
    """
    if not _is_linear(layer):
        return layer(double(x))
    return layer(x, through=_doubling)


def _is_linear(layer: tf.keras.layers.Layer) -> bool:
    """Whether it convolves and does no more: none that looks at its outputs does."""
    return isinstance(layer, NormalisedConv2D) and not layer.learns_statistics


def added(main: tf.Tensor, shortcut: tf.Tensor) -> tf.Tensor:
    """main + shortcut, [B, H, W, C], of a block whose output is used more than once.

    `ensure_shape` does nothing at run time. Without it TensorFlow 2.14's graph
    optimizer wants to fuse the convolution with this sum and the activation after it,
    finds the sum used elsewhere too late, and then fuses nothing in the whole graph.
    """
    total = main + shortcut
    return tf.ensure_shape(total, total.shape)


def _taps(size: int) -> np.ndarray:
    """[(size + 1)^2, size^2] of 0 and 1: the taps of a kernel on blocks of 2x2."""
    rows = np.eye(size + 1, size) + np.eye(size + 1, size, -1)
    return np.kron(rows, rows)


def _widened(kernel: tf.Tensor, taps: np.ndarray) -> tf.Tensor:
    """taps @ kernel, over its pixels: [k, k, C, D] -> [k + 1, k + 1, C, D]."""
    size, _, *channels = kernel.shape
    flat = tf.reshape(kernel, (size * size, -1))
    flat = tf.matmul(tf.constant(taps, kernel.dtype), flat)
    return tf.reshape(flat, (size + 1, size + 1, *channels))


def _halving(x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    kernel = _widened(kernel, 0.25 * _taps(kernel.shape[0]))
    return tf.nn.conv2d(x, tf.cast(kernel, x.dtype), 2, "SAME")


def _doubling(x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    # A transposed convolution is the gradient of one: taps run backwards, and
    # channels come out where they went in.
    kernel = tf.transpose(kernel, (0, 1, 3, 2))
    kernel = _widened(kernel, _taps(kernel.shape[0])[:, ::-1])
    batch, height, width = tf.unstack(tf.shape(x))[:3]
    shape = (batch, 2 * height, 2 * width, kernel.shape[2])
    y = tf.nn.conv2d_transpose(x, tf.cast(kernel, x.dtype), shape, 2, "SAME")
    sides = (side and 2 * side for side in x.shape[1:3])
    return tf.ensure_shape(y, (x.shape[0], *sides, kernel.shape[2]))
