"""Ways to damage bytes, and to write containers that lie with right checksums."""

import binascii
import random
import struct
import zlib
from collections.abc import Callable, Mapping

from hific import varints
from hific.magic import MAGIC


def mutate(data: bytes, other: bytes, rng: random.Random) -> bytes:
    """Returns `data` damaged in one of the ways of `WAYS`; rarely not damaged at all.

    Args:
        data: At least one byte.
        other: What a splice goes on with.
        rng: Chooses.
    """
    out = bytearray(data)
    WAYS[rng.randrange(len(WAYS))](out, rng.randrange(len(out)), other, rng)
    return bytes(out)


def _flip(out, at, other, rng):
    out[at] ^= 1 << rng.randrange(8)


def _replace_byte(out, at, other, rng):
    out[at] = rng.randrange(256)


def _replace_bytes(out, at, other, rng):
    for _ in range(8):
        out[rng.randrange(len(out))] = rng.randrange(256)


def _cut(out, at, other, rng):
    del out[at:]


def _append(out, at, other, rng):
    out += rng.randbytes(rng.randrange(1, 9))


def _delete(out, at, other, rng):
    del out[at : at + rng.randrange(1, 4)]


def _insert(out, at, other, rng):
    out[at:at] = rng.randbytes(rng.randrange(1, 4))


def _blank(out, at, other, rng):
    out[at : at + 8] = bytes(len(out[at : at + 8]))


def _splice(out, at, other, rng):
    out[at:] = other[rng.randrange(len(other)) :]


def _new_start(out, at, other, rng):
    out[: 1 + at % 24] = rng.randbytes(1 + at % 24)


def _repeat(out, at, other, rng):
    piece = out[at : at + rng.randrange(1, 64)]
    out[at:at] = piece * rng.randrange(1, 4)


def _exchange(out, at, other, rng):
    size = rng.randrange(1, 17)
    to = rng.randrange(len(out))
    out[at : at + size], out[to : to + size] = out[to : to + size], out[at : at + size]


WAYS = (
    _flip,
    _replace_byte,
    _replace_bytes,
    _cut,
    _append,
    _delete,
    _insert,
    _blank,
    _splice,
    _new_start,
    _repeat,
    _exchange,
)


def head(
    width: bytes | int,
    height: bytes | int,
    length: bytes | int,
    version: int = 1,
    flags: int = 0,
    model_id: bytes = b"abcd",
    quality: int = 0,
) -> bytes:
    """Returns a header without its checksum; numbers may be any bytes."""
    start = MAGIC + bytes([version, flags]) + model_id + bytes([quality])
    numbers = (width, height, length)
    return start + b"".join(
        number if isinstance(number, bytes) else varints.write(number)
        for number in numbers
    )


def sealed(head: bytes, payload: bytes = b"", latents_crc: int = 0) -> bytes:
    """Returns a file around header bytes that may lie, with both checksums right."""
    covered = head + struct.pack("<H", binascii.crc_hqx(head, 0xFFFF)) + payload
    covered += struct.pack("<I", latents_crc)
    return covered + struct.pack("<I", zlib.crc32(covered))


def side(rng: random.Random) -> int:
    """A side of a picture, 0 to 2^21 - 1; small ones and powers of two are frequent."""
    return SIDES[rng.choice(list(SIDES))](rng)


SIDES: Mapping[str, Callable[[random.Random], int]] = {
    "small": lambda rng: rng.randrange(1, 200),
    "any": lambda rng: int(2 ** rng.uniform(0, 21)) - 1,
    "edge": lambda rng: max(0, 2 ** rng.randrange(17) + rng.randrange(-1, 2)),
    "large": lambda rng: 65_535 - rng.randrange(3),
}
