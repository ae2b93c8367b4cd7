import numpy as np
import pytest
import tensorflow as tf
import tensorflow_compression as tfc

from egic.codec import build_codec, build_model
from egic.config import PRESETS
from hific import coding, tables
from hific.errors import CorruptError, NonFiniteError
from hific.range_decoder import RangeDecoder, decode_index, split_tables


@pytest.fixture(scope="module", params=["egic-tiny", "hific-tiny"])
def model(request):
    config = PRESETS[request.param]
    return config, build_model(config)


@pytest.fixture(scope="module")
def coder(model):
    config, network = model
    return build_codec(config, network, tables.build(network.prior.density)).coder


def latents(coder, height=8, width=12, seed=0, scale=1.0):
    shape = (1, height, width, coder.channels)
    return scale * tf.random.stateless_normal(shape, (seed, 0))


def assert_same(a: coding.Coded, b: coding.Coded):
    for name in ("z_symbols", "y_indexes", "y_symbols", "y_hat"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), name)
    assert a.crc() == b.crc()


@pytest.mark.parametrize("size", [(4, 4), (4, 12), (20, 8)])
def test_a_decoder_finds_what_the_encoder_coded(coder, size):
    stream, coded = coder.encode(latents(coder, *size, seed=size[1]))
    assert_same(coder.decode(stream, *size), coded)


def test_the_decoded_latent_is_the_symbol_plus_its_mean(coder):
    y = latents(coder, scale=0.6)
    _, coded = coder.encode(y)
    last = coder._tables.length[coded.y_indexes] - 1
    inside = (coded.y_symbols > 0) & (coded.y_symbols < last)
    inside = np.concatenate(list(inside), axis=-1)
    assert inside.mean() > 0.1
    assert np.abs(coded.y_hat - y.numpy())[0, inside].max() <= 0.5 + coding.MEAN_GRID
    # Means lie on a grid that float32 holds exactly.
    assert (
        coded.y_hat / coding.MEAN_GRID == np.rint(coded.y_hat / coding.MEAN_GRID)
    ).all()


def test_an_independent_decoder_reads_the_stream(coder):
    stream, coded = coder.encode(latents(coder))
    decoder = RangeDecoder(stream)
    rows = split_tables(coder._tables.cdf)
    z_rows = np.broadcast_to(coder._z_rows(), coded.z_symbols.shape)
    np.testing.assert_array_equal(decode_index(decoder, rows, z_rows), coded.z_symbols)
    for indexes, symbols in zip(coded.y_indexes, coded.y_symbols, strict=True):
        np.testing.assert_array_equal(decode_index(decoder, rows, indexes), symbols)


def test_the_stream_weighs_what_its_tables_say(coder):
    stream, coded = coder.encode(latents(coder, 16, 16))
    ideal = coder.ideal_bits(coded)
    assert 8 * len(stream) == pytest.approx(ideal.z + ideal.y, rel=3e-3, abs=40)


def test_z_weighs_what_a_stream_of_it_alone_does(coder):
    _, coded = coder.encode(latents(coder, 16, 16))
    rows = np.broadcast_to(coder._z_rows(), coded.z_symbols.shape)
    handle = tfc.create_range_encoder([], coder._cdf)
    handle = tfc.entropy_encode_index(handle, rows.copy(), coded.z_symbols)
    alone = len(tfc.entropy_encode_finalize(handle).numpy())
    assert 8 * alone == pytest.approx(coder.ideal_bits(coded).z, rel=3e-3, abs=40)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_latents_that_are_no_numbers_are_refused(coder, value):
    y = latents(coder).numpy()
    y[0, 3, 5, 1] = value
    with pytest.raises(NonFiniteError, match="NaN or infinite"):
        coder.encode(tf.constant(y))


@pytest.mark.parametrize("value", [1e6, -1e9, 3e38])
def test_latents_beyond_the_tables_are_clipped_and_counted(coder, value):
    y = latents(coder, scale=0.1).numpy()
    before = coder.encode(tf.constant(y))[1].clipped
    y[0, 3, 5, 0] = value
    stream, coded = coder.encode(tf.constant(y))
    assert coded.clipped > before
    assert_same(coder.decode(stream, 8, 12), coded)


def test_damaged_streams_end(coder):
    stream, coded = coder.encode(latents(coder))
    rng = np.random.default_rng(0)
    for _ in range(50):
        damaged = bytearray(stream)
        damaged[rng.integers(len(stream))] ^= 1 << rng.integers(8)
        try:
            other = coder.decode(bytes(damaged[: rng.integers(1, len(stream))]), 8, 12)
        except CorruptError:
            continue
        assert other.crc() != coded.crc()


def test_the_fingerprint_sees_one_symbol_and_one_index(coder):
    _, coded = coder.encode(latents(coder))
    for name in ("z_symbols", "y_indexes", "y_symbols"):
        changed = getattr(coded, name).copy()
        changed.flat[7] += 1
        assert coded._replace(**{name: changed}).crc() != coded.crc()
