"""Pictures that are not in our records: folders with and without label maps."""

import pathlib
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from deeplab2_tf import image_files, panoptic
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


class Unlabelled:
    """A source of pictures in folders that nobody has labelled: void everywhere.

    Beside labelled pictures, for a codec's decoder to see more than those. Losses of
    classes do not look at void, so such pictures train distortion and perception, and
    show a discriminator reconstructions ("fake" needs no class) but no originals.

    Attributes:
        label_set: The classes.
        problems: None.
    """

    problems: tuple[str, ...] = ()

    def __init__(self, folders: Sequence[str | pathlib.Path], label_set: LabelSet):
        """Finds the JPEG and PNG pictures; folders are not searched below.

        Raises:
            ValueError: A folder is missing or has no picture, or two pictures in it
                have the same stem.
        """
        self.label_set = label_set
        self._paths: list[pathlib.Path] = []
        for folder in folders:
            found = _by_stem(pathlib.Path(folder), PICTURES)
            if not found:
                raise ValueError(f"There is no {' or '.join(PICTURES)} in {folder}.")
            self._paths += found.values()

    def __len__(self) -> int:
        return len(self._paths)

    def name(self, index: int) -> str:
        return str(self._paths[index])

    def read(self, index: int) -> LabelledPicture:
        """Reads one picture; raises DataError where it is damaged."""
        path = self._paths[index]
        image = image_files.decode_picture(path)
        void = self.label_set.ignore_label * self.label_set.label_divisor
        return LabelledPicture(
            path.stem, image, np.full(image.shape[:2], void, np.int32)
        )


class Joined:
    """Several sources as one, each picture of each once.

    Attributes:
        label_set: That of all.
        problems: Of all.
    """

    def __init__(self, parts: Sequence[Source]):
        """Joins them in this order.

        Raises:
            ValueError: Their label sets differ.
        """
        sets = {part.label_set.name: part.label_set for part in parts}
        if len(sets) != 1:
            raise ValueError(f"Sources of label sets {', '.join(sets)} cannot be one.")
        (self.label_set,) = sets.values()
        self.problems = tuple(problem for part in parts for problem in part.problems)
        self._parts = tuple(parts)
        self._starts = np.cumsum([0, *map(len, parts)])

    def __len__(self) -> int:
        return int(self._starts[-1])

    def name(self, index: int) -> str:
        part, local = self._find(index)
        return part.name(local)

    def read(self, index: int) -> LabelledPicture:
        """Reads one picture; raises DataError as its source does."""
        part, local = self._find(index)
        return part.read(local)

    def _find(self, index: int) -> tuple[Source, int]:
        """Returns whose picture it is, and its index there."""
        if not 0 <= index < len(self):
            raise IndexError(f"There is no picture {index} of {len(self)}.")
        number = int(np.searchsorted(self._starts, index, side="right")) - 1
        return self._parts[number], index - int(self._starts[number])


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
