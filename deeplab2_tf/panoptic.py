"""From COCO's and Cityscapes' annotations to panoptic ids.

An annotation is a PNG whose pixels name a segment, and a list that says what the
segments are:

    segment id  = R + 256 G + 65536 B
    panoptic id = semantic id * label_divisor + instance id

Source: panopticapi for the files; `data/build_coco_data.py` of DeepLab2 for the rule.
"""

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from deeplab2_tf import image_files
from deeplab2_tf.errors import DataError
from deeplab2_tf.labels import LabelSet

SEGMENT_FIELDS = ("id", "category_id", "area", "iscrowd")


@dataclasses.dataclass(frozen=True)
class Encoding:
    """What turns segments into panoptic ids.

    Attributes:
        label_set: The classes.
        categories: `category_id` of a segment -> semantic id.
        crowd_is_void: Pixels of crowds become void. Otherwise they keep their class,
            with instance 0, and are trained on.
    """

    label_set: LabelSet
    categories: Mapping[int, int]
    crowd_is_void: bool = True


def original_ids(label_set: LabelSet) -> dict[int, int]:
    """The id of each class in the data set's own files -> its semantic id."""
    return {
        one.id if one.original_id is None else one.original_id: one.id
        for one in label_set.classes
    }


def segment_ids(rgb: np.ndarray) -> np.ndarray:
    """[..., 3] uint8 colours of an annotation -> [...] int32 segment ids."""
    red, green, blue = np.moveaxis(rgb.astype(np.int32), -1, 0)
    return red + 256 * green + 65536 * blue


def read_segments(path: pathlib.Path) -> np.ndarray:
    """Reads the PNG of an annotation, [H, W] int32 segment ids.

    Raises:
        DataError: It is missing, damaged or not RGB.
    """
    try:
        with Image.open(path, formats=("PNG",)) as image:
            mode = image.mode
            pixels = np.asarray(image)
    except image_files.PILLOW_ERRORS as error:
        raise DataError(str(path), f"no readable annotation: {error}") from error
    if mode != "RGB":
        raise DataError(
            str(path),
            f"the annotation has mode {mode!r}, not RGB. Is it a map of class ids?",
        )
    return segment_ids(pixels)


def encode(
    name: str,
    ids: np.ndarray,
    segments: Sequence[Mapping[str, Any]],
    encoding: Encoding,
) -> np.ndarray:
    """Panoptic ids of one picture.

    Things are numbered from 1 within their class, in the order of the list. Pixels
    whose id is not in the list are void.

    Args:
        name: Names the picture in errors.
        ids: [H, W] segment id of each pixel.
        segments: `segments_info` of the annotation: id, category_id, area, iscrowd.
        encoding: What they mean.

    Returns:
        [H, W] int32.

    Raises:
        DataError: An area is not that of the pixels, a category is unknown, stuff is
            marked as a crowd, or a class has label_divisor things or more.
    """
    label_set = encoding.label_set
    things = frozenset(label_set.thing_ids)
    semantic = np.full(ids.shape, label_set.ignore_label, np.int32)
    instance = np.zeros(ids.shape, np.int32)
    counts: dict[int, int] = {}
    for segment in segments:
        label = _checked_label(name, segment, encoding)
        mask = ids == segment["id"]
        area = np.count_nonzero(mask)
        if area != segment["area"]:
            raise DataError(
                name,
                f"segment {segment['id']} covers {area} pixels, its area is given as "
                f"{segment['area']}. Do picture and list belong together?",
            )
        crowd = bool(segment["iscrowd"])
        void = crowd and encoding.crowd_is_void
        semantic[mask] = label_set.ignore_label if void else label
        if label not in things or crowd:
            continue
        counts[label] = counts.get(label, 0) + 1
        if counts[label] >= label_set.label_divisor:
            raise DataError(
                name,
                f"{counts[label]} things of class {label}, and label_divisor is only "
                f"{label_set.label_divisor}.",
            )
        instance[mask] = counts[label]
    return semantic * label_set.label_divisor + instance


def _checked_label(name: str, segment: Mapping[str, Any], encoding: Encoding) -> int:
    missing = [field for field in SEGMENT_FIELDS if field not in segment]
    if missing:
        raise DataError(name, f"a segment has no {', '.join(missing)}: {segment}.")
    category = segment["category_id"]
    if category not in encoding.categories:
        raise DataError(
            name,
            f"segment {segment['id']} is of category {category}, which "
            f"{encoding.label_set.name} has not.",
        )
    label = encoding.categories[category]
    if segment["iscrowd"] and label not in encoding.label_set.thing_ids:
        raise DataError(
            name, f"segment {segment['id']} is a crowd of stuff (category {category})."
        )
    return label


def pixels_by_id(name: str, semantic: np.ndarray, label_set: LabelSet) -> np.ndarray:
    """Counts the pixels of each class; the check that there are no other ids.

    Args:
        name: Names the picture in the error.
        semantic: [H, W] int semantic ids.
        label_set: The classes.

    Returns:
        [N] int64 pixels by semantic id, void included; N is beyond the largest id.

    Raises:
        DataError: Names ids that are neither a class nor void.
    """
    known = [one.id for one in label_set.classes] + [label_set.ignore_label]
    size = label_set.num_ids
    inside = (semantic >= 0) & (semantic < size)
    counts = np.bincount(semantic[inside], minlength=size)
    unknown = np.ones(size, bool)
    unknown[known] = False
    wrong = np.flatnonzero(counts * unknown).tolist()
    if not inside.all():
        wrong += np.unique(semantic[~inside]).tolist()
    if wrong:
        raise DataError(
            name,
            f"semantic ids {', '.join(map(str, wrong[:5]))} are neither classes of "
            f"{label_set.name} nor void (={label_set.ignore_label}). Was it made for "
            f"another label set? label_divisor is {label_set.label_divisor}.",
        )
    return counts
