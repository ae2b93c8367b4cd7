"""Random access to labelled pictures in TFRecord files, ours or DeepLab2's."""

import glob
import os
import pathlib
import struct
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from deeplab2_tf import examples, panoptic, shards
from deeplab2_tf.building import manifest
from deeplab2_tf.errors import DataError
from deeplab2_tf.labels import LabelSet

MAX_LOST = 0.001
_NAMED = 10  # Damaged files in an error.


class _File(NamedTuple):
    """The readable part of one file.

    Attributes:
        offsets, lengths: [N] int64, bytes, of the records without their frames.
        size: Bytes of the file, or those it had when it was built, if more.
        lost: Bytes of these, the last ones, that cannot be read.
        problem: What cut the file short; empty for nothing.
    """

    offsets: np.ndarray
    lengths: np.ndarray
    size: int
    lost: int
    problem: str


class RecordFiles:
    """A source of labelled pictures: TFRecord files, in the order of their names.

    The lengths of all records are read once, a few bytes each; a picture is then one
    read of the disk. Nothing is kept open, so that thousands of files and any number
    of threads may be used. Empty files are legal.

    A file that was cut off or has a damaged length keeps the records before it; what
    follows cannot be found any more. `problems` names such files, and more than a share
    of lost bytes is an error. A damaged record is found when it is read, and spoils no
    other.

    Wrong ids may look right in another label set. Where the builders' manifest.json
    lies beside the files, the label set must be the one in it.

    Attributes:
        label_set: The classes.
        paths: The files.
        problems: One line for each file that is not whole.
    """

    def __init__(
        self,
        patterns: str | os.PathLike | Sequence[str],
        label_set: LabelSet,
        max_lost: float = MAX_LOST,
    ):
        """Finds the files and their records.

        Args:
            patterns: Globs or paths; `**` reaches into folders.
            label_set: What the ids in the records mean.
            max_lost: Share of the bytes of all files, in [0, 1], that may be lost to
                files that were cut off or damaged.

        Raises:
            ValueError: A pattern matches no file, there is not one record, more than
                `max_lost` is lost, or a manifest names another label set.
        """
        if not 0 <= max_lost <= 1:
            raise ValueError(f"max_lost must be a share in [0, 1], got {max_lost}.")
        self.label_set = label_set
        if isinstance(patterns, str | os.PathLike):
            patterns = [str(patterns)]
        self.paths = _find(patterns)
        built: dict[pathlib.Path, int] = {}
        for folder in sorted({path.parent for path in self.paths}):
            manifest.check_label_set(folder, label_set)
            sizes = manifest.sizes(folder)
            built |= {folder / name: size for name, size in sizes.items()}
        files = [_scan(path, built.get(path, 0)) for path in self.paths]
        self.problems = tuple(one.problem for one in files if one.problem)
        counts = [len(one.offsets) for one in files]
        self._starts = np.cumsum([0, *counts])
        self._offsets = np.concatenate([one.offsets for one in files])
        self._lengths = np.concatenate([one.lengths for one in files])
        if not len(self):
            empty = sum(path.stat().st_size == 0 for path in self.paths)
            raise ValueError(
                f"No record in {len(self.paths)} files, {empty} of them empty, such as "
                f"{self.paths[0]}. {' '.join(self.problems[:_NAMED])}"
            )
        _check_lost(files, max_lost)

    def __len__(self) -> int:
        return len(self._offsets)

    def name(self, index: int) -> str:
        """File and record, such as "train-00000-of-01000.tfrecord: record 3"."""
        file, record = self._locate(index)
        return f"{self.paths[file]}: record {record}"

    def read(self, index: int) -> examples.LabelledPicture:
        """Reads one picture; may be called from any thread.

        Raises:
            DataError: It is damaged, lacks a feature, or its label does not fit its
                picture or the label set. Names file, record and picture.
        """
        where = self.name(index)
        stored = examples.parse(self._record(index, where), where)
        where = f"{where} ({stored.name})"
        if stored.panoptic is None:
            raise DataError(where, "no label. Is it of a test split?")
        image = _decode(stored.encoded, where)
        if image.shape[:2] != (stored.height, stored.width):
            raise DataError(
                where,
                f"the picture is {image.shape[0]} x {image.shape[1]}, the record says "
                f"{stored.height} x {stored.width} (height x width). Is it turned by "
                "an EXIF tag?",
            )
        semantic = stored.panoptic // self.label_set.label_divisor
        panoptic.pixels_by_id(where, semantic, self.label_set)
        return examples.LabelledPicture(stored.name, image, stored.panoptic)

    def _locate(self, index: int) -> tuple[int, int]:
        if not 0 <= index < len(self):
            raise IndexError(f"No record {index}; there are {len(self)}.")
        file = int(np.searchsorted(self._starts, index, side="right")) - 1
        return file, index - int(self._starts[file])

    def _record(self, index: int, where: str) -> bytes:
        length = int(self._lengths[index])
        path = self.paths[self._locate(index)[0]]
        try:
            descriptor = os.open(path, os.O_RDONLY)
            try:
                data = os.pread(
                    descriptor,
                    length + shards.FOOTER.size,
                    int(self._offsets[index]),
                )
            finally:
                os.close(descriptor)
        except OSError as error:
            raise DataError(where, f"cannot be read: {error}") from error
        record = data[:length]
        if data[length:] != shards.FOOTER.pack(shards.masked_crc(record)):
            raise DataError(
                where,
                f"checksum of its {length} bytes does not match: damaged on the disk "
                "or in transfer, or the file changed since it was opened.",
            )
        return record


def _find(patterns: Sequence[str]) -> tuple[pathlib.Path, ...]:
    found: set[pathlib.Path] = set()
    for pattern in patterns:
        paths = map(pathlib.Path, glob.glob(str(pattern), recursive=True))
        matches = {path for path in paths if path.is_file()}
        if not matches:
            raise ValueError(f"No TFRecord files at {str(pattern)!r}.")
        found |= matches
    if not found:
        raise ValueError("No TFRecord files named.")
    return tuple(sorted(found))


def _scan(path: pathlib.Path, built: int) -> _File:
    """Walks over the frames of a file, reading only their headers.

    Args:
        path: The file.
        built: Its bytes by the manifest, 0 where that is not known. Without, a file
            that ends between two records looks whole.
    """
    offsets: list[int] = []
    lengths: list[int] = []
    problem, lost = "", 0
    size, position = path.stat().st_size, 0
    header = shards.HEADER.size
    with path.open("rb", buffering=0) as file:
        while position < size:
            file.seek(position)
            data = file.read(header)
            problem = _damage(data, size - position)
            if problem:
                lost = size - position
                problem = (
                    f"{path}: {problem} at byte {position}; the {len(offsets)} records "
                    f"before it are used, {lost} of {size} bytes are not."
                )
                break
            length = shards.HEADER.unpack(data)[0]
            offsets.append(position + header)
            lengths.append(length)
            position += header + length + shards.FOOTER.size
    if built > size:
        lost += built - size
        problem = problem or (
            f"{path}: {size} of the {built} bytes that it had when it was built; the "
            f"{len(offsets)} records in it are used."
        )
    return _File(
        np.array(offsets, np.int64),
        np.array(lengths, np.int64),
        max(size, built),
        lost,
        problem,
    )


def _check_lost(files: Sequence[_File], max_lost: float) -> None:
    lost, size = (sum(getattr(one, key) for one in files) for key in ("lost", "size"))
    if lost <= max_lost * size:
        return
    damaged = [one.problem for one in files if one.problem]
    more = len(damaged) - _NAMED
    raise ValueError(
        f"{lost} of {size} bytes ({lost / size:.2%}) in {len(damaged)} of {len(files)} "
        f"files cannot be read, more than max_lost (={max_lost:g}) of them:\n"
        + "\n".join(damaged[:_NAMED])
        + (f"\nand {more} more" if more > 0 else "")
        + "\nCopy or build these files again, or leave them out of the pattern."
    )


def _damage(header: bytes, left: int) -> str:
    if len(header) < shards.HEADER.size:
        return "cut off in the header of a record"
    length, crc = shards.HEADER.unpack(header)
    if crc != shards.masked_crc(struct.pack("<Q", length)):
        return "no TFRecord header (or a compressed file)"
    if shards.HEADER.size + length + shards.FOOTER.size > left:
        return "cut off in a record"
    return ""


def _decode(encoded: bytes, where: str) -> np.ndarray:
    """As DeepLab2 does, to the same pixels: [H, W, 3] uint8."""
    try:
        return tf.io.decode_image(encoded, channels=3, expand_animations=False).numpy()
    except tf.errors.OpError as error:
        raise DataError(where, f"the picture does not decode: {error}") from error
