"""Fuzz targets that break a promise at a known case, to prove that it is noticed."""

import os
import pathlib
import signal
import sys
import tempfile
import time

from hific.errors import CodecError
from trials.cases import Target, check

FAULTY = 7  # The case that breaks the promise.


def at_the_faulty_case(fault):
    """A target whose other cases are well."""

    def run(seed, case):
        if case == FAULTY:
            fault()
        return "well"

    return run


def hang():
    while True:
        pass


def wait():
    time.sleep(1000)


def dawdle():
    end = time.process_time() + 0.25
    while time.process_time() < end:
        pass


def die():
    os.kill(os.getpid(), signal.SIGSEGV)


def leave():
    sys.exit(0)


def raise_another_error():
    raise IndexError("list index out of range")


def raise_a_codec_error():
    raise CodecError("refused, where the target did not expect it")


def allocate():
    assert len(bytearray(os.urandom(1) * 80 * 2**20)) == 80 * 2**20


def leave_a_file():
    with tempfile.TemporaryDirectory() as name:
        pathlib.Path(name, "out.png.tmp-1").touch()
        left = os.listdir(name)
        check(not left, f"left behind: {left}")


def target(fault, **options):
    return Target(at_the_faulty_case(fault), **options)


def cannot_be_prepared():
    raise ModuleNotFoundError("No module named 'tensorflow'")


TARGETS = {
    "hang": target(hang, seconds=0.2),
    "wait": target(wait, seconds=0.1),
    "slow": target(dawdle, seconds=0.22),
    "crash": target(die),
    "exit": target(leave),
    "error": target(raise_another_error),
    "codec_error": target(raise_a_codec_error),
    "memory": target(allocate),
    "memory_of_a_block": target(allocate, block=5),
    "file": target(leave_a_file),
    "unprepared": Target(lambda seed, case: "well", cannot_be_prepared),
    "always": Target(lambda seed, case: check(False, "always")),
    "finite": Target(lambda seed, case: "well", cases=lambda: 20),
}
