"""How a discriminator sees the latent.

A conditioning has two doors, one before the trunk and one after it; a discriminator
calls both and knows no more. Concatenation acts at the first, projection at the second,
"none" at neither.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import tensorflow as tf

from hific.layers import LayerMaker, built
from hific.weight_norms import SpectralConv2D


class Conditioning(tf.keras.layers.Layer):
    """No conditioning: both doors are open. Others override one of them.

    Attributes:
        image_channels: Channels that `enter` returns.
    """

    image_channels = 3

    def enter(self, image: tf.Tensor, latent: tf.Tensor | None) -> tf.Tensor:
        """What the trunk sees, [B, H, W, image_channels].

        Args:
            image: [B, H, W, 3], on the discriminator's scale.
            latent: [B, h, w, C] quantised, without gradient; None where the
                conditioning needs none.
        """
        del latent
        return image

    def leave(
        self,
        logits: tf.Tensor,
        features: tf.Tensor,
        latent: tf.Tensor | None,
    ) -> tf.Tensor:
        """The logits that count, like `logits`.

        Args:
            logits: [B, h', w', N] of the trunk.
            features: [B, h', w', F], what the last layer made them of.
            latent: As for `enter`.
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
        features = _features(self.conv, latent, image)
        return tf.concat([image, features], axis=-1)


class Projection(Conditioning):
    """Adds to every logit how well features of image and latent agree.

        leave(l, u, y) = l + sum_c u_c * p_c,   p = resize(leaky_relu(conv3x3(y)))

    The same number is added to all logits of a pixel. A softmax does not see it: of
    EGIC's losses only LabelMix does, which compares logits. docs/projection.md.

    Source: Table 3 of EGIC (arXiv:2309.03244); Miyato and Koyama 2018,
    arXiv:1802.05637, for one logit.
    """

    def __init__(
        self,
        latent_channels: int,
        features: int = 64,
        convolution: LayerMaker = SpectralConv2D,
        **kwargs,
    ):
        """Creates the layer; `features` are the channels of the trunk's output."""
        super().__init__(**kwargs)
        self.conv = built(
            convolution(features, 3, dtype=self.dtype_policy), latent_channels
        )

    def leave(self, logits, features, latent):
        projected = _features(self.conv, latent, features)
        return logits + tf.reduce_sum(features * projected, axis=-1, keepdims=True)


class ClasswiseProjection(Projection):
    """Adds to every logit its own measure of how well image and latent agree.

        leave(l, u, y)_k = l_k + sum_c e_kc * u_c * p_c,   p as in `Projection`

    As l_k = b_k + sum_c w_kc u_c, the latent moves the last layer's weights, to
    w_kc + e_kc p_c. Differences between logits depend on y, so a softmax sees it. Equal
    rows of ones would be `Projection`.

    It has as many parameters more than `Projection` as the last layer has weights. One
    per logit would do for the softmax, but y could then move the logits along one
    direction only, the same for every pixel. They start at 0: a discriminator that took
    over pre-trained weights still is the pre-trained one, bit for bit. Their gradient
    is not 0 there, and from the second step on neither is the convolution's.

    Ours; docs/projection.md says why.
    """

    def __init__(
        self,
        latent_channels: int,
        features: int,
        num_logits: int,
        convolution: LayerMaker = SpectralConv2D,
        **kwargs,
    ):
        """Creates the layer.

        Args:
            latent_channels: C of y.
            features: Channels of the trunk's output.
            num_logits: N of `leave`.
            convolution: Makes (filters, kernel_size) -> layer.
            **kwargs: Passed to Keras (`dtype`, `name`).
        """
        super().__init__(latent_channels, features, convolution, **kwargs)
        self.embedding = self.add_weight(
            "embedding", (num_logits, features), initializer="zeros"
        )

    def leave(self, logits, features, latent):
        agreement = features * _features(self.conv, latent, features)
        embedding = tf.cast(self.embedding, agreement.dtype)
        return logits + tf.einsum("bhwc,kc->bhwk", agreement, embedding)


def _features(conv, latent, like) -> tf.Tensor:
    """Features of the latent, as large as another tensor and of its type."""
    latent = tf.cast(latent, conv.variable_dtype)
    features = tf.nn.leaky_relu(conv(latent), 0.2)
    features = tf.image.resize(features, tf.shape(like)[1:3], method="nearest")
    return tf.cast(features, like.dtype)


class Widths(NamedTuple):
    """Channels that a conditioning may need to know.

    Attributes:
        latent: Of y.
        entering: What "concat" makes of y.
        trunk: Of the features that the last layer makes logits of.
        logits: How many those are at each position.
    """

    latent: int
    entering: int
    trunk: int
    logits: int


# `conditioning` of a config -> (widths, convolution, dtype=...) -> conditioning.
CONDITIONINGS: Mapping[str, Callable[..., Conditioning]] = {
    "none": lambda widths, convolution, **kwargs: Conditioning(**kwargs),
    "concat": lambda widths, convolution, **kwargs: Concatenation(
        widths.latent, widths.entering, convolution, **kwargs
    ),
    "projection": lambda widths, convolution, **kwargs: Projection(
        widths.latent, widths.trunk, convolution, **kwargs
    ),
    "projection_classwise": lambda widths, convolution, **kwargs: ClasswiseProjection(
        widths.latent, widths.trunk, widths.logits, convolution, **kwargs
    ),
}
