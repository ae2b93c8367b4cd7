"""HiFiC's discriminator."""

from collections.abc import Sequence

import tensorflow as tf

from hific.choices import choose
from hific.conditioning import CONDITIONINGS, Conditioning, Widths
from hific.config import HificConfig
from hific.layers import LayerMaker, built
from hific.weight_norms import WEIGHT_NORMS, SpectralConv2D


class PatchDiscriminator(tf.keras.layers.Layer):
    """D: image [B, H, W, 3] in [0, 255] and latent [B, h, w, C] -> [B, H/8, W/8, 1].

    4x4 convolutions with leaky ReLU 0.2; each logit judges a patch, and no logit is
    special. For a generator's loss and for its own, real and fake images go through it
    in one call, so that spectral norm iterates once for both.

    The last layer is 4x4 and spectrally normalised like the rest, though a comment in
    the original calls it 1x1.

    Source: `Discriminator` in tensorflow/compression, models/hific/archs.py.

    Attributes:
        input_range: Where [0, 255] is mapped to before the first layer.
    """

    def __init__(
        self,
        conditioning: Conditioning,
        filters: Sequence[int] = (64, 128, 256, 512),
        strides: Sequence[int] = (2, 2, 2, 1),
        convolution: LayerMaker = SpectralConv2D,
        input_range: tuple[float, float] = (0.0, 1.0),
        **kwargs,
    ):
        """Creates the network and its weights.

        Args:
            conditioning: How it sees the latent.
            filters: Channels of the trunk's layers.
            strides: One per layer.
            convolution: Makes (filters, kernel_size, strides) -> layer.
            input_range: Where black and white are mapped to.
            **kwargs: Passed to Keras (`dtype`, `name`).
        """
        super().__init__(autocast=False, **kwargs)
        self.input_range = input_range
        self.conditioning = conditioning
        self.trunk = []
        channels = conditioning.image_channels
        for width, stride in zip(filters, strides, strict=True):
            conv = convolution(width, 4, stride, dtype=self.dtype_policy)
            self.trunk.append(built(conv, channels))
            channels = width
        last = convolution(1, 4, 1, dtype=self.dtype_policy)
        self.to_logits = built(last, channels)
        self.built = True

    def call(self, image, latent):
        low, high = self.input_range
        image = tf.cast(image, self.variable_dtype)
        image = low + image * ((high - low) / 255.0)
        x = self.conditioning.enter(image, latent)
        for conv in self.trunk:
            x = tf.nn.leaky_relu(conv(x), 0.2)
        logits = self.conditioning.leave(self.to_logits(x), x, latent)
        return tf.cast(logits, self.variable_dtype)


def build_discriminator(
    config: HificConfig, dtype: str = "float32"
) -> PatchDiscriminator:
    """D of a config. Reads `config.discriminator` and `config.latent_channels`."""
    part = config.discriminator
    convolution = choose(WEIGHT_NORMS, part.weight_norm, "weight norm")
    make = choose(CONDITIONINGS, part.conditioning, "conditioning")
    widths = Widths(
        latent=config.latent_channels,
        entering=part.latent_features,
        trunk=part.filters[-1],
        logits=1,
    )
    return PatchDiscriminator(
        make(widths, convolution, dtype=dtype),
        part.filters,
        part.strides,
        convolution,
        part.input_range,
        dtype=dtype,
    )
