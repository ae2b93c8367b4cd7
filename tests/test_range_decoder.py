"""Tests of the reference decoder against tensorflow-compression's range coder."""

import json
import pathlib
import random
import time

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_compression as tfc

from hific import errors
from hific.range_decoder import RangeDecoder, decode_index, split_tables

GOLDEN = pathlib.Path(__file__).resolve().parent / "golden" / "range_coder_v1.json"
# The middle symbol straddles the middle of the interval: the coder must hold back
# digits until it knows whether a carry reaches them.
NARROW = [16, 0, 32767, 32769, 65536]
SKEWED = [16, 0, 1, 65535, 65536]


def encode(lookup, *steps):
    """One stream of tensorflow-compression over several (index, symbols) arrays."""
    handle = tfc.create_range_encoder([], np.array(lookup, np.int32))
    for index, symbols in steps:
        handle = tfc.entropy_encode_index(
            handle, np.array(index, np.int32), np.array(symbols, np.int32)
        )
    return tfc.entropy_encode_finalize(handle).numpy()


def decode_there(data, lookup, index):
    """The same by tensorflow-compression: (symbols, its weak check of the end)."""
    handle = tfc.create_range_decoder(data, np.array(lookup, np.int32))
    handle, symbols = tfc.entropy_decode_index(
        handle, np.array(index, np.int32), np.shape(index), tf.int32
    )
    return symbols.numpy(), bool(tfc.entropy_decode_finalize(handle))


def decode_here(data, lookup, index):
    decoder = RangeDecoder(data)
    symbols = decode_index(decoder, split_tables(lookup), np.array(index))
    decoder.finish()
    return symbols


def random_tables(rng, count):
    """(lookup, tables) of random alphabets, some nearly certain of one symbol."""
    rows = []
    for size in rng.integers(2, 60, count):
        pmf = rng.dirichlet(np.full(size, rng.choice([0.02, 0.3, 5.0])))
        cdf = tfc.pmf_to_quantized_cdf(tf.constant(pmf, tf.float32), precision=16)
        rows.append([16, *cdf.numpy().tolist()])
    return sum(rows, []), rows


def draw(rng, rows, index):
    """Symbols drawn from their tables, so that streams are as in real use."""
    counts = rng.integers(0, 2**16, index.shape)
    pairs = zip(index.ravel(), counts.ravel(), strict=True)
    symbols = [np.searchsorted(rows[i][1:], n, "right") - 1 for i, n in pairs]
    return np.array(symbols).reshape(index.shape)


@pytest.mark.parametrize("seed", range(20))
def test_random_symbols_decode_as_tensorflow_compression_wrote_them(seed):
    rng = np.random.default_rng(seed)
    lookup, rows = random_tables(rng, 8)
    index = rng.integers(0, 8, (4, 5, int(rng.integers(1, 40))))
    symbols = draw(rng, rows, index)
    data = encode(lookup, (index, symbols))
    np.testing.assert_array_equal(decode_here(data, lookup, index), symbols)
    np.testing.assert_array_equal(decode_there(data, lookup, index)[0], symbols)


def test_one_stream_serves_several_arrays_with_tables_one_after_the_other():
    lookup, rows = random_tables(np.random.default_rng(1), 6)
    rng = np.random.default_rng(2)
    z_index, y_index = rng.integers(0, 2, (2, 3, 2)), rng.integers(2, 6, (4, 6, 5))
    z, y = draw(rng, rows, z_index), draw(rng, rows, y_index)
    data = encode(lookup, (z_index, z), (y_index, y))
    both = np.concatenate([z_index.ravel(), y_index.ravel()])
    assert data == encode(lookup, (both, np.concatenate([z.ravel(), y.ravel()])))
    decoder, tables = RangeDecoder(data), split_tables(lookup)
    np.testing.assert_array_equal(decode_index(decoder, tables, z_index), z)
    np.testing.assert_array_equal(decode_index(decoder, tables, y_index), y)
    decoder.finish()


@pytest.mark.parametrize("last", [[], [0], [1], [2], [0, 2, 1], [2, 2, 0]])
@pytest.mark.parametrize("carries", [0, 1, 2, 3, 5])
def test_pending_carries_decode_and_end_rightly(carries, last):
    symbols = [1] * carries + last
    data = encode(NARROW, ([0] * len(symbols), symbols))
    assert decode_here(data, NARROW, [0] * len(symbols)).tolist() == symbols


@pytest.mark.parametrize("last", [0, 2])
def test_long_runs_of_pending_carries_decode_once_decided(last):
    symbols = [1] * 40 + [last]
    data = encode(NARROW, ([0] * 41, symbols))
    assert decode_here(data, NARROW, [0] * 41).tolist() == symbols


def test_long_runs_of_pending_carries_at_the_end_pass_for_a_cut_stream():
    # 40 symbols of 15 bits in one byte: right by the letter, and a chance of 2^-576.
    data = encode(NARROW, ([0] * 40, [1] * 40))
    assert data == b"\x80"
    with pytest.raises(errors.TruncatedError):
        decode_here(data, NARROW, [0] * 40)


def test_all_short_messages_end_rightly():
    for length in range(7):
        for number in range(3**length):
            symbols = [number // 3**i % 3 for i in range(length)]
            for lookup in (NARROW, SKEWED):
                if length < 5 or number % 17 == 0:
                    data = encode(lookup, ([0] * length, symbols))
                    here = decode_here(data, lookup, [0] * length)
                    assert here.tolist() == symbols


def test_golden_stream_decodes_as_ever():
    golden = json.loads(GOLDEN.read_text())
    lookup, index = sum(golden["lookup"], []), golden["index"]
    data = bytes.fromhex(golden["stream"])
    assert decode_here(data, lookup, index).tolist() == golden["symbols"]
    assert encode(lookup, (index, golden["symbols"])) == data


def golden_parts():
    golden = json.loads(GOLDEN.read_text())
    return bytes.fromhex(golden["stream"]), sum(golden["lookup"], []), golden["index"]


def damaged_streams(data):
    rng = random.Random(0)
    yield from (data[:length] for length in range(len(data) + 1))
    yield from (data + tail for tail in (b"\0", b"\0" * 5, b"\1", b"\xff" * 100))
    for bit in range(8 * len(data)):
        yield (
            data[: bit // 8]
            + bytes([data[bit // 8] ^ 1 << bit % 8])
            + data[bit // 8 + 1 :]
        )
    yield from (rng.randbytes(rng.randrange(70)) for _ in range(200))


def test_a_stream_is_accepted_only_if_it_is_that_of_its_symbols():
    data, lookup, index = golden_parts()
    accepted = 0
    for damaged in damaged_streams(data):
        symbols, _ = decode_there(damaged, lookup, index)
        canonical = encode(lookup, (index, symbols)) == damaged
        try:
            here = decode_here(damaged, lookup, index)
        except errors.CorruptError:
            assert not canonical, damaged.hex()
        except errors.TruncatedError:
            assert not canonical or len(damaged) < len(data) - 10, damaged.hex()
        else:
            assert canonical, damaged.hex()
            np.testing.assert_array_equal(here, symbols)
            accepted += 1
    assert accepted > 1


def test_a_stream_cut_by_more_than_16_bytes_is_noticed():
    data, lookup, index = golden_parts()
    for length in range(len(data) - 16):
        with pytest.raises(errors.TruncatedError, match=f"ends after {length} bytes"):
            decode_here(data[:length], lookup, index)


def test_decoding_more_or_fewer_symbols_than_encoded_is_noticed():
    data, lookup, index = golden_parts()
    with pytest.raises(errors.TruncatedError, match=f"ends after {len(data)} bytes"):
        decode_here(data, lookup, index * 2)
    with pytest.raises(errors.CorruptError, match="fewer symbols decoded"):
        decode_here(data, lookup, index[:150])


def test_any_bytes_end_in_bounded_time():
    _, lookup, index = golden_parts()
    rng = random.Random(0)
    streams = [bytes([byte]) for byte in range(256)]
    streams += [rng.randbytes(rng.randrange(100)) for _ in range(744)]
    tables = split_tables(lookup)
    start = time.monotonic()
    for data in streams:
        try:
            symbols = decode_index(RangeDecoder(data), tables, np.array(index))
        except errors.TruncatedError:
            continue
        sizes = np.array([len(tables[i].cdf) - 1 for i in index])
        assert np.all((symbols >= 0) & (symbols < sizes))
    assert time.monotonic() - start < 20  # About one second on an idle core.


@pytest.mark.parametrize(
    "lookup, message",
    [
        ([-16, 0, 32768, 65536], "precision -16.*escape code"),
        ([17, 0, 2**17], "precision 17"),
        ([16, 0, 32768], "does not end in 65536"),
        ([16, 5, 65536], "does not rise from 0"),
        ([16, 0, 9, 8, 65536], "does not rise from 0"),
    ],
)
def test_malformed_tables_are_refused(lookup, message):
    with pytest.raises(ValueError, match=message):
        split_tables(lookup)


def test_padding_after_a_table_belongs_to_no_table():
    tables = split_tables([16, 0, 65536, 65536, 65536, 4, 0, 3, 16])
    assert [tuple(table) for table in tables] == [(16, (0, 65536)), (4, (0, 3, 16))]


def test_an_index_without_a_table_is_refused():
    with pytest.raises(ValueError, match=r"\[0, 1\], but there are 1 tables"):
        decode_index(RangeDecoder(b""), split_tables(NARROW), np.array([0, 1]))
