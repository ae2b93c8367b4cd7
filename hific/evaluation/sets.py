"""Distances between originals and reconstructions as two sets, from their features.

A pure function of arrays: features are measured once per picture, kept, and summed up
here whenever a report is made.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from hific.evaluation.extractors import EXTRACTORS, Description
from hific.evaluation.frechet import frechet_distance, gaussian_of
from hific.evaluation.kernel import kernel_distance


def distances(
    originals: Sequence[np.ndarray],
    reconstructions: Sequence[np.ndarray],
    description: Description,
    protocol: str,
    side: int,
) -> dict[str, Any]:
    """Returns the columns that one extractor adds to one row of a summary.

    Args:
        originals: Features of each picture's patches, [n_i, D].
        reconstructions: Of the same pictures and patches, in the same order.
        description: Of the extractor that measured them.
        protocol: Key of `patches.PATCH_GRIDS` that they were cut by.
        side: Of the patches, pixels.

    Returns:
        With F and K for the names of the extractor's two distances, `fd_alex` and
        `kd_alex` or `fid_torch_fidelity` and `kid_torch_fidelity`:
        F: Fréchet distance, None where there are fewer than two patches.
        F_patches: Their number.
        F_note: What is wrong with F, None where nothing is: see `shortage`; or the
            weights are not those published.
        K, K_std: Mean and standard deviation over subsets, as KID is published; the
            latter None where there are so few patches that the only subset is all.
        K_paired: The same without patches beside their own reconstructions, which
            make K too low where patches are few; see `kernel.squared_mmd`.
        F_protocol, F_side, F_resize, F_sha256: How it was measured.

    Raises:
        ValueError: The two differ in the number of pictures, of patches of one, or of
            features.
    """
    _check(originals, reconstructions, description)
    backend = EXTRACTORS[description.name]
    first, second = (_joined(x, description) for x in (originals, reconstructions))
    enough = len(first) >= 2
    kernel = kernel_distance(first, second) if enough else None
    paired = kernel_distance(first, second, paired=True) if enough else None
    of_f = {
        "": frechet_distance(*map(gaussian_of, (first, second))) if enough else None,
        "_patches": len(first),
        "_note": _note(len(first), description),
        "_protocol": protocol,
        "_side": side,
        "_resize": description.resize,
        "_sha256": description.weights_sha256,
    }
    return {backend.frechet + suffix: value for suffix, value in of_f.items()} | {
        backend.kernel: kernel.mean if kernel else None,
        f"{backend.kernel}_std": kernel.deviation if kernel else None,
        f"{backend.kernel}_paired": paired.mean if paired else None,
    }


def shortage(patches: int, dimension: int) -> str | None:
    """Returns what to say beside a Fréchet distance of too few patches, or None.

    With as many samples as features or fewer, covariances are singular: the distance
    is defined, and mostly says how few the samples are.
    """
    if patches > dimension:
        return None
    if patches < 2:
        return f"no covariance of {patches} patches"
    return (
        f"{patches} patches for {dimension} features: the covariances are singular, so "
        "it compares only with values of the same patches"
    )


def _note(patches, description):
    notes = [shortage(patches, description.dimension)]
    if not EXTRACTORS[description.name].weights.is_published(
        description.weights_sha256
    ):
        notes.append("its weights are not the published ones")
    return "; ".join(filter(None, notes)) or None


def _joined(features, description):
    nothing = np.zeros((0, description.dimension))
    return np.concatenate([nothing, *features], dtype=np.float64)


def _check(originals, reconstructions, description):
    shapes = [[np.shape(x) for x in side] for side in (originals, reconstructions)]
    if shapes[0] != shapes[1]:
        raise ValueError(
            "Originals and reconstructions are not of the same patches: their features "
            f"have the shapes {shapes[0]} and {shapes[1]}."
        )
    for shape in shapes[0]:
        if len(shape) != 2 or shape[1] != description.dimension:
            raise ValueError(
                f"Features of {description.name} are [N, {description.dimension}], "
                f"got {shape}."
            )
