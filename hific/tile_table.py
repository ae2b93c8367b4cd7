"""The payload of a tiled file: a table of lengths, then a stream for each tile.

The layout is in docs/bitstream.md. Each tile has checksums of its own, so that damage
stays where it is: `split` refuses all, `intact` tells which tiles are whole.
"""

import struct
import zlib
from collections.abc import Sequence
from typing import NamedTuple

from hific import varints
from hific.errors import CorruptError

_LENGTH_BYTES = 4  # Of a varint; a tile of 2^20 pixels has at most 2^23 bytes.
_U32 = struct.Struct("<I")
_CHECKS = struct.Struct("<II")  # Latents CRC32, CRC32 of the tile's bytes.


class Stream(NamedTuple):
    """The bits of one tile, or of a whole picture that is not cut.

    Attributes:
        data: One range-coder stream; opaque here.
        latents_crc: CRC32 of its scale indexes and symbols.
    """

    data: bytes
    latents_crc: int


def join(streams: Sequence[Stream]) -> bytes:
    """Returns the payload of tiles, given row by row."""
    table = b"".join(varints.write(len(stream.data)) for stream in streams)
    table += _U32.pack(zlib.crc32(table))
    return table + b"".join(
        stream.data + _CHECKS.pack(stream.latents_crc, _tile_crc(table, i, stream))
        for i, stream in enumerate(streams)
    )


def latents_crc(streams: Sequence[Stream]) -> int:
    """The fingerprint of all latents: CRC32 of those of the tiles."""
    return zlib.crc32(b"".join(_U32.pack(stream.latents_crc) for stream in streams))


def split(payload: bytes, count: int) -> list[Stream]:
    """Returns the tiles of a payload whose every byte has been checked.

    Args:
        payload: What `join` returns.
        count: Of tiles, which follows from the picture's size.

    Raises:
        CorruptError: A checksum fails, or no encoder writes this.
    """
    found = intact(payload, count)
    for i, stream in enumerate(found):
        if stream is None:
            raise CorruptError(
                f"The checksum of tile {i + 1} of {count} fails: the file was damaged "
                "or made by hand."
            )
    return [stream for stream in found if stream is not None]


def intact(payload: bytes, count: int) -> list[Stream | None]:
    """Returns the tiles of a payload, None for those that are damaged.

    Raises:
        CorruptError: The table is damaged, so that no tile can be found.
    """
    lengths, end = [], 0
    for i in range(count):
        try:
            length, end = varints.read(
                payload, end, _LENGTH_BYTES, f"tile {i + 1} length"
            )
        except EOFError:
            raise _too_short(payload, count) from None
        lengths.append(length)
    table = payload[: end + _U32.size]
    if len(table) < end + _U32.size:
        raise _too_short(payload, count)
    if zlib.crc32(table[:end]) != _U32.unpack_from(table, end)[0]:
        raise CorruptError(
            "The checksum of the tile table fails: the file was damaged or made by "
            "hand."
        )
    size = len(table) + sum(lengths) + count * _CHECKS.size
    if size != len(payload):
        raise CorruptError(
            f"The {count} tiles take {size:,} bytes, the payload has "
            f"{len(payload):,}; no encoder writes that."
        )
    found: list[Stream | None] = []
    start = len(table)
    for i, length in enumerate(lengths):
        crc, stored = _CHECKS.unpack_from(payload, start + length)
        stream = Stream(payload[start : start + length], crc)
        found.append(stream if _tile_crc(table, i, stream) == stored else None)
        start += length + _CHECKS.size
    return found


def _tile_crc(table: bytes, number: int, stream: Stream) -> int:
    """Of one tile in its place: moved, or in another file, it is another."""
    crc = zlib.crc32(table[-_U32.size :] + _U32.pack(number))
    return zlib.crc32(_U32.pack(stream.latents_crc), zlib.crc32(stream.data, crc))


def _too_short(payload: bytes, count: int) -> CorruptError:
    return CorruptError(
        f"A payload of {len(payload):,} bytes cannot hold a table of {count} tiles; no "
        "encoder writes that."
    )
