"""Stages in threads, with plain functions."""

import threading
import time

import pytest

from hific import pipelines
from hific.errors import CorruptError
from hific.pipelines import Line


def double(item):
    return 2 * item


def refuse_three(item):
    if item == 3:
        raise CorruptError("three")
    return item


def run(line, items, at_once=3):
    return list(pipelines.run(line, items, at_once, (CorruptError, OSError)))


class Gauge:
    """Counts who is in, and keeps the most there were."""

    def __init__(self):
        self._lock = threading.Lock()
        self.here = self.most = 0

    def enter(self, item):
        with self._lock:
            self.here += 1
            self.most = max(self.most, self.here)
        return item

    def leave(self, item):
        time.sleep(0.002)
        with self._lock:
            self.here -= 1
        return item


@pytest.mark.parametrize("at_once", [1, 2, 5])
def test_items_go_through_all_stages_and_come_in_order(at_once):
    line = Line((double, str, lambda text: f"<{text}>"))
    overs = run(line, range(20), at_once)
    assert [over.item for over in overs] == list(range(20))
    assert [over.value for over in overs] == [f"<{2 * i}>" for i in range(20)]
    assert line(21) == "<42>"


def test_stages_work_on_different_items_at_once():
    """The second stage ends its item only when the first one has the next."""
    began = [threading.Event() for _ in range(4)]
    began[3].set()

    def begin(item):
        began[item].set()
        return item

    def wait_for_next(item):
        return began[item + 1].wait(30)

    overs = run(Line((begin, wait_for_next)), range(3), at_once=2)
    assert [over.value for over in overs] == [True, True, True]


def test_the_error_of_an_item_is_its_own():
    calls = []
    line = Line((double, lambda item: refuse_three(item // 2), calls.append))
    overs = run(line, range(5))
    assert [str(over.error) for over in overs if over.error] == ["three"]
    assert overs[3].error is not None and overs[3].value is None
    assert calls == [0, 1, 2, 4]


def test_an_error_of_another_kind_ends_everything():
    line = Line((double, lambda item: 1 // (item - 4)))
    overs = pipelines.run(line, range(9), 2, (CorruptError,))
    assert [next(overs).item for _ in range(2)] == [0, 1]
    with pytest.raises(ZeroDivisionError):
        next(overs)
    assert not _stages_alive()


def test_an_error_of_what_gives_items_ends_everything():
    def items():
        yield 1
        raise ZeroDivisionError("of the items")

    overs = pipelines.run(Line((double,)), items(), 2)
    assert next(overs).value == 2
    with pytest.raises(ZeroDivisionError, match="of the items"):
        next(overs)


@pytest.mark.parametrize("at_once", [1, 2, 4])
def test_no_more_items_are_in_work_than_may_be(at_once):
    gauge = Gauge()
    line = Line((gauge.enter, double, gauge.leave))
    assert len(run(line, range(30), at_once)) == 30
    assert gauge.here == 0 and 1 <= gauge.most <= at_once


def test_nobody_runs_ahead_of_whom_results_are_for():
    taken = []

    def items():
        for item in range(100):
            taken.append(item)
            yield item

    overs = pipelines.run(Line((double,)), items(), 2)
    for done in range(5):
        next(overs)
        time.sleep(0.01)
        assert len(taken) <= done + 1 + 2 + 1  # Two in work, and one that waits.
    overs.close()


def test_what_would_not_fit_waits_and_one_alone_always_goes():
    needs = {0: 4, 1: 4, 2: 9, 3: 1, 4: 20, 5: 6, 6: 4}
    here, together = set(), []
    lock = threading.Lock()

    def enter(item):
        with lock:
            here.add(item)
            together.append(sum(needs[one] for one in here))
        return item

    def leave(item):
        time.sleep(0.005)
        with lock:
            here.remove(item)
        return item

    line = Line((enter, leave), need=needs.get, fits=lambda need: need <= 10)
    assert [over.item for over in run(line, needs, at_once=5)] == list(needs)
    assert max(need for need in together if need != 20) <= 10


def test_closing_ends_the_threads_after_what_they_are_doing():
    ended = []

    def slow(item):
        time.sleep(0.05)
        ended.append(item)
        return item

    overs = pipelines.run(Line((slow, slow)), iter(range(100)), 3)
    next(overs)
    overs.close()
    known = len(ended)
    assert not _stages_alive()
    time.sleep(0.1)
    assert len(ended) == known < 10


def test_closing_does_not_wait_for_ever_for_a_stage(monkeypatch):
    monkeypatch.setattr(pipelines, "_SECONDS_TO_END", 0.05)
    go = threading.Event()

    def wait_at_two(item):
        return item if item == 1 else go.wait(30)

    overs = pipelines.run(
        Line((double, lambda item: wait_at_two(item // 2))), [1, 2], 2
    )
    assert next(overs).value == 1
    start = time.monotonic()
    overs.close()
    assert time.monotonic() - start < 10
    go.set()


def test_a_line_of_nobody_at_a_time_is_refused():
    with pytest.raises(ValueError, match="1 or more, got 0"):
        run(Line((double,)), [1], at_once=0)


def _stages_alive():
    return [thread for thread in threading.enumerate() if thread.name == "stage"]
