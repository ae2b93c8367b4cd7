"""E and G in OpenVINO: the values of TensorFlow, and files that are anybody's."""

import concurrent.futures
import functools
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

import egic
from egic import codec as builder
from egic.config import CharmConfig, EgicConfig, HyperConfig, TransformConfig
from egic.initialisers import Initialiser
from hific import codec as coding
from hific import (
    config,
    engine_names,
    engines,
    memory,
    openvino_conversion,
    openvino_engine,
)
from hific.border import border
from hific.errors import CodecError, LimitExceededError, NonFiniteError
from hific.network_config import HeadConfig
from hific.openvino_engine import OpenVinoEngine

pytest.importorskip("openvino")

CONFIG = EgicConfig(
    transform=TransformConfig(dims=(32,) * 4, depths=(2, 1, 1, 2), window=8),
    hyper=HyperConfig(channels=32, depths=(1, 1), windows=(4, 2)),
    charm=CharmConfig(max_support=2, widths=((32, 32),) * 2),
    head=HeadConfig(stages=1),
)
PICTURE = np.random.default_rng(0).integers(0, 256, (70, 200, 3), np.uint8)


@pytest.fixture(autouse=True, scope="module")
def folder(tmp_path_factory):
    """Where compiled networks are kept meanwhile, and a bundle."""
    with pytest.MonkeyPatch.context() as patch:
        path = tmp_path_factory.mktemp("cache")
        patch.setenv("XDG_CACHE_HOME", str(path))
        model = builder.build_egic(CONFIG, init=Initialiser(1))
        builder.save(CONFIG, model, path / "model")
        yield path


@functools.cache
def codec(path, engine):
    return egic.load(path / "model", engine)


def engine_of(codec):
    return codec._engine


def networks_in(cache):
    """What is kept there, but for the note that a bundle was seen to fit."""
    files = (cache / "egic" / "networks").iterdir()
    return [path for path in files if path.stat().st_size > 100]


def close(found, expected, relative):
    error = np.linalg.norm(np.asarray(found) - expected) / np.linalg.norm(expected)
    assert error < relative


@pytest.mark.parametrize(
    ("name", "relative"), [("openvino-float32", 1e-5), ("openvino", 0.03)]
)
@pytest.mark.parametrize("size", [(64, 64), (128, 192), (192, 64)])
def test_every_network_gives_the_values_of_tensorflow(folder, name, relative, size):
    ours, theirs = (
        engine_of(codec(folder, name)),
        engine_of(codec(folder, "tensorflow")),
    )
    image = tf.random.stateless_uniform((1, *size, 3), (0, 1), 0.0, 255.0)
    y = theirs.analysis(image)
    close(ours.analysis(image), y, relative)
    features = theirs.ends.features(y)
    kept = ours.ends.features(y)
    close(ours.ends.realistic(kept), theirs.ends.realistic(features), relative)
    close(ours.ends.faithful(kept), theirs.ends.faithful(features), relative)
    close(ours.synthesis(y), theirs.synthesis(y), relative)


def test_files_of_each_engine_decode_with_the_other(folder):
    ours, theirs = codec(folder, "openvino"), codec(folder, "tensorflow")
    assert (ours.engine, theirs.engine) == ("openvino", "tensorflow")
    for writer, reader in ((ours, theirs), (theirs, ours)):
        data = writer.compress(PICTURE)
        for mine, other in zip(
            writer.decompress_all(data, [0.0, 0.5, 1.0]),
            reader.decompress_all(data, [0.0, 0.5, 1.0]),
            strict=True,
        ):
            assert np.abs(mine.astype(int) - other).mean() < 4


def test_hific_runs_in_it_too():
    model = builder.build_model(config.PRESETS["hific-tiny"])
    made = [
        engines.engine_of(name, model, model.channels)
        for name in ("tensorflow", "openvino-float32")
    ]
    image = tf.random.stateless_uniform((1, 64, 128, 3), (0, 1), 0.0, 255.0)
    y, found = (each.analysis(image) for each in made)
    close(found, y, 1e-4)
    close(made[1].synthesis(y), made[0].synthesis(y), 1e-4)


@pytest.mark.parametrize("large", [openvino_engine.LARGE, 0])
def test_several_threads_get_what_one_gets(folder, monkeypatch, large):
    monkeypatch.setattr(openvino_engine, "LARGE", large)  # 0 keeps no memory.
    engine = engine_of(codec(folder, "openvino-float32"))
    images = [np.full((1, 64, 64 * (1 + i % 2), 3), 20.0 * i) for i in range(8)]
    alone = [np.asarray(engine.analysis(image)) for image in images]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for found, expected in zip(
            pool.map(engine.analysis, images), alone, strict=True
        ):
            np.testing.assert_array_equal(found, expected)


def test_what_was_compiled_is_read_and_what_is_damaged_compiled_again(
    folder, tmp_path, monkeypatch
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    converted = []
    convert = openvino_conversion.converted
    monkeypatch.setattr(
        openvino_conversion,
        "converted",
        lambda *args: converted.append(1) or convert(*args),
    )
    image = np.full((1, 64, 64, 3), 9.0)

    def first_use():
        engine = engine_of(egic.load(folder / "model", "openvino-float32"))
        return np.asarray(engine.analysis(image)), len(converted)

    expected, count = first_use()
    assert count == 1
    again, count = first_use()
    assert count == 1
    np.testing.assert_array_equal(again, expected)
    (path,) = networks_in(tmp_path)
    path.write_bytes(path.read_bytes()[:-1])
    again, count = first_use()
    assert count == 2
    np.testing.assert_array_equal(again, expected)
    # Whole by its checksum, and nothing that OpenVINO reads.
    kept = openvino_engine.Cache.read
    monkeypatch.setattr(openvino_engine.Cache, "read", lambda *args: b"nonsense")
    assert first_use()[1] == 3
    monkeypatch.setattr(openvino_engine.Cache, "read", kept)


def test_auto_leaves_what_it_lacks_memory_for_to_tensorflow(folder, monkeypatch):
    monkeypatch.setattr(engine_names, "has_gpu", lambda: False)
    auto, alone = codec(folder, "auto"), codec(folder, "openvino")
    theirs = codec(folder, "tensorflow")
    data = theirs.compress(PICTURE)
    picture = theirs.decompress(data)
    first, second = auto._candidates
    pixels = 128 * 256
    for budget, engine in (
        (first.footprint.at_start + first.footprint.per_pixel * pixels, first.engine),
        (second.footprint.at_start + second.footprint.per_pixel * pixels, None),
    ):
        monkeypatch.setattr(memory, "available", lambda: budget)  # noqa: B023
        if engine is None:
            assert auto.compress(PICTURE) == data
            np.testing.assert_array_equal(auto.decompress(data), picture)
            with pytest.raises(LimitExceededError, match="--engine=tensorflow"):
                alone.compress(PICTURE)
            with pytest.raises(LimitExceededError, match="--engine=tensorflow"):
                alone.decompress(data)
        else:
            assert auto.decode(data)._engine is engine


def test_latents_that_are_no_numbers_are_found_out(folder):
    ours = codec(folder, "openvino")
    y_hat = np.full((1, 4, 4, 32), np.nan, np.float32)
    with pytest.raises(NonFiniteError):
        coding.show(engine_of(ours), y_hat, 64, 64).image()


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("Exception from src/x.cpp:1: std::bad_alloc", LimitExceededError),
        ("Exception from src/x.cpp:1: shapes differ", CodecError),
    ],
)
def test_what_openvino_raises_is_a_codec_error(said, kind):
    with (
        pytest.raises(CodecError) as caught,
        border(8, 8),
        openvino_engine._translated(),
    ):
        raise RuntimeError(said)
    assert type(caught.value) is kind


def test_threads_are_those_a_process_was_given(monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: {0, 1, 2, 3})
    for given, expected in (("3", 3), ("64", 4), ("", 4), ("2,1", 2), ("0", 1)):
        monkeypatch.setenv("OMP_NUM_THREADS", given)
        assert openvino_engine.threads() == expected
    engine = OpenVinoEngine(
        "openvino", engines.Source(_NoHead(), 3, False, lambda: _NoHead()), False
    )
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    compiled = engine.analysis.ready()
    assert compiled.get_property("INFERENCE_NUM_THREADS") in (1, 2)


class _NoHead:
    head = None

    @staticmethod
    def analysis(image):
        return image * 2.0

    synthesis = analysis


def test_two_processes_may_compile_at_once(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    code = (
        "import sys, numpy as np, egic\n"
        "codec = egic.load(sys.argv[1], 'openvino-float32')\n"
        "print(codec.latents(np.full((64, 64, 3), 9, np.uint8)).numpy().sum())"
    )
    command = [sys.executable, "-c", code, str(folder / "model")]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(2)]
    first, second = (process.communicate()[0] for process in running)
    assert first == second != b""
    assert len(networks_in(tmp_path)) == 1
