"""OASIS' segmentation U-Net, and OASIS-C, its conditional form.

Every pixel is sorted into N semantic classes or "fake". The trunk and the last layer
are the same whatever the conditioning, so that a network pre-trained on labelled
pictures alone hands all of them over.
"""

from collections.abc import Sequence

import tensorflow as tf

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
from hific.weight_norms import WeightNormConv2D


def _leaky_relu(x: tf.Tensor) -> tf.Tensor:
    return tf.nn.leaky_relu(x, 0.2)


class ResidualBlock(tf.keras.layers.Layer):
    """Two 3x3 convolutions beside a 1x1 shortcut, the sum of both.

        main(x) = conv(lrelu(conv(lrelu(x)))),   shortcut(x) = conv1x1(x)

    The shortcut is x itself where the width stays. Subclasses change the resolution.
    """

    def __init__(
        self,
        channels: int,
        filters: int,
        convolution: LayerMaker = WeightNormConv2D,
        **kwargs,
    ):
        """Creates the block and its weights.

        Args:
            channels: Of the input.
            filters: Of the output.
            convolution: Makes (filters, kernel_size) -> layer.
            **kwargs: Passed to Keras; `dtype` also reaches the layers inside.
        """
        super().__init__(**kwargs)
        dtype = self.dtype_policy
        self.conv_0 = built(convolution(filters, 3, dtype=dtype), channels)
        self.conv_1 = built(convolution(filters, 3, dtype=dtype), filters)
        self.shortcut = (
            tf.keras.layers.Activation("linear", dtype=dtype)
            if channels == filters
            else built(convolution(filters, 1, dtype=dtype), channels)
        )
        self.built = True


class DownBlock(ResidualBlock):
    """[B, H, W, channels] -> [B, H/2, W/2, filters]."""

    def call(self, x):
        main = _leaky_relu(self.conv_0(_leaky_relu(x)))
        shortcut = convolve_and_halve(self.shortcut, x)
        return added(convolve_and_halve(self.conv_1, main), shortcut)


class FirstBlock(ResidualBlock):
    """A down block that sees pixels: no activation before it, a halved shortcut."""

    def call(self, x):
        main = _leaky_relu(self.conv_0(x))
        return added(convolve_and_halve(self.conv_1, main), self.shortcut(halve(x)))


class UpBlock(ResidualBlock):
    """[B, H, W, channels] -> [B, 2H, 2W, filters]."""

    def call(self, x):
        main = double_and_convolve(self.conv_0, _leaky_relu(x))
        return self.conv_1(_leaky_relu(main)) + double(self.shortcut(x))


class UNet(tf.keras.layers.Layer):
    """[B, H, W, channels] -> [B, H, W, up[-1]], H and W multiples of 2^len(down).

    Each up block but the first also sees what the down block of its size made: the
    encoder's features come first, then the decoder's.
    """

    def __init__(
        self,
        channels: int,
        down: Sequence[int],
        up: Sequence[int],
        convolution: LayerMaker = WeightNormConv2D,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if len(down) != len(up):
            raise ValueError(f"As many up blocks as down blocks: {down}, {up}.")
        dtype = self.dtype_policy
        self.stride = 2 ** len(down)
        kinds = [FirstBlock] + [DownBlock] * (len(down) - 1)
        inputs = (channels, *down[:-1])
        self.down = [
            kind(width, filters, convolution, dtype=dtype)
            for kind, width, filters in zip(kinds, inputs, down, strict=True)
        ]
        skips = (0, *reversed(down[:-1]))
        inputs = (down[-1], *up[:-1])
        self.up = [
            UpBlock(skip + width, filters, convolution, dtype=dtype)
            for skip, width, filters in zip(skips, inputs, up, strict=True)
        ]
        self.built = True

    def call(self, x):
        _check_sides(x, self.stride)
        seen = []
        for block in self.down:
            x = block(x)
            seen.append(x)
        x = self.up[0](seen.pop())
        for block in self.up[1:]:
            x = block(tf.concat([seen.pop(), x], axis=-1))
        return x


def _check_sides(x: tf.Tensor, stride: int) -> None:
    height, width = x.shape[1:3]
    if any(side is not None and side % stride for side in (height, width)):
        raise ValueError(
            f"Height and width (={height}x{width}) must be multiples of {stride}: the "
            "discriminator halves them once for each down block. Pad or crop the image."
        )


class OasisDiscriminator(tf.keras.layers.Layer):
    """D: image [B, H, W, 3] in [0, 255], latent [B, h, w, C] -> [B, H, W, N + 1].

    Logits, N of them for the semantic classes and the last for "fake". H and W are
    multiples of 64 at the published depth. No latent is needed where the conditioning
    is "none": that is the form to pre-train.

    Source: Table 3 of EGIC (arXiv:2309.03244); Sushko et al. 2021 (OASIS),
    arXiv:2012.04781.

    Attributes:
        input_range: Where [0, 255] is mapped to before the first layer.
        conditioning, trunk, to_logits: Its three parts; the last is a plain 1x1
            convolution.
    """

    def __init__(
        self,
        conditioning: Conditioning,
        num_outputs: int,
        down: Sequence[int] = (128, 128, 256, 256, 512, 512),
        up: Sequence[int] = (512, 256, 256, 128, 128, 64),
        convolution: LayerMaker = WeightNormConv2D,
        input_range: tuple[float, float] = (-1.0, 1.0),
        **kwargs,
    ):
        """Creates the network and its weights.

        Args:
            conditioning: How it sees the latent.
            num_outputs: N + 1.
            down: Channels of the down blocks.
            up: Channels of the up blocks, as many.
            convolution: Makes (filters, kernel_size) -> layer.
            input_range: Where black and white are mapped to; (0, 255) for weights of
                the released EGIC.
            **kwargs: Passed to Keras (`dtype`, `name`).
        """
        super().__init__(autocast=False, **kwargs)
        dtype = self.dtype_policy
        self.input_range = input_range
        self.conditioning = conditioning
        self.trunk = UNet(
            conditioning.image_channels, down, up, convolution, dtype=dtype
        )
        self.to_logits = built(
            tf.keras.layers.Conv2D(num_outputs, 1, dtype=dtype), up[-1]
        )
        self.built = True

    def call(self, image, latent=None):
        image = mapped(image, self.input_range, self.variable_dtype)
        features = self.trunk(self.conditioning.enter(image, latent))
        logits = self.to_logits(features)
        logits = self.conditioning.leave(logits, features, latent)
        return tf.cast(logits, self.variable_dtype)
