"""Decoders: encoder endpoints -> logits at the stride of the finest one used."""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence

import tensorflow as tf

from deeplab2_tf.networks.aspp import ASPP
from deeplab2_tf.networks.layers import (
    SeparableConv,
    appended,
    built,
    conv_norm,
    resize_bilinear,
)


@dataclasses.dataclass(frozen=True)
class FusionPlan:
    """Joins finer features of the encoder to what is decoded.

    Attributes:
        endpoint: Which features, such as "res3".
        projection: Channels they are reduced to.
        filters: Channels out.
        kernels: Sides of the separable convolutions, one after another.
    """

    endpoint: str
    projection: int
    filters: int = 256
    kernels: tuple[int, ...] = (5,)


@dataclasses.dataclass(frozen=True)
class DecoderPlan:
    """What a decoder consists of.

    Attributes:
        aspp: Channels of the pyramid pooling of "res5".
        rates: Its dilations, for output stride 32; DeepLab2 doubles them for 16.
        dropout: Share of its output that training zeroes.
        fusions: In the order in which they are applied.
        head_filters: Channels of the separable convolutions before the logits.
        head_kernels: Their sides; empty for none.
        start: Makes the initializer of the layer that gives the logits.
    """

    aspp: int = 256
    rates: tuple[int, ...] = (3, 6, 9)
    dropout: float = 0.1
    fusions: tuple[FusionPlan, ...] = (FusionPlan("res3", 64), FusionPlan("res2", 32))
    head_filters: int = 256
    head_kernels: tuple[int, ...] = (5,)
    start: Callable[[], tf.keras.initializers.Initializer] = functools.partial(
        tf.keras.initializers.TruncatedNormal, stddev=0.01
    )

    @property
    def features(self) -> int:
        """Channels of what the logits are made of."""
        return self.head_filters if self.head_kernels else self.fusions[-1].filters


PANOPTIC_DEEPLAB = DecoderPlan()
DEEPLAB_V3_PLUS = DecoderPlan(
    fusions=(FusionPlan("res2", 48, kernels=(3, 3)),),
    head_kernels=(),
    start=tf.keras.initializers.HeNormal,
)

# Name in a config -> plan: the semantic half of Panoptic-DeepLab (Cheng et al. 2020,
# arXiv:1911.10194) and DeepLabV3+ (Chen et al. 2018, arXiv:1802.02611).
DECODERS: Mapping[str, DecoderPlan] = {
    "panoptic_deeplab": PANOPTIC_DEEPLAB,
    "deeplabv3plus": DEEPLAB_V3_PLUS,
}


class SeparableStack(tf.keras.layers.Layer):
    """Separable convolutions one after another, [B, H, W, C] -> [B, H, W, filters].

    Attributes:
        filters: Channels out; those of the input for an empty stack.
    """

    def __init__(self, channels: int, filters: int, kernels: Sequence[int], **kwargs):
        super().__init__(**kwargs)
        self.convs = []
        for kernel in kernels:
            conv = SeparableConv(channels, filters, kernel, dtype=self.dtype_policy)
            self.convs.append(conv)
            channels = filters
        self.filters = channels
        self.built = True

    def call(self, x, training=False):
        for conv in self.convs:
            x = conv(x, training=training)
        return x


class Fusion(tf.keras.layers.Layer):
    """convs([resize(high), project(low), extras...]), see `FusionPlan`.

    [B, h, w, channels], [B, H, W, low_channels] -> [B, H, W, filters].
    """

    def __init__(
        self,
        plan: FusionPlan,
        channels: int,
        low_channels: int,
        extra_channels: int = 0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        dtype = self.dtype_policy
        self.endpoint = plan.endpoint
        self.project = conv_norm(low_channels, plan.projection, dtype=dtype)
        together = channels + plan.projection + extra_channels
        self.stack = SeparableStack(together, plan.filters, plan.kernels, dtype=dtype)
        self.filters = self.stack.filters
        self.built = True

    def call(self, high, low, extras=(), training=False):
        low = self.project(low, training=training)
        high = resize_bilinear(high, tf.shape(low)[1:3])
        x = appended(tf.concat([high, low], axis=-1), extras)
        return self.stack(x, training=training)


class Decoder(tf.keras.layers.Layer):
    """ASPP, fusions with finer features, a head and the logits.

    Features from elsewhere may be appended to what the first convolution of a place
    sees: at a fusion, named by its endpoint, or at "head".

    Source: `panoptic_deeplab.py` and `deeplabv3plus.py` in model/decoder of
    google-research/deeplab2.
    """

    def __init__(
        self,
        num_outputs: int,
        channels: Mapping[str, int],
        plan: DecoderPlan = PANOPTIC_DEEPLAB,
        window: tuple[int, int] | None = None,
        extra_channels: int = 0,
        extra_at: Sequence[str] = (),
        **kwargs,
    ):
        """Creates the decoder and its weights.

        Args:
            num_outputs: Channels of the logits.
            channels: Endpoint of the encoder -> its channels; "res5" is one.
            plan: What to build.
            window: Sides of the pooling in `ASPP`.
            extra_channels: Channels of the features from elsewhere.
            extra_at: Places that see them.
            **kwargs: Passed to Keras (`dtype`, `name`).

        Raises:
            ValueError: `extra_at` has a name that is no place of this plan.
        """
        super().__init__(**kwargs)
        dtype = self.dtype_policy
        _check_places(extra_at, plan)
        extra = {place: extra_channels for place in extra_at}
        self.extra_at = tuple(extra_at)
        self.aspp = ASPP(
            channels["res5"], plan.aspp, plan.rates, window, plan.dropout, dtype=dtype
        )
        self.fusions, width = [], plan.aspp
        for part in plan.fusions:
            low, more = channels[part.endpoint], extra.get(part.endpoint, 0)
            self.fusions.append(Fusion(part, width, low, more, dtype=dtype))
            width = part.filters
        self.head = SeparableStack(
            width + extra.get("head", 0),
            plan.head_filters,
            plan.head_kernels,
            dtype=dtype,
        )
        to_logits = tf.keras.layers.Conv2D(
            num_outputs, 1, kernel_initializer=plan.start(), dtype=dtype
        )
        self.to_logits = built(to_logits, self.head.filters)
        self.built = True

    def call(self, endpoints, extras=(), training=False) -> dict[str, tf.Tensor]:
        """Returns "aspp", "features" before the head, "head" and "logits".

        Args:
            endpoints: Name -> [B, h, w, C] of the encoder.
            extras: What to append, each [B, h', w', C']; C' sum to `extra_channels`.
            training: Whether BN uses the batch's statistics and dropout drops.
        """
        given = {place: extras for place in self.extra_at}
        aspp = x = self.aspp(endpoints["res5"], training=training)
        for fusion in self.fusions:
            low, more = endpoints[fusion.endpoint], given.get(fusion.endpoint, ())
            x = fusion(x, low, more, training=training)
        head = self.head(appended(x, given.get("head", ())), training=training)
        logits = self.to_logits(head)
        return {"aspp": aspp, "features": x, "head": head, "logits": logits}

    def first_convolutions(self) -> list[SeparableConv]:
        """The convolutions that see what is appended, in the order of `extra_at`."""
        stacks = {fusion.endpoint: fusion.stack for fusion in self.fusions}
        stacks["head"] = self.head
        return [stacks[place].convs[0] for place in self.extra_at]


def _check_places(extra_at: Sequence[str], plan: DecoderPlan) -> None:
    places = [part.endpoint for part in plan.fusions if part.kernels]
    places += ["head"] if plan.head_kernels else []
    for place in extra_at:
        if place not in places:
            raise ValueError(
                f"extra_at names {place!r}, where this decoder has no convolution; "
                f"there are {', '.join(places)}."
            )
