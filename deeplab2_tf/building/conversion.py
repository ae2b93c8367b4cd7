"""From a picture and its annotation to a record."""

import hashlib
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from deeplab2_tf import examples, image_files, panoptic
from deeplab2_tf.errors import DataError
from deeplab2_tf.labels import LabelSet


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


class Converter(Protocol):
    """Makes the records of a data set; goes to other processes, so that it is small."""

    @property
    def label_set(self) -> LabelSet:
        """The classes of the records."""
        ...

    def name(self, picture: Any) -> str:
        """What a picture is called when it is rejected."""
        ...

    def convert(self, picture: Any) -> Converted:
        """Makes one record; raises `DataError` for a picture that cannot be used."""
        ...

    def settings(self, pictures: Sequence[Any]) -> dict[str, Any]:
        """What the records of a split depend on, in plain values."""
        ...


class Files(NamedTuple):
    """The converter of pictures and annotations that are files.

    Attributes:
        root: Folder of the data set.
        encoding: What the segments mean.
        image_format: "jpeg" or "png": stated in the record, and that of pictures that
            have to be encoded anew.
    """

    root: pathlib.Path
    encoding: panoptic.Encoding
    image_format: str

    @property
    def label_set(self) -> LabelSet:
        """The classes of the records."""
        return self.encoding.label_set

    def name(self, picture: Picture) -> str:
        """The path of a picture below the root."""
        return picture.path

    def convert(self, picture: Picture) -> Converted:
        """Reads one picture and its annotation, checks them, and makes their record.

        Raises:
            DataError: Either cannot be read or used; says why.
        """
        if picture.problem:
            raise DataError(picture.path, picture.problem)
        path, format_ = self.root / picture.path, self.image_format
        data, height, width = image_files.read_picture(path, format_)
        label, pixels = None, np.zeros(0, np.int64)
        if picture.label is not None:
            label, semantic = _LABELS[type(picture.label)](
                self.root, picture.path, picture.label, self.encoding
            )
            if semantic.shape != (height, width):
                raise DataError(
                    picture.path,
                    f"the picture is {height} x {width}, its annotation "
                    f"{' x '.join(map(str, semantic.shape))} (height x width).",
                )
            pixels = panoptic.pixels_by_id(picture.path, semantic, self.label_set)
        record = examples.serialize(picture.name, data, format_, height, width, label)
        return Converted(record, pixels)

    def settings(self, pictures: Sequence[Picture]) -> dict[str, Any]:
        """All but what the files hold, which would have to be read to be compared."""
        names = "\n".join(picture.path for picture in pictures)
        return {
            "crowd_is_void": self.encoding.crowd_is_void,
            "image_format": self.image_format,
            "labels": sorted({type(one.label).__name__ for one in pictures}),
            "pictures_sha256": hashlib.sha256(names.encode()).hexdigest(),
        }


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
