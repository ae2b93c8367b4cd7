"""One labelled picture as DeepLab2 stores it: a serialized `tf.train.Example`.

Six image features and two label features, the latter absent in test splits:

    image/encoded    bytes, the JPEG or PNG file     image/height     int64, pixels
    image/filename   bytes, its name                 image/width      int64, pixels
    image/format     bytes, "jpeg" or "png"          image/channels   int64, 3
    image/segmentation/class/encoded   bytes, height * width little-endian int32, the
                                       panoptic ids row by row, no header
    image/segmentation/class/format    bytes, "raw"

Cityscapes without instances stores a PNG of semantic ids instead, format "png". It can
be written here; neither DeepLab2's trainer nor this reader takes it.

Source: `data/data_utils.py` and `data/sample_decoder`s of DeepLab2.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from google.protobuf import message

from deeplab2_tf.errors import DataError

ENCODED = "image/encoded"
FILENAME = "image/filename"
FORMAT = "image/format"
HEIGHT = "image/height"
WIDTH = "image/width"
CHANNELS = "image/channels"
LABEL = "image/segmentation/class/encoded"
LABEL_FORMAT = "image/segmentation/class/format"

IMAGE_FORMATS = ("jpeg", "png")

# DeepLab2's reader has no defaults for these: a record without one stops it.
_BYTES = (ENCODED, FILENAME, FORMAT)
_INTS = (HEIGHT, WIDTH, CHANNELS)
_PNG = b"\x89PNG"


class LabelledPicture(NamedTuple):
    """What every source reads.

    Attributes:
        name: Names the picture in messages.
        image: [H, W, 3] uint8, RGB in [0, 255].
        panoptic: [H, W] int32, semantic id * label_divisor + instance id.
    """

    name: str
    image: np.ndarray
    panoptic: np.ndarray


class StoredPicture(NamedTuple):
    """A parsed record, its picture still compressed.

    Attributes:
        name: Value of `image/filename`.
        encoded: The JPEG or PNG file.
        height, width: In pixels, as the record states them.
        panoptic: [height, width] int32, or None where the record has no label.
    """

    name: str
    encoded: bytes
    height: int
    width: int
    panoptic: np.ndarray | None


def serialize(
    name: str,
    image: bytes,
    image_format: str,
    height: int,
    width: int,
    label: np.ndarray | bytes | None,
) -> bytes:
    """Serializes one picture; equal arguments give equal bytes.

    Args:
        name: Stored as `image/filename`.
        image: The compressed picture, RGB.
        image_format: "jpeg" or "png".
        height, width: Of the decoded picture, pixels.
        label: [height, width] integer panoptic ids, or a PNG of semantic ids; None
            leaves the label out.

    Raises:
        ValueError: The format is neither, or the label map has another size.
    """
    if image_format not in IMAGE_FORMATS:
        raise ValueError(
            f"image_format must be one of {', '.join(IMAGE_FORMATS)}, got "
            f"{image_format!r}."
        )
    features: dict[str, bytes | int] = {
        ENCODED: image,
        FILENAME: name.encode(),
        FORMAT: image_format.encode(),
        HEIGHT: height,
        WIDTH: width,
        CHANNELS: 3,
    }
    if isinstance(label, bytes):
        features |= {LABEL: label, LABEL_FORMAT: b"png"}
    elif label is not None:
        if label.shape != (height, width):
            raise ValueError(
                f"The label map of {name!r} is {label.shape}, its picture "
                f"{(height, width)} (height, width)."
            )
        features |= {LABEL: label.astype("<i4").tobytes(), LABEL_FORMAT: b"raw"}
    return serialize_features(features)


def serialize_features(features: Mapping[str, bytes | int]) -> bytes:
    """Serializes an Example of single values, each a string of bytes or an int64."""
    example = tf.train.Example()
    for key, value in features.items():
        feature = example.features.feature[key]
        kind = feature.bytes_list if isinstance(value, bytes) else feature.int64_list
        kind.value.append(value)
    return example.SerializeToString(deterministic=True)


def parse(record: bytes, where: str) -> StoredPicture:
    """Parses one record, and its label map if it has one.

    Args:
        record: A serialized Example.
        where: Names the record in errors.

    Raises:
        DataError: It is not an Example; a feature is missing or has another type; the
            label has another size than height and width say.
    """
    try:
        features = tf.train.Example.FromString(record).features.feature
    except message.DecodeError as error:
        raise DataError(where, f"not a tf.train.Example: {error}") from error
    present = {key: _values(features[key]) for key in features}
    if FILENAME in present and isinstance(present[FILENAME], bytes):
        where = f"{where} ({present[FILENAME].decode(errors='replace')})"
    found = {key: _only(present, key, bytes, where) for key in _BYTES}
    sizes = {key: _only(present, key, int, where) for key in _INTS}
    height, width = sizes[HEIGHT], sizes[WIDTH]
    if height < 1 or width < 1:
        raise DataError(where, f"its size is {height} x {width} pixels.")
    return StoredPicture(
        name=found[FILENAME].decode(errors="replace"),
        encoded=found[ENCODED],
        height=height,
        width=width,
        panoptic=_label(present, height, width, where),
    )


def _label(
    present: Mapping[str, Any], height: int, width: int, where: str
) -> np.ndarray | None:
    if LABEL not in present:
        return None
    raw = _only(present, LABEL, bytes, where)
    if len(raw) != 4 * height * width:
        png = " They are a PNG: semantic-only records are not supported."
        raise DataError(
            where,
            f"the label has {len(raw)} bytes, {height} x {width} pixels need "
            f"{4 * height * width}.{png if raw[:4] == _PNG else ''}",
        )
    return np.frombuffer(raw, "<i4").reshape(height, width).astype(np.int32)


def _values(feature: Any) -> Any:
    """The single value of a feature, or None where there is not exactly one."""
    kind = feature.WhichOneof("kind")
    values = list(getattr(feature, kind).value) if kind else []
    return values[0] if len(values) == 1 else None


def _only(present: Mapping[str, Any], key: str, kind: type, where: str) -> Any:
    if key not in present:
        known = ", ".join(sorted(present)) or "none"
        raise DataError(where, f"no feature {key!r}; there are {known}.")
    if not isinstance(present[key], kind):
        raise DataError(
            where, f"feature {key!r} must be a single value of type {kind.__name__}."
        )
    return present[key]
