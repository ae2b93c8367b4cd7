"""Projected GAN's discriminators: small ones that judge a frozen network's features.

    image -> DiffAugment -> frozen backbone -> CCM -> CSM -> four mini-discriminators

CCM (1x1 convolutions) mixes the channels of each feature map at random, CSM mixes the
maps from coarse to fine; neither trains, so that no discriminator can settle on a few
features.

Source: Sauer et al. 2021, arXiv:2111.01007; conf-d of EGIC's study, arXiv:2309.03244.
"""

import functools
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from egic import diff_augment
from egic.discriminators.input_range import mapped
from hific.conditioning import Conditioning
from hific.layers import LayerMaker, built, run
from hific.weight_norms import TrainingSpectralConv2D

# Channels that CCM makes of the features and CSM of those, fine to coarse.
MIXED_CHANNELS = (64, 128, 256, 512)
PYRAMID_CHANNELS = (64, 64, 128, 256)


def double(x: tf.Tensor) -> tf.Tensor:
    """Bilinear interpolation to twice the size, first and last pixels staying corners.

    Output pixel i reads input position i (n - 1) / (2n - 1), which tf.image.resize has
    no mode for. [B, n, m, C] -> [B, 2n, 2m, C].
    """
    rows, columns = (_interpolation(size) for size in x.shape[1:3])
    rows, columns = tf.constant(rows, x.dtype), tf.constant(columns, x.dtype)
    x = tf.einsum("in,bnmc->bimc", rows, x)
    return tf.einsum("jm,bimc->bijc", columns, x)


def _interpolation(size: int) -> np.ndarray:
    """[2 * size, size] float32, rows adding up to 1."""
    positions = np.arange(2 * size) * ((size - 1) / (2 * size - 1))
    distance = np.abs(positions[:, np.newaxis] - np.arange(size))
    return np.maximum(1.0 - distance, 0.0).astype(np.float32)


def _random_1x1(channels: int, filters: int, dtype) -> tf.keras.layers.Layer:
    """A 1x1 convolution whose weights and biases are U(-1, 1) / sqrt(channels)."""
    uniform = functools.partial(
        tf.keras.initializers.RandomUniform, -(channels**-0.5), channels**-0.5
    )
    conv = tf.keras.layers.Conv2D(
        filters,
        1,
        kernel_initializer=uniform(),
        bias_initializer=uniform(),
        dtype=dtype,
    )
    return built(conv, channels)


class Pyramid(tf.keras.layers.Layer):
    """The frozen half: images in [-1, 1] -> four maps, fine to coarse.

        S_3 = conv(up(C_3)),   S_k = conv(up(S_k+1 + C_k)),   C_k = conv(F_k)

    At strides 2, 4, 8 and 16 of what the backbone sees, with 64, 64, 128 and 256
    channels. The random weights are part of the discriminator: they are in its
    checkpoints, and other ones would make the trained half useless.

    Attributes:
        channels: Of the four maps.
    """

    def __init__(
        self,
        backbone: tf.keras.layers.Layer,
        mixed: Sequence[int] = MIXED_CHANNELS,
        channels: Sequence[int] = PYRAMID_CHANNELS,
        smallest: int = 224,
        **kwargs,
    ):
        """Creates the layers.

        Args:
            backbone: [B, H, W, 3] in [-1, 1] -> four features, strides 4 to 32; their
                `channels`.
            mixed: Channels after CCM.
            channels: Channels after CSM; all but the first those of CCM one map finer.
            smallest: Images with a shorter side are enlarged to this size, square.
            **kwargs: Passed to Keras.
        """
        super().__init__(**kwargs)
        if tuple(channels[1:]) != tuple(mixed[:-1]):
            raise ValueError(
                f"CSM adds its maps to those of CCM: channels {tuple(channels)} but "
                f"the first must be mixed {tuple(mixed)} but the last."
            )
        dtype = self.dtype_policy
        self.backbone = backbone
        self.mix_channels = [
            _random_1x1(before, after, dtype)
            for before, after in zip(backbone.channels, mixed, strict=True)
        ]
        self.mix_scales = [
            _random_1x1(before, after, dtype)
            for before, after in zip(mixed, channels, strict=True)
        ]
        self.channels = tuple(channels)
        self.smallest = smallest
        self.trainable = False
        self.built = True

    def call(self, image):
        if min(image.shape[1:3]) < self.smallest:
            image = tf.image.resize(image, (self.smallest, self.smallest))
        features = self.backbone(image)
        mixed = [conv(x) for conv, x in zip(self.mix_channels, features, strict=True)]
        maps = []
        x = None
        for conv, c in reversed(list(zip(self.mix_scales, mixed, strict=True))):
            x = fuse(conv, c, x)
            maps.append(x)
        return tuple(reversed(maps))


def fuse(conv, x: tf.Tensor, coarser: tf.Tensor | None) -> tf.Tensor:
    """conv(up(x + coarser)); the coarsest map has none to add."""
    return conv(double(x if coarser is None else x + coarser))


class DownBlock(tf.keras.layers.Layer):
    """Halves the sides: 4x4 convolution, batch norm, leaky ReLU.

    The statistics are those of the batch in training, so originals and reconstructions
    go through in calls of their own.
    """

    def __init__(self, channels: int, filters: int, convolution: LayerMaker, **kwargs):
        super().__init__(**kwargs)
        dtype = self.dtype_policy
        # On even sides SAME puts one zero on each.
        self.conv = built(convolution(filters, 4, 2, dtype=dtype), channels)
        norm = tf.keras.layers.BatchNormalization(
            momentum=0.9, epsilon=1e-5, dtype=dtype
        )
        self.norm = built(norm, filters)
        self.built = True

    def call(self, x):
        return tf.nn.leaky_relu(self.norm(self.conv(x)), 0.2)


class MiniDiscriminator(tf.keras.layers.Layer):
    """One map of the pyramid -> [B, h, w, 1]; 5x5 logits for a map 8x8 at the end."""

    def __init__(
        self,
        channels: int,
        filters: Sequence[int],
        convolution: LayerMaker = TrainingSpectralConv2D,
        **kwargs,
    ):
        """Creates the weights.

        Args:
            channels: Of the map.
            filters: Of the down blocks, one for each halving.
            convolution: Makes (filters, kernel_size, strides, padding=..., use_bias=
                ...) -> layer.
            **kwargs: Passed to Keras.
        """
        super().__init__(**kwargs)
        dtype = self.dtype_policy
        self.blocks = []
        for width in filters:
            self.blocks.append(DownBlock(channels, width, convolution, dtype=dtype))
            channels = width
        last = convolution(1, 4, padding="VALID", use_bias=False, dtype=dtype)
        self.to_logits = built(last, channels)
        self.built = True

    def call(self, x):
        return self.to_logits(run(self.blocks, x))


class ProjectedDiscriminator(tf.keras.layers.Layer):
    """D: image [B, H, W, 3] in [0, 255], latent [B, h, w, C] -> [B, logits].

    100 logits for 256 pixels, 25 of each mini-discriminator. H and W are multiples of
    32. The latent is concatenated to each map of the pyramid, by a conditioning of its
    own.

    Call it with `seed` to see the image changed by DiffAugment, the latent left as it
    is; both players should, with another seed for every call.

    Attributes:
        input_range: Where [0, 255] is mapped to before DiffAugment.
    """

    def __init__(
        self,
        pyramid: Pyramid,
        conditionings: Sequence[Conditioning],
        filters: Sequence[int] = (64, 128, 256, 512),
        convolution: LayerMaker = TrainingSpectralConv2D,
        policy: Sequence[str] = diff_augment.POLICY,
        input_range: tuple[float, float] = (-1.0, 1.0),
        **kwargs,
    ):
        """Creates the mini-discriminators.

        Args:
            pyramid: Frozen features.
            conditionings: One for each map, acting before the trunk.
            filters: Of the finest map's down blocks; each coarser map leaves out one
                more of the first.
            convolution: As for `MiniDiscriminator`.
            policy: Keys of `diff_augment.OPERATIONS`.
            input_range: Where black and white are mapped to.
            **kwargs: Passed to Keras (`dtype`, `name`).

        Raises:
            ValueError: A conditioning acts on logits.
        """
        super().__init__(autocast=False, **kwargs)
        for one in conditionings:
            if type(one).leave is not Conditioning.leave:
                raise ValueError(
                    f"{type(one).__name__} changes logits, but those of a projected "
                    "discriminator have no features of their size; use concatenation."
                )
        self.input_range = input_range
        self.policy = tuple(policy)
        self.pyramid = pyramid
        self.conditionings = list(conditionings)
        self.discriminators = [
            MiniDiscriminator(
                channels + one.image_channels - Conditioning.image_channels,
                filters[number:],
                convolution,
                dtype=self.dtype_policy,
            )
            for number, (channels, one) in enumerate(
                zip(pyramid.channels, conditionings, strict=True)
            )
        ]
        self.built = True

    def call(self, image, latent=None, training=False, seed=None):
        image = mapped(image, self.input_range, self.variable_dtype)
        if seed is not None:
            image = diff_augment.augment(image, seed, self.policy)
        logits = []
        for x, conditioning, judge in zip(
            self.pyramid(image), self.conditionings, self.discriminators, strict=True
        ):
            judged = judge(conditioning.enter(x, latent), training=training)
            logits.append(tf.reshape(judged, (tf.shape(judged)[0], -1)))
        return tf.cast(tf.concat(logits, axis=1), self.variable_dtype)
