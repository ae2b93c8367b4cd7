"""docs/bitstream.md says what the code does: its example is parsed and checked."""

import binascii
import pathlib
import re
import zlib

import numpy as np

from hific import bitstream, range_decoder

DOCUMENT = pathlib.Path(__file__).resolve().parents[1] / "docs" / "bitstream.md"


def block(name):
    """The rows of a fenced block of the document, split at spaces."""
    text = re.search(rf"```{name}\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)[1]
    return [line.split() for line in text.splitlines()]


def example_file():
    """The rows (offset, bytes, field, value) of the document's example."""
    rows = re.findall(
        r"^\| (\d+) \| `([0-9a-f ]+)` \| ([^|]+) \| ([^|]*)\|$",
        DOCUMENT.read_text(),
        re.MULTILINE,
    )
    return [
        (int(at), bytes.fromhex(data), *map(str.strip, row)) for at, data, *row in rows
    ]


def example_latents():
    """The document's latents, as (indexes into `lookup`, latents CRC, symbols)."""
    numbers = [
        [int(word) for word in row if word.isdigit()] for row in block("latents")
    ]
    (z, (_, *slice_0), (_, *slice_1)) = numbers
    indexes = [0, 1] + [2 + i for i in slice_0[:2]] + [2 + i for i in slice_1[:2]]
    covered = np.array(z + slice_0 + slice_1, "<i4").tobytes()
    return indexes, zlib.crc32(covered), z + slice_0[2:] + slice_1[2:]


def test_the_documents_example_is_a_file_with_the_values_it_says():
    rows = example_file()
    data = b"".join(piece for _, piece, _, _ in rows)
    offsets = np.cumsum([0] + [len(piece) for _, piece, _, _ in rows])
    assert [row[0] for row in rows] == offsets[:-1].tolist()
    value = {field: text for _, _, field, text in rows}
    packet = bitstream.unpack(data)
    assert packet.model_id.hex() == value["model id"]
    assert packet.width == 300 and value["width"].startswith("300 =")
    assert packet.height == int(value["height"])
    assert len(packet.payload) == int(value["payload length"])
    assert packet.latents_crc == int(value["latents CRC32"], 16)
    assert bitstream.inspect(data)["file_crc"] == value["file CRC32"][2:]
    assert int(value["header CRC16"], 16) == binascii.crc_hqx(data[:15], 0xFFFF)
    assert bitstream.pack(packet) == data


def test_the_documents_payload_holds_the_latents_it_says():
    packet = bitstream.unpack(b"".join(piece for _, piece, _, _ in example_file()))
    tables = range_decoder.split_tables(
        [int(n) for row in block("lookup") for n in row]
    )
    indexes, latents_crc, symbols = example_latents()
    decoder = range_decoder.RangeDecoder(packet.payload)
    decoded = range_decoder.decode_index(decoder, tables, np.array(indexes))
    decoder.finish()
    assert decoded.tolist() == symbols
    assert packet.latents_crc == latents_crc
