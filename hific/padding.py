"""Pictures beyond their edges: reflected, again and again if need be."""

import numpy as np

from hific.tiles import Box


def window(image: np.ndarray, box: Box) -> np.ndarray:
    """Returns a part of an image [H, W, 3], reflected below and to the right of it.

    A side shorter than its padding is reflected again and again; one pixel is repeated.
    """
    rows = _reflected(box.top, box.bottom, image.shape[0])
    columns = _reflected(box.left, box.right, image.shape[1])
    return image[rows][:, columns]


def pad(image: np.ndarray, multiple: int) -> np.ndarray:
    """Reflects an image [H, W, 3] below and to the right, to multiples of a number."""
    height, width = (-(-side // multiple) * multiple for side in image.shape[:2])
    return window(image, Box(0, 0, height, width))


def _reflected(start: int, end: int, size: int) -> np.ndarray:
    """Positions start ... end - 1 of 0 1 ... size - 1 ... 1 0 1 ..., from 0."""
    period = max(2 * (size - 1), 1)
    position = np.arange(start, end) % period
    return np.minimum(position, period - position) if size > 1 else position
