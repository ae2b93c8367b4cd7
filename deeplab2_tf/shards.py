"""TFRecord shards: their names, which records they hold, and their bytes.

A shard is a sequence of

    uint64 length | uint32 crc(length) | bytes record | uint32 crc(record)

little-endian and uncompressed; crc is CRC-32C, rotated and shifted as TensorFlow does.
A shard without records is an empty file.

Source: tensorflow/core/lib/io/record_writer.h for the frame; DeepLab2's builders for
names and sizes.
"""

import contextlib
import hashlib
import os
import pathlib
import struct
from collections.abc import Iterable, Iterator
from typing import IO, NamedTuple

import google_crc32c

HEADER = struct.Struct("<QI")
FOOTER = struct.Struct("<I")


class Shard(NamedTuple):
    """What a written shard holds.

    Attributes:
        records: Their number.
        size: Of the file, bytes.
        sha256: Of the file, hexadecimal.
    """

    records: int
    size: int
    sha256: str


def masked_crc(data: bytes) -> int:
    """The CRC of a frame's length or record."""
    crc = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def frame(record: bytes) -> bytes:
    """A record as it stands in a shard."""
    length = struct.pack("<Q", len(record))
    return b"".join(
        (HEADER.pack(len(record), masked_crc(length)), record, _footer(record))
    )


def _footer(record: bytes) -> bytes:
    return FOOTER.pack(masked_crc(record))


def shard_name(split: str, index: int, shards: int) -> str:
    """File name of one shard, such as train-00042-of-01000.tfrecord."""
    return f"{split}-{index:05d}-of-{shards:05d}.tfrecord"


def shard_ranges(count: int, shards: int) -> list[range]:
    """Which of `count` records each shard holds.

    Every shard takes ceil(count / shards) while there are any; of COCO's 118287
    training pictures, shard 993 of 1000 is the last full one, 994 holds one, and the
    last five are empty.
    """
    if shards < 1:
        raise ValueError(f"There must be at least 1 shard, got {shards}.")
    each = -(-count // shards)
    return [
        range(min(index * each, count), min((index + 1) * each, count))
        for index in range(shards)
    ]


def write_shard(path: pathlib.Path, records: Iterable[bytes]) -> Shard:
    """Writes a shard atomically: a run killed at any moment leaves none or a whole one.

    Args:
        path: Where it ends up; an existing file is replaced.
        records: Serialized Examples, see `deeplab2_tf.examples`.
    """
    digest, count, size = hashlib.sha256(), 0, 0
    with replacing(path) as file:
        for record in records:
            data = frame(record)
            file.write(data)
            digest.update(data)
            count, size = count + 1, size + len(data)
    return Shard(count, size, digest.hexdigest())


@contextlib.contextmanager
def replacing(path: pathlib.Path) -> Iterator[IO[bytes]]:
    """Opens a file under a temporary name; renames it when the block is left well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Hidden, so that no pattern of a reader takes it for a shard.
    partial = path.with_name(f".{path.name}.tmp-{os.getpid()}")
    try:
        with partial.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def remove_partial_files(folder: pathlib.Path) -> None:
    """Deletes what killed processes left behind; nobody else may be writing."""
    for path in folder.glob(".*.tmp-*"):
        path.unlink()


def is_intact(path: pathlib.Path, shard: Shard) -> bool:
    """Whether a file is the shard that was written."""
    if not path.is_file() or path.stat().st_size != shard.size:
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == shard.sha256
