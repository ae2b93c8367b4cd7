"""Networks that turn patches into features, of which FID, KID and FD-alex are made.

Values of two extractors do not compare, not even where both are called FID: the same
weights behind another resizing give other features. So each says which file its weights
are from and how it resizes, and reports put that beside the number.
"""

import dataclasses
import importlib.util
import pathlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from PIL import Image

from hific import lpips, lpips_weights
from hific.evaluation import inception
from hific.evaluation.weight_files import WeightFile, sha256_of

# Patches that pass through a network together.
_BATCH = 16


@dataclasses.dataclass(frozen=True)
class Description:
    """What has to be known of features to compare numbers made of them.

    Attributes:
        name: Key of `EXTRACTORS`.
        weights_sha256: Of the weight file, hexadecimal.
        resize: What happens to a patch before the network, in words.
        dimension: Features of a patch.
        side: Of the patches that this extractor is used with, pixels.
    """

    name: str
    weights_sha256: str
    resize: str
    dimension: int
    side: int

    def to_json(self) -> dict[str, Any]:
        """Returns the attributes, as `Description(**...)` takes them."""
        names = [field.name for field in dataclasses.fields(Description)]
        return {name: getattr(self, name) for name in names}


@dataclasses.dataclass(frozen=True)
class Extractor(Description):
    """A network with its weights loaded.

    Attributes:
        features: Of few patches, [N, s, s, 3] uint8 -> [N, D].
    """

    features: Callable[[np.ndarray], np.ndarray]

    def measure(self, patches: np.ndarray) -> np.ndarray:
        """Returns the features of patches, [N, D] float32.

        Args:
            patches: [N, s, s, 3] uint8 RGB; N may be 0.

        Raises:
            ValueError: Patches are of another shape or type.
        """
        if patches.ndim != 4 or patches.shape[3] != 3 or patches.dtype != np.uint8:
            raise ValueError(
                "Features are of patches [N, side, side, 3] uint8, got "
                f"{patches.shape} {patches.dtype}."
            )
        batches = [
            self.features(patches[start : start + _BATCH])
            for start in range(0, len(patches), _BATCH)
        ]
        nothing = np.zeros((0, self.dimension), np.float32)
        return np.concatenate([nothing, *batches], dtype=np.float32)


def load_alex(path: str | pathlib.Path) -> Extractor:
    """Loads AlexNet as LPIPS has it; features are conv5 after its ReLU, averaged.

    Args:
        path: .npz as `hific.lpips` takes it.
    """
    network = lpips.Lpips(path)

    @tf.function(input_signature=[tf.TensorSpec((None, None, None, 3), tf.uint8)])
    def measure(patches):
        last = network.activations(tf.cast(patches, tf.float32))[-1]
        return tf.reduce_mean(last, (1, 2))

    return Extractor(
        name="alex",
        weights_sha256=sha256_of(pathlib.Path(path)),
        resize="none",
        dimension=256,
        side=128,
        features=lambda patches: measure(patches).numpy(),
    )


def load_torch_fidelity(path: str | pathlib.Path) -> Extractor:
    """Loads the Inception of torch-fidelity, computed by TensorFlow.

    Args:
        path: As `inception.read` takes it.

    Raises:
        ValueError: See there.
    """
    network = inception.features(inception.read(pathlib.Path(path)))

    @tf.function(input_signature=[tf.TensorSpec((None, None, None, 3), tf.uint8)])
    def measure(patches):
        return network(inception.resize_as_tensorflow_1(patches))

    return Extractor(
        name="torch-fidelity",
        weights_sha256=sha256_of(pathlib.Path(path)),
        resize="bilinear to 299 as TensorFlow 1",
        dimension=inception.NUM_FEATURES,
        side=256,
        features=lambda patches: measure(patches).numpy(),
    )


def load_clean_fid(path: str | pathlib.Path) -> Extractor:
    """Loads the Inception of clean-fid, computed by PyTorch.

    Args:
        path: TorchScript, `inception-2015-12-05.pt`.

    Raises:
        ValueError: torch is not installed, or cannot read the file.
    """
    try:
        import torch
    except ImportError as error:
        raise ValueError(
            f"clean-fid's Inception is TorchScript, which needs torch ({error}): "
            'pip install "egic[metrics]".'
        ) from error
    try:
        network = torch.jit.load(str(path), map_location="cpu").eval().layers
    except (RuntimeError, AttributeError) as error:
        raise ValueError(
            f"{path} is no TorchScript file with the Inception of clean-fid: {error}"
        ) from error

    def measure(patches):
        resized = np.stack([resize_as_clean_fid(patch) for patch in patches])
        images = torch.from_numpy(np.ascontiguousarray(resized.transpose(0, 3, 1, 2)))
        with torch.no_grad():
            found = network((images - 128) / 128)
        return found.reshape(len(patches), -1).numpy()

    return Extractor(
        name="clean-fid",
        weights_sha256=sha256_of(pathlib.Path(path)),
        resize="Pillow's bicubic to 299, not rounded",
        dimension=inception.NUM_FEATURES,
        side=256,
        features=measure,
    )


def resize_as_clean_fid(patch: np.ndarray) -> np.ndarray:
    """Resizes [H, W, 3] to 299 x 299 pixels, float32 in [0, 255].

    Pillow's bicubic, which blurs before reduction, each channel in float; clipped, not
    rounded.

    Source: `make_resizer("PIL", False, "bicubic", (299, 299))` of clean-fid; Parmar et
    al. 2022, arXiv:2104.11222.
    """
    size = (inception.INPUT_SIDE, inception.INPUT_SIDE)
    channels = [
        np.asarray(Image.fromarray(channel).resize(size, Image.Resampling.BICUBIC))
        for channel in np.moveaxis(patch, -1, 0).astype(np.float32)
    ]
    return np.stack(channels, -1).clip(0, 255)


class Backend(NamedTuple):
    """An extractor before its weights are loaded.

    Attributes:
        frechet: Column of the Fréchet distance of its features.
        kernel: Column of their kernel distance.
        weights: The file, where it is published and where it may already lie.
        load: Reads that file.
        needs: What has to be installed besides.
    """

    frechet: str
    kernel: str
    weights: WeightFile
    load: Callable[[str | pathlib.Path], Extractor]
    needs: str | None = None


# Made by `python -m hific.lpips`.
_ALEX = WeightFile(lpips_weights.default_path().name)
_TORCH_FIDELITY = WeightFile(
    "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/"
    "weights-inception-2015-12-05-6726825d.pth",
    "6726825d",
    places=[
        "~/.cache/torch/hub/checkpoints/weights-inception-2015-12-05-6726825d.pth",
        "~/.cache/torch/hub/checkpoints/pt_inception-2015-12-05-6726825d.pth",
    ],
)
_CLEAN_FID = WeightFile(
    "https://nvlabs-fi-cdn.nvidia.com/stylegan2-ada-pytorch/pretrained/metrics/"
    "inception-2015-12-05.pt",
    "f58cb9b6ec323ed63459aa4fb441fe750cfe39fafad6da5cb504a16f19e958f4",
    places=["/tmp/inception-2015-12-05.pt"],
)

# Name -> extractor. A new one is a function and a line.
EXTRACTORS: Mapping[str, Backend] = {
    "alex": Backend("fd_alex", "kd_alex", _ALEX, load_alex),
    "torch-fidelity": Backend(
        "fid_torch_fidelity",
        "kid_torch_fidelity",
        _TORCH_FIDELITY,
        load_torch_fidelity,
    ),
    "clean-fid": Backend(
        "fid_clean_fid", "kid_clean_fid", _CLEAN_FID, load_clean_fid, needs="torch"
    ),
}


def choose(given: Mapping[str, str | None]) -> dict[str, pathlib.Path]:
    """Returns the extractors that can be used here, and their weight files.

    Args:
        given: Name -> file that the user names. Of the others those are taken whose
            file is where it is usually kept, and that have what they need.

    Raises:
        ValueError: An unknown name, or a given file that does not exist.
    """
    unknown = [name for name in given if name not in EXTRACTORS]
    if unknown:
        raise ValueError(
            f"No extractor {', '.join(unknown)}; there are {', '.join(EXTRACTORS)}."
        )
    found = {}
    for name, backend in EXTRACTORS.items():
        path = backend.weights.find(given.get(name))
        needed = not backend.needs or importlib.util.find_spec(backend.needs)
        if path and (given.get(name) or needed):
            found[name] = path
    return found
