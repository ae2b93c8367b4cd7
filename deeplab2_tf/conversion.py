"""From a picture and its annotation to a record."""

import io
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageOps

from deeplab2_tf import examples, panoptic
from deeplab2_tf.errors import DataError

_ORIENTATION = 0x0112  # EXIF tag; 1 is upright.
# Others, such as 16-bit grey, would be clipped.
_CONVERTIBLE = ("1", "L", "LA", "P", "PA", "RGBA", "CMYK", "YCbCr")


class PanopticPng(NamedTuple):
    """An annotation whose record holds panoptic ids.

    Attributes:
        path: PNG of segment ids, below the root.
        segments: What they are; see `panoptic.encode`.
    """

    path: str
    segments: Sequence[Mapping[str, Any]]


class SemanticPng(NamedTuple):
    """An annotation that is stored as it is: a PNG of semantic ids.

    Attributes:
        path: Below the root.
    """

    path: str


class Picture(NamedTuple):
    """One picture to convert.

    Attributes:
        name: Stored in the record.
        path: JPEG or PNG, below the root.
        label: Where its annotation is; None leaves the label out.
        problem: Why it is rejected unseen; empty for none.
    """

    name: str
    path: str
    label: PanopticPng | SemanticPng | None = None
    problem: str = ""


class Converted(NamedTuple):
    """A record.

    Attributes:
        record: Serialized Example.
        pixels: [N] int64, pixels by semantic id; empty without a label.
    """

    record: bytes
    pixels: np.ndarray


def convert(
    root: pathlib.Path,
    picture: Picture,
    image_format: str,
    encoding: panoptic.Encoding,
) -> Converted:
    """Reads one picture and its annotation, checks them, and makes their record.

    Args:
        root: Folder of the data set.
        picture: Which.
        image_format: "jpeg" or "png": stated in the record, and that of pictures that
            have to be encoded anew.
        encoding: What the segments mean.

    Raises:
        DataError: Either cannot be read or used; says why.
    """
    if picture.problem:
        raise DataError(picture.path, picture.problem)
    data, height, width = read_picture(root / picture.path, image_format)
    label, pixels = None, np.zeros(0, np.int64)
    if picture.label is not None:
        label, semantic = _LABELS[type(picture.label)](
            root, picture.path, picture.label, encoding
        )
        if semantic.shape != (height, width):
            raise DataError(
                picture.path,
                f"the picture is {height} x {width}, its annotation "
                f"{' x '.join(map(str, semantic.shape))} (height x width).",
            )
        pixels = panoptic.pixels_by_id(picture.path, semantic, encoding.label_set)
    record = examples.serialize(picture.name, data, image_format, height, width, label)
    return Converted(record, pixels)


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
    except panoptic.PILLOW_ERRORS as error:
        raise DataError(str(path), f"no readable picture: {error}") from error
    return upright, as_is


def _panoptic_label(
    root: pathlib.Path, name: str, label: PanopticPng, encoding: panoptic.Encoding
) -> tuple[np.ndarray, np.ndarray]:
    ids = panoptic.read_segments(root / label.path)
    encoded = panoptic.encode(name, ids, label.segments, encoding)
    return encoded, encoded // encoding.label_set.label_divisor


def _semantic_label(
    root: pathlib.Path, name: str, label: SemanticPng, encoding: panoptic.Encoding
) -> tuple[bytes, np.ndarray]:
    del name, encoding
    path = root / label.path
    return path.read_bytes(), read_label_map(path)


def read_label_map(path: pathlib.Path) -> np.ndarray:
    """Reads a PNG of class ids, grey or with a palette, [H, W] uint8.

    Raises:
        DataError: It is missing, damaged or of another kind.
    """
    try:
        with Image.open(path, formats=("PNG",)) as image:
            mode = image.mode
            ids = np.asarray(image)
    except panoptic.PILLOW_ERRORS as error:
        raise DataError(str(path), f"no readable label map: {error}") from error
    if mode not in ("L", "P"):
        raise DataError(
            str(path),
            f"the label map has mode {mode!r}; wanted are 8-bit class ids. Are these "
            "colours for looking at?",
        )
    return ids


# Kind of annotation -> (root, name, annotation, encoding) -> what is stored, and its
# semantic ids.
_LABELS: Mapping[type, Any] = {
    PanopticPng: _panoptic_label,
    SemanticPng: _semantic_label,
}
