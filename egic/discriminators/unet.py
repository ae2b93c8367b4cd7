"""The U-Net discriminator, which judges every pixel and the picture as a whole.

Source: Schonfeld et al. 2020, arXiv:2002.12655; conf-c of EGIC's study,
arXiv:2309.03244. The losses are in `egic.cutmix`.
"""

from collections.abc import Sequence

import tensorflow as tf

from egic.cutmix import UNetLogits
from egic.discriminators.input_range import mapped
from egic.discriminators.resolution import (
    added,
    convolve_and_halve,
    double,
    double_and_convolve,
    halve,
)
from hific.conditioning import Conditioning
from hific.layers import LayerMaker, built
from hific.weight_norms import TrainingSpectralConv2D


def _convolution(make: LayerMaker, channels, filters, kernel_size, dtype):
    orthogonal = tf.keras.initializers.Orthogonal()
    conv = make(filters, kernel_size, kernel_initializer=orthogonal, dtype=dtype)
    return built(conv, channels)


class Block(tf.keras.layers.Layer):
    """Two 3x3 convolutions beside a 1x1 shortcut; subclasses change the resolution."""

    def __init__(
        self,
        channels: int,
        filters: int,
        convolution: LayerMaker = TrainingSpectralConv2D,
        **kwargs,
    ):
        """Creates the block and its weights.

        Args:
            channels: Of the input.
            filters: Of the output.
            convolution: Makes (filters, kernel_size, kernel_initializer=...) -> layer.
            **kwargs: Passed to Keras; `dtype` also reaches the layers inside.
        """
        super().__init__(**kwargs)
        dtype = self.dtype_policy
        self.conv_0 = _convolution(convolution, channels, filters, 3, dtype)
        self.conv_1 = _convolution(convolution, filters, filters, 3, dtype)
        self.shortcut = _convolution(convolution, channels, filters, 1, dtype)
        self.built = True


class DownBlock(Block):
    """[B, H, W, channels] -> [B, H/2, W/2, filters].

    The shortcut averages 2x2 pixels first: that commutes with its convolution.
    """

    before = staticmethod(tf.nn.relu)

    def call(self, x):
        main = tf.nn.relu(self.conv_0(self.before(x)))
        return added(convolve_and_halve(self.conv_1, main), self.shortcut(halve(x)))


class FirstBlock(DownBlock):
    """A down block that sees pixels: no activation before it."""

    before = staticmethod(tf.identity)


class UpBlock(Block):
    """[B, H, W, channels] -> [B, 2H, 2W, filters]."""

    def call(self, x):
        main = double_and_convolve(self.conv_0, tf.nn.relu(x))
        return self.conv_1(tf.nn.relu(main)) + double(self.shortcut(x))


class WholeProjection(Conditioning):
    """Adds to the picture's logit how well the latent agrees with its features.

        leave(l, u, y) = l + sum_c u_c * p_c,   p = flatten(leaky_relu(conv3x3(y)))

    There are as many p as features: 4 for each of 16x16 latent pixels make 1024. So it
    serves crops of one size only.
    """

    def __init__(
        self,
        latent_channels: int,
        features: int = 4,
        convolution: LayerMaker = TrainingSpectralConv2D,
        **kwargs,
    ):
        """Creates the layer; `features` are those of a latent pixel."""
        super().__init__(**kwargs)
        self.conv = built(
            convolution(features, 3, dtype=self.dtype_policy), latent_channels
        )

    def leave(self, logits, features, latent):
        projected = tf.nn.leaky_relu(self.conv(latent), 0.2)
        _, height, width, each = projected.shape
        if height * width * each != features.shape[-1]:
            raise ValueError(
                f"The latent's features {tuple(projected.shape)} must be as many as "
                f"the picture's, {features.shape[-1]}; at the published size images "
                "are 256x256."
            )
        projected = tf.reshape(projected, (-1, 1, 1, height * width * each))
        agreement = tf.cast(projected, features.dtype) * features
        return logits + tf.reduce_sum(agreement, axis=-1, keepdims=True)


class UNetDiscriminator(tf.keras.layers.Layer):
    """D: image [B, H, W, 3] in [0, 255], latent [B, h, w, C] -> UNetLogits.

    A logit for every pixel, [B, H, W, 1], and one for the picture, [B, 1], of the
    deepest features summed over its pixels. H and W are multiples of 64 at the
    published depth. Every up block but the first also sees what the down block of its
    size made, after what the decoder made.

    44,067,586 parameters without a condition. The original counts 65 more, as many as
    a layer from 64 channels to one logit has, with no place for it among the layers
    that make logits.

    Attributes:
        input_range: Where [0, 255] is mapped to before the first layer.
    """

    def __init__(
        self,
        conditioning: Conditioning,
        conditioning_of_whole: Conditioning,
        down: Sequence[int] = (64, 128, 256, 512, 512, 1024),
        up: Sequence[int] = (512, 512, 256, 128, 64, 64),
        convolution: LayerMaker = TrainingSpectralConv2D,
        input_range: tuple[float, float] = (-1.0, 1.0),
        **kwargs,
    ):
        """Creates the network and its weights.

        Args:
            conditioning: How it sees the latent at the image and at the pixels' logits.
            conditioning_of_whole: How it sees it at the picture's logit.
            down: Channels of the down blocks.
            up: Channels of the up blocks, as many.
            convolution: Makes (filters, kernel_size, kernel_initializer=...) -> layer,
                for all but the last layer of the pixels.
            input_range: Where black and white are mapped to.
            **kwargs: Passed to Keras (`dtype`, `name`).

        Raises:
            ValueError: There are more blocks in one half.
        """
        super().__init__(autocast=False, **kwargs)
        if len(down) != len(up):
            raise ValueError(
                f"down (={tuple(down)}) and up (={tuple(up)}) must be as many blocks, "
                "or the logits would not be as large as the image."
            )
        dtype = self.dtype_policy
        self.input_range = input_range
        self.conditioning = conditioning
        self.conditioning_of_whole = conditioning_of_whole
        kinds = (FirstBlock, *[DownBlock] * (len(down) - 1))
        inputs = (conditioning.image_channels, *down[:-1])
        self.down = [
            kind(channels, filters, convolution, dtype=dtype)
            for kind, channels, filters in zip(kinds, inputs, down, strict=True)
        ]
        inputs = (down[-1], *up[:-1])
        skips = (0, *reversed(down[:-1]))
        self.up = [
            UpBlock(channels + skip, filters, convolution, dtype=dtype)
            for channels, skip, filters in zip(inputs, skips, up, strict=True)
        ]
        self.to_whole = _convolution(convolution, down[-1], 1, 1, dtype)
        last = tf.keras.layers.Conv2D(
            1, 1, kernel_initializer=tf.keras.initializers.Orthogonal(), dtype=dtype
        )
        self.to_local = built(last, up[-1])
        self.built = True

    def call(self, image, latent=None, training=False):
        _check_sides(image, 2 ** len(self.down))
        image = mapped(image, self.input_range, self.variable_dtype)
        seen = [self.conditioning.enter(image, latent)]
        for block in self.down:
            seen.append(block(seen[-1], training=training))
        *skips, deepest = seen[1:]
        whole = self._judge_whole(deepest, latent, training)
        x = self.up[0](deepest, training=training)
        for block, skip in zip(self.up[1:], reversed(skips), strict=True):
            x = block(tf.concat([x, skip], axis=-1), training=training)
        local = self.conditioning.leave(self.to_local(x), x, latent)
        return UNetLogits(tf.cast(local, self.variable_dtype), whole)

    def _judge_whole(self, deepest, latent, training):
        x = tf.reduce_sum(tf.nn.relu(deepest), (1, 2), keepdims=True)
        whole = self.to_whole(x, training=training)
        whole = self.conditioning_of_whole.leave(whole, x, latent)
        return tf.cast(tf.reshape(whole, (-1, 1)), self.variable_dtype)


def _check_sides(image: tf.Tensor, multiple: int) -> None:
    height, width = image.shape[1:3]
    if any(side is not None and side % multiple for side in (height, width)):
        raise ValueError(
            f"Height and width (={height}x{width}) must be multiples of {multiple}: "
            "the discriminator halves them once for each down block. Crop the image."
        )
