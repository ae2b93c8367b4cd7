"""Photographs to begin with: those that ship with scikit-image, where it is installed.

Nothing is fetched: only what lies in the package itself is taken.
"""

import base64
import functools
import importlib.util
import io
import pathlib

import numpy as np
from PIL import Image, ImageOps

from hific.images import read_image

# Name -> file in scikit-image's folder of data.
_FILES = {
    "coffee": "coffee.png",
    "chelsea": "chelsea.png",
    "astronaut": "astronaut.png",
    "rocket": "rocket.jpg",
}
_THUMBNAIL = (216, 144)  # Twice what is shown, for dense screens.


def names() -> list[str]:
    """Those that are there, in the order of the page."""
    return list(_paths())


def read(name: str) -> np.ndarray:
    """A photograph, [H, W, 3] uint8.

    Raises:
        KeyError: There is none of that name.
    """
    return read_image(_paths()[name])


def thumbnail(name: str) -> str:
    """The same, small, as a data URL."""
    image = ImageOps.fit(Image.fromarray(read(name)), _THUMBNAIL, centering=(0.5, 0.2))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=80)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"


@functools.cache
def _paths() -> dict[str, pathlib.Path]:
    found = importlib.util.find_spec("skimage")
    if found is None or found.origin is None:
        return {}
    folder = pathlib.Path(found.origin).parent / "data"
    paths = {name: folder / file for name, file in _FILES.items()}
    return {name: path for name, path in paths.items() if path.is_file()}
