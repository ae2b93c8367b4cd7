"""Wishes to stop, in this process and in others."""

import os
import signal
import subprocess
import sys
import time

import pytest

from hific import signals
from hific.signals import Signals, Stopped


@pytest.mark.parametrize("number", signals.NUMBERS)
def test_the_first_one_is_noted_and_nothing_more(number):
    before = signal.getsignal(number)
    with Signals() as noted:
        noted.stop_if_asked()
        os.kill(os.getpid(), number)
        assert noted.received
        with pytest.raises(Stopped):
            noted.stop_if_asked()
    assert signal.getsignal(number) is before


def test_the_same_wish_sent_twice_at_once_is_one():
    with Signals() as noted:
        os.kill(os.getpid(), signal.SIGUSR1)
        os.kill(os.getpid(), signal.SIGTERM)
        assert noted.received


@pytest.fixture
def usual_interrupt():
    """Ctrl-C as Python has it; a process begun in the background ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_a_second_one_acts_as_usual(monkeypatch, usual_interrupt):
    with Signals() as noted:
        os.kill(os.getpid(), signal.SIGINT)
        now = time.monotonic()
        monkeypatch.setattr(signals.time, "monotonic", lambda: now + 1.5)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
        assert noted.received


SCRIPT = """
import os, signal, sys, time
from hific import signals
number = getattr(signal, sys.argv[1])
with signals.leaving(), signals.Signals() as noted:
    if sys.argv[2] == "second":
        noted.starting = False
        os.kill(os.getpid(), number)
        assert noted.received
        time.sleep(1.1)
    print("alive", flush=True)
    os.kill(os.getpid(), number)
    time.sleep(10)
"""


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGUSR1"])
@pytest.mark.parametrize("which", ["first", "second"])
def test_a_script_leaves_before_its_first_step_and_at_the_second_wish(name, which):
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT, name, which],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 75
    assert result.stdout == "alive\n"
    assert "goes on from what was saved last" in result.stderr
