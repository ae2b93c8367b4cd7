r"""DISTS: how different two pictures look, where one texture is as good as another.

    python -m hific.evaluation.dists --vgg16=vgg16-397923af.pth --weights=weights.pt \
        --out=dists.npz

converts the official weights, torchvision's VGG-16 and those of DISTS_pytorch, to the
file that `--dists_weights` names. Neither is part of the project.
"""

import argparse
import io
import itertools
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf

from hific import state_dicts
from hific.evaluation.weight_files import cache, sha256_of
from hific.files import write_atomically

Arrays = dict[str, np.ndarray]

# Convolutions of each of VGG-16's stages that are used, and torchvision's numbers of
# them.
_STAGES = (2, 2, 3, 3, 3)
_TORCHVISION = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
_NAMES = [
    f"conv{stage}_{i}"
    for stage, number in enumerate(_STAGES, 1)
    for i in range(1, number + 1)
]
_WIDTHS = (64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512)
_MEAN = np.array([0.485, 0.456, 0.406])
_DEVIATION = np.array([0.229, 0.224, 0.225])
# Of the two terms, so that flat channels count as equal.
_C1 = _C2 = 1e-6


class Dists:
    """Deep image structure and texture similarity.

        1 - sum_c alpha_c (2 m m' + c1) / (m^2 + m'^2 + c1)
                + beta_c (2 cov(u, u') + c2) / (var(u) + var(u') + c2)

    over the channels u of the picture itself, in [0, 1], and of the last ReLU of each
    of VGG-16's five stages; alpha and beta sum to 1 together. Mean m, variance and
    covariance are of whole channels. Between stages a blurred root mean square takes
    the place of maximum pooling. 0 for equal pictures; larger is worse.

    On the picture as it is. The published script can shrink pictures to 256 pixels
    first; published numbers of codecs are without.

    Source: Ding et al. 2020, arXiv:2004.07728; `DISTS` in DISTS_pytorch.

    Attributes:
        weights_sha256: Of the file.
    """

    def __init__(self, path: str | pathlib.Path):
        """Reads the weights.

        Args:
            path: .npz of `conv1_1/kernel` [3, 3, in, out] and `conv1_1/bias` to
                `conv5_3`, `alpha` and `beta` [channels], as `main` makes it.

        Raises:
            ValueError: The file lacks an array, or its shape does not fit the others.
        """
        path = pathlib.Path(path)
        arrays = read_npz(path)
        self.weights_sha256 = sha256_of(path)
        self._convolutions = [
            (tf.constant(arrays[f"{name}/kernel"]), tf.constant(arrays[f"{name}/bias"]))
            for name in _NAMES
        ]
        total = arrays["alpha"].sum() + arrays["beta"].sum()
        ends = np.cumsum(_channels(arrays))[:-1]
        self._alpha = np.split(arrays["alpha"] / total, ends)
        self._beta = np.split(arrays["beta"] / total, ends)

    @tf.function(input_signature=[tf.TensorSpec((None, None, 3), tf.uint8)] * 2)
    def _distance(self, reconstruction, original):
        ours, theirs = (self._features(image) for image in (reconstruction, original))
        similarities = [
            tf.reduce_sum(alpha * means + beta * structures)
            for (means, structures), alpha, beta in zip(
                map(_similarities, ours, theirs), self._alpha, self._beta, strict=True
            )
        ]
        return 1.0 - tf.add_n(similarities)

    def __call__(self, reconstruction: np.ndarray, original: np.ndarray) -> float:
        """Returns the distance of two pictures [H, W, 3] uint8.

        Raises:
            ValueError: Their shapes differ.
        """
        if reconstruction.shape != original.shape:
            raise ValueError(
                f"reconstruction {reconstruction.shape} and original {original.shape} "
                "differ in shape; was the padding cropped off?"
            )
        return float(self._distance(reconstruction, original))

    def _features(self, image):
        """Returns the picture and the five stages' activations, [1, h, w, C]."""
        image = tf.cast(image[tf.newaxis], tf.float32) / 255.0
        x = (image - _MEAN.astype(np.float32)) / _DEVIATION.astype(np.float32)
        found = [image]
        convolutions = iter(self._convolutions)
        for stage, number in enumerate(_STAGES):
            x = l2_pool(x) if stage else x
            for kernel, bias in itertools.islice(convolutions, number):
                x = tf.nn.relu(tf.nn.conv2d(x, kernel, 1, "SAME") + bias)
            found.append(x)
        return found


def l2_pool(x: tf.Tensor) -> tf.Tensor:
    """Root of the blurred square, [B, H, W, C] -> [B, ceil(H/2), ceil(W/2), C].

    The blur is (1, 2, 1) / 4 both ways, around every other pixel from the first;
    outside is 0.
    """
    taps = np.outer((1, 2, 1), (1, 2, 1)).astype(np.float32) / 16
    channels = x.shape[-1]
    kernel = np.repeat(taps[..., np.newaxis, np.newaxis], channels, axis=2)
    squares = tf.pad(tf.square(x), [[0, 0], [1, 1], [1, 1], [0, 0]])
    blurred = tf.nn.depthwise_conv2d(squares, kernel, (1, 2, 2, 1), "VALID")
    return tf.sqrt(blurred + 1e-12)


def default_path() -> pathlib.Path:
    """Returns the weight file in the user's cache, whether or not it exists."""
    return cache() / "dists.npz"


def read_npz(path: pathlib.Path) -> Arrays:
    """Reads a weight file.

    Raises:
        ValueError: An array is absent, or does not fit those before it.
    """
    with np.load(path) as file:
        arrays = {name: file[name].astype(np.float32) for name in file.files}
    absent = [
        name
        for name in [f"{n}/{part}" for n in _NAMES for part in ("kernel", "bias")]
        + ["alpha", "beta"]
        if name not in arrays
    ]
    if absent:
        raise ValueError(f"{path} lacks {', '.join(absent)}; is it of DISTS?")
    width = 3
    for name in _NAMES:
        kernel, bias = arrays[f"{name}/kernel"], arrays[f"{name}/bias"]
        if kernel.shape != (3, 3, width, len(bias)):
            raise ValueError(
                f"{path} should hold {name}/kernel {(3, 3, width, len(bias))}, it "
                f"holds {kernel.shape}."
            )
        width = len(bias)
    channels = sum(_channels(arrays))
    for name in ("alpha", "beta"):
        if arrays[name].shape != (channels,):
            raise ValueError(
                f"{path} should hold {name} ({channels},), it holds "
                f"{arrays[name].shape}."
            )
    return arrays


def from_state_dicts(
    vgg16: Mapping[str, np.ndarray], weights: Mapping[str, np.ndarray]
) -> Arrays:
    """Renames and transposes the official PyTorch weights.

    Args:
        vgg16: torchvision's state dict; the classifier is not used.
        weights: `alpha` and `beta` [1, 1475, 1, 1] of DISTS_pytorch.

    Raises:
        ValueError: A name is absent, or a shape is not VGG-16's.
    """
    try:
        arrays = {name: np.ravel(weights[name]) for name in ("alpha", "beta")}
        for name, number in zip(_NAMES, _TORCHVISION, strict=True):
            kernel = vgg16[f"features.{number}.weight"]
            arrays[f"{name}/kernel"] = np.transpose(kernel, (2, 3, 1, 0))
            arrays[f"{name}/bias"] = vgg16[f"features.{number}.bias"]
    except KeyError as error:
        raise ValueError(
            f"The state dicts have no {error}; are the two files the right way round, "
            "--vgg16 of torchvision and --weights of DISTS_pytorch?"
        ) from error
    widths = tuple(len(arrays[f"{name}/bias"]) for name in _NAMES)
    if widths != _WIDTHS:
        raise ValueError(f"VGG-16 is {_WIDTHS} wide, --vgg16 {widths}.")
    return arrays


def _channels(arrays: Mapping[str, np.ndarray]) -> list[int]:
    """Returns the channels of the picture and of what each stage ends with."""
    last = [f"conv{stage}_{number}" for stage, number in enumerate(_STAGES, 1)]
    return [3, *(len(arrays[f"{name}/bias"]) for name in last)]


def _similarities(x, y):
    """Returns how alike means are, and structures, [C] each, at most 1."""
    x_mean, y_mean = (tf.reduce_mean(t, (0, 1, 2)) for t in (x, y))
    x, y = x - x_mean, y - y_mean
    # The original takes the covariance as a mean of products less a product of means,
    # which leaves fewer digits.
    x_var, y_var = (tf.reduce_mean(tf.square(t), (0, 1, 2)) for t in (x, y))
    covariance = tf.reduce_mean(x * y, (0, 1, 2))
    means = (2 * x_mean * y_mean + _C1) / (x_mean**2 + y_mean**2 + _C1)
    return means, (2 * covariance + _C2) / (x_var + y_var + _C2)


def main(argv: Sequence[str] | None = None) -> None:
    """Converts official weights, as the command line says."""
    parser = argparse.ArgumentParser(
        prog="python -m hific.evaluation.dists",
        description="Converts official DISTS weights for --dists_weights.",
    )
    file = pathlib.Path
    parser.add_argument(
        "--vgg16", type=file, required=True, help="torchvision's VGG-16 .pth"
    )
    parser.add_argument(
        "--weights", type=file, required=True, help="DISTS_pytorch's weights.pt"
    )
    parser.add_argument("--out", type=file, required=True, help=".npz to write")
    args = parser.parse_args(argv)
    try:
        arrays = from_state_dicts(
            state_dicts.read(args.vgg16), state_dicts.read(args.weights)
        )
    except (ValueError, OSError) as error:
        parser.exit(1, f"{error}\n")
    data = io.BytesIO()
    np.savez(data, **arrays)
    write_atomically(args.out, data.getvalue())
    print(f"Wrote {args.out}")


if __name__ == "__main__":
    main()
