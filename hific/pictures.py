"""Collections of training pictures: files, or a TensorFlow data set."""

import glob
import pathlib
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from hific.errors import InvalidImageError
from hific.images import SUFFIXES, read_image


class Pictures(Protocol):
    """A numbered collection of pictures, the same in every run."""

    def __len__(self) -> int: ...

    def name(self, index: int) -> str:
        """Returns what messages call picture `index`."""
        ...

    def read(self, index: int) -> np.ndarray:
        """Returns [H, W, 3] uint8, or raises a CodecError if it is damaged."""
        ...


class Files:
    """Pictures in files, in the order of their sorted paths."""

    def __init__(self, paths: Sequence[pathlib.Path]):
        self._paths = sorted(set(paths))

    def __len__(self) -> int:
        return len(self._paths)

    def name(self, index: int) -> str:
        return str(self._paths[index])

    def read(self, index: int) -> np.ndarray:
        return read_image(
            self._paths[index],
            flatten_alpha="white",
            allow_16bit=True,
            allow_cmyk=True,
        )


class TfdsPictures:
    """A split of a TensorFlow data set, by random access.

    Args:
        name: As in tfds, with its config if it has one: "coco/2014".
        split: "train", or a slice such as "train[:1%]".
    """

    def __init__(self, name: str, split: str):
        try:
            import tensorflow_datasets as tfds
        except ImportError as error:
            raise ValueError(
                f"tfds:{name}/{split} needs the package tensorflow-datasets: "
                "pip install '.[data]'."
            ) from error
        self._name = f"tfds:{name}/{split}"
        self._source = tfds.data_source(name, split=split)

    def __len__(self) -> int:
        return len(self._source)

    def name(self, index: int) -> str:
        return f"{self._name}#{index}"

    def read(self, index: int) -> np.ndarray:
        try:
            image = self._source[index]["image"]
        except (OSError, ValueError) as error:
            raise InvalidImageError(f"{self.name(index)}: {error}") from error
        return np.broadcast_to(image, (*image.shape[:2], 3)).astype(np.uint8)


def find_pictures(source: str) -> Pictures:
    """Resolves what `--images` says.

    Args:
        source: `tfds:NAME/SPLIT`, or folders (searched with all below them), globs
            (`**` reaches into folders) and files, separated by commas.

    Raises:
        ValueError: A part of the list matches nothing.
    """
    if source.startswith("tfds:"):
        name, _, split = source.removeprefix("tfds:").rpartition("/")
        if not name:
            raise ValueError(f"{source!r} should read tfds:NAME/SPLIT.")
        return TfdsPictures(name, split)
    paths: list[pathlib.Path] = []
    for part in filter(None, (part.strip() for part in source.split(","))):
        if pathlib.Path(part).is_dir():
            found = [path for path in pathlib.Path(part).rglob("*") if path.is_file()]
        else:
            found = [pathlib.Path(path) for path in glob.glob(part, recursive=True)]
        found = [path for path in found if path.suffix.lower() in SUFFIXES]
        if not found:
            raise ValueError(
                f"No pictures at {part!r}; wanted are a folder, a glob or a file, "
                f"ending in {', '.join(SUFFIXES)}."
            )
        paths += found
    if not paths:
        raise ValueError("No training pictures named.")
    return Files(paths)
