"""Fuzz targets of the entropy coder: any string, and latents that no network makes.

Strings are decoded by the micro codec's coder and again, symbol for symbol, by the
reference decoder; latents come back as they were coded, clipped to their tables, or are
refused.
"""

import functools
import itertools
import random

import numpy as np
import tensorflow as tf
import tensorflow_compression as tfc

from hific import entropy
from hific.coding import Coded, EntropyCoder
from hific.errors import CodecError, CorruptError, NonFiniteError, TruncatedError
from hific.range_decoder import RangeDecoder, Table, decode_index, split_tables
from trials import damage, material
from trials.cases import Target, check, generator

_SIDES = (4, 8)  # Of latents, positions.


@functools.cache
def prepare() -> None:
    """Traces what the cases call."""
    for height, width in ((4, 4), (8, 4), (8, 8)):
        _coder().decode(*_stream(height, width))
    latents(0, 0)


def strings(seed: int, case: int) -> str:
    """Random and damaged strings, in the place of a stream."""
    rng = generator("coder", seed, case)
    height, width = rng.choice(_SIDES), rng.choice(_SIDES)
    return decoded(_string(rng, height, width), height, width)


def decoded(stream: bytes, height: int = 4, width: int = 4) -> str:
    """Decodes any bytes as latents of the given size, in positions."""
    coder = _coder()
    try:
        coded = coder.decode(stream, height, width)
    except CodecError as error:
        return type(error).__name__
    return _agrees(coder, coded, stream)


def range_strings(seed: int, case: int) -> str:
    """Strings for tables of all shapes, in both decoders, and coded again."""
    rng = generator("range_decoder", seed, case)
    rows = [_table(rng) for _ in range(rng.randrange(1, 5))]
    flat = list(itertools.chain(*rows))
    lookup = np.array(flat, np.int32)
    index = [rng.randrange(len(rows)) for _ in range(rng.randrange(1, 200))]
    size = 0 if rng.random() < 0.1 else int(2 ** rng.uniform(0, 9))
    data = rng.randbytes(1) * size if rng.random() < 0.1 else rng.randbytes(size)
    handle = tfc.create_range_decoder(data, lookup)
    handle, read = tfc.entropy_decode_index(handle, index, [len(index)], tf.int32)
    symbols = read.numpy()
    lengths = np.array([len(row) - 2 for row in rows])[index]
    check(bool(((symbols >= 0) & (symbols < lengths)).all()), "a symbol of no table")
    handle = tfc.create_range_encoder([], lookup)
    handle = tfc.entropy_encode_index(handle, index, symbols)
    again = tfc.entropy_encode_finalize(handle).numpy()
    decoder, tables = RangeDecoder(data), split_tables(flat)
    try:
        here = decode_index(decoder, tables, np.array(index))
        decoder.finish()
    except (CorruptError, TruncatedError) as error:
        cut_tail = len(data) < len(again) - 10 or isinstance(error, TruncatedError)
        check(again != data or cut_tail, f"an encoder's stream is refused: {error}")
        return type(error).__name__
    check(again == data, "accepted, though no encoder writes it")
    check(here.tolist() == symbols.tolist(), "the two decoders disagree")
    return "accepted"


def latents(seed: int, case: int) -> str:
    """Latents with NaN, infinities and values of every size at random places."""
    rng = generator("latents", seed, case)
    coder = _coder()
    shape = (1, rng.choice(_SIDES), rng.choice(_SIDES), 32)
    numbers = np.random.default_rng(rng.randrange(2**32))
    y = numbers.standard_normal(shape).astype(np.float32)
    kind = rng.choice(list(_EXTREMES))
    share = rng.choice((1 / y.size, 0.01, 0.5, 1.0))
    places = numbers.random(shape) < max(share, 1 / y.size)
    places.flat[rng.randrange(y.size)] = True
    y[places] = _EXTREMES[kind](numbers, int(places.sum()))
    try:
        stream, coded = coder.encode(tf.constant(y))
    except NonFiniteError:
        return "NonFiniteError"
    check(bool(np.isfinite(y).all()), f"latents with {kind} were coded")
    back = coder.decode(stream, *shape[1:3])
    check(_same(back, coded), f"latents with {kind} come back as others")
    return "clipped" if coded.clipped else "exact"


_EXTREMES = {
    "NaN": lambda numbers, size: np.full(size, np.nan),
    "infinity": lambda numbers, size: numbers.choice([np.inf, -np.inf], size),
    "any size": lambda numbers, size: (
        numbers.choice([-1, 1], size) * 10.0 ** numbers.uniform(-45, 38.5, size)
    ),
    "powers": lambda numbers, size: 2.0 ** numbers.integers(-149, 128, size),
    "int32": lambda numbers, size: numbers.choice(
        [-(2.0**31), -(2.0**30), 2.0**30, 2.0**31 - 64, 2.0**31], size
    ),
    "any bits": lambda numbers, size: numbers.integers(0, 2**32, size, np.uint32).view(
        np.float32
    ),
    "halves": lambda numbers, size: numbers.integers(-9, 9, size) + 0.5,
}


@functools.cache
def _coder() -> EntropyCoder:
    return material.codec().coder


@functools.cache
def _stream(height: int, width: int) -> tuple[bytes, int, int]:
    """A right stream, and what `decode` takes beside it."""
    numbers = np.random.default_rng(0)
    y = 3 * numbers.standard_normal((1, height, width, 32))
    return _coder().encode(tf.constant(y, tf.float32))[0], height, width


def _string(rng: random.Random, height: int, width: int) -> bytes:
    match rng.randrange(4):
        case 0:
            return rng.randbytes(int(2 ** rng.uniform(0, 12)) - 1)
        case 1:
            return rng.randbytes(rng.randrange(5))
        case 2:
            return rng.randbytes(1) * rng.randrange(3000)
    right = _stream(height, width)[0]
    other = _stream(rng.choice(_SIDES), rng.choice(_SIDES))[0]
    return damage.mutate(right, other, rng)


def _agrees(coder: EntropyCoder, coded: Coded, stream: bytes) -> str:
    """Checks decoded symbols against the reference decoder."""
    check(bool(np.isfinite(coded.y_symbols).all()), "symbols that are no numbers")
    tables, decoder = _tables(), RangeDecoder(stream)
    channels = coded.z_symbols.shape[-1]
    z_rows = entropy.NUM_SCALES + np.arange(channels)
    rows = [np.broadcast_to(z_rows, coded.z_symbols.shape), *coded.y_indexes]
    found = [coded.z_symbols, *coded.y_symbols]
    try:
        for index, symbols in zip(rows, found, strict=True):
            here = decode_index(decoder, tables, index)
            check(bool((here == symbols).all()), "the two decoders disagree")
        decoder.finish()
    except (CorruptError, TruncatedError):
        return "refused by the reference"  # The checksum of the latents is left.
    return "accepted"


@functools.cache
def _tables() -> list[Table]:
    return split_tables(_coder()._tables.cdf.tolist())


def _table(rng: random.Random) -> list[int]:
    """A table of 1 to 40 symbols, some nearly certain."""
    inner = {rng.randrange(1, 2**16) for _ in range(rng.randrange(40))}
    if rng.random() < 0.3:
        inner = {rng.choice((1, 2, 2**15 - 1, 2**15 + 1, 2**16 - 1)) for _ in range(2)}
    return [16, 0, *sorted(inner), 2**16]


def _same(a: Coded, b: Coded) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(a[:4], b[:4], strict=True))


TARGETS = {
    "coder": Target(strings, prepare),
    "range_decoder": Target(range_strings, prepare),
    "latents": Target(latents, prepare),
}
