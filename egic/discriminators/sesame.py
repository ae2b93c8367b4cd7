"""SESAME's discriminator: two streams, the picture and its label map, at two scales."""

from collections.abc import Sequence

import tensorflow as tf

from egic.discriminators.input_range import mapped
from hific.conditioning import Conditioning
from hific.layers import LayerMaker, built
from hific.losses import AdversarialLoss, DiscriminatorTerms
from hific.weight_norms import TrainingSpectralConv2D

STRIDES = (2, 2, 2, 1)


def _leaky_relu(x: tf.Tensor) -> tf.Tensor:
    return tf.nn.leaky_relu(x, 0.2)


def _padded(x: tf.Tensor, pixels: int) -> tf.Tensor:
    return tf.pad(x, [[0, 0], [pixels, pixels], [pixels, pixels], [0, 0]])


def padded_4x4(convolution: tf.keras.layers.Layer, x: tf.Tensor) -> tf.Tensor:
    """Applies a VALID 4x4 convolution between borders of two zeros on all sides.

    Stride 2 makes n/2 + 1 pixels of an even n, stride 1 makes n + 1. SAME padding would
    put one row before the image and lose the last output.
    """
    return convolution(_padded(x, 2))


def pool(x: tf.Tensor) -> tf.Tensor:
    """Averages 3x3 pixels at stride 2, in borders of one pixel that do not count.

    [B, n, m, C] -> [B, (n + 1) // 2, (m + 1) // 2, C]. TensorFlow's SAME average is the
    same only where n and m are odd.
    """
    inside = tf.ones_like(x[:1, :, :, :1])
    total, count = (
        tf.nn.avg_pool2d(_padded(part, 1), 3, 2, "VALID") for part in (x, inside)
    )
    return total / count


def instance_norm(x: tf.Tensor) -> tf.Tensor:
    """(x - mean) / sqrt(var + 1e-5) over the pixels of each channel of each image."""
    mean, variance = tf.nn.moments(x, (1, 2), keepdims=True)
    return (x - mean) * tf.math.rsqrt(variance + 1e-5)


def merge(image: tf.Tensor, semantics: tf.Tensor) -> tf.Tensor:
    """image * (1 + sum of the channels of semantics); both [B, h, w, C]."""
    return image + image * tf.reduce_sum(semantics, axis=-1, keepdims=True)


class Stream(tf.keras.layers.Layer):
    """Four 4x4 convolutions: [B, H, W, C] -> [B, H/8 + 2, W/8 + 2, filters[-1]].

    All but the first are without bias, normalised, and instance normalised. Each is
    followed by a leaky ReLU.
    """

    def __init__(
        self,
        channels: int,
        filters: Sequence[int],
        convolution: LayerMaker = TrainingSpectralConv2D,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.first = _plain(channels, filters[0], STRIDES[0], self.dtype_policy)
        self.normalised = [
            built(
                convolution(
                    width,
                    4,
                    stride,
                    padding="VALID",
                    use_bias=False,
                    kernel_initializer=_xavier(),
                    dtype=self.dtype_policy,
                ),
                before,
            )
            for before, width, stride in zip(
                filters[:-1], filters[1:], STRIDES[1:], strict=True
            )
        ]
        self.built = True

    def call(self, x):
        x = _leaky_relu(padded_4x4(self.first, x))
        for conv in self.normalised:
            x = _leaky_relu(instance_norm(padded_4x4(conv, x)))
        return x


def _xavier() -> tf.keras.initializers.Initializer:
    """N(0, 0.02^2 * 2 / (fan_in + fan_out))."""
    return tf.keras.initializers.VarianceScaling(
        0.02**2, "fan_avg", "untruncated_normal"
    )


def _plain(channels, filters, stride, dtype) -> tf.keras.layers.Layer:
    conv = tf.keras.layers.Conv2D(
        filters, 4, stride, kernel_initializer=_xavier(), dtype=dtype
    )
    return built(conv, channels)


class Scale(tf.keras.layers.Layer):
    """Both streams and the layer that judges them: [B, H/8 + 3, W/8 + 3, 1]."""

    def __init__(
        self,
        image_channels: int,
        label_channels: int,
        filters: Sequence[int],
        convolution: LayerMaker,
        **kwargs,
    ):
        super().__init__(**kwargs)
        dtype = self.dtype_policy
        self.image = Stream(image_channels, filters, convolution, dtype=dtype)
        self.semantics = Stream(label_channels, filters, convolution, dtype=dtype)
        self.to_logits = _plain(filters[-1], 1, 1, dtype)
        self.built = True

    def call(self, image, labels):
        features = merge(self.image(image), self.semantics(labels))
        return padded_4x4(self.to_logits, features)


class SesameDiscriminator(tf.keras.layers.Layer):
    """D: image [B, H, W, 3] in [0, 255], latent and labels -> a logit map per scale.

    Maps are [B, H/8 + 3, W/8 + 3, 1] at full size, and as large as those of an image of
    half the size at the next scale; H and W are multiples of 16. It sees the label map
    as well as the latent, which makes it the only one of the study to be called with
    `labels`. The latent enters with the image, before the first layer.

    The original's channels for instance edges and inpainting masks are left out.

    Source: Ntavelis et al. 2020 (SESAME), arXiv:2004.04977; the study of EGIC,
    arXiv:2309.03244, conf-b.

    Attributes:
        input_range: Where [0, 255] is mapped to before the first layer.
    """

    def __init__(
        self,
        conditioning: Conditioning,
        num_classes: int,
        filters: Sequence[int] = (64, 128, 256, 512),
        convolution: LayerMaker = TrainingSpectralConv2D,
        scales: int = 2,
        unlabelled_channel: bool = True,
        input_range: tuple[float, float] = (-1.0, 1.0),
        **kwargs,
    ):
        """Creates the network and its weights.

        Args:
            conditioning: How it sees the latent; one that acts before the trunk.
            num_classes: N; labels outside of [0, N) are unlabelled.
            filters: Channels of the four layers of each stream.
            convolution: Makes (filters, kernel_size, strides, padding=..., use_bias=
                ..., kernel_initializer=...) -> layer, for all but a stream's first
                layer and the last.
            scales: Discriminators, each on half the size of the one before.
            unlabelled_channel: Whether unlabelled pixels have a channel; otherwise
                they are 0 in all.
            input_range: Where black and white are mapped to.
            **kwargs: Passed to Keras (`dtype`, `name`).

        Raises:
            ValueError: The conditioning acts on logits.
        """
        super().__init__(autocast=False, **kwargs)
        if type(conditioning).leave is not Conditioning.leave:
            raise ValueError(
                f"{type(conditioning).__name__} changes logits, but SESAME has no "
                "features of their size to change them with; use concatenation."
            )
        self.input_range = input_range
        self.conditioning = conditioning
        self.num_classes = num_classes
        self.label_channels = num_classes + int(unlabelled_channel)
        self.scales = [
            Scale(
                conditioning.image_channels,
                self.label_channels,
                filters,
                convolution,
                dtype=self.dtype_policy,
            )
            for _ in range(scales)
        ]
        self.built = True

    def call(self, image, latent=None, training=False, labels=None):
        if labels is None:
            raise ValueError(
                "SESAME judges a picture together with its label map: pass "
                "labels=[B, H, W] of the original, for reconstructions too."
            )
        image = mapped(image, self.input_range, self.variable_dtype)
        image = self.conditioning.enter(image, latent)
        semantics = self._one_hot(labels)
        logits = []
        for number, scale in enumerate(self.scales):
            if number:
                image, semantics = pool(image), pool(semantics)
            judged = scale(image, semantics, training=training)
            logits.append(tf.cast(judged, self.variable_dtype))
        return tuple(logits)

    def _one_hot(self, labels):
        unlabelled = (labels < 0) | (labels >= self.num_classes)
        # Where there is no channel for it, the one-hot vector is 0.
        labels = tf.where(unlabelled, self.num_classes, labels)
        return tf.one_hot(labels, self.label_channels, dtype=self.variable_dtype)


def over_scales(game: AdversarialLoss) -> AdversarialLoss:
    """The game on several maps of logits: means of a map first, then of the maps.

    A coarse map counts as much as a fine one, though it has fewer logits.

    Returns:
        A game whose sides take sequences of [B, h, w, 1].
    """

    def discriminator(real_logits, fake_logits):
        terms = [
            game.discriminator(real, fake)
            for real, fake in zip(real_logits, fake_logits, strict=True)
        ]
        return DiscriminatorTerms(*map(_mean, zip(*terms, strict=True)))

    def generator(fake_logits):
        return _mean([game.generator(fake) for fake in fake_logits])

    return AdversarialLoss(discriminator, generator)


def _mean(values: Sequence[tf.Tensor]) -> tf.Tensor:
    return tf.add_n(list(values)) / len(values)
