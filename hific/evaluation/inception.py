"""Inception-v3 as FID has it: the graph of 2015-12-05, with its own ways of pooling.

FID's network is not the Inception-v3 of any library. Its average pooling counts only
pixels inside of the picture, its last block pools by maximum, it has 1008 classes, and
it resizes as TensorFlow 1 did. Other weights or other pooling give other numbers.
"""

import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from hific import state_dicts

NUM_FEATURES = 2048
NUM_CLASSES = 1008
INPUT_SIDE = 299
_EPSILON = 1e-3  # Of the batch normalisations.

X = Any  # What flows through the network: a tensor, or the number of its channels.


class _Operations(Protocol):
    """What the network consists of."""

    def conv(
        self,
        x: X,
        name: str,
        filters: int,
        size: tuple[int, int],
        stride: int = 1,
        padding: str = "SAME",
    ) -> X:
        """Convolution without bias, batch normalisation, ReLU."""

    def average_pool(self, x: X) -> X: ...

    def max_pool(self, x: X, stride: int, padding: str) -> X: ...

    def join(self, parts: Sequence[X]) -> X:
        """Puts channels behind each other."""


def _network(of: _Operations, x: X) -> X:
    """Everything between the resized picture and the mean over its last pixels."""
    x = of.conv(x, "Conv2d_1a_3x3", 32, (3, 3), 2, "VALID")
    x = of.conv(x, "Conv2d_2a_3x3", 32, (3, 3), 1, "VALID")
    x = of.conv(x, "Conv2d_2b_3x3", 64, (3, 3))
    x = of.max_pool(x, 2, "VALID")
    x = of.conv(x, "Conv2d_3b_1x1", 80, (1, 1))
    x = of.conv(x, "Conv2d_4a_3x3", 192, (3, 3), 1, "VALID")
    x = of.max_pool(x, 2, "VALID")
    for name, pooled in (("5b", 32), ("5c", 64), ("5d", 64)):
        x = _block_35(of, x, f"Mixed_{name}.", pooled)
    x = _to_17(of, x, "Mixed_6a.")
    for name, width in (("6b", 128), ("6c", 160), ("6d", 160), ("6e", 192)):
        x = _block_17(of, x, f"Mixed_{name}.", width)
    x = _to_8(of, x, "Mixed_7a.")
    x = _block_8(of, x, "Mixed_7b.", of.average_pool(x))
    return _block_8(of, x, "Mixed_7c.", of.max_pool(x, 1, "SAME"))


def _chain(of: _Operations, x: X, name: str, layers) -> X:
    """Convolutions one after the other, (filters, size) each, numbered from 1."""
    for number, (filters, size) in enumerate(layers, 1):
        x = of.conv(x, f"{name}_{number}", filters, size)
    return x


def _block_35(of, x, name, pooled):
    """At 35 x 35 pixels: -> 224 + `pooled` channels."""
    return of.join(
        [
            of.conv(x, f"{name}branch1x1", 64, (1, 1)),
            _chain(of, x, f"{name}branch5x5", [(48, (1, 1)), (64, (5, 5))]),
            _chain(
                of,
                x,
                f"{name}branch3x3dbl",
                [(64, (1, 1)), (96, (3, 3)), (96, (3, 3))],
            ),
            of.conv(of.average_pool(x), f"{name}branch_pool", pooled, (1, 1)),
        ]
    )


def _to_17(of, x, name):
    """35 x 35 -> 17 x 17 pixels, 480 channels more."""
    double = _chain(of, x, f"{name}branch3x3dbl", [(64, (1, 1)), (96, (3, 3))])
    return of.join(
        [
            of.conv(x, f"{name}branch3x3", 384, (3, 3), 2, "VALID"),
            of.conv(double, f"{name}branch3x3dbl_3", 96, (3, 3), 2, "VALID"),
            of.max_pool(x, 2, "VALID"),
        ]
    )


def _block_17(of, x, name, width):
    """At 17 x 17 pixels: -> 768 channels."""
    row, column = (1, 7), (7, 1)
    double = [(width, (1, 1)), (width, column), (width, row), (width, column)]
    return of.join(
        [
            of.conv(x, f"{name}branch1x1", 192, (1, 1)),
            _chain(
                of,
                x,
                f"{name}branch7x7",
                [(width, (1, 1)), (width, row), (192, column)],
            ),
            _chain(of, x, f"{name}branch7x7dbl", [*double, (192, row)]),
            of.conv(of.average_pool(x), f"{name}branch_pool", 192, (1, 1)),
        ]
    )


def _to_8(of, x, name):
    """17 x 17 -> 8 x 8 pixels, 512 channels more."""
    single = of.conv(x, f"{name}branch3x3_1", 192, (1, 1))
    long = _chain(
        of,
        x,
        f"{name}branch7x7x3",
        [(192, (1, 1)), (192, (1, 7)), (192, (7, 1))],
    )
    return of.join(
        [
            of.conv(single, f"{name}branch3x3_2", 320, (3, 3), 2, "VALID"),
            of.conv(long, f"{name}branch7x7x3_4", 192, (3, 3), 2, "VALID"),
            of.max_pool(x, 2, "VALID"),
        ]
    )


def _block_8(of, x, name, pooled):
    """At 8 x 8 pixels: -> 2048 channels."""
    single = of.conv(x, f"{name}branch3x3_1", 384, (1, 1))
    double = _chain(of, x, f"{name}branch3x3dbl", [(448, (1, 1)), (384, (3, 3))])
    return of.join(
        [
            of.conv(x, f"{name}branch1x1", 320, (1, 1)),
            of.conv(single, f"{name}branch3x3_2a", 384, (1, 3)),
            of.conv(single, f"{name}branch3x3_2b", 384, (3, 1)),
            of.conv(double, f"{name}branch3x3dbl_3a", 384, (1, 3)),
            of.conv(double, f"{name}branch3x3dbl_3b", 384, (3, 1)),
            of.conv(pooled, f"{name}branch_pool", 192, (1, 1)),
        ]
    )


class _Shapes:
    """Follows the number of channels, and notes what weights the network has."""

    def __init__(self):
        self.of: dict[str, tuple[int, ...]] = {}

    def conv(self, x, name, filters, size, stride=1, padding="SAME"):
        self.of[f"{name}.conv.weight"] = (filters, x, *size)
        for part in ("weight", "bias", "running_mean", "running_var"):
            self.of[f"{name}.bn.{part}"] = (filters,)
        return filters

    def average_pool(self, x):
        return x

    def max_pool(self, x, stride, padding):
        return x

    def join(self, parts):
        return sum(parts)


class _Tensors:
    """Computes the network on [B, H, W, C] float32."""

    def __init__(self, arrays: Mapping[str, np.ndarray]):
        names = [name.removesuffix(".conv.weight") for name in arrays]
        self._folded = {
            name: tuple(map(tf.constant, folded(arrays, name)))
            for name in names
            if f"{name}.conv.weight" in arrays
        }

    def conv(self, x, name, filters, size, stride=1, padding="SAME"):
        kernel, bias = self._folded[name]
        x = tf.nn.conv2d(x, kernel, stride, padding)
        return tf.nn.relu(tf.nn.bias_add(x, bias))

    def average_pool(self, x):
        # TensorFlow's "SAME" divides by the pixels that are there, as the original did.
        return tf.nn.avg_pool2d(x, 3, 1, "SAME")

    def max_pool(self, x, stride, padding):
        return tf.nn.max_pool2d(x, 3, stride, padding)

    def join(self, parts):
        return tf.concat(parts, -1)


def folded(
    arrays: Mapping[str, np.ndarray], name: str
) -> tuple[np.ndarray, np.ndarray]:
    """Returns kernel [h, w, in, out] and bias of a convolution with its normalisation.

    Normalisation by constants is a factor and a summand per channel.
    """
    scale = arrays[f"{name}.bn.weight"].astype(np.float64) / np.sqrt(
        arrays[f"{name}.bn.running_var"].astype(np.float64) + _EPSILON
    )
    kernel = np.transpose(arrays[f"{name}.conv.weight"], (2, 3, 1, 0)) * scale
    bias = arrays[f"{name}.bn.bias"] - arrays[f"{name}.bn.running_mean"] * scale
    return kernel.astype(np.float32), bias.astype(np.float32)


def shapes() -> dict[str, tuple[int, ...]]:
    """Returns name -> shape of the weights, as PyTorch has them."""
    recorded = _Shapes()
    channels = _network(recorded, 3)
    assert channels == NUM_FEATURES
    fc = {"fc.weight": (NUM_CLASSES, NUM_FEATURES), "fc.bias": (NUM_CLASSES,)}
    return recorded.of | fc


def read(path: pathlib.Path) -> dict[str, np.ndarray]:
    """Reads the weights that torch-fidelity and pytorch-fid publish.

    Args:
        path: `weights-inception-2015-12-05-6726825d.pth`, or the same file as
            `pt_inception-2015-12-05-6726825d.pth`.

    Raises:
        ValueError: The file is no state dict, lacks a weight, or one has another shape.
    """
    arrays = state_dicts.read(path)
    for name, shape in shapes().items():
        if name not in arrays or arrays[name].shape != shape:
            got = arrays[name].shape if name in arrays else "nothing"
            raise ValueError(
                f"{path} should hold {name} {shape}, it holds {got}; is it FID's "
                "Inception (2015-12-05), not torchvision's?"
            )
    return arrays


def resize_as_tensorflow_1(images: tf.Tensor) -> tf.Tensor:
    """Resizes [B, H, W, C] to 299 x 299 pixels, float32, as FID's graph does.

    Bilinear between the four pixels around (i H / 299, j W / 299), beginning at 0: half
    a pixel up and left of where it is now thought right, and without blurring before
    reduction.
    """
    return tf.raw_ops.ResizeBilinear(
        images=images, size=(INPUT_SIDE, INPUT_SIDE), half_pixel_centers=False
    )


def features(
    arrays: Mapping[str, np.ndarray],
) -> Callable[[tf.Tensor], tf.Tensor]:
    """Returns the network up to its pooled features.

    Source: "inception-v3-compat" of torch-fidelity, feature "2048".

    Args:
        arrays: As `read` returns.

    Returns:
        Resized pictures [B, 299, 299, 3] float32 in [0, 255] -> [B, 2048].
    """
    operations = _Tensors(arrays)

    def measure(images: tf.Tensor) -> tf.Tensor:
        return tf.reduce_mean(_network(operations, (images - 128.0) / 128.0), (1, 2))

    return measure
