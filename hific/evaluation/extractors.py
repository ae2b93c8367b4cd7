"""Networks that turn patches into features, of which FID, KID and FD-alex are made.

Values of two extractors do not compare, not even where both are called FID: the same
weights behind another resizing give other features. So each says which file its weights
are from and how it resizes, and reports put that beside the number.
"""

import dataclasses
import pathlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from hific import lpips
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


class Backend(NamedTuple):
    """An extractor before its weights are loaded.

    Attributes:
        frechet: Column of the Fréchet distance of its features.
        kernel: Column of their kernel distance.
        weights: The published file; None where `hific.lpips_weights` has it.
        load: Reads that file.
    """

    frechet: str
    kernel: str
    weights: WeightFile | None
    load: Callable[[str | pathlib.Path], Extractor]


# Name -> extractor. A new one is a function and a line.
EXTRACTORS: Mapping[str, Backend] = {
    "alex": Backend("fd_alex", "kd_alex", None, load_alex),
}
