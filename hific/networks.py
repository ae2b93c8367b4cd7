"""HiFiC's transforms: encoder, decoder and the two halves of its hyperprior.

Every weight exists after construction; nothing has to be run first. `dtype` is a Keras
policy: "float32", "float64" or "mixed_bfloat16" (float32 variables, inputs and outputs,
bfloat16 in between).

Source of all: tensorflow/compression, models/hific/archs.py; Mentzer et al. 2020,
arXiv:2006.09965.
"""

from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf
import tensorflow_compression as tfc

from hific.choices import choose
from hific.config import HificConfig
from hific.entropy import LOG_STEP, SCALE_MIN
from hific.layers import (
    NORMALISATIONS,
    ChannelNorm,
    FourierKernel,
    LayerMaker,
    ResidualBlock,
    built,
    run,
)


class Encoder(tf.keras.layers.Layer):
    """E: image [B, H, W, 3] in [0, 255] -> latent y [B, H/16, W/16, C].

    One 7x7 convolution at full size, then 3x3 ones of stride 2, each followed by
    normalisation and ReLU; a last plain 3x3 convolution makes the latent. Divides by
    255 itself. H and W need not be multiples of the stride: TF's SAME padding rounds
    up. The last convolution is never in 16 bits, for its output is about to be rounded.
    """

    def __init__(
        self,
        filters: Sequence[int] = (60, 120, 240, 480, 960),
        latent_channels: int = 220,
        norm: LayerMaker = ChannelNorm,
        input_bias: float = 0.0,
        latent_gain: float = 1.0,
        **kwargs,
    ):
        """Creates the network.

        Args:
            filters: Channels at full size, 1/2, 1/4, ...; n of them give a stride of
                2**(n - 1).
            latent_channels: C.
            norm: Makes a fresh normalisation layer.
            input_bias: Standard deviation of the first layer's initial biases.
            latent_gain: Multiplies the last layer's initial kernel.
            **kwargs: Passed to Keras (`dtype`, `name`).
        """
        super().__init__(autocast=False, **kwargs)
        policy = self.dtype_policy
        self.convs, self.norms = [], []
        channels = 3
        for i, width in enumerate(filters):
            kernel, strides, spread = (3, 2, 0.0) if i else (7, 1, input_bias)
            conv = tf.keras.layers.Conv2D(
                width,
                kernel,
                strides,
                padding="same",
                bias_initializer=tf.keras.initializers.RandomNormal(stddev=spread),
                dtype=policy,
            )
            self.convs.append(built(conv, channels))
            self.norms.append(built(norm(dtype=policy), width))
            channels = width
        last = tf.keras.layers.Conv2D(
            latent_channels,
            3,
            padding="same",
            kernel_initializer=scaled_glorot(latent_gain),
            dtype=self.variable_dtype,
        )
        self.to_latent = built(last, channels)
        self.built = True

    def call(self, image):
        x = tf.cast(image, self.variable_dtype) / 255.0
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = tf.nn.relu(norm(conv(x)))
        return self.to_latent(x)


class Decoder(tf.keras.layers.Layer):
    """G: latent y_hat [B, h, w, C] -> image [B, 16h, 16w, 3] on [0, 255], not clipped.

    norm, 3x3 convolution, norm; residual blocks with a skip around all of them;
    transposed 3x3 convolutions of stride 2, each with norm and ReLU; a 7x7 convolution
    to RGB on [0, 1], multiplied by 255. That last one is never in 16 bits, whose 8
    significant ones would show as banding.
    """

    def __init__(
        self,
        latent_channels: int = 220,
        filters: int = 960,
        num_residual_blocks: int = 9,
        upsampling_filters: Sequence[int] = (480, 240, 120, 60),
        norm: LayerMaker = ChannelNorm,
        output_bias: float = 0.0,
        output_gain: float = 1.0,
        **kwargs,
    ):
        """Creates the network.

        Args:
            latent_channels: C.
            filters: Channels of the residual blocks.
            num_residual_blocks: How many.
            upsampling_filters: Channels after each doubling of the size; n of them give
                a stride of 2**n.
            norm: Makes a fresh normalisation layer.
            output_bias: Initial bias of the last layer, on [0, 1].
            output_gain: Multiplies the last layer's initial kernel.
            **kwargs: Passed to Keras (`dtype`, `name`).
        """
        super().__init__(autocast=False, **kwargs)
        keras, policy = tf.keras.layers, self.dtype_policy
        self.norm_in = built(norm(dtype=policy), latent_channels)
        self.conv_in = built(
            keras.Conv2D(filters, 3, padding="same", dtype=policy), latent_channels
        )
        self.norm_head = built(norm(dtype=policy), filters)
        self.blocks = [
            built(ResidualBlock(filters, norm, dtype=policy), filters)
            for _ in range(num_residual_blocks)
        ]
        self.ups, self.norms = [], []
        channels = filters
        for width in upsampling_filters:
            up = keras.Conv2DTranspose(width, 3, 2, padding="same", dtype=policy)
            self.ups.append(built(up, channels))
            self.norms.append(built(norm(dtype=policy), width))
            channels = width
        last = keras.Conv2D(
            3,
            7,
            padding="same",
            kernel_initializer=scaled_glorot(output_gain),
            bias_initializer=tf.constant_initializer(output_bias),
            dtype=self.variable_dtype,
        )
        self.to_image = built(last, channels)
        self.built = True

    def call(self, latent):
        return self.render(self.features(latent))

    def features(self, latent, depth=1):
        """The input of the last `depth` doublings of the size."""
        x = tf.cast(latent, self.variable_dtype)
        head = self.norm_head(self.conv_in(self.norm_in(x)))
        x = head + run(self.blocks, head)
        return upsample(x, self.ups[:-depth], self.norms[:-depth])

    def render(self, features, depth=1):
        """The last `depth` doublings of the size and their image, in [0, 255]."""
        x = upsample(features, self.ups[-depth:], self.norms[-depth:])
        return 255.0 * self.to_image(x)


def upsample(x, ups, norms):
    """Transposed convolutions, each with norm and ReLU."""
    for up, norm in zip(ups, norms, strict=True):
        x = tf.nn.relu(norm(up(x)))
    return x


class HyperAnalysis(tf.keras.layers.Layer):
    """h_a: latent y [B, h, w, C] -> hyper-latent z [B, h/4, w/4, filters].

    3x3, then two 5x5 correlations of stride 2 (the last without ReLU). Kernels are kept
    as Fourier coefficients, as in the original: a 5x5 kernel in 30 numbers, a 3x3 one
    in 12, so there are more variables than parameters of a published count.
    """

    def __init__(self, latent_channels: int = 220, filters: int = 320, **kwargs):
        super().__init__(**kwargs)
        self.layers = [
            self._correlation(latent_channels, filters, 3, activation=tf.nn.relu),
            self._correlation(
                filters, filters, 5, activation=tf.nn.relu, strides_down=2
            ),
            self._correlation(filters, filters, 5, strides_down=2),
        ]
        self.built = True

    def _correlation(self, channels, filters, support, **kwargs):
        start = tf.keras.initializers.VarianceScaling()
        kernel = start((support, support, channels, filters), self.variable_dtype)
        layer = tfc.SignalConv2D(
            filters,
            support,
            corr=True,
            padding="same_zeros",
            use_bias=True,
            kernel_parameter=FourierKernel(kernel),
            dtype=self.dtype_policy,
            **kwargs,
        )
        return built(layer, channels)

    def call(self, latent):
        return run(self.layers, latent)


class GaussianParameters(NamedTuple):
    """What the hyperprior says about y, each [B, h, w, C].

    Attributes:
        mean: Of the Gaussian, in quantiser steps.
        scale_index: Its standard deviation as a continuous index into the table of
            scales, >= 0 and not bounded above: sigma = 0.11 * exp(0.12305 * index).
    """

    mean: tf.Tensor
    scale_index: tf.Tensor


class HyperSynthesis(tf.keras.layers.Layer):
    """h_s: z_hat [B, h, w, filters] -> mean and scale index of y, [B, 4h, 4w, C] each.

    Two networks of the same form: two 5x5 convolutions that double the size, one 3x3.
    The scale network's output is the standard deviation itself, bounded below by 0.11;
    where the bound holds, a gradient that would raise the output still passes.
    """

    def __init__(
        self,
        latent_channels: int = 220,
        filters: int = 320,
        initial_scale: float = 0.0,
        **kwargs,
    ):
        """Creates both networks.

        Args:
            latent_channels: C.
            filters: Channels of z and of the inner layers.
            initial_scale: Added to the scale network's output by its first bias.
            **kwargs: Passed to Keras (`dtype`, `name`).
        """
        super().__init__(**kwargs)
        zeros = tf.zeros_initializer()
        start = tf.constant_initializer(initial_scale)
        self.mean_layers = self._network(filters, latent_channels, zeros)
        self.scale_layers = self._network(filters, latent_channels, start)
        self.built = True

    def _network(self, filters, latent_channels, last_bias):
        shared = dict(
            corr=False,
            padding="same_zeros",
            use_bias=True,
            kernel_parameter="variable",
            dtype=self.dtype_policy,
        )
        up = dict(activation=tf.nn.relu, strides_up=2, **shared)
        last = tfc.SignalConv2D(
            latent_channels, 3, bias_initializer=last_bias, **shared
        )
        return [
            built(tfc.SignalConv2D(filters, 5, **up), filters),
            built(tfc.SignalConv2D(filters, 5, **up), filters),
            built(last, filters),
        ]

    def call(self, z_hat):
        mean = run(self.mean_layers, z_hat)
        raw = run(self.scale_layers, z_hat)
        return GaussianParameters(mean, scale_index(raw))


def scaled_glorot(gain: float) -> tf.keras.initializers.Initializer:
    """Glorot's uniform initial kernel, as everywhere, times `gain`."""
    return tf.keras.initializers.VarianceScaling(gain**2, "fan_avg", "uniform")


def scale_index(raw_scale: tf.Tensor) -> tf.Tensor:
    """(log max(raw, 0.11) - log 0.11) / 0.12305: where a scale lies in the table.

    Args:
        raw_scale: Float of any shape; standard deviations, if positive.

    Returns:
        Like `raw_scale`, >= 0. 63 is a scale of 256; larger ones give more.
    """
    minimum = tf.constant(SCALE_MIN, raw_scale.dtype)
    scale = tfc.lower_bound(raw_scale, minimum)
    return tf.math.log(scale / minimum) / LOG_STEP


def build_encoder(config: HificConfig, dtype: str = "float32") -> Encoder:
    """E of a config."""
    part = config.encoder
    norm = choose(NORMALISATIONS, part.normalisation, "normalisation")
    return Encoder(
        part.filters,
        config.latent_channels,
        norm,
        part.input_bias,
        part.latent_gain,
        dtype=dtype,
    )


def build_decoder(config: HificConfig, dtype: str = "float32") -> Decoder:
    """G of a config. Reads `config.decoder` and `config.latent_channels`."""
    part = config.decoder
    return Decoder(
        config.latent_channels,
        part.filters,
        part.num_residual_blocks,
        part.upsampling_filters,
        choose(NORMALISATIONS, part.normalisation, "normalisation"),
        part.output_bias,
        part.output_gain,
        dtype=dtype,
    )


def build_hyper_analysis(config: HificConfig, dtype: str = "float32") -> HyperAnalysis:
    """h_a of a config."""
    return HyperAnalysis(config.latent_channels, config.hyperprior.filters, dtype=dtype)


def build_hyper_synthesis(
    config: HificConfig, dtype: str = "float32"
) -> HyperSynthesis:
    """h_s of a config; in "float64" for the coder."""
    return HyperSynthesis(
        config.latent_channels,
        config.hyperprior.filters,
        config.hyperprior.initial_scale,
        dtype=dtype,
    )
