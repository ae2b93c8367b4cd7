import threading

import pytest
import tensorflow as tf

from hific import tables
from hific.ahead import Ahead
from tests import micro_codec

SIGNATURE = [tf.TensorSpec((None,))]


def _ahead(function):
    return Ahead(function, SIGNATURE, lambda: [tf.zeros(1)])


def test_what_is_made_ready_is_traced_once_in_another_thread():
    threads = []

    def double(x):
        threads.append(threading.current_thread())
        return 2.0 * x

    function = _ahead(double)
    for _ in range(2):
        function.prepare()
    assert function(tf.ones(3)).numpy().tolist() == [2.0] * 3
    function.prepare()
    assert function(tf.ones(2)).numpy().tolist() == [2.0] * 2
    assert len(threads) == 1 and threads[0] is not threading.current_thread()


def test_what_is_called_before_is_not_made_ready():
    calls = []
    function = _ahead(lambda x: calls.append(x) or x)
    function(tf.ones(3))
    function.prepare()
    function(tf.ones(3))
    assert len(calls) == 1


def test_a_failure_is_that_of_the_call():
    def fail(x):
        raise MemoryError("too little")

    function = _ahead(fail)
    function.prepare()  # Says nothing.
    with pytest.raises(MemoryError, match="too little"):
        function(tf.ones(3))


def test_without_a_thread_to_be_had_it_is_the_call_that_traces(monkeypatch):
    def refused(self):
        raise RuntimeError("can't start new thread")

    function = _ahead(lambda x: 2.0 * x)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refused)
        function.prepare()
    assert function(tf.ones(1)).numpy().tolist() == [2.0]


def test_a_call_waits_until_the_function_is_ready():
    begin, order = threading.Event(), []

    def example():
        begin.wait(10)
        order.append("example")
        return [tf.zeros(1)]

    function = Ahead(lambda x: x, SIGNATURE, example)
    function.prepare()
    threading.Timer(0.1, begin.set).start()
    function(tf.ones(1))
    order.append("call")
    assert order == ["example", "call"]


def test_a_codec_gives_the_same_bytes_and_pictures_ahead_or_not(monkeypatch):
    image, found = micro_codec.picture(), []
    built = tables.build(micro_codec.model().prior.density)
    for _ in range(2):
        codec = micro_codec.codec(built)
        for _ in range(3):  # Without a graph, then with one.
            data = codec.compress(image)
            found.append((data, codec.decompress(data).tobytes()))
        monkeypatch.setattr(Ahead, "prepare", lambda self: None)
    assert len(found) == 6 and len(set(found)) == 1


def test_the_first_call_may_do_without_a_graph():
    traced = []

    def double(x):
        traced.append(tf.inside_function())
        return 2.0 * x

    function = Ahead(double, SIGNATURE, lambda: [tf.zeros(1)], first_without=True)
    function.prepare()
    function.trace()
    assert traced == []
    for _ in range(3):
        assert function(tf.ones(2)).numpy().tolist() == [2.0] * 2
    assert traced == [False, True]


def test_what_is_called_a_second_time_is_made_ready_before():
    function = Ahead(lambda x: 2.0 * x, SIGNATURE, first_without=True)
    function(tf.ones(2))
    function.trace()
    assert function._function.experimental_get_tracing_count() == 1
    assert function(tf.ones(2)).numpy().tolist() == [2.0] * 2
    assert function._function.experimental_get_tracing_count() == 1
