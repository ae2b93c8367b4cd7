"""What the brush painted, as a map of alphas."""

import base64
import binascii
import io

import numpy as np
from PIL import Image

from egic import alpha_maps

_PREFIX = "data:image/png;base64,"
_MAX_LETTERS = 2**22
_MAX_SIDE = 2048  # The brush paints at the size of the screen.


def read(url: str | None) -> np.ndarray | None:
    """Reads what a canvas gave: the opacity of a PNG in a data URL.

    Returns:
        [h, w] float32 in [0, 1], 1 where it is painted; None where nothing is.

    Raises:
        ValueError: It is no such URL.
    """
    if not url:
        return None
    if not url.startswith(_PREFIX) or len(url) > _MAX_LETTERS:
        raise ValueError("A PNG picture in a data URL is needed.")
    try:
        data = base64.b64decode(url.removeprefix(_PREFIX), validate=True)
        with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
            if max(image.size) > _MAX_SIDE:
                raise ValueError(f"{image.size} is more than {_MAX_SIDE} a side.")
            painted = np.asarray(image.convert("RGBA"))[..., 3]
    except (binascii.Error, OSError, SyntaxError) as error:
        raise ValueError(f"The painting is no PNG picture: {error}") from error
    return painted.astype(np.float32) / 255 if painted.any() else None


def alpha_map(
    painted: np.ndarray | None, inside: float, outside: float, height: int, width: int
) -> float | np.ndarray:
    """The alpha of every pixel of a picture.

        alpha = outside + painted * (inside - outside)

    Args:
        painted: [h, w] float32 in [0, 1], of any size, or None for nothing.
        inside: Alpha where it is painted.
        outside: Alpha of the rest.
        height, width: Of the picture.

    Returns:
        [height, width] float32 in [0, 1]; or `outside`, where all pixels have that.
    """
    if painted is None or inside == outside:
        return outside
    weight = alpha_maps.resized(painted, height, width)
    return np.clip(outside + weight * (inside - outside), 0.0, 1.0).astype(np.float32)
