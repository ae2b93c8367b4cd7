"""Pictures in and out: [H, W, 3] uint8 in sRGB, from and to files.

Needs Pillow and numpy only. What cannot be shown as 8-bit RGB without losing something
is refused with the name of the flag that accepts the loss.
"""

import io
import pathlib
import struct
import zlib

import numpy as np
from PIL import Image, ImageCms, ImageColor, ImageOps

from hific import memory
from hific.errors import InvalidImageError, LimitExceededError
from hific.files import write_atomically

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP")
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp")
MAX_PIXELS = 2**28  # libavif's default; a header may claim any size.

# Pillow's own guard works by a warning at one size and an error at its double.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS

# What Pillow's readers raise on damaged files; each was met in practice.
_PILLOW_ERRORS = (
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
)


def read_image(
    path: str | pathlib.Path,
    flatten_alpha: str | None = None,
    allow_16bit: bool = False,
    allow_cmyk: bool = False,
    max_pixels: int = MAX_PIXELS,
) -> np.ndarray:
    """Reads a picture as it is meant to be seen.

    The EXIF orientation is applied, an ICC profile is converted to sRGB (one that
    cannot be read is ignored, as browsers do), grey and palette are expanded. An alpha
    channel that is opaque everywhere is dropped.

    Args:
        path: A PNG, JPEG, WebP, TIFF or BMP file.
        flatten_alpha: A colour, such as "white" or "#808080", that transparent pixels
            are laid over; None refuses them.
        allow_16bit: Keep the upper 8 of 16 bits; otherwise such pictures are refused.
        allow_cmyk: Convert CMYK by its profile, or naively where it has none.
        max_pixels: Larger pictures are refused before they are decoded.

    Returns:
        [H, W, 3] uint8, sRGB.

    Raises:
        InvalidImageError: Not a picture, damaged or truncated, with several frames,
            or one of the kinds above without its flag.
        LimitExceededError: More than `max_pixels`, or than this machine's memory.
    """
    try:
        with Image.open(path, formats=FORMATS) as image:
            _check_size(image, path, max_pixels)
            _check_kind(image, path, allow_16bit, allow_cmyk)
            if image.format == "PNG":
                _check_png(path)
            image.load()
            upright = ImageOps.exif_transpose(image)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise LimitExceededError(f"{path}: {error}") from error
    except Image.UnidentifiedImageError as error:
        raise InvalidImageError(
            f"{path}: no {', '.join(FORMATS)} picture, or its header is damaged."
        ) from error
    except _PILLOW_ERRORS as error:
        raise InvalidImageError(f"{path}: cannot be read: {error}") from error
    if _has_alpha(upright):
        upright = _flatten(upright, path, flatten_alpha)
    return np.asarray(_to_srgb(upright))


def read_size(path: str | pathlib.Path) -> tuple[int, int] | None:
    """Height and width by a picture's header, as it is stored; None if it is none."""
    try:
        with Image.open(path, formats=FORMATS) as image:
            return image.height, image.width
    except (
        *_PILLOW_ERRORS,
        Image.DecompressionBombError,
        Image.DecompressionBombWarning,
    ):
        return None


def write_png(path: str | pathlib.Path, image: np.ndarray) -> None:
    """Writes [H, W, 3] uint8 as PNG; the file appears whole or not at all.

    Compressed by filters, run lengths and Huffman codes alone: of photographs a file is
    1 % larger than with the search for repetitions, in a quarter of the time.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(
            f"write_png needs uint8 [H, W, 3], got {image.dtype} {image.shape}."
        )
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="PNG", compress_type=zlib.Z_RLE)
    write_atomically(pathlib.Path(path), buffer.getvalue())


def _check_size(image, path, max_pixels: int) -> None:
    """Refuses what is too large, before memory is spent on it."""
    pixels = image.width * image.height
    if pixels > max_pixels:
        raise LimitExceededError(
            f"{path}: {image.width}x{image.height} is more than the limit of "
            f"{max_pixels} pixels."
        )
    try:
        memory.check_reading(image.height, image.width)
    except LimitExceededError as error:
        raise LimitExceededError(f"{path}: {error}") from error


def _check_png(path) -> None:
    """Compares every checksum of a PNG; Pillow skips that of the pixels.

    Raises:
        OSError, SyntaxError: The file was damaged or cut.
    """
    with Image.open(path, formats=("PNG",)) as image:
        image.verify()


def _check_kind(image, path, allow_16bit: bool, allow_cmyk: bool) -> None:
    """Refuses what has no loss-free 8-bit RGB form; needs the header only."""
    frames = getattr(image, "n_frames", 1)
    # The further frames of a JPEG ("MPO") are previews and gain maps.
    if frames > 1 and image.format not in ("JPEG", "MPO"):
        raise InvalidImageError(
            f"{path}: holds {frames} frames; only single pictures are coded."
        )
    if image.mode in ("F", "LAB", "I"):
        raise InvalidImageError(f"{path}: pixels of kind {image.mode} are unsupported.")
    # Pillow opens 16-bit RGB as RGB without a word; the raw mode tells.
    raw = " ".join(str(tile[3]) for tile in image.tile)
    deep = image.format in ("PNG", "TIFF") and ";16" in raw
    if (deep or image.mode.startswith("I;16")) and not allow_16bit:
        raise InvalidImageError(
            f"{path}: has 16 bits per channel; --allow_16bit keeps the upper 8."
        )
    if image.mode == "CMYK" and not allow_cmyk:
        raise InvalidImageError(
            f"{path}: is CMYK (for print); --allow_cmyk converts it to sRGB."
        )


def _has_alpha(image) -> bool:
    return image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or (
        "transparency" in image.info
    )


def _flatten(image, path, colour: str | None):
    rgba = image.convert("RGBA")
    if rgba.getextrema()[3] == (255, 255):
        opaque = rgba.convert("RGB")
    elif colour is None:
        raise InvalidImageError(
            f"{path}: has transparent pixels; --flatten_alpha=white lays them over "
            "white."
        )
    else:
        ground = Image.new("RGBA", rgba.size, ImageColor.getrgb(colour))
        opaque = Image.alpha_composite(ground, rgba).convert("RGB")
    if "icc_profile" in image.info:
        opaque.info["icc_profile"] = image.info["icc_profile"]
    return opaque


def _to_srgb(image):
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    profile = image.info.get("icc_profile")
    if not profile:
        return image.convert("RGB")
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "sRGB" in ImageCms.getProfileDescription(source):
            return image.convert("RGB")
        # A profile describes one kind of pixel: grey, RGB or CMYK.
        mode = {"GRAY": "L", "RGB": "RGB", "CMYK": "CMYK"}[
            source.profile.xcolor_space.strip()
        ]
        if (mode == "CMYK") != (image.mode == "CMYK"):
            return image.convert("RGB")
        return ImageCms.profileToProfile(
            image.convert(mode),
            source,
            ImageCms.createProfile("sRGB"),
            outputMode="RGB",
        )
    except (ImageCms.PyCMSError, OSError, KeyError, UnicodeDecodeError):
        return image.convert("RGB")
