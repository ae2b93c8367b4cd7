"""EfficientNet-Lite4 as a frozen source of features.

ReLU6 and no squeeze-and-excitation; what tf.keras.applications calls EfficientNetB4 has
other layers at some of the same widths.

Source: tensorflow/tpu, models/official/efficientnet/lite; Tan and Le 2019,
arXiv:1905.11946.
"""

import logging
import pathlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import safetensors.numpy
import tensorflow as tf

from hific import state_dicts
from hific.choices import choose
from hific.layers import built, run

_LOG = logging.getLogger("absl")


class Stage(NamedTuple):
    """Blocks that share everything but the stride, which is the first one's."""

    kernel_size: int
    strides: int
    expansion: int
    repeats: int
    filters: int


STEM_FILTERS = 32
STAGES = (
    Stage(3, 1, 1, 1, 24),
    Stage(3, 2, 6, 4, 32),
    Stage(5, 2, 6, 4, 56),
    Stage(3, 2, 6, 6, 112),
    Stage(5, 1, 6, 6, 160),
    Stage(5, 2, 6, 8, 272),
    Stage(3, 1, 6, 1, 448),
)
# Stages whose outputs are the features: the last at strides 4, 8, 16 and 32.
TAPS = (1, 2, 4, 6)


class ConvNorm(tf.keras.layers.Layer):
    """Convolution without bias, batch norm with fixed statistics, and an activation."""

    def __init__(
        self,
        conv: tf.keras.layers.Layer,
        channels: int,
        filters: int,
        activation: Callable[[tf.Tensor], tf.Tensor] = tf.nn.relu6,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.conv = built(conv, channels)
        norm = tf.keras.layers.BatchNormalization(epsilon=1e-3, dtype=self.dtype_policy)
        self.norm = built(norm, filters)
        self.activation = activation
        self.built = True

    def call(self, x):
        return self.activation(self.norm(self.conv(x), training=False))


def _pointwise(channels, filters, dtype, activation=tf.nn.relu6) -> ConvNorm:
    conv = tf.keras.layers.Conv2D(
        filters, 1, use_bias=False, kernel_initializer="he_normal", dtype=dtype
    )
    return ConvNorm(conv, channels, filters, activation, dtype=dtype)


def _depthwise(channels, kernel_size, strides, dtype) -> ConvNorm:
    conv = tf.keras.layers.DepthwiseConv2D(
        kernel_size,
        strides,
        padding="same",
        use_bias=False,
        depthwise_initializer="he_normal",
        dtype=dtype,
    )
    return ConvNorm(conv, channels, channels, dtype=dtype)


class InvertedResidual(tf.keras.layers.Layer):
    """1x1 up, depthwise, 1x1 down without activation; plus x where the shape stays.

    Expansion 1 has no first layer.
    """

    def __init__(self, channels: int, stage: Stage, strides: int, **kwargs):
        super().__init__(**kwargs)
        dtype = self.dtype_policy
        inner = channels * stage.expansion
        self.convs = [
            _depthwise(inner, stage.kernel_size, strides, dtype),
            _pointwise(inner, stage.filters, dtype, tf.identity),
        ]
        if stage.expansion != 1:
            self.convs.insert(0, _pointwise(channels, inner, dtype))
        self.keeps_shape = strides == 1 and channels == stage.filters
        self.built = True

    def call(self, x):
        y = run(self.convs, x)
        return x + y if self.keeps_shape else y


class EfficientNetLite4(tf.keras.layers.Layer):
    """[B, H, W, 3] in [-1, 1] -> features at strides 4, 8, 16 and 32.

    [B, H/4, W/4, 32], [B, H/8, W/8, 56], [B, H/16, W/16, 160], [B, H/32, W/32, 448] for
    sides that are multiples of 32. Nothing in it trains; gradients flow back to the
    image. The classifier's layers are left out.

    Attributes:
        channels: Of the four features.
    """

    def __init__(
        self, stem_filters: int = STEM_FILTERS, stages: Sequence[Stage] = STAGES, **kw
    ):
        """Creates the network with random weights.

        Args:
            stem_filters: Channels of the first layer.
            stages: As many as `STAGES`.
            **kw: Passed to Keras (`dtype`, `name`).
        """
        super().__init__(**kw)
        dtype = self.dtype_policy
        stem = tf.keras.layers.Conv2D(
            stem_filters,
            3,
            2,
            padding="same",
            use_bias=False,
            kernel_initializer="he_normal",
            dtype=dtype,
        )
        self.stem = ConvNorm(stem, 3, stem_filters, dtype=dtype)
        self.stages = []
        channels = stem_filters
        for stage in stages:
            blocks = []
            for strides in (stage.strides, *[1] * (stage.repeats - 1)):
                blocks.append(InvertedResidual(channels, stage, strides, dtype=dtype))
                channels = stage.filters
            self.stages.append(blocks)
        self.channels = tuple(stages[tap].filters for tap in TAPS)
        self.trainable = False
        self.built = True

    def call(self, image):
        x = self.stem(image)
        features = []
        for number, blocks in enumerate(self.stages):
            x = run(blocks, x)
            if number in TAPS:
                features.append(x)
        return tuple(features)


Arrays = dict[str, np.ndarray]


def _read_npz(path: pathlib.Path) -> Arrays:
    with np.load(path) as file:
        return dict(file)


# Suffix of a weight file -> how to read it; all hold the names of a PyTorch state dict.
READERS: Mapping[str, Callable[[pathlib.Path], Arrays]] = {
    ".npz": _read_npz,
    ".safetensors": safetensors.numpy.load_file,
    ".pth": state_dicts.read,
}


def pretrained(
    weights: pathlib.Path | None, *, allow_random_features: bool = False, **kwargs
) -> EfficientNetLite4:
    """The network with weights from a local file; nothing is downloaded.

    Args:
        weights: A state dict of timm's `tf_efficientnet_lite4`, as .safetensors, .pth
            or .npz of the same names.
        allow_random_features: Whether to go on with random weights where there is no
            file. For trying things out: a projected discriminator learns little from
            them, and no result with them means anything.
        **kwargs: Passed to `EfficientNetLite4`.

    Raises:
        ValueError: There is no such file, or it holds other weights.
    """
    network = EfficientNetLite4(**kwargs)
    if weights is not None and weights.is_file():
        load(network, choose(READERS, weights.suffix, "weight format")(weights))
    elif allow_random_features:
        _LOG.warning(
            "EfficientNet-Lite4 has random weights: results of this run are invalid."
        )
    else:
        raise ValueError(
            f"EfficientNet-Lite4 weights not found at {weights}. Name a file of timm's "
            "tf_efficientnet_lite4 (model.safetensors at "
            "huggingface.co/timm/tf_efficientnet_lite4.in1k); nothing is downloaded "
            "here. To only try things out, allow random features."
        )
    return network


def load(network: EfficientNetLite4, arrays: Mapping[str, np.ndarray]) -> None:
    """Sets every weight from a state dict of timm's `tf_efficientnet_lite4`.

    Its classifier (conv_head, bn2, classifier) is not used.

    Raises:
        ValueError: A name is absent or of another shape; nothing has been set then.
    """
    values = []
    for variable, name, axes in _weights(network):
        array = arrays.get(name)
        if array is not None and array.ndim == len(axes):
            array = np.transpose(array, axes)
        if array is None or array.shape != tuple(variable.shape):
            got = "nothing" if array is None else array.shape
            raise ValueError(
                f"The weights should hold {name}, here {tuple(variable.shape)}; they "
                f"hold {got}. Are they of tf_efficientnet_lite4?"
            )
        values.append((variable, array))
    for variable, array in values:
        variable.assign(array)


# timm's names of a block's layers, without and with the first 1x1 convolution.
_BLOCK_NAMES = {
    2: (("conv_dw", "bn1"), ("conv_pw", "bn2")),
    3: (("conv_pw", "bn1"), ("conv_dw", "bn2"), ("conv_pwl", "bn3")),
}
# [Cout, Cin, kh, kw] -> [kh, kw, Cin, Cout]; [C, 1, kh, kw] -> [kh, kw, C, 1].
_KERNEL_AXES = (2, 3, 1, 0)
_DEPTHWISE_AXES = (2, 3, 0, 1)


def _weights(network) -> Iterator[tuple[tf.Variable, str, tuple[int, ...]]]:
    """Yields (variable, timm's name, how to transpose timm's array)."""
    for part, conv, norm in _parts(network):
        depthwise = isinstance(part.conv, tf.keras.layers.DepthwiseConv2D)
        axes = _DEPTHWISE_AXES if depthwise else _KERNEL_AXES
        (kernel,) = part.conv.weights
        yield kernel, f"{conv}.weight", axes
        yield part.norm.gamma, f"{norm}.weight", (0,)
        yield part.norm.beta, f"{norm}.bias", (0,)
        yield part.norm.moving_mean, f"{norm}.running_mean", (0,)
        yield part.norm.moving_variance, f"{norm}.running_var", (0,)


def _parts(network) -> Iterator[tuple[ConvNorm, str, str]]:
    yield network.stem, "conv_stem", "bn1"
    for s, blocks in enumerate(network.stages):
        for b, block in enumerate(blocks):
            names = _BLOCK_NAMES[len(block.convs)]
            for part, (conv, norm) in zip(block.convs, names, strict=True):
                yield part, f"blocks.{s}.{b}.{conv}", f"blocks.{s}.{b}.{norm}"
