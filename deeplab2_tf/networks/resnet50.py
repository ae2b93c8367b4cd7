"""ResNet-50 as DeepLab2 has it: pre-activated sums and no max-pooling."""

from collections.abc import Mapping, Sequence

import tensorflow as tf

from deeplab2_tf.networks.layers import conv_norm

# Output stride -> (stride, dilation of the first block, dilation of the others) of the
# four stages after the stem, which has stride 2. Where a stride is left out, dilation
# keeps what the later blocks see.
STAGES: Mapping[int, tuple[tuple[int, int, int], ...]] = {
    32: ((2, 1, 1), (2, 1, 1), (2, 1, 1), (2, 1, 1)),
    16: ((2, 1, 1), (2, 1, 1), (2, 1, 1), (1, 1, 2)),
}


class Bottleneck(tf.keras.layers.Layer):
    """shortcut(a) + conv1x1(conv3x3(conv1x1(a))) with a = relu(x).

    [B, H, W, channels] -> [B, ceil(H / strides), ceil(W / strides), 4 * width]. BN
    follows every convolution and ReLU all but the last; nothing follows the sum, whose
    ReLU is the next layer's first act. The shortcut is a itself, or a 1x1 convolution
    with BN where shapes differ. The scale of the last BN starts at 0, so that a new
    block adds nothing.
    """

    def __init__(
        self, channels: int, width: int, strides: int = 1, dilation: int = 1, **kwargs
    ):
        super().__init__(**kwargs)
        dtype, filters = self.dtype_policy, 4 * width
        self.conv1 = conv_norm(channels, width, dtype=dtype)
        self.conv2 = conv_norm(width, width, 3, strides, dilation, dtype=dtype)
        self.conv3 = conv_norm(
            width,
            filters,
            dtype=dtype,
            activation=tf.identity,
            gamma_initializer="zeros",
        )
        self.shortcut = tf.keras.layers.Activation("linear", dtype=dtype)
        if channels != filters or strides != 1:
            self.shortcut = conv_norm(
                channels, filters, strides=strides, dtype=dtype, activation=tf.identity
            )
        self.built = True

    def call(self, x, training=False):
        x = tf.nn.relu(x)
        residual = self.conv2(self.conv1(x, training=training), training=training)
        residual = self.conv3(residual, training=training)
        return residual + self.shortcut(x, training=training)


class ResNet50(tf.keras.layers.Layer):
    """A stem and four stages of bottlenecks.

    [B, H, W, 3] in [-1, 1] -> the endpoints "stage1" to "stage5" before their ReLU and
    "res1" to "res5" after it. Sides halve, rounded up, from one endpoint to the next:
    256 -> 128, 64, 32, 16, 8 and 641 -> 321, 161, 81, 41, 21. With output stride 16,
    stage 5 keeps the size of stage 4 and is dilated instead.

    Source: model/encoder/axial_resnet.py of google-research/deeplab2 as `resnet50`:
    the first block of every stage has the stride in its 3x3 convolution.

    Attributes:
        channels: Endpoint -> channels.
    """

    def __init__(
        self,
        stem: int = 64,
        widths: Sequence[int] = (64, 128, 256, 512),
        depths: Sequence[int] = (3, 4, 6, 3),
        output_stride: int = 32,
        **kwargs,
    ):
        """Creates the network and its weights.

        Args:
            stem: Channels of the 7x7 convolution, "stage1".
            widths: Of the bottlenecks of stages 2 to 5, which put out four times that.
            depths: Blocks of stages 2 to 5.
            output_stride: Pixels of the image per pixel of "stage5": 32 or 16.
            **kwargs: Passed to Keras (`dtype`, `name`).

        Raises:
            ValueError: Another output stride.
        """
        super().__init__(**kwargs)
        if output_stride not in STAGES:
            raise ValueError(
                f"output_stride must be one of {sorted(STAGES)}, got {output_stride}."
            )
        dtype = self.dtype_policy
        self.stem = conv_norm(3, stem, 7, 2, dtype=dtype, activation=tf.identity)
        self.stages, outputs, channels = [], [stem], stem
        plan = zip(widths, depths, STAGES[output_stride], strict=True)
        for width, depth, (strides, first, others) in plan:
            blocks = [Bottleneck(channels, width, strides, first, dtype=dtype)]
            channels = 4 * width
            for _ in range(depth - 1):
                blocks.append(Bottleneck(channels, width, dilation=others, dtype=dtype))
            self.stages.append(blocks)
            outputs.append(channels)
        self.channels = {
            f"{kind}{i}": width
            for kind in ("stage", "res")
            for i, width in enumerate(outputs, 1)
        }
        self.built = True

    def call(self, x, training=False) -> dict[str, tf.Tensor]:
        x = self.stem(x, training=training)
        endpoints = {"stage1": x, "res1": tf.nn.relu(x)}
        for i, blocks in enumerate(self.stages, 2):
            for block in blocks:
                x = block(x, training=training)
            endpoints |= {f"stage{i}": x, f"res{i}": tf.nn.relu(x)}
        return endpoints
