"""Pictures of a TensorFlow dataset with panoptic labels."""

import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from deeplab2_tf import labels, panoptic
from deeplab2_tf.errors import DataError
from deeplab2_tf.examples import LabelledPicture
from deeplab2_tf.labels import LabelSet


class TfdsPanoptic:
    """A source of a TensorFlow dataset with COCO's panoptic features.

    The dataset must be prepared for random access; nothing is downloaded here:

        python -c "import tensorflow_datasets as t; t.data_source('coco/2017_panoptic')"

    Classes are matched by name, since the dataset numbers them as it likes.

    Attributes:
        label_set: The classes.
        problems: None.
    """

    problems: tuple[str, ...] = ()

    def __init__(
        self,
        name: str,
        split: str,
        label_set: LabelSet | None = None,
        crowd_is_void: bool = True,
    ):
        """Opens a prepared dataset.

        Args:
            name: Such as "coco/2017_panoptic".
            split: Such as "train" or "validation".
            label_set: The classes; COCO's without one.
            crowd_is_void: See `panoptic.Encoding`.

        Raises:
            ValueError: tensorflow-datasets is not installed, the dataset is not
                prepared, or its classes have other names.
        """
        self.label_set = label_set or labels.load("coco_panoptic")
        self._name = f"tfds:{name}/{split}"
        self._records = _open(name, split)
        names = self._records.dataset_info.features["panoptic_objects"]["label"].names
        ours = {one.name: one.id for one in self.label_set.classes}
        unknown = sorted(set(names) - set(ours))
        if unknown:
            raise ValueError(
                f"{self._name} has classes that {self.label_set.name} has not: "
                f"{', '.join(unknown[:5])}."
            )
        categories = {number: ours[one] for number, one in enumerate(names)}
        self._encoding = panoptic.Encoding(self.label_set, categories, crowd_is_void)

    def __len__(self) -> int:
        return len(self._records)

    def name(self, index: int) -> str:
        return f"{self._name}#{index}"

    def read(self, index: int) -> LabelledPicture:
        """Reads one picture.

        Raises:
            DataError: It is damaged, or its annotation is wrong; see
                `panoptic.encode`.
        """
        name = self.name(index)
        try:
            record = self._records[index]
        except (OSError, ValueError) as error:
            raise DataError(name, f"cannot be read: {error}") from error
        name = f"{name} ({_text(record['image/filename'])})"
        image = np.asarray(record["image"], np.uint8)
        ids = panoptic.segment_ids(np.asarray(record["panoptic_image"]))
        if ids.shape != image.shape[:2]:
            raise DataError(
                name, f"the picture is {image.shape[:2]}, its annotation {ids.shape}."
            )
        segments = _segments(record["panoptic_objects"])
        encoded = panoptic.encode(name, ids, segments, self._encoding)
        stem = pathlib.PurePath(_text(record["image/filename"])).stem
        return LabelledPicture(stem, image, encoded)


def _open(name: str, split: str) -> Any:
    try:
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise ValueError(
            f"tfds:{name}/{split} needs the package tensorflow-datasets: "
            "pip install '.[data]'."
        ) from error
    try:
        return tfds.data_source(
            name,
            split=split,
            download=False,
            builder_kwargs={"file_format": "array_record"},
        )
    except (NotImplementedError, AssertionError, OSError, ValueError) as error:
        raise ValueError(
            f"tfds:{name}/{split} is not prepared for random access: {error} Prepare "
            f'it with tensorflow_datasets.data_source("{name}").'
        ) from error


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _segments(objects: Mapping[str, Any]) -> list[dict[str, Any]]:
    columns = ("id", "label", "area", "is_crowd")
    rows = zip(*(np.asarray(objects[one]).tolist() for one in columns), strict=True)
    return [
        {"id": number, "category_id": label, "area": area, "iscrowd": crowd}
        for number, label, area, crowd in rows
    ]
