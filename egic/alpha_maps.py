"""A mask as a map of alphas: black is faithful, white is realistic."""

import pathlib

import numpy as np
from PIL import Image

from hific.errors import InvalidImageError
from hific.images import read_image


def read(path: pathlib.Path) -> np.ndarray:
    """Reads a mask, a grey picture of any size.

    Of 16 bits the upper 8 are used; what is transparent counts as black.

    Returns:
        [h, w] float32 in [0, 1].

    Raises:
        InvalidImageError: It is no picture, or not grey.
    """
    mask = read_image(path, flatten_alpha="black", allow_16bit=True)
    if (mask != mask[..., :1]).any():
        raise InvalidImageError(
            f"{path}: has colours; an alpha map is grey, from black for faithful to "
            "white for realistic."
        )
    return mask[..., 0].astype(np.float32) / 255


def resized(alpha: np.ndarray, height: int, width: int) -> np.ndarray:
    """Stretches a map to a picture's size, bilinearly; smaller ones are averaged into.

    Args:
        alpha: [h, w] float32 in [0, 1].
        height, width: Of the picture.

    Returns:
        [height, width] float32 in [0, 1].
    """
    stretched = Image.fromarray(alpha).resize(
        (width, height), Image.Resampling.BILINEAR
    )
    return np.clip(np.asarray(stretched), 0.0, 1.0)
