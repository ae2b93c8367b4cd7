"""DeepLab for semantic segmentation: picture in, one logit per class and pixel out."""

from collections.abc import Sequence

import tensorflow as tf

from deeplab2_tf.networks.aspp import pooling_window
from deeplab2_tf.networks.decoder import PANOPTIC_DEEPLAB, Decoder, DecoderPlan
from deeplab2_tf.networks.layers import resize_bilinear
from deeplab2_tf.networks.resnet50 import ResNet50


class SemanticDeepLab(tf.keras.layers.Layer):
    """ResNet-50 and a decoder: [B, H, W, 3] in [0, 255] -> [B, H, W, num_outputs].

    Made at stride 4, the logits are brought to the size of the picture by bilinear
    interpolation with aligned corners, in training too: the loss is at full resolution.
    39,364,774 trainable parameters with 134 outputs.

    Source: `deeplab.py` of google-research/deeplab2 with the sizes of
    configs/coco/panoptic_deeplab/resnet50_os32.textproto and no instance branch.

    Attributes:
        input_range: Where [0, 255] is mapped to before the first layer.
        extra_channels: Channels of the features from elsewhere that it must be given.
    """

    input_range = (-1.0, 1.0)

    def __init__(
        self,
        num_outputs: int,
        *,
        crop: tuple[int, int] = (256, 256),
        stem: int = 64,
        widths: Sequence[int] = (64, 128, 256, 512),
        depths: Sequence[int] = (3, 4, 6, 3),
        output_stride: int = 32,
        decoder: DecoderPlan = PANOPTIC_DEEPLAB,
        extra_channels: int = 0,
        extra_at: Sequence[str] = ("res3", "res2"),
        **kwargs,
    ):
        """Creates the network and its weights.

        Args:
            num_outputs: Channels of the logits.
            crop: Height and width of training crops, from which the pooling window
                follows; larger pictures may be given, smaller ones not.
            stem: See `ResNet50`, like the next three.
            widths: Of the bottlenecks.
            depths: Blocks of each stage.
            output_stride: 32 or 16.
            decoder: What to build on the encoder.
            extra_channels: Channels of features from elsewhere that the decoder sees;
                0 for none.
            extra_at: Where it sees them, see `Decoder`.
            **kwargs: Passed to Keras (`dtype`, `name`).
        """
        super().__init__(autocast=False, **kwargs)
        dtype = self.dtype_policy
        self.extra_channels = extra_channels
        self.encoder = ResNet50(stem, widths, depths, output_stride, dtype=dtype)
        self.decoder = Decoder(
            num_outputs,
            self.encoder.channels,
            decoder,
            pooling_window(crop, output_stride),
            extra_channels,
            extra_at if extra_channels else (),
            dtype=dtype,
        )
        self.built = True

    def call(self, image, training=False, extra=None):
        """Returns logits, [B, H, W, num_outputs] float32.

        Args:
            image: [B, H, W, 3] in [0, 255].
            training: Whether BN uses the batch's statistics and dropout drops.
            extra: [B, h, w, extra_channels] features from elsewhere, at any size; None
                for a network without.

        Raises:
            ValueError: `extra` does not have the channels the network was made for.
        """
        logits = self.endpoints(image, training, extra)["logits"]
        return resize_bilinear(tf.cast(logits, tf.float32), tf.shape(image)[1:3])

    def endpoints(self, image, training=False, extra=None) -> dict[str, tf.Tensor]:
        """What is computed on the way; arguments as for a call.

        "stage1" to "stage5", "res1" to "res5", "aspp", "features" before the head,
        "head" and "logits"; the last three at stride 4.
        """
        extras = () if extra is None else (extra,)
        channels = sum(given.shape[-1] for given in extras)
        if channels != self.extra_channels:
            raise ValueError(
                f"The network was made for {self.extra_channels} extra channels and is "
                f"given {channels}."
            )
        low, high = self.input_range
        x = low + tf.cast(image, self.variable_dtype) * ((high - low) / 255.0)
        encoded = self.encoder(x, training=training)
        return encoded | self.decoder(encoded, extras, training=training)
