"""The JSON beside panoptic annotations: which segments each picture has."""

import collections
import hashlib
import json
import pathlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from deeplab2_tf.building.conversion import PanopticPng, Picture
from deeplab2_tf.panoptic import SEGMENT_FIELDS


class Annotation(NamedTuple):
    """What the file says about one picture.

    Attributes:
        file_name: Of the PNG with the segment ids.
        segments: `segments_info`, in the file's order, which numbers the things.
    """

    file_name: str
    segments: list[dict[str, Any]]


class Annotations(NamedTuple):
    """An annotation file.

    Attributes:
        by_picture: Picture -> its annotation.
        ambiguous: Picture -> why none of its annotations can be trusted.
        sha256: Of the file.
    """

    by_picture: dict[str, Annotation]
    ambiguous: dict[str, str]
    sha256: str


def stem_of_file_name(entry: Mapping[str, Any]) -> str:
    """COCO's pictures are called what their annotations are called."""
    return pathlib.PurePath(entry["file_name"]).stem


def image_id(entry: Mapping[str, Any]) -> str:
    """Cityscapes' pictures are called by their id."""
    return str(entry["image_id"])


def read_annotations(
    path: pathlib.Path, picture_of: Callable[[Mapping[str, Any]], str]
) -> Annotations:
    """Reads an annotation file; COCO's has 400 MB and takes some seconds.

    Args:
        path: The JSON file.
        picture_of: Entry of its "annotations" -> name of the picture.

    Raises:
        ValueError: There is no such file, or it is damaged; says which and where.
    """
    if not path.is_file():
        raise ValueError(f"No annotations at {path}.")
    data = path.read_bytes()
    sha256 = hashlib.sha256(data).hexdigest()
    by_picture: dict[str, Annotation] = {}
    pictures, ids = collections.Counter[str](), collections.Counter[str]()
    id_of = {}
    try:
        for entry in json.loads(data)["annotations"]:
            picture, id_of_entry = picture_of(entry), image_id(entry)
            # The rest, boxes above all, would fill gigabytes.
            segments = [
                {key: one[key] for key in SEGMENT_FIELDS if key in one}
                for one in entry["segments_info"]
            ]
            by_picture[picture] = Annotation(entry["file_name"], segments)
            pictures[picture] += 1
            ids[id_of_entry] += 1
            id_of[picture] = id_of_entry
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} is no panoptic annotation file: {error!r}. Was it downloaded and "
            "unpacked completely?"
        ) from error
    ambiguous = {}
    for picture, id_of_picture in id_of.items():
        if pictures[picture] > 1:
            ambiguous[picture] = f"{pictures[picture]} annotations"
        elif ids[id_of_picture] > 1:
            ambiguous[picture] = (
                f"its image id {id_of_picture} is that of {ids[id_of_picture]} "
                "annotations"
            )
    return Annotations(by_picture, ambiguous, sha256)


def labelled(
    name: str, path: str, annotation_dir: str, annotations: Annotations
) -> Picture:
    """A picture with its annotation, or with the problem that it has none.

    Args:
        name: Stored in the record, and what the annotations call it.
        path: Of the picture, below the root.
        annotation_dir: Folder of the PNG, below the root.
        annotations: Of the split.
    """
    if name in annotations.ambiguous:
        return Picture(name, path, problem=annotations.ambiguous[name])
    annotation = annotations.by_picture.get(name)
    if annotation is None:
        return Picture(name, path, problem="no annotation in the annotation file")
    label = PanopticPng(f"{annotation_dir}/{annotation.file_name}", annotation.segments)
    return Picture(name, path, label)
