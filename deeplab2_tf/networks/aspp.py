"""Atrous spatial pyramid pooling: one map seen at several scales."""

from collections.abc import Sequence

import tensorflow as tf

from deeplab2_tf.networks.layers import conv_norm, resize_bilinear


def pooling_window(crop: tuple[int, int], output_stride: int) -> tuple[int, int]:
    """Side lengths of the pooling branch for a training crop, in feature pixels.

    int((crop - 1) / output_stride + 1): 256 -> 8, 640 -> 20, 641 -> 21 at stride 32, so
    that it pools a whole training crop. A larger picture is pooled by the same window
    at every place where it fits, which keeps to the statistics seen in training.
    """
    height, width = (int((side - 1) / output_stride + 1) for side in crop)
    return height, width


class ASPP(tf.keras.layers.Layer):
    """1x1, three dilated 3x3 and a pooling branch, concatenated and projected.

    [B, H, W, channels] -> [B, H, W, filters]. Every convolution is followed by BN and
    ReLU; the pooling branch is resized back with aligned corners.

    Source: model/decoder/aspp.py of google-research/deeplab2; Chen et al. 2017,
    arXiv:1706.05587.
    """

    def __init__(
        self,
        channels: int,
        filters: int = 256,
        rates: Sequence[int] = (3, 6, 9),
        window: tuple[int, int] | None = None,
        dropout: float = 0.1,
        **kwargs,
    ):
        """Creates the layer and its weights.

        Args:
            channels: Of the input.
            filters: Of every branch and of the output.
            rates: Dilation of the 3x3 convolutions.
            window: Sides of the average pooling, or None to pool the whole map.
            dropout: Share of the output's numbers that training zeroes, see `drop`.
            **kwargs: Passed to Keras (`dtype`, `name`).
        """
        super().__init__(**kwargs)
        dtype = self.dtype_policy
        self.branches = [conv_norm(channels, filters, dtype=dtype)]
        for rate in rates:
            self.branches.append(
                conv_norm(channels, filters, 3, dilation_rate=rate, dtype=dtype)
            )
        self.pooled = conv_norm(channels, filters, dtype=dtype)
        together = filters * (len(self.branches) + 1)
        self.project = conv_norm(together, filters, dtype=dtype)
        self.window, self.dropout = window, dropout
        self.filters = filters
        self.built = True

    def call(self, x, training=False):
        seen = [branch(x, training=training) for branch in self.branches]
        pooled = self.pooled(_average(x, self.window), training=training)
        seen.append(resize_bilinear(pooled, tf.shape(x)[1:3]))
        y = self.project(tf.concat(seen, axis=-1), training=training)
        return drop(y, self.dropout) if training else y


def _average(x: tf.Tensor, window: tuple[int, int] | None) -> tf.Tensor:
    if window is None:
        return tf.reduce_mean(x, axis=(1, 2), keepdims=True)
    for side, wanted in zip(x.shape[1:3], window, strict=True):
        if side is not None and side < wanted:
            raise ValueError(
                f"The {tuple(x.shape[1:3])} feature map is smaller than the pooling "
                f"window {window}: the network was made for larger crops than the "
                "picture. Pad it, or give the crop size to the constructor."
            )
    return tf.nn.avg_pool2d(x, window, strides=1, padding="VALID")


def drop(x: tf.Tensor, rate: float) -> tf.Tensor:
    """Zeroes a share `rate` of x and divides the rest by 1 - rate.

    Which, is drawn from a seed made of x itself. Nothing has to be stored for a resumed
    run to repeat its steps, every batch and every pass draws anew, and the same x has
    the same numbers dropped.
    """
    still = tf.cast(tf.stop_gradient(x), tf.float32)
    sums = tf.stack([tf.reduce_sum(still), tf.reduce_sum(still * still)])
    return tf.nn.experimental.stateless_dropout(x, rate, tf.bitcast(sums, tf.int32))
