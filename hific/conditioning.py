"""How a discriminator sees the latent.

A conditioning has two doors, one before the trunk and one after it; a discriminator
calls both and knows no more. Concatenation acts at the first, projection at the second,
"none" at neither.
"""

from collections.abc import Callable, Mapping

import tensorflow as tf

from hific.layers import LayerMaker, built
from hific.weight_norms import SpectralConv2D


class Conditioning(tf.keras.layers.Layer):
    """No conditioning: both doors are open. Others override one of them.

    Attributes:
        image_channels: Channels that `enter` returns.
    """

    image_channels = 3

    def enter(self, image: tf.Tensor, latent: tf.Tensor) -> tf.Tensor:
        """What the trunk sees, [B, H, W, image_channels].

        Args:
            image: [B, H, W, 3], on the discriminator's scale.
            latent: [B, h, w, C] quantised, without gradient.
        """
        del latent
        return image

    def leave(
        self, logits: tf.Tensor, features: tf.Tensor, latent: tf.Tensor
    ) -> tf.Tensor:
        """The logits that count, like `logits`.

        Args:
            logits: [B, h', w', N] of the trunk.
            features: [B, h', w', F], what the last layer made them of.
            latent: [B, h, w, C] quantised, without gradient.
        """
        del features, latent
        return logits


class Concatenation(Conditioning):
    """Appends features of the latent to the image's channels.

        enter(x, y) = [x, resize(leaky_relu(conv3x3(y)))]

    The resize is to the nearest neighbour: each latent pixel becomes a 16x16 block.

    Source: Mentzer et al. 2020, arXiv:2006.09965; `Discriminator` in
    tensorflow/compression, models/hific/archs.py, has 12 features.
    """

    def __init__(
        self,
        latent_channels: int,
        features: int = 12,
        convolution: LayerMaker = SpectralConv2D,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.image_channels = 3 + features
        self.conv = built(
            convolution(features, 3, dtype=self.dtype_policy), latent_channels
        )

    def enter(self, image, latent):
        features = tf.nn.leaky_relu(self.conv(latent), 0.2)
        features = tf.image.resize(features, tf.shape(image)[1:3], method="nearest")
        return tf.concat([image, tf.cast(features, image.dtype)], axis=-1)


def _none(latent_channels, features, convolution, **kwargs) -> Conditioning:
    del latent_channels, features, convolution
    return Conditioning(**kwargs)


# `DiscriminatorConfig.conditioning` -> (latent_channels, features, convolution, dtype).
CONDITIONINGS: Mapping[str, Callable[..., Conditioning]] = {
    "none": _none,
    "concat": Concatenation,
}
