"""Tests of hific/data_wait.py with a clock that is set by hand."""

import pytest

from hific.data_wait import DataWait


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def slow_batches(clock, seconds):
    for number in range(100):
        clock.now += seconds
        yield number


def test_waiting_is_counted_against_the_time_since_the_last_look():
    clock = Clock()
    wait = DataWait(clock)
    batches = slow_batches(clock, 0.5)
    assert [wait.fetch(batches) for _ in range(2)] == [0, 1]
    clock.now += 3.0  # Of steps.
    assert wait.share() == pytest.approx(1.0 / 4.0)
    clock.now += 1.0
    assert wait.share() == 0.0


def test_a_run_is_told_once_and_not_of_the_window_in_which_it_was_traced():
    clock = Clock()
    wait = DataWait(clock)
    batches = slow_batches(clock, 0.1)
    said = []
    for step_seconds in (0.0, 9.9, 0.9, 0.9):
        wait.fetch(batches)
        clock.now += step_seconds
        said.append(wait.complaint(wait.share()))
    assert [line is not None for line in said] == [False, False, True, False]
    assert said[2].startswith("10% of the time")
    assert "--data_threads" in said[2]
