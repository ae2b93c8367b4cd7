"""Labelled pictures that are not in our records: folders of pairs, and TFDS."""

import pathlib
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from deeplab2_tf import image_files, labels, panoptic
from deeplab2_tf.errors import DataError
from deeplab2_tf.examples import LabelledPicture
from deeplab2_tf.labels import LabelSet

PICTURES = (".jpg", ".jpeg", ".png")


class Source(Protocol):
    """Labelled pictures by index; may be read from any number of threads.

    Attributes:
        label_set: The classes.
        problems: What was found wrong when the source was opened, one line each.
    """

    label_set: LabelSet
    problems: tuple[str, ...]

    def __len__(self) -> int: ...

    def name(self, index: int) -> str:
        """Names a picture without reading it."""
        ...

    def read(self, index: int) -> LabelledPicture:
        """Raises `DataError` for a picture that cannot be used."""
        ...


class InMemory:
    """A source that keeps every picture it has read: for few pictures, seen often.

    A scene of 256 x 256 takes 0.5 MB, and painting it again 25 ms.

    Attributes:
        label_set, problems: As of the source inside.
    """

    def __init__(self, source: Source):
        self.label_set = source.label_set
        self.problems = source.problems
        self._source = source
        self._pictures: dict[int, LabelledPicture] = {}

    def __len__(self) -> int:
        return len(self._source)

    def name(self, index: int) -> str:
        """Names a picture without reading it."""
        return self._source.name(index)

    def read(self, index: int) -> LabelledPicture:
        """Reads one picture, once; raises `DataError` as the source inside does."""
        if index not in self._pictures:
            self._pictures[index] = self._source.read(index)
        return self._pictures[index]


class Pairs:
    """A source of pictures in one folder and maps of class ids in another.

    A picture and its map have the same name but for the suffix; the map is an 8-bit
    PNG of the same size. Such maps know no instances: panoptic ids are semantic id *
    label_divisor, so that every thing looks like a crowd. Weights by instance size
    then find none, and those of a label set without things (CamVid) are not affected.

    Attributes:
        label_set: The classes.
        problems: One line for each file without a counterpart.
    """

    def __init__(
        self,
        images: str | pathlib.Path,
        label_maps: str | pathlib.Path,
        label_set: LabelSet,
        original_ids: bool = False,
    ):
        """Finds the pairs.

        Args:
            images: Folder of JPEG and PNG pictures; not searched below.
            label_maps: Folder of PNG label maps.
            label_set: What the ids in the maps mean. Its `original_void` means void.
            original_ids: The maps hold the classes' `original_id`, as COCO's do,
                rather than semantic ids.

        Raises:
            ValueError: A folder is missing, two pictures have the same stem, or there
                is no pair.
        """
        self.label_set = label_set
        self._table = _table(label_set, original_ids)
        pictures = _by_stem(pathlib.Path(images), PICTURES)
        maps = _by_stem(pathlib.Path(label_maps), (".png",))
        self.problems = tuple(
            [f"{pictures[one]}: no label map" for one in sorted({*pictures} - {*maps})]
            + [f"{maps[one]}: no picture" for one in sorted({*maps} - {*pictures})]
        )
        self._pairs = [
            (pictures[stem], maps[stem]) for stem in sorted({*pictures} & {*maps})
        ]
        if not self._pairs:
            raise ValueError(
                f"No pair among {len(pictures)} pictures in {images} and {len(maps)} "
                f"label maps in {label_maps}. Names must agree up to the suffix."
            )

    def __len__(self) -> int:
        return len(self._pairs)

    def name(self, index: int) -> str:
        return str(self._pairs[index][0])

    def read(self, index: int) -> LabelledPicture:
        """Reads one pair.

        Raises:
            DataError: One is damaged, their sizes differ, or the map has an id that is
                neither a class nor void.
        """
        path, map_path = self._pairs[index]
        image = image_files.decode_picture(path)
        ids = image_files.read_label_map(map_path)
        if ids.shape != image.shape[:2]:
            raise DataError(
                str(path),
                f"the picture is {image.shape[0]} x {image.shape[1]}, its label map "
                f"{map_path} {ids.shape[0]} x {ids.shape[1]} (height x width).",
            )
        semantic = self._table[ids]
        if semantic.min() < 0:
            wrong = ", ".join(map(str, np.unique(ids[semantic < 0])[:5]))
            raise DataError(
                str(map_path),
                f"ids {wrong} are neither classes of {self.label_set.name} nor void. "
                "Are they of another label set, or original ids?",
            )
        ids = semantic * self.label_set.label_divisor
        return LabelledPicture(path.stem, image, ids)


def _table(label_set: LabelSet, original_ids: bool) -> np.ndarray:
    """Id in a label map -> semantic id, [256] int32; -1 marks ids that are wrong."""
    table = np.full(256, -1, np.int32)
    for void in (label_set.ignore_label, *label_set.original_void):
        if 0 <= void < 256:
            table[void] = label_set.ignore_label
    known = {one.id: one.id for one in label_set.classes}
    if original_ids:
        known = panoptic.original_ids(label_set)
    for stored, semantic in known.items():
        if stored < 256:
            table[stored] = semantic
    return table


def _by_stem(folder: pathlib.Path, suffixes: tuple[str, ...]) -> dict:
    if not folder.is_dir():
        raise ValueError(f"{folder} is not a folder.")
    found: dict[str, pathlib.Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in suffixes:
            continue
        if path.stem in found:
            raise ValueError(
                f"{found[path.stem]} and {path} have the same name; which of them "
                "belongs to the label map?"
            )
        found[path.stem] = path
    return found


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
