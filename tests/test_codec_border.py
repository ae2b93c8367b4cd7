"""What leaves compress, decompress and load when input or machine are bad."""

import dataclasses
import types

import numpy as np
import pytest
import tensorflow as tf

import egic
import hific.config
from hific import bitstream, bundle, memory, tables
from hific.names import named_variables
from tests import micro_codec


@pytest.fixture(scope="module")
def built():
    return tables.build(micro_codec.model().prior.density)


@pytest.fixture(scope="module")
def codec(built):
    return micro_codec.codec(built)


@pytest.fixture(scope="module")
def packet(codec):
    return bitstream.unpack(codec.compress(micro_codec.picture()))


def test_a_small_file_cannot_ask_for_a_large_picture(codec, packet):
    bomb = dataclasses.replace(packet, width=16384, height=16384, payload=b"\0" * 12)
    with pytest.raises(egic.CorruptError, match="cannot hold a picture of 16384 x 163"):
        codec.decompress(bitstream.pack(bomb))


def test_a_picture_above_the_memory_budget_is_refused_before_it_is_coded(
    codec, packet, monkeypatch
):
    def fail(*_):
        raise AssertionError("coded")

    monkeypatch.setattr(memory, "available", lambda: 500_000_000)
    monkeypatch.setattr(codec, "coder", types.SimpleNamespace(encode=fail, decode=fail))
    for call in (
        lambda: codec.compress(micro_codec.picture()),
        lambda: codec.decompress(bitstream.pack(packet)),
    ):
        with pytest.raises(egic.LimitExceededError, match="0.5 GB are to be had"):
            call()


def test_a_large_untiled_file_is_not_taken_for_a_tiled_one(codec, packet, monkeypatch):
    """Once such files were written; all of their latents are decoded at once."""
    monkeypatch.setattr(memory, "available", lambda: 3 * 10**9)
    data = dataclasses.replace(packet, width=4096, height=4096)
    with pytest.raises(egic.LimitExceededError, match="takes 4.0 GB"):
        codec.decompress(bitstream.pack(data))


def test_the_cheapest_symbol_is_the_middle_of_the_narrowest_gaussian(built):
    """Two of 65,536 counts go to -1 and 1."""
    assert built.least_bits() == pytest.approx(-np.log2(65534 / 65536))


@pytest.mark.parametrize(
    "error", [MemoryError(), tf.errors.ResourceExhaustedError(None, None, "OOM")]
)
def test_too_little_memory_is_a_limit_with_the_size_and_the_need(
    codec, packet, error, monkeypatch
):
    def fail(*_):
        raise error

    data = bitstream.pack(packet)
    monkeypatch.setattr(codec._engine, "analysis", fail)
    monkeypatch.setattr(codec._engine, "synthesis", fail)
    for call in (
        lambda: codec.compress(micro_codec.picture()),
        lambda: codec.decompress(data),
    ):
        with pytest.raises(egic.LimitExceededError, match="70 x 50.* needs 0.9 GB"):
            call()


def save(folder, built, config=None, weights=None, **changed_tables):
    variables = named_variables(micro_codec.model()).items()
    return bundle.write(
        folder,
        config or hific.config.to_dict(micro_codec.CONFIG),
        weights or {name: variable.numpy() for name, variable in variables},
        dataclasses.asdict(built) | changed_tables,
    )


def test_a_bundle_of_the_micro_codec_decodes_its_file(tmp_path, built, codec):
    save(tmp_path, built)
    image = micro_codec.picture()
    loaded = egic.load(tmp_path)
    assert loaded.decompress(loaded.compress(image)).shape == image.shape


@pytest.mark.parametrize(
    "name, change",
    [
        ("cdf", lambda cdf: cdf[:-1]),
        ("cdf", lambda cdf: np.where(np.arange(len(cdf)) == 0, -16, cdf)),  # Escapes.
        ("cdf", lambda cdf: cdf[::-1].copy()),
        ("cdf", lambda cdf: cdf.astype(np.int64)),
        ("length", lambda length: length * 0),
        ("offset", lambda offset: offset[:-1]),
        ("extra", lambda _: np.zeros(1, np.int32)),
    ],
)
def test_tables_that_would_confuse_the_range_coder_are_refused(
    tmp_path, built, name, change
):
    save(tmp_path, built, **{name: change(getattr(built, name, None))})
    with pytest.raises(egic.ModelLoadError, match="tables"):
        egic.load(tmp_path)


@pytest.mark.parametrize(
    "path, value",
    [
        ("kind", "Unknown"),
        ("transform", 7),
        ("transform.dims", "large"),
        ("transform.dims", [32, 32, 32]),
        ("transform.dims", [33, 32, 32, 32]),
        ("transform.window", 0),
        ("transform.window", "8"),
        ("hyper.channels", -32),
        ("hyper.windows", []),
        ("charm.widths", []),
        ("charm.widths", [[32, 32]] * 3),
    ],
)
def test_a_config_that_makes_no_sense_is_a_model_load_error(
    tmp_path, built, path, value
):
    config = hific.config.to_dict(micro_codec.CONFIG)
    *holders, name = path.split(".")
    holder = config
    for part in holders:
        holder = holder[part]
    holder[name] = value
    save(tmp_path, built, config)
    with pytest.raises(egic.ModelLoadError):
        egic.load(tmp_path)
