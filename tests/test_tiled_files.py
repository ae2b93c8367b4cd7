"""The container of tiled pictures: bytes by hand, lies, and damage in every place."""

import dataclasses
import pathlib
import struct
import tracemalloc
import zlib

import pytest

from hific import bitstream, errors, tile_table
from hific.bitstream import TILED, Packet
from hific.tile_table import Stream
from hific.tiles import Grid
from tests.test_bitstream import GOLDEN, hashes, sealed

# A picture of 7 x 5 pixels in tiles of 4 x 4: two rows of two.
GRID = Grid(core=4, margin=2, largest_whole=20)
STREAMS = [
    Stream(b"\x81\x4a", 0x01020304),
    Stream(b"", 0),
    Stream(b"abc", 0xFFFFFFFF),
    Stream(bytes(range(200)), 7),
]
HEAD = b"\x8eEG\n\x01\x01abcd\x00\x07\x05"  # Up to the payload length.


def u32(*values):
    return struct.pack(f"<{len(values)}I", *values)


def tile(table_crc, number, data, latents_crc):
    body = data + u32(latents_crc)
    return body + u32(zlib.crc32(u32(table_crc, number) + body))


def payload_by_hand(lengths=b"\x02\x00\x03\xc8\x01", streams=STREAMS):
    crc = zlib.crc32(lengths)
    tiles = (tile(crc, i, *stream) for i, stream in enumerate(streams))
    return lengths + u32(crc) + b"".join(tiles)


def file_by_hand(payload, latents_crc=None, head=HEAD):
    """A file around a payload that may lie, with all outer checksums right."""
    if latents_crc is None:
        latents_crc = zlib.crc32(u32(*(stream.latents_crc for stream in STREAMS)))
    length = len(payload)
    assert 128 <= length < 16_384
    varint = bytes([0x80 | length & 0x7F, length >> 7])
    return sealed(head + varint, payload, latents_crc)


@pytest.fixture(scope="module")
def packet():
    return bitstream.packet_of(b"abcd", 7, 5, STREAMS, GRID)


@pytest.fixture(scope="module")
def data(packet):
    return bitstream.pack(packet, GRID)


def test_every_byte_of_a_tiled_file_is_as_computed_by_hand(packet, data):
    assert data == file_by_hand(payload_by_hand())
    assert bitstream.unpack(data, grid=GRID) == packet
    assert packet.flags == TILED
    assert bitstream.streams_of(packet, GRID) == STREAMS


def test_the_form_follows_from_the_size():
    single = bitstream.packet_of(b"abcd", 5, 4, STREAMS[:1], GRID)
    assert single == Packet(b"abcd", 5, 4, b"\x81\x4a", 0x01020304)
    assert bitstream.streams_of(single, GRID) == STREAMS[:1]


def test_inspect_counts_tables_with_the_checks(data):
    fields = bitstream.inspect(data, grid=GRID)
    assert fields["tiles"] == 4 and fields["bytes_header"] == 17
    assert fields["bytes_payload"] == 205
    # Five bytes of lengths, their checksum, two for each tile, and the file's two.
    assert fields["bytes_checks"] == 5 + 4 + 4 * 8 + 8
    assert fields["bytes"] == len(data) == 17 + 205 + 49


def test_the_model_of_a_tiled_file_can_be_renamed(packet):
    renamed = dataclasses.replace(packet, model_id=b"efgh")
    assert bitstream.unpack(bitstream.pack(renamed, GRID), grid=GRID) == renamed


def test_a_large_file_of_one_stream_is_read_as_ever():
    """Encoders before there were tiles wrote such."""
    old = Packet(b"abcd", 4096, 2048, b"stream", 5)
    assert bitstream.unpack(bitstream.pack(old)) == old
    assert bitstream.streams_of(old) == [Stream(b"stream", 5)]


# Damage.


def test_every_truncation_is_called_one(data):
    for length in range(len(data)):
        with pytest.raises(errors.TruncatedError):
            bitstream.unpack(data[:length], grid=GRID)


def test_every_single_bit_flip_is_noticed_and_called_what_it_is(data):
    for bit in range(8 * len(data)):
        expected = errors.CorruptError
        if bit < 32:
            expected = errors.NotThisFormatError
        elif bit < 40:
            expected = errors.UnsupportedVersionError
        with pytest.raises(expected):
            bitstream.unpack(flipped(data, bit), grid=GRID)


def flipped(data, bit):
    damaged = bytearray(data)
    damaged[bit // 8] ^= 1 << bit % 8
    return bytes(damaged)


def test_every_flip_within_is_noticed_though_outer_checksums_were_made_again(
    packet,
):
    for bit in range(8 * len(packet.payload)):
        damaged = dataclasses.replace(packet, payload=flipped(packet.payload, bit))
        with pytest.raises(errors.CorruptError):
            bitstream.unpack(bitstream.pack(damaged, GRID), grid=GRID)
    for bit in range(32):
        damaged = dataclasses.replace(packet, latents_crc=packet.latents_crc ^ 1 << bit)
        with pytest.raises(errors.CorruptError, match="fingerprint of the latents"):
            bitstream.unpack(bitstream.pack(damaged, GRID), grid=GRID)


def test_every_cut_within_is_noticed_though_outer_checksums_were_made_again(packet):
    for length in range(len(packet.payload)):
        damaged = dataclasses.replace(packet, payload=packet.payload[:length])
        with pytest.raises(errors.CorruptError):
            bitstream.unpack(bitstream.pack(damaged, GRID), grid=GRID)


def test_a_flip_in_a_tile_leaves_the_others_whole(packet):
    payload, start = packet.payload, 5 + 4
    for number, stream in enumerate(STREAMS):
        end = start + len(stream.data) + 8
        for bit in range(8 * start, 8 * end):
            expected = [*STREAMS[:number], None, *STREAMS[number + 1 :]]
            assert tile_table.intact(flipped(payload, bit), 4) == expected
        start = end
    assert start == len(payload)


def test_a_tile_is_whole_only_in_its_place_and_in_its_file():
    streams = [Stream(b"ab", 1), Stream(b"cd", 2), Stream(b"ef", 3)]
    payload = tile_table.join(streams)
    table, tiles = payload[:7], [payload[7 + 10 * i : 17 + 10 * i] for i in range(3)]
    swapped = table + tiles[1] + tiles[0] + tiles[2]
    assert tile_table.intact(swapped, 3) == [None, None, streams[2]]
    other = tile_table.join([*streams[:2], Stream(b"e", 3)])
    assert tile_table.intact(other[:7] + tiles[0] + other[17:], 3)[0] is None


# Lies: all checksums are right, one field is not what an encoder writes.


@pytest.mark.parametrize(
    "payload, message",
    [
        (payload_by_hand(b"\x82\x00\x00\x03\xc8\x01"), "tile 1 length 2 takes 2 bytes"),
        (payload_by_hand(b"\xff\xff\xff\xff\x01\x00\x03"), "more than 4 bytes"),
        (payload_by_hand(b"\x02\x00\x03\xc7\x01"), "take 245 bytes, the payload has"),
        (payload_by_hand(b"\x02\x00\x03\xc9\x01"), "take 247 bytes, the payload has"),
        (payload_by_hand(b"\x02\x00\x03\xc8\x01\x00"), "checksum of the tile table"),
        (payload_by_hand() + b"\0", "take 246 bytes, the payload has 247"),
        (b"\x01" * 200, "checksum of the tile table fails"),
        (payload_by_hand(streams=STREAMS[:3] + [Stream(bytes(200), 7)]), None),
        (payload_by_hand(streams=STREAMS[:3] + [Stream(bytes(200), 8)]), "fingerprint"),
    ],
)
def test_lies_with_right_outer_checksums_are_refused(payload, message):
    data = file_by_hand(payload)
    if message is None:
        assert bitstream.unpack(data, grid=GRID).payload == payload
        return
    with pytest.raises(errors.CorruptError, match=message):
        bitstream.unpack(data, grid=GRID)


def test_a_small_picture_is_never_tiled(packet):
    head = HEAD[:-2] + b"\x05\x04"
    with pytest.raises(errors.CorruptError, match="5 x 4 is too small"):
        bitstream.unpack(file_by_hand(payload_by_hand(), head=head), grid=GRID)
    with pytest.raises(ValueError, match="5 x 4 is not cut"):
        bitstream.pack(dataclasses.replace(packet, width=5, height=4), GRID)


@pytest.mark.parametrize("flags", [0x02, 0x03, 0x80, 0xFF])
def test_other_flags_are_of_another_release(flags):
    head = HEAD[:5] + bytes([flags]) + HEAD[6:]
    with pytest.raises(errors.UnsupportedVersionError, match=f"{flags:#04x}"):
        bitstream.unpack(file_by_hand(payload_by_hand(), head=head), grid=GRID)


def test_a_lying_table_costs_no_memory():
    """256 tiles of 2^28 bytes in a file of 1,100."""
    lengths = b"\xff\xff\xff\x7f" * 256
    payload = lengths + u32(zlib.crc32(lengths))
    packet = Packet(b"abcd", 16_384, 16_384, payload, 0, TILED)
    data = bitstream.pack(packet)
    tracemalloc.start()
    with pytest.raises(errors.CorruptError, match="no encoder writes that"):
        bitstream.unpack(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100_000


# A file that stays: 2,048 x 2,049 pixels, just above the limit; three rows of two.

BYTES = hashes(1000)
LENGTHS = (0, 1, 127, 128, 300, 17)
STARTS = (0, 0, 1, 128, 256, 556)


def golden_packet():
    streams = [
        Stream(BYTES[start : start + length], zlib.crc32(bytes([i])))
        for i, (start, length) in enumerate(zip(STARTS, LENGTHS, strict=True))
    ]
    return bitstream.packet_of(b"tile", 2048, 2049, streams)


def test_the_golden_tiled_file_reads_as_ever():
    data = pathlib.Path(GOLDEN / "bitstream_v1_tiled.egic").read_bytes()
    assert bitstream.unpack(data) == golden_packet()
    assert bitstream.pack(golden_packet()) == data
