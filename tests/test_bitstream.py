"""Tests of the container: bytes by hand, lies, damage, and files kept for ever."""

import dataclasses
import hashlib
import pathlib
import struct
import subprocess
import sys
import tracemalloc
import zlib

import pytest

from hific import bitstream, errors
from hific.bitstream import Packet

HERE = pathlib.Path(__file__).resolve().parent
GOLDEN = HERE / "golden"


def crc16_bit_by_bit(data):
    register = 0xFFFF
    for byte in data:
        register ^= byte << 8
        for _ in range(8):
            register = (register << 1) ^ (0x11021 if register & 0x8000 else 0)
    return register


def sealed(head, payload=b"", latents_crc=0):
    """A file around header bytes that may lie, with all checksums right."""
    covered = head + struct.pack("<H", crc16_bit_by_bit(head)) + payload
    covered += struct.pack("<I", latents_crc)
    return covered + struct.pack("<I", zlib.crc32(covered))


def hashes(count):
    """`count` bytes that look random and are the same everywhere."""
    blocks = (hashlib.sha256(struct.pack("<I", i)).digest() for i in range(count))
    return b"".join(blocks)[:count]


START = b"\x8eEG\n\x01\x00abcd\x00"
PACKET = Packet(b"abcd", 768, 512, bytes(range(200)), 0x01020304)
FILES = {
    "smallest": Packet(b"\0\0\0\0", 1, 1, b"", 0),
    "photograph": Packet(bytes.fromhex("a1b2c3d4"), 768, 512, hashes(2453), 0xDEADBEEF),
    "largest": Packet(b"\xff" * 4, 65_535, 4_096, hashes(200), 0xFFFFFFFF),
}


def test_every_byte_of_a_header_is_as_computed_by_hand():
    # 768 = 0 + 6 * 128, 512 = 0 + 4 * 128, 200 = 72 + 1 * 128.
    head = START + b"\x80\x06" + b"\x80\x04" + b"\xc8\x01"
    assert bitstream.pack(PACKET) == sealed(head, bytes(range(200)), 0x01020304)


def test_the_header_checksum_has_its_catalogued_check_value():
    assert crc16_bit_by_bit(b"123456789") == 0x29B1
    assert bitstream._crc16(b"123456789") == 0x29B1


@pytest.mark.parametrize("payload, overhead", [(0, 26), (2_453, 27), (21_800, 28)])
def test_overhead_of_a_photograph_is_at_most_28_bytes(payload, overhead):
    packet = dataclasses.replace(PACKET, payload=bytes(payload))
    assert len(bitstream.pack(packet)) == payload + overhead


@pytest.mark.parametrize("side", [1, 127, 128, 16_383, 16_384, 65_535])
@pytest.mark.parametrize("payload", [0, 1, 127, 128])
def test_packets_survive_the_round_trip(side, payload):
    for width, height in ((side, 1), (1, side), (side, 4_096)):
        packet = Packet(b"\0\xff\n\r", width, height, b"\xff" * payload, 2**32 - 1)
        assert bitstream.unpack(bitstream.pack(packet)) == packet


def test_inspect_accounts_for_every_byte():
    data = bitstream.pack(PACKET)
    fields = bitstream.inspect(data)
    assert fields == {
        "version": 1,
        "model_id": b"abcd".hex(),
        "width": 768,
        "height": 512,
        "tiles": 1,
        "bytes": 227,
        "bytes_header": 19,
        "bytes_payload": 200,
        "bytes_checks": 8,
        "bpp": pytest.approx(8 * 227 / (768 * 512)),
        "latents_crc": "01020304",
        "file_crc": f"{zlib.crc32(data[:-4]):08x}",
    }


def test_reading_the_container_imports_neither_numpy_nor_tensorflow():
    code = (
        "import sys, hific.bitstream; "
        "sys.exit(any(m in sys.modules for m in ('numpy', 'tensorflow')))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=HERE.parent)


# Lies: all checksums are right, one field is not what an encoder writes.


@pytest.mark.parametrize(
    "head, error, message",
    [
        (START + b"\x00\x01\x00", errors.CorruptError, "0 x 1; no encoder"),
        (START + b"\x01\x00\x00", errors.CorruptError, "1 x 0; no encoder"),
        (START + b"\x81\x00\x01\x00", errors.CorruptError, "width 1 takes 2 bytes"),
        (START + b"\x01\x81\x80\x00\x00", errors.CorruptError, "height 1 takes 3"),
        (START + b"\x01\x01\x80\x00", errors.CorruptError, "payload length 0 takes 2"),
        (START + b"\xff" * 3 + b"\x01\x01", errors.CorruptError, "more than 3 bytes"),
        (START + b"\1\1" + b"\xff" * 5, errors.CorruptError, "more than 5 bytes"),
        (START + b"\x80\x80\x04\x01\x00", errors.LimitExceededError, "65536 x 1"),
        (
            START + b"\xff\xff\x03\xff\xff\x03\x00",
            errors.LimitExceededError,
            "4,294,836,225 pixels",
        ),
        (
            START + b"\x01\x01\x81\x80\x20",
            errors.LimitExceededError,
            "at most 524,288",
        ),
        (START + b"\x01\x01\xff\xff\xff\xff\x7f", errors.LimitExceededError, "34,359"),
        (START + b"\x01\x01\x88\x20", errors.TruncatedError, "the last 4,104"),
        (b"\x8eEG\n\x01\x80abcd\0\1\1\0", errors.UnsupportedVersionError, "0x80"),
        (b"\x8eEG\n\x01\x00abcd\1\1\1\0", errors.UnsupportedVersionError, "quality"),
        (b"\x8eEG\n\x02\x00abcd\0\1\1\0", errors.UnsupportedVersionError, "intact"),
        (b"\x8eEG\n\x00\x00abcd\0\1\1\0", errors.UnsupportedVersionError, "intact"),
    ],
)
def test_lies_with_right_checksums_are_refused(head, error, message):
    with pytest.raises(error, match=message):
        bitstream.unpack(sealed(head))


def test_a_lying_header_costs_no_memory():
    lies = [
        START + width + height + b"\xff\xff\xff\x1f"
        for width in (b"\x01", b"\xff\xff\x03", b"\xff\xff\x7f")
        for height in (b"\x01", b"\xff\x1f", b"\xff\xff\x03")
    ]
    tracemalloc.start()
    for head in lies:
        with pytest.raises(errors.CodecError):
            bitstream.unpack(sealed(head))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100_000


def test_a_file_above_the_size_limit_is_refused_before_it_is_parsed():
    data = bitstream.pack(PACKET)
    with pytest.raises(errors.LimitExceededError, match="67,108,865 bytes"):
        bitstream.unpack(data.ljust(64 * 2**20 + 1, b"\0"))


def test_limits_can_be_lowered():
    limits = bitstream.Limits(pixels=768 * 512 - 1)
    with pytest.raises(errors.LimitExceededError, match="393,216 pixels"):
        bitstream.unpack(bitstream.pack(PACKET), limits)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"model_id": b"abc"}, "model_id must be 4 bytes"),
        ({"width": 0}, "got 0 x 512"),
        ({"latents_crc": 2**32}, "unsigned 32-bit"),
        ({"flags": 2}, "no flags but 0x01"),
    ],
)
def test_a_packet_no_reader_accepts_cannot_be_made(changes, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(PACKET, **changes)


def test_a_packet_above_the_limits_is_not_written():
    with pytest.raises(errors.LimitExceededError, match="65536 x 1"):
        bitstream.pack(Packet(b"abcd", 65_536, 1, b"", 0))
    with pytest.raises(errors.LimitExceededError, match="at most 524,288"):
        bitstream.pack(Packet(b"abcd", 1, 1, bytes(524_289), 0))


# Damage, and other people's files.


@pytest.mark.parametrize(
    "data, message",
    [
        (b"\x89PNG\r\n\x1a\n", "a PNG picture"),
        (b"\xff\xd8\xff\xe0", "a JPEG picture"),
        (b"RIFF\0\0\0\0WEBP", "a WebP picture"),
        (b"\0\0\0\x1cftypavif", "AVIF"),
        (b"PK\x03\x04", "unpack it first"),
        (b"<!DOCTYPE html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1", "git lfs pull"),
        (b"hello", "starts with 68 65 6c 6c"),
        (b"\0", "starts with 00, not with 8e 45 47 0a"),
    ],
)
def test_another_format_is_named(data, message):
    with pytest.raises(errors.NotThisFormatError, match=message):
        bitstream.unpack(data)


@pytest.mark.parametrize(
    "transfer, message",
    [
        (lambda data: data.replace(b"\n", b"\r\n"), "LF became CR LF"),
        (lambda data: data.replace(b"\n", b"\r"), "LF became CR"),
        (lambda data: bytes(byte & 0x7F for byte in data), "highest bit"),
        (lambda data: data.decode("latin-1").encode(), "Latin-1 to UTF-8"),
        (lambda data: data.decode(errors="replace").encode(), "decoded as UTF-8"),
    ],
)
def test_transfer_as_text_is_recognised(transfer, message):
    with pytest.raises(errors.NotThisFormatError, match=message):
        bitstream.unpack(transfer(bitstream.pack(PACKET)))


def test_bytes_after_the_end_are_refused():
    with pytest.raises(errors.CorruptError, match="1 bytes follow the end"):
        bitstream.unpack(bitstream.pack(PACKET) + b"\0")


@pytest.mark.parametrize("name", FILES)
def test_every_truncation_is_called_one(name):
    data = bitstream.pack(FILES[name])
    for length in range(len(data)):
        with pytest.raises(errors.TruncatedError):
            bitstream.unpack(data[:length])


@pytest.mark.parametrize("name", FILES)
def test_every_single_bit_flip_is_noticed_and_called_what_it_is(name):
    data = bitstream.pack(FILES[name])
    for bit in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        expected = errors.CorruptError
        if bit < 32:
            expected = errors.NotThisFormatError
        elif bit < 40:
            expected = errors.UnsupportedVersionError
        with pytest.raises(expected):
            bitstream.unpack(damaged)


# Files that stay.


@pytest.mark.parametrize("name", FILES)
def test_golden_files_of_version_1_read_as_ever(name):
    data = (GOLDEN / f"bitstream_v1_{name}.egic").read_bytes()
    assert bitstream.unpack(data) == FILES[name]
    assert bitstream.pack(FILES[name]) == data
