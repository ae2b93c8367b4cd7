"""From a picture and its annotation to a record."""

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from deeplab2_tf import examples, image_files, panoptic
from deeplab2_tf.errors import DataError


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
    data, height, width = image_files.read_picture(root / picture.path, image_format)
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
    return path.read_bytes(), image_files.read_label_map(path)


# Kind of annotation -> (root, name, annotation, encoding) -> what is stored, and its
# semantic ids.
_LABELS: Mapping[type, Any] = {
    PanopticPng: _panoptic_label,
    SemanticPng: _semantic_label,
}
