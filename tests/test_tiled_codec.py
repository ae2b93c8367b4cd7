"""Small pictures cut into small tiles: coded, joined, drawn, refused."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

import egic
from egic import codec as builder
from egic.initialisers import Initialiser
from hific import bitstream, tables
from hific.evaluation import subjects
from hific.network_config import HeadConfig
from hific.rendering import Rendering
from hific.tiled_rendering import TiledRendering, show
from hific.tiles import Grid
from tests import micro_codec

GRID = Grid(core=64, margin=64, largest_whole=100)
SIZE = (150, 210)  # Padded to 192 x 256: three rows of four tiles.


def codec_of(model, config):
    built = tables.build(model.prior.density)
    codec = builder.build_codec(config, model, built, micro_codec.MODEL_ID)
    codec.grid = GRID
    return codec


@pytest.fixture(scope="module")
def codec():
    return codec_of(micro_codec.model(), micro_codec.CONFIG)


@pytest.fixture(scope="module")
def headed():
    """With a head that is 64 grey levels darker."""
    config = dataclasses.replace(micro_codec.CONFIG, head=HeadConfig(1))
    model = builder.build_egic(config, init=Initialiser(3))
    model.head.start_from(model.synthesis)
    for network, bias in ((model.synthesis, 0.5), (model.head, 0.25)):
        network.unpack.kernel.assign(0.1 * network.unpack.kernel)
        network.unpack.bias.assign(bias * tf.ones(12))
    return codec_of(model, config)


@pytest.fixture(scope="module")
def data(codec):
    return codec.compress(micro_codec.picture(*SIZE))


@pytest.fixture(scope="module")
def rendering(headed):
    return headed.decode(headed.compress(micro_codec.picture(*SIZE)))


@pytest.mark.parametrize("size", [(65, 64), (1, 130)])
def test_a_tiled_picture_of_any_size_comes_back_with_the_same_latents(codec, size):
    image = micro_codec.picture(*size)
    data, report = codec.compress_with_report(image)
    packet, latents = codec.decode_latents(data)
    assert packet.flags == bitstream.TILED and (packet.height, packet.width) == size
    assert len(latents) == GRID.count(*size)
    _, y_hat = codec.decode_y_hat(data)
    for tile, coded in zip(GRID.tiles(*size, 64), latents, strict=True):
        rows, columns = tile.core.over(16).slices
        np.testing.assert_array_equal(y_hat[:, rows, columns], coded.y_hat)
        sent, finite = codec.coder.quantise(codec.latents(image)[:, rows, columns])
        assert finite and sent.crc() == coded.crc()
    assert codec.decompress(data).shape == (*size, 3)
    payload = bitstream.stream_bytes(packet, GRID)
    bits = 8 * (payload - len(latents))  # A stream ends in whole bytes.
    assert bits <= report.ideal_bits * 1.01 <= 8 * payload * 1.02


@pytest.mark.slow
def test_forty_sizes_come_back_with_the_same_latents(codec):
    rng = np.random.default_rng(0)
    sizes = [(1, 101), (101, 1), (64, 128), (63, 129), (193, 65)]
    sizes += [tuple(rng.integers(11, 200, 2).tolist()) for _ in range(35)]
    for size in sizes:
        image = rng.integers(0, 256, (*size, 3), np.uint8)
        packet, latents = codec.decode_latents(codec.compress(image))
        y = codec.latents(image)
        tiles = GRID.tiles(*size, codec.stride)
        assert (packet.height, packet.width) == size and len(latents) == len(tiles)
        for tile, received in zip(tiles, latents, strict=True):
            rows, columns = tile.core.over(16).slices
            sent, _ = codec.coder.quantise(y[:, rows, columns])
            for name in ("z_symbols", "y_indexes", "y_symbols", "y_hat"):
                np.testing.assert_array_equal(
                    getattr(sent, name), getattr(received, name)
                )


def test_every_tile_is_told_as_it_is_done(codec, data):
    told = []
    codec.compress(micro_codec.picture(65, 128), lambda *step: told.append(step))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    told.clear()
    codec.decompress(data, progress=lambda *step: told.append(step))
    assert told == [(done, 24) for done in range(1, 25)]
    told.clear()
    small = codec.compress(micro_codec.picture(8, 8), lambda *step: told.append(step))
    codec.decompress(small, progress=lambda *step: told.append(step))
    assert told == [(1, 1), (1, 2), (2, 2)]


def test_e_sees_the_margin_and_only_the_core_is_coded(codec):
    image = micro_codec.picture(*SIZE)
    y = codec.latents(image).numpy()
    assert y.shape == (1, 12, 16, 32)
    padded = np.pad(image, ((0, 42), (0, 46), (0, 0)), mode="reflect")
    # The tile of rows and columns 64 to 128 sees 0 to 192.
    window = tf.constant(padded[np.newaxis, :192, :192], tf.float32)
    expected = codec._engine.analysis(window)[:, 4:8, 4:8]
    np.testing.assert_array_equal(y[:, 4:8, 4:8], expected)


def test_g_sees_the_latents_of_the_neighbours(codec, data):
    _, y_hat = codec.decode_y_hat(data)
    drawn = codec._engine.synthesis(tf.constant(y_hat[:, :12, :12]))
    found = codec.decode(data).exact()
    np.testing.assert_array_equal(found[64:128, 64:128], drawn[0, 64:128, 64:128])


def test_with_margins_that_reach_everything_tiles_are_the_whole(headed):
    _, y_hat = headed.decode_y_hat(headed.compress(micro_codec.picture(*SIZE)))
    whole = Rendering(headed._engine, tf.constant(y_hat), *SIZE)
    tiled = TiledRendering(headed._engine, y_hat, *SIZE, Grid(64, 1024, 0))
    for alpha in (1.0, 0.0, 0.3):
        np.testing.assert_array_equal(tiled.image(alpha), whole.image(alpha))
    np.testing.assert_array_equal(tiled.realistic, whole.realistic)
    np.testing.assert_array_equal(tiled.faithful, whole.faithful)


def test_what_is_drawn_by_tiles_depends_on_the_size_alone(codec):
    """A huge picture that an earlier encoder wrote as one stream is drawn by tiles."""
    image = micro_codec.picture(*SIZE)
    codec.grid = Grid(64, 64, 2**40)
    try:
        old = codec.compress(image)
    finally:
        codec.grid = GRID
    packet, latents = codec.decode_latents(old)
    assert packet.flags == 0 and len(latents) == 1
    assert isinstance(codec.decode(old), TiledRendering)
    small = codec.compress(image[:10, :10])
    assert isinstance(codec.decode(small), Rendering)


def test_alphas_blend_in_every_tile(rendering):
    ends = rendering.exact(0.0), rendering.exact(1.0)
    np.testing.assert_allclose(ends[1] - ends[0], 64, atol=1)
    np.testing.assert_allclose(rendering.exact(0.5), np.mean(ends, 0), atol=1e-4)
    np.testing.assert_array_equal(
        rendering.exact(np.full(SIZE, 0.5)), rendering.exact(0.5)
    )


def test_a_map_that_crosses_tiles_chooses_for_each_pixel(rendering):
    alpha = np.zeros(SIZE)
    alpha[100:], alpha[:, 120:130] = 1.0, 0.5
    image = rendering.image(alpha)
    parts = [rendering.image(value) for value in (0.0, 0.5, 1.0)]
    which = (2 * alpha).astype(int)[..., np.newaxis]
    np.testing.assert_array_equal(image, np.choose(which, parts))


@pytest.mark.parametrize("alpha", [1.5, np.nan, np.ones((150, 211)), np.ones((64, 64))])
def test_what_is_no_alpha_is_refused_before_anything_is_drawn(rendering, alpha):
    def fail(*_):
        raise AssertionError("drawn")

    with pytest.raises(egic.UnsupportedAlphaError):
        rendering.images([1.0, alpha], progress=fail)


def test_without_a_head_only_alpha_1_is_there(codec, data):
    with pytest.raises(egic.UnsupportedAlphaError, match="output-residual head"):
        codec.decompress(data, alpha=0.5)


class FlatEngine:
    """Draws grey 100, and 180 as the faithful end; counts."""

    def __init__(self):
        self.ends, self.asked = self, []

    def features(self, y_hat):
        self.asked.append("features")
        return y_hat

    def realistic(self, y_hat):
        self.asked.append("realistic")
        return tf.fill((1, 16 * y_hat.shape[1], 16 * y_hat.shape[2], 3), 100.0)

    def faithful(self, y_hat):
        self.asked.append("faithful")
        return 80.0 + self.realistic(y_hat)


def test_several_alphas_run_each_network_once_for_each_tile():
    engine = FlatEngine()
    shown = show(engine, np.zeros((1, 8, 8, 4), np.float32), 128, 100, GRID)
    images = shown.images([1.0, 0.75, 0.5, 0.0])
    assert [int(image[99, 77, 1]) for image in images] == [100, 120, 140, 180]
    assert [image.shape for image in images] == [(128, 100, 3)] * 4
    assert engine.asked.count("features") == engine.asked.count("faithful") == 4
    engine.asked.clear()
    alpha = np.ones((128, 100))
    alpha[:64, :64] = 0  # With margins every window sees some of both.
    shown.image(alpha[:, ::-1])
    assert engine.asked.count("features") == 4


def test_bits_are_decoded_once_for_all_alphas(headed, monkeypatch):
    calls, decode = [], headed.coder.decode
    data = headed.compress(micro_codec.picture(65, 64))
    monkeypatch.setattr(
        headed.coder, "decode", lambda *args: calls.append(1) or decode(*args)
    )
    assert len(headed.decompress_all(data, [0.0, 0.3, 1.0])) == 3
    assert calls == [1, 1]


def forged(file, number, **changes):
    """The file with one tile changed, and every checksum over bytes right."""
    packet = bitstream.unpack(file, grid=GRID)
    streams = bitstream.streams_of(packet, GRID)
    streams[number] = streams[number]._replace(**changes)
    return bitstream.pack(
        bitstream.packet_of(
            packet.model_id, packet.width, packet.height, streams, GRID
        ),
        GRID,
    )


def test_a_tile_whose_latents_differ_is_named_and_no_picture_is_shown(codec, data):
    with pytest.raises(egic.DecodeMismatchError, match="in tile 6 of 12"):
        codec.decompress(forged(data, 5, latents_crc=7))


def test_a_tile_too_short_for_its_pixels_is_refused_before_any_is_decoded(
    codec, data, monkeypatch
):
    monkeypatch.setattr(codec.coder, "decode", None)
    codec_bits = codec._least_bits
    monkeypatch.setattr(codec, "_least_bits", 64.0)
    assert codec_bits < 64
    with pytest.raises(egic.CorruptError, match="cannot hold a picture of 64 x 64"):
        codec.decompress(forged(data, 11, data=b""))


def test_a_damaged_tile_is_a_codec_error(codec, data):
    rng = np.random.default_rng(0)
    for number in range(12):
        with pytest.raises(egic.CodecError):
            codec.decompress(forged(data, number, data=rng.bytes(300)))


def test_a_tile_of_another_picture_is_refused(codec, data):
    other = codec.compress(np.zeros((*SIZE, 3), np.uint8))
    stream, _ = bitstream.streams_of(bitstream.unpack(other, grid=GRID), GRID)[0]
    with pytest.raises(egic.CodecError):
        codec.decompress(forged(data, 0, data=stream))


def test_bits_of_tiles_add_up_to_the_estimate(codec, data):
    image = micro_codec.picture(*SIZE)
    _, report = codec.compress_with_report(image)
    assert codec.estimate(image) == pytest.approx(report.ideal_bits, rel=0.02)
    assert 0 < report.ideal_z_bits < report.ideal_bits


def test_an_evaluation_splits_the_bits_of_a_tiled_file(codec, tmp_path):
    learned = subjects.Learned(
        name="micro",
        fingerprint="",
        load=lambda: codec,
        payload_bytes=lambda data: bitstream.stream_bytes(
            bitstream.unpack(data, grid=GRID), GRID
        ),
    )
    (row,) = learned.code(micro_codec.picture(65, 64), tmp_path / "a.egic", None)
    bits = {
        name: row.columns[name] * 65 * 64
        for name in ("header_bpp", "z_bpp", "y_bpp", "estimated_bpp")
    }
    # Header 17, lengths 4, five checksums of the table and the tiles, two of the file.
    assert bits["header_bpp"] == pytest.approx(8 * (17 + 4 + 5 * 4 + 8))
    assert bits["header_bpp"] + bits["z_bpp"] + bits["y_bpp"] == pytest.approx(
        8 * len(row.data)
    )
    assert (
        row.image.shape == (65, 64, 3) and abs(row.columns["payload_gap_percent"]) < 2
    )


def test_not_finite_pixels_of_any_tile_are_never_shown(monkeypatch):
    engine = FlatEngine()
    shown = show(engine, np.zeros((1, 8, 8, 4), np.float32), 128, 100, GRID)
    real = engine.realistic

    def broken(y_hat):
        return real(y_hat) + (np.nan if engine.asked.count("features") == 3 else 0)

    monkeypatch.setattr(engine, "realistic", broken)
    with pytest.raises(egic.NonFiniteError):
        shown.image()


def test_memory_that_fails_in_a_tile_is_told_of_the_whole_picture(
    codec, data, monkeypatch
):
    def fail(*_):
        raise MemoryError

    monkeypatch.setattr(codec._engine, "synthesis", fail)
    monkeypatch.setattr(codec._engine, "analysis", fail)
    for call in (
        lambda: codec.decompress(data),
        lambda: codec.compress(micro_codec.picture(*SIZE)),
    ):
        with pytest.raises(egic.LimitExceededError, match="picture of 210 x 150"):
            call()
