r"""LPIPS: how different two pictures look, by the features of AlexNet.

    python -m hific.lpips --alexnet=alexnet-owt-7be5be79.pth --heads=alex.pth \
        --out=alex_v0.1.npz
    python -m hific.lpips --frozen_graph=net-lin_alex_v0.1.pb --out=alex_v0.1.npz

convert the official weights, those of torchvision and of the `lpips` package or the
graph that HiFiC trains with, to the file that `--lpips_weights` names.
"""

import pathlib
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from hific import lpips_weights

# The smallest side that leaves something to see after two poolings.
MIN_SIDE = 31

# Where [-1, 1] pixels are centred and scaled to, per channel, by the lpips package.
_SHIFT = np.array([-0.030, -0.088, -0.188])
_SCALE = np.array([0.458, 0.448, 0.450])


class Lpips:
    """Learned perceptual distance, AlexNet, version 0.1.

        d(x', x) = sum_l mean_{i,j} sum_c w_lc (u_l(x') - u_l(x))^2

    u_l is the output of the l-th of five ReLUs, scaled to unit length over channels.
    0 for equal pictures; 0.03 to 0.15 is usual for compressed photographs; it rarely
    exceeds 1. It is not symmetric here: no gradient reaches the original.

    Input scaling and centring are folded into the first convolution. Only the
    centring remains as a subtraction, because the convolution's zero padding has to
    mean "average colour", as in the original. On a CPU, XLA makes it ten times slower:
    its convolutions there are not oneDNN's.

    Source: Zhang et al. 2018, arXiv:1801.03924; `LPIPS(net="alex", version="0.1")` in
    richzhang/PerceptualSimilarity.

    Attributes:
        official: Whether the weights are those published as version 0.1.
    """

    def __init__(self, path: str | pathlib.Path):
        """Reads the weights.

        Args:
            path: .npz of `conv1..5/kernel` [h, w, in, out], `conv1..5/bias` and
                `lin1..5/kernel` [channels].

        Raises:
            ValueError: The file lacks an array, or one has the wrong shape.
        """
        self._set(lpips_weights.read_npz(pathlib.Path(path)))

    @classmethod
    def of(cls, arrays: Mapping[str, np.ndarray]) -> "Lpips":
        """LPIPS of weights that are in memory, named as in a file."""
        made = cls.__new__(cls)
        made._set(arrays)
        return made

    def _set(self, arrays: Mapping[str, np.ndarray]) -> None:
        self.official = not lpips_weights.unofficial(arrays)
        self._centre = tf.constant(127.5 * (1 + _SHIFT), tf.float32)
        self._convolutions = _convolutions(arrays)
        self._heads = [tf.constant(arrays[f"lin{i}/kernel"]) for i in range(1, 6)]

    def __call__(self, reconstruction: tf.Tensor, original: tf.Tensor) -> tf.Tensor:
        """Returns the distance of each pair of pictures, [B] float32.

        Args:
            reconstruction: [B, H, W, 3] float in [0, 255], RGB; values outside are
                taken as they are. H, W >= `MIN_SIDE`.
            original: The same shape. Gradients do not flow to it.

        Raises:
            ValueError: The shapes differ, or a side is too small.
        """
        reconstruction = tf.cast(reconstruction, tf.float32)
        original = tf.cast(original, tf.float32)
        _check_shapes(reconstruction.shape, original.shape)
        return self._distance(reconstruction, original)

    # One trace for every size; inside a training step it is inlined.
    @tf.function(input_signature=[tf.TensorSpec((None, None, None, 3))] * 2)
    def _distance(self, reconstruction, original):
        # Two passes rather than one of twice the batch: the original's half would
        # otherwise be carried through the backward pass for nothing.
        ours = self._features(reconstruction)
        theirs = self._features(tf.stop_gradient(original))
        return tf.add_n(
            [
                tf.linalg.matvec(
                    tf.reduce_mean(tf.math.squared_difference(u, v), (1, 2)), head
                )
                for u, v, head in zip(ours, theirs, self._heads, strict=True)
            ]
        )

    def activations(self, image: tf.Tensor) -> list[tf.Tensor]:
        """Returns the outputs of AlexNet's five ReLUs, [B, h, w, C] float32 >= 0.

        Args:
            image: [B, H, W, 3] float32 in [0, 255], RGB; H, W >= `MIN_SIDE`.
        """
        conv1, conv2, conv3, conv4, conv5 = self._convolutions
        x1 = conv1(tf.nn.bias_add(image, -self._centre))
        x2 = conv2(tf.nn.max_pool2d(x1, 3, 2, "VALID"))
        x3 = conv3(tf.nn.max_pool2d(x2, 3, 2, "VALID"))
        x4 = conv4(x3)
        x5 = conv5(x4)
        return [x1, x2, x3, x4, x5]

    def _features(self, image):
        return [_unit_length(x) for x in self.activations(image)]


def load(path: str | pathlib.Path | None, fetch: bool = False) -> Lpips:
    """Returns LPIPS from a weight file, by default the one in the user's cache.

    Args:
        path: As `Lpips`; None for `lpips_weights.default_path()`.
        fetch: Download the official weights into the cache where `path` is None and
            the cache has none. For entry points only; nothing else in this project
            touches the network.

    Raises:
        ValueError: There is no such file and none could be fetched.
    """
    found = pathlib.Path(path) if path else lpips_weights.default_path()
    if not found.is_file():
        if path or not fetch:
            raise ValueError(lpips_weights.advice(f"LPIPS weights not found: {found}."))
        lpips_weights.fetch(found)
    return Lpips(found)


def _convolutions(arrays: Mapping[str, np.ndarray]):
    """Returns conv1 to conv5 with their ReLUs, as functions of a tensor."""
    # 127.5 and scale divide what conv1 sees, so they divide its kernel instead.
    scaled = arrays["conv1/kernel"] / (127.5 * _SCALE)[:, np.newaxis]
    conv1 = _convolution(scaled, arrays["conv1/bias"], 4, 2)
    return [conv1] + [
        _convolution(arrays[f"conv{i}/kernel"], arrays[f"conv{i}/bias"], 1, padding)
        for i, padding in ((2, 2), (3, 1), (4, 1), (5, 1))
    ]


def _convolution(kernel, bias, stride, padding):
    kernel, bias = tf.constant(kernel, tf.float32), tf.constant(bias, tf.float32)
    sides = [[0, 0], [padding, padding], [padding, padding], [0, 0]]
    if stride == 1:  # The same zeros; "SAME" has the faster kernels.
        sides = "SAME"

    def convolve(x):
        return tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(x, kernel, stride, sides), bias))

    return convolve


def _unit_length(x):
    # The original divides by (length + 1e-10). Adding under the root instead gives
    # the same values, and a gradient of 0 rather than NaN where all channels are 0.
    squares = tf.reduce_sum(tf.square(x), -1, keepdims=True)
    return x * tf.math.rsqrt(squares + 1e-20)


def _check_shapes(reconstruction: tf.TensorShape, original: tf.TensorShape) -> None:
    if not reconstruction.is_compatible_with(original):
        raise ValueError(
            f"reconstruction {tuple(reconstruction)} and original {tuple(original)} "
            "differ in shape; was the padding cropped off?"
        )
    for side in reconstruction[1:3]:
        if side is not None and side < MIN_SIDE:
            raise ValueError(
                f"LPIPS needs sides of at least {MIN_SIDE} pixels, got "
                f"{tuple(reconstruction)}."
            )


if __name__ == "__main__":
    lpips_weights.main()
