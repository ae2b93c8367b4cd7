"""Patches of a picture, of which statistics of sets are made.

FID/256 and its kin compare many patches of 256 pixels rather than few pictures, cut on
two grids. Published numbers come from two rules for the second grid, which agree unless
a side leaves half a patch or more over.
"""

from collections.abc import Callable, Mapping

import numpy as np


def cut_hific(image: np.ndarray, side: int) -> np.ndarray:
    """Cuts a picture [H, W, C] into patches [N, side, side, C], as HiFiC counts them.

    Those of the first grid touch, from the upper left corner: floor(H/s) floor(W/s).
    The second is half a side further down and right and one shorter in both
    directions: (floor(H/s) - 1) (floor(W/s) - 1). What is left over is not seen.

    Source: Mentzer et al. 2020, arXiv:2006.09965, appendix A.7.
    """
    rows, columns = (length // side for length in image.shape[:2])
    return np.concatenate(
        [
            _grid(image, side, 0, rows, columns),
            _grid(image, side, side // 2, rows - 1, columns - 1),
        ]
    )


def cut_neuralcompression(image: np.ndarray, side: int) -> np.ndarray:
    """Cuts a picture [H, W, C] into patches [N, side, side, C], as NeuralCompression.

    As `cut_hific`, but the second grid is the first one of what remains without the
    upper and left half side, floor((H-s/2)/s) floor((W-s/2)/s): one row or column more
    where there is room for it.

    Source: `update_patch_fid` in facebookresearch/NeuralCompression.
    """
    shift = side // 2
    height, width = image.shape[:2]
    return np.concatenate(
        [
            _grid(image, side, 0, height // side, width // side),
            _grid(
                image, side, shift, (height - shift) // side, (width - shift) // side
            ),
        ]
    )


# Name in --fid_protocol -> how patches are cut, (image [H, W, C], side) -> patches
# [N, side, side, C] of the same type; N may be 0.
PATCH_GRIDS: Mapping[str, Callable[[np.ndarray, int], np.ndarray]] = {
    "hific": cut_hific,
    "neuralcompression": cut_neuralcompression,
}


def _grid(image, side, start, rows, columns):
    """Returns rows * columns touching patches whose first begins at (start, start)."""
    patches = [
        image[top : top + side, left : left + side]
        for top in range(start, start + rows * side, side)
        for left in range(start, start + columns * side, side)
    ]
    if not patches:
        return np.zeros((0, side, side, *image.shape[2:]), image.dtype)
    return np.stack(patches)
