"""The `.egic` container: what surrounds range-coder streams in a file.

The layout, byte by byte, is in docs/bitstream.md. Reading trusts nothing: the header
has its own checksum and limits that hold before anything is allocated, there is exactly
one way to write every value, and no byte is left uncovered by a checksum. Checksums
are against accident, not forgery; against hostile files stand the limits, and a payload
that decodes in bounded time whatever it holds.

Needs only the standard library, so that a file can be inspected where no TensorFlow is.
"""

import binascii
import dataclasses
import struct
import zlib
from collections.abc import Sequence

from hific import tile_table, varints
from hific.errors import CorruptError, TruncatedError, UnsupportedVersionError
from hific.limits import LIMITS, Limits
from hific.magic import MAGIC, check_magic
from hific.memory import SMALLEST, STRIDE, Footprint
from hific.tile_table import Stream
from hific.tiles import GRID, Grid

VERSION = 1
TILED = 0x01  # Flag: the payload is a table of tiles and their streams.

_FIXED = struct.Struct("<4sBB4sB")  # Magic, version, flags, model id, quality.
_TRAILER = struct.Struct("<II")  # Latents CRC32, file CRC32.
_HEADER_CRC = struct.Struct("<H")
_NUMBERS = {"width": 3, "height": 3, "payload length": 5}  # Bytes at most.
_NO_FLAGS = 0
_FLAGS = (_NO_FLAGS, TILED)
_NO_QUALITY = 0


@dataclasses.dataclass(frozen=True)
class Packet:
    """One compressed picture.

    Attributes:
        model_id: The first 4 bytes of the SHA-256 of the model bundle.
        width: Pixels, 1 to 65,535, before padding.
        height: The same.
        payload: One range-coder stream, opaque here; of a tiled picture what
            `hific.tile_table.join` makes of several.
        latents_crc: CRC32 of scale indexes and symbols, as docs/bitstream.md defines
            it: with it a decoder proves that it reproduces the encoder's latents. Of a
            tiled picture that of the tiles' CRCs.
        flags: 0, or TILED.
    """

    model_id: bytes
    width: int
    height: int
    payload: bytes
    latents_crc: int
    flags: int = _NO_FLAGS

    def __post_init__(self):
        if len(self.model_id) != 4:
            raise ValueError(
                f"model_id must be 4 bytes, got {len(self.model_id)}: "
                f"{self.model_id.hex()}."
            )
        if self.width < 1 or self.height < 1:
            raise ValueError(
                f"width and height must be positive, got {self.width} x {self.height}."
            )
        if not 0 <= self.latents_crc < 2**32:
            raise ValueError(
                f"latents_crc must be an unsigned 32-bit number, got "
                f"{self.latents_crc}."
            )
        if self.flags not in _FLAGS:
            raise ValueError(
                f"Version {VERSION} has no flags but {TILED:#04x}, got "
                f"{self.flags:#04x}."
            )


@dataclasses.dataclass(frozen=True)
class _Header:
    flags: int
    model_id: bytes
    width: int
    height: int
    payload_bytes: int
    header_bytes: int  # Including the header's checksum.

    @property
    def file_bytes(self) -> int:
        return self.header_bytes + self.payload_bytes + _TRAILER.size


def packet_of(
    model_id: bytes, width: int, height: int, streams: Sequence[Stream], grid=GRID
) -> Packet:
    """Returns the packet of a picture in the form that belongs to its size.

    Args:
        model_id, width, height: See `Packet`.
        streams: One for each tile of the grid, row by row; one if it is not cut.
        grid: See `unpack`.
    """
    if grid.cuts(height, width):
        payload, crc = tile_table.join(streams), tile_table.latents_crc(streams)
        return Packet(model_id, width, height, payload, crc, TILED)
    return Packet(model_id, width, height, *streams[0])


def streams_of(packet: Packet, grid: Grid = GRID) -> list[Stream]:
    """Returns the stream of each tile, row by row; one if the packet is not tiled.

    Raises:
        CorruptError: The packet is tiled, and its payload is not what `pack` takes.
    """
    if packet.flags != TILED:
        return [Stream(packet.payload, packet.latents_crc)]
    count = grid.count(packet.height, packet.width)
    streams = tile_table.split(packet.payload, count)
    if tile_table.latents_crc(streams) != packet.latents_crc:
        raise CorruptError(
            "The fingerprint of the latents is not that of the tiles' fingerprints; no "
            "encoder writes that."
        )
    return streams


def stream_bytes(packet: Packet, grid: Grid = GRID) -> int:
    """Returns the bytes that carry the picture, without tables and checksums."""
    return sum(len(stream.data) for stream in streams_of(packet, grid))


def pack(packet: Packet, grid: Grid = GRID) -> bytes:
    """Returns the file of a packet.

    Raises:
        LimitExceededError: No reader would accept the file.
        ValueError: It is tiled, and the grid does not cut its size.
    """
    if packet.flags == TILED and not grid.cuts(packet.height, packet.width):
        raise ValueError(
            f"A picture of {packet.width} x {packet.height} is not cut into tiles."
        )
    LIMITS.check(packet.width, packet.height, len(packet.payload))
    header = _FIXED.pack(MAGIC, VERSION, packet.flags, packet.model_id, _NO_QUALITY)
    for value in (packet.width, packet.height, len(packet.payload)):
        header += varints.write(value)
    header += _HEADER_CRC.pack(_crc16(header))
    covered = header + packet.payload + struct.pack("<I", packet.latents_crc)
    data = covered + struct.pack("<I", zlib.crc32(covered))
    LIMITS.check_file(len(data))
    return data


def unpack(data: bytes, limits: Limits = LIMITS, grid: Grid = GRID) -> Packet:
    """Returns the packet of a file whose every byte has been checked.

    Args:
        data: The whole file.
        limits: Smaller ones protect smaller machines.
        grid: Where tiled pictures are cut. Files have `GRID`; tests have others.

    Raises:
        NotThisFormatError: The magic number differs.
        TruncatedError: The file is shorter than its header says.
        UnsupportedVersionError: Another version, or a feature this one has not.
        LimitExceededError: File, picture or payload are above `limits`.
        CorruptError: A checksum fails, or a field holds what no encoder writes.
    """
    packet, _ = _parse(data, limits, grid)
    return packet


def check_memory(
    packet: Packet, stride: int = STRIDE, model: Footprint = SMALLEST
) -> None:
    """Raises LimitExceededError if decoding takes more memory than there may be.

    Args:
        packet: Of the file.
        stride: What the model pads pictures to multiples of.
        model: What it takes; by default what the smallest does.
    """
    whole = packet.flags != TILED
    LIMITS.check_memory(packet.width, packet.height, whole, stride, model)


def inspect(
    data: bytes, limits: Limits = LIMITS, grid: Grid = GRID
) -> dict[str, int | float | str]:
    """Returns what a file says of itself, and where its bytes go.

    `bytes_header`, `bytes_payload` and `bytes_checks` add up to `bytes`; `bpp` is that
    sum in bits over the true pixels, before padding. The table of a tiled file counts
    with the checks.

    Raises:
        CodecError: As `unpack` does; a damaged file is not described.
    """
    packet, header = _parse(data, limits, grid)
    payload = stream_bytes(packet, grid)
    return {
        "version": VERSION,
        "model_id": packet.model_id.hex(),
        "width": packet.width,
        "height": packet.height,
        "tiles": len(streams_of(packet, grid)),
        "bytes": len(data),
        "bytes_header": header.header_bytes,
        "bytes_payload": payload,
        "bytes_checks": len(data) - header.header_bytes - payload,
        "bpp": 8 * len(data) / (packet.width * packet.height),
        "latents_crc": f"{packet.latents_crc:08x}",
        "file_crc": f"{zlib.crc32(data[:-4]):08x}",
    }


def _parse(data: bytes, limits: Limits, grid: Grid) -> tuple[Packet, _Header]:
    data = bytes(data)
    check_magic(data)
    _check_version(data)
    limits.check_file(len(data))
    header = _parse_header(data)
    limits.check(header.width, header.height, header.payload_bytes)
    if header.flags == TILED and not grid.cuts(header.height, header.width):
        raise CorruptError(
            f"The file is said to be tiled, but a picture of {header.width} x "
            f"{header.height} is too small for that; no encoder writes it."
        )
    _check_length(data, header)
    latents_crc, stored = _TRAILER.unpack(data[-_TRAILER.size :])
    computed = zlib.crc32(memoryview(data)[:-4])
    if computed != stored:
        raise CorruptError(
            f"The file's checksum is {stored:08x}, its bytes give {computed:08x}: it "
            "was damaged in storage or transfer. Its length is right; fetch it again."
        )
    payload = data[header.header_bytes : -_TRAILER.size]
    packet = Packet(
        header.model_id,
        header.width,
        header.height,
        payload,
        latents_crc,
        header.flags,
    )
    streams_of(packet, grid)  # Refuses tiles that no encoder writes.
    return packet, header


def _check_version(data: bytes) -> None:
    if len(data) <= len(MAGIC):
        raise TruncatedError("The file ends after its magic number.")
    version = data[len(MAGIC)]
    if version == VERSION:
        return
    # All versions end in this checksum, so that age and damage can be told apart.
    intact = len(data) > 8 and zlib.crc32(data[:-4]) == int.from_bytes(
        data[-4:], "little"
    )
    cause = (
        "The file is intact; a newer release of this software will read it."
        if intact
        else "Its checksum fails as well, so the file is likely damaged or cut short."
    )
    raise UnsupportedVersionError(
        f"The file says format version {version}; only version {VERSION} is known "
        f"here. {cause}"
    )


def _parse_header(data: bytes) -> _Header:
    if len(data) < _FIXED.size:
        raise _truncated_in_header(data)
    _, _, flags, model_id, quality = _FIXED.unpack_from(data)
    numbers, end = [], _FIXED.size
    for name, max_bytes in _NUMBERS.items():
        try:
            number, end = varints.read(data, end, max_bytes, name)
        except EOFError:
            raise _truncated_in_header(data) from None
        numbers.append(number)
    width, height, payload_bytes = numbers
    if len(data) < end + _HEADER_CRC.size:
        raise _truncated_in_header(data)
    (stored,) = _HEADER_CRC.unpack_from(data, end)
    computed = _crc16(data[:end])
    if computed != stored:
        raise CorruptError(
            f"The header's checksum is {stored:04x}, its bytes give {computed:04x}: "
            "the file was damaged in storage or transfer. Fetch it again."
        )
    if flags not in _FLAGS:
        raise UnsupportedVersionError(
            f"The file uses features with flags {flags:#04x} that version {VERSION} "
            "does not have. A newer release of this software may read it."
        )
    if quality != _NO_QUALITY:
        raise UnsupportedVersionError(
            f"The file's quality byte is {quality}, reserved as 0 in version "
            f"{VERSION}. A newer release of this software may read it."
        )
    if not (width and height):
        raise CorruptError(
            f"The header says {width} x {height}; no encoder writes an empty picture."
        )
    return _Header(
        flags, model_id, width, height, payload_bytes, end + _HEADER_CRC.size
    )


def _check_length(data: bytes, header: _Header) -> None:
    missing = header.file_bytes - len(data)
    if missing > 0:
        raise TruncatedError(
            f"The file has {len(data):,} of {header.file_bytes:,} bytes; the last "
            f"{missing:,} are missing. Was a transfer cut short?"
        )
    if missing < 0:
        raise CorruptError(
            f"{-missing:,} bytes follow the end of the file at byte "
            f"{header.file_bytes:,}. Were two files joined, or was it padded?"
        )


def _truncated_in_header(data: bytes) -> TruncatedError:
    return TruncatedError(
        f"The file ends after {len(data)} bytes, within its header. Was a transfer "
        "cut short?"
    )


def _crc16(data: bytes) -> int:
    """CRC-16/CCITT-FALSE: polynomial 0x1021, start 0xFFFF, highest bit first."""
    return binascii.crc_hqx(data, 0xFFFF)
