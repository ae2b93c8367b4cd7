"""DeepLab as a discriminator: the study's configuration f."""

from collections.abc import Mapping, Sequence

import tensorflow as tf

from deeplab2_tf.networks.deeplab import SemanticDeepLab
from deeplab2_tf.networks.layers import resize_bilinear
from hific.conditioning import Conditioning

# Name in a config -> places of the decoder that see what "concat" makes of the latent.
CONDITIONED_AT: Mapping[str, tuple[str, ...]] = {
    "fusion": ("res3", "res2"),
    "last_fusion": ("res2",),
    "head": ("head",),
}


class DeepLabDiscriminator(tf.keras.layers.Layer):
    """D: image [B, H, W, 3] in [0, 255], latent [B, h, w, C] -> [B, H, W, N + 1].

    Logits, N of them for the semantic classes and the last for "fake". The encoder sees
    the picture alone, as it was pre-trained; channels that the conditioning appends to
    the picture go to the decoder instead. Where there are any, a network pre-trained
    without them hands its weights over by `deeplab2_tf.networks.warm_start`.

    Source: EGIC (arXiv:2309.03244) has the latent concatenated inside the semantic
    decoder of Panoptic-DeepLab (Fig. 12); at which places is our choice.

    Attributes:
        input_range: Where [0, 255] is mapped to before the first layer.
        conditioning, trunk: Its two parts.
    """

    def __init__(
        self,
        conditioning: Conditioning,
        num_outputs: int,
        extra_at: Sequence[str] = CONDITIONED_AT["fusion"],
        dtype=None,
        name: str | None = None,
        **network,
    ):
        """Creates the network and its weights.

        Args:
            conditioning: How it sees the latent.
            num_outputs: N + 1.
            extra_at: Places of the decoder, see `CONDITIONED_AT`.
            dtype: A Keras policy.
            name: Of the layer.
            **network: Sizes, as `SemanticDeepLab` takes them.
        """
        super().__init__(autocast=False, dtype=dtype, name=name)
        self.conditioning = conditioning
        self.trunk = SemanticDeepLab(
            num_outputs,
            extra_channels=conditioning.image_channels - 3,
            extra_at=extra_at,
            dtype=self.dtype_policy,
            **network,
        )
        self.input_range = self.trunk.input_range
        self.built = True

    def call(self, image, latent=None, training=False):
        image = tf.cast(image, self.variable_dtype)
        extra = self.conditioning.enter(image, latent)[..., 3:]
        seen = self.trunk.endpoints(image, training, extra)
        logits = self.conditioning.leave(seen["logits"], seen["head"], latent)
        logits = tf.cast(logits, self.variable_dtype)
        return resize_bilinear(logits, tf.shape(image)[1:3])
