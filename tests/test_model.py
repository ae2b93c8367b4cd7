"""Models that are built when they are asked for."""

import threading

import numpy as np
import pytest
import tensorflow as tf

import egic
from egic import codec as builder
from egic import stored
from hific.errors import ModelLoadError
from hific.model import LaterModel
from tests import micro_codec

IMAGE = tf.constant(micro_codec.picture(64, 64)[np.newaxis], tf.float32)


class Counted:
    """Builds models and counts them."""

    def __init__(self):
        self.count = 0

    def __call__(self):
        self.count += 1
        return micro_codec.model()


def test_it_is_built_once_and_only_when_a_network_is_asked_for():
    build = Counted()
    later = LaterModel(build, 7)
    assert later.channels == 7 and build.count == 0
    threads = [threading.Thread(target=lambda: later.synthesis) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert build.count == 1
    assert later.head is later._model().head and later.prior is later._model().prior


def test_what_failed_to_be_built_is_tried_again():
    answers = iter([ModelLoadError("no memory"), micro_codec.model()])

    def build():
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    later = LaterModel(build, 7)
    with pytest.raises(ModelLoadError):
        _ = later.analysis
    assert callable(later.analysis)


def test_traced_before_it_is_built_it_computes_the_same():
    expected = micro_codec.model().analysis(IMAGE)
    later = LaterModel(micro_codec.model, 7)
    traced = tf.function(lambda image: later.analysis(image), autograph=False)
    for _ in range(2):
        np.testing.assert_allclose(traced(IMAGE), expected, rtol=1e-5, atol=1e-4)
    assert later._model().variables[0].device  # Of this process, not of a graph.


@pytest.fixture
def bundle_and_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    builder.save(micro_codec.CONFIG, micro_codec.model(), tmp_path / "model")
    return tmp_path / "model"


def test_a_bundle_is_built_at_once_until_it_was_seen_to_fit(
    bundle_and_cache, monkeypatch
):
    pytest.importorskip("openvino")
    built, assign = [], stored._assign
    monkeypatch.setattr(
        stored, "_assign", lambda *args: built.append(1) or assign(*args)
    )
    image = micro_codec.picture()
    exact = egic.load(bundle_and_cache, "tensorflow").compress(image)
    assert len(built) == 1
    for _ in range(2):
        egic.load(bundle_and_cache, "openvino-float32")
    assert len(built) == 2
    later = egic.load(bundle_and_cache, "openvino-float32")
    assert later.estimate(image) == pytest.approx(
        egic.load(bundle_and_cache, "tensorflow").estimate(image), rel=1e-3
    )
    assert len(built) == 4 and len(exact) > 0


def test_a_bundle_that_does_not_fit_is_refused_whatever_the_engine(
    bundle_and_cache, monkeypatch
):
    pytest.importorskip("openvino")
    names = stored.named_variables

    def one_more(model):
        return {**names(model), "analysis.unknown": tf.Variable(0.0)}

    monkeypatch.setattr(stored, "named_variables", one_more)
    for _ in range(2):
        for engine in ("tensorflow", "openvino-float32"):
            with pytest.raises(ModelLoadError, match="do not fit its config"):
                egic.load(bundle_and_cache, engine)


def test_a_bundle_is_read_where_no_thread_is_to_be_had(bundle_and_cache, monkeypatch):
    def refused(self):
        raise RuntimeError("can't start new thread")

    expected = egic.load(bundle_and_cache, "tensorflow").model_id
    monkeypatch.setattr(threading.Thread, "start", refused)
    assert egic.load(bundle_and_cache, "tensorflow").model_id == expected
