"""Pictures and label maps as files."""

import io
import pathlib
import struct
import zlib

import numpy as np
from PIL import Image, ImageOps

from deeplab2_tf.errors import DataError

# What Pillow raises on damaged files.
PILLOW_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    EOFError,
    OverflowError,
    AssertionError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)

_ORIENTATION = 0x0112  # EXIF tag; 1 is upright.
# Others, such as 16-bit grey, would be clipped.
_CONVERTIBLE = ("1", "L", "LA", "P", "PA", "RGBA", "CMYK", "YCbCr")


def read_picture(path: pathlib.Path, image_format: str) -> tuple[bytes, int, int]:
    """Reads a file as it goes into a record: RGB and upright.

    A picture that is both is taken byte for byte. Others (grey, palette, CMYK, turned
    by their EXIF tag, which TensorFlow does not look at) are encoded anew with Pillow's
    default quality.

    Returns:
        The file, its height and its width in pixels.

    Raises:
        DataError: See `decode_picture`.
    """
    image, as_is = _open_picture(path)
    if as_is:
        return path.read_bytes(), image.height, image.width
    encoded = io.BytesIO()
    image.save(encoded, image_format)
    return encoded.getvalue(), image.height, image.width


def decode_picture(path: pathlib.Path) -> np.ndarray:
    """Reads a picture as it is meant to be seen, [H, W, 3] uint8.

    Raises:
        DataError: It is missing, damaged, neither JPEG nor PNG, or of a kind that has
            no 8-bit RGB equivalent.
    """
    return np.asarray(_open_picture(path)[0])


def _open_picture(path: pathlib.Path) -> tuple[Image.Image, bool]:
    """Returns the picture, RGB and upright, and whether its file already is so."""
    try:
        with Image.open(path, formats=("JPEG", "PNG")) as image:
            image.load()
            if image.mode not in ("RGB", *_CONVERTIBLE):
                raise ValueError(f"mode {image.mode!r} does not fit into 8-bit RGB")
            as_is = image.mode == "RGB" and image.getexif().get(_ORIENTATION, 1) == 1
            upright = image if as_is else ImageOps.exif_transpose(image).convert("RGB")
    except PILLOW_ERRORS as error:
        raise DataError(str(path), f"no readable picture: {error}") from error
    return upright, as_is


def read_label_map(path: pathlib.Path) -> np.ndarray:
    """Reads a PNG of class ids, grey or with a palette, [H, W] uint8.

    Raises:
        DataError: It is missing, damaged or of another kind.
    """
    try:
        with Image.open(path, formats=("PNG",)) as image:
            mode = image.mode
            ids = np.asarray(image)
    except PILLOW_ERRORS as error:
        raise DataError(str(path), f"no readable label map: {error}") from error
    if mode not in ("L", "P"):
        raise DataError(
            str(path),
            f"the label map has mode {mode!r}; wanted are 8-bit class ids. Are these "
            "colours for looking at?",
        )
    return ids
