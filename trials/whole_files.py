"""Fuzz targets of decompression: whole files of a small model, damaged.

No silent wrong picture: damage is refused, or the latents are the original's. Only
where the fingerprints of the latents are made again too, which no accident does, may
another picture come out.
"""

import contextlib
import dataclasses
import functools
import io
import pathlib
import random
import tempfile
from collections.abc import Callable, Mapping
from unittest import mock

import numpy as np

import egic
from egic import cli
from hific import bitstream, memory, tile_table
from hific.codec import Codec
from hific.coding import Coded
from hific.errors import CodecError
from hific.images import read_image
from trials import damage, material
from trials.cases import Target, Violation, check, generator
from trials.material import File

_PIXELS = 100_000  # Of the largest picture that there is memory for.
_MODEL = memory.Footprint(564_000_000, 226)  # Of the micro codec.
BUDGET = _MODEL.at_start + _MODEL.per_pixel * _PIXELS
MEGABYTES = 75 + _MODEL.per_pixel * _PIXELS / 2**20  # And some heap.


@functools.cache
def prepare() -> None:
    """Traces what the cases call, at the largest size that the budget allows."""
    material.files(tiled=False)
    material.files(tiled=True)
    big = np.zeros((300, 330, 3), np.uint8)
    material.codec().decompress(material.codec().compress(big))


def within_budget():
    """A context in which the machine has BUDGET bytes for this process.

    Whatever else the process has done is not counted.
    """
    return mock.patch.multiple(
        memory, available=lambda: BUDGET, _resident=lambda: _MODEL.at_start
    )


def damaged(seed: int, case: int, tiled: bool = False) -> str:
    """A file with damage of any kind; checksums of bytes are made again in half."""
    rng = generator("tiled_files" if tiled else "files", seed, case)
    file = rng.choice(material.files(tiled))
    data = DAMAGES[rng.choice(list(DAMAGES))](file, rng, tiled)
    codec = material.codec(tiled)
    try:
        with within_budget():
            picture = codec.decompress(data)
    except CodecError as error:
        return type(error).__name__
    return _right(codec, data, picture, tiled)


def _right(codec: Codec, data: bytes, picture: np.ndarray, tiled: bool) -> str:
    """Checks what was not refused against all originals."""
    packet, latents = codec.decode_latents(data)
    check(picture.dtype == np.uint8, f"a picture of {picture.dtype}")
    check(picture.shape == (packet.height, packet.width, 3), "of another size")
    for file in material.files(tiled):
        if _same(latents, file.latents):
            if picture.shape == file.picture.shape:
                check(bool((picture == file.picture).all()), "another picture")
            return "undamaged" if data == file.data else "the original's latents"
    raise Violation(f"other latents than any original's: {data.hex()}")


def _same(mine: list[Coded], its: list[Coded]) -> bool:
    """Whether latents are the same to the last value; fingerprints are not asked."""
    return len(mine) == len(its) and all(
        np.array_equal(a, b)
        for one, other in zip(mine, its, strict=True)
        for a, b in zip(one[:4], other[:4], strict=True)
    )


def _any(file: File, rng: random.Random, tiled: bool) -> bytes:
    return damage.mutate(file.data, rng.choice(material.files(tiled)).data, rng)


def _header(file: File, rng: random.Random, tiled: bool) -> bytes:
    """Other numbers in the header, around the same payload."""
    packet = file.packet
    head = damage.head(
        rng.choice((packet.width, damage.side(rng))),
        rng.choice((packet.height, damage.side(rng))),
        len(packet.payload),
        flags=rng.choice((packet.flags, packet.flags ^ bitstream.TILED)),
        model_id=packet.model_id,
    )
    return damage.sealed(head, packet.payload, packet.latents_crc)


def _payload(file: File, rng: random.Random, tiled: bool) -> bytes:
    """Other bytes in the payload, so that the damage reaches the coder."""
    other = rng.choice(material.files(tiled)).packet.payload
    return seal(file.packet, damage.mutate(file.packet.payload, other, rng))


def _streams(file: File, rng: random.Random, tiled: bool) -> bytes:
    """Tiles damaged, moved or of another file, with their table made again."""
    streams = bitstream.streams_of(file.packet, material.codec(tiled).grid)
    other = rng.choice(material.files(tiled))
    others = bitstream.streams_of(other.packet, material.codec(tiled).grid)
    i, j = rng.randrange(len(streams)), rng.randrange(len(streams))
    match rng.randrange(3):
        case 0:
            streams[i], streams[j] = streams[j], streams[i]
        case 1:
            streams[i] = rng.choice(others)
        case 2:
            data = damage.mutate(streams[i].data + b"\0", others[0].data, rng)
            streams[i] = streams[i]._replace(data=data)
    if len(streams) == 1:
        return seal(file.packet, streams[0].data)
    return seal(file.packet, tile_table.join(streams))


DAMAGES: Mapping[str, Callable[[File, random.Random, bool], bytes]] = {
    "any": _any,
    "header": _header,
    "payload": _payload,
    "streams": _streams,
}


def seal(packet: bitstream.Packet, payload: bytes, crc: int | None = None) -> bytes:
    """The file of a packet with another payload, without asking whether it may be."""
    head = damage.head(
        packet.width, packet.height, len(payload), 1, packet.flags, packet.model_id
    )
    return damage.sealed(head, payload, packet.latents_crc if crc is None else crc)


def forged(seed: int, case: int) -> str:
    """A damaged stream whose every checksum is right, that of the latents too.

    Its picture is another, maybe of another size, but one: G sees latents that no
    encoder makes.
    """
    rng = generator("forged", seed, case)
    file = rng.choice(material.files())
    packet, codec = file.packet, material.codec()
    if rng.random() < 0.3:
        width = int(2 ** rng.uniform(0, 12))
        height = rng.randrange(1, 2 + 2**15 // width)
        packet = dataclasses.replace(packet, width=width, height=height)
    payload = rng.choice(
        (
            damage.mutate(packet.payload, packet.payload, rng),
            rng.randbytes(rng.randrange(2000)),
            rng.randbytes(1) * rng.randrange(2000),
        )
    )
    rows, columns = (-(-side // 64) * 4 for side in (packet.height, packet.width))
    try:
        with within_budget():
            crc = codec.coder.decode(payload, rows, columns).crc()
            picture = codec.decompress(seal(packet, payload, crc))
    except CodecError as error:
        return type(error).__name__
    check(picture.shape == (packet.height, packet.width, 3), f"size {picture.shape}")
    check(picture.dtype == np.uint8, f"a picture of {picture.dtype}")
    return "picture"


def geometry(seed: int, case: int) -> str:
    """Any width and height over a payload of any length, within a budget of memory."""
    rng = generator("geometry", seed, case)
    codec = material.codec(rng.random() < 0.5)
    width, height = damage.side(rng), damage.side(rng)
    payload = rng.randbytes(int(2 ** rng.uniform(0, 14)))
    flags = rng.randrange(2)
    head = damage.head(width, height, len(payload), 1, flags, codec.model_id)
    data = damage.sealed(head, payload, rng.randrange(2**32))
    try:
        with within_budget():
            codec.decompress(data)
    except CodecError as error:
        return type(error).__name__
    return "picture"


def commanded(seed: int, case: int) -> str:
    """A damaged file through `egic decompress`: exit code, outputs and messages."""
    rng = generator("decompress_command", seed, case)
    tiled = rng.random() < 0.3
    file = rng.choice(material.files(tiled))
    data = DAMAGES[rng.choice(list(DAMAGES))](file, rng, tiled)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "in.egic").write_bytes(data)
        with within_budget():
            run = command(["decompress", f"{folder}/in.egic"], tiled)
        left = {path.name for path in folder.rglob("*")} - {"in.egic"}
        if run.code:
            check(not left, f"left behind: {left}")
            return f"code {run.code}"
        check(left == {"in.png"}, f"written: {left}")
        return _right(material.codec(tiled), data, read_image(folder / "in.png"), tiled)


@dataclasses.dataclass(frozen=True)
class Run:
    """What a command answered."""

    code: int
    output: str


def command(arguments: list[str], tiled: bool = False) -> Run:
    """Runs `egic` within this process, with the micro codec for every model.

    Raises:
        Violation: Its exit code is none that is documented, or a failure is not told in
            lines that begin with "egic: ".
    """
    out, err = io.StringIO(), io.StringIO()
    with (
        mock.patch.object(egic, "load", lambda _: material.codec(tiled)),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        code = cli.main([*arguments, "--model=micro"])
    told = err.getvalue().splitlines()
    check(code == 0 or 3 <= code <= 5 or 10 <= code <= 21, f"exit code {code}")
    check(bool(told) == bool(code), f"exit code {code}, but told: {told}")
    check(all(line.startswith("egic: ") for line in told), f"told: {told}")
    return Run(code, out.getvalue())


TARGETS = {
    "files": Target(damaged, prepare),
    "tiled_files": Target(lambda seed, case: damaged(seed, case, tiled=True), prepare),
    "forged": Target(forged, prepare, megabytes=MEGABYTES),
    "geometry": Target(geometry, prepare, megabytes=MEGABYTES),
    "decompress_command": Target(commanded, prepare),
}
