"""Runs the cases of one target, in a process that may be killed at any moment.

    python -m trials.worker NAME SEED FIRST COUNT HEARTBEAT

The first line on stdout, in JSON, tells the seconds that a case may take. Before each
case its number is written to the file HEARTBEAT, for whoever watches. Every half second
and at the end a line says what was found since the last.
A case that breaks a promise ends the process with a traceback; the line before it tells
of the cases until then.
"""

import collections
import itertools
import json
import mmap
import os
import pathlib
import struct
import sys
import time

from trials import targets
from trials.cases import Target, Violation

PREPARING, RUNNING, BROKEN, DONE = range(4)
_BEAT = struct.Struct("<QB")
_SECONDS_BETWEEN_LINES = 0.5


class Heartbeat:
    """Which case is being tried, in a file that two processes map."""

    def __init__(self, path: pathlib.Path):
        """Maps a file, made if needed."""
        if not path.exists():
            path.write_bytes(_BEAT.pack(0, PREPARING))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), _BEAT.size)

    def write(self, case: int, state: int = RUNNING) -> None:
        """Says that a case begins, or how they ended."""
        _BEAT.pack_into(self._map, 0, case, state)

    def read(self) -> tuple[int, int]:
        """Returns the last case that began, and PREPARING, RUNNING, BROKEN or DONE."""
        return _BEAT.unpack_from(self._map)


class _Findings:
    """What has been seen since the last line that was sent."""

    def __init__(self, stream):
        self._stream = stream
        self._reset()

    def _reset(self):
        self.outcomes = collections.Counter()
        self.slowest = self.grown = 0.0
        self._since = time.monotonic()

    def send(self, anyway: bool = False) -> None:
        """Writes a line, unless the last one was written just before."""
        if anyway or time.monotonic() - self._since > _SECONDS_BETWEEN_LINES:
            line = {
                "outcomes": self.outcomes,
                "slowest": self.slowest,
                "grown": self.grown,
            }
            print(json.dumps(line), file=self._stream, flush=True)
            self._reset()


def run(
    target: Target, seed: int, cases, heartbeat: Heartbeat, found: _Findings
) -> None:
    """Tries cases, one after the other.

    Raises:
        Violation: One took too long, or too much memory.
        BaseException: Whatever a case raises.
    """
    cases = iter(cases)
    while block := list(itertools.islice(cases, target.block)):
        grown = _growth(target, seed, block, heartbeat, found)
        if grown > target.megabytes:
            for case in block if len(block) > 1 else ():
                alone = _growth(target, seed, [case], heartbeat, found)
                _check_growth(alone, target, f"case {case}")
            _check_growth(grown, target, f"cases {block[0]} to {block[-1]}")
        found.send()


def _growth(target, seed, block, heartbeat, found) -> float:
    """Tries a few cases; returns the MiB by which memory grew at its peak."""
    before = _status("VmRSS:")
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # The kernel counts the peak of memory anew.
    for case in block:
        heartbeat.write(case)
        start = time.process_time()
        outcome = target.run(seed, case)
        seconds = time.process_time() - start
        found.outcomes[outcome] += 1
        found.slowest = max(found.slowest, seconds)
        if seconds > target.seconds:
            raise Violation(f"slow: {seconds:.2f} s of CPU")
    grown = (_status("VmHWM:") - before) / 2**20
    found.grown = max(found.grown, grown)
    return grown


def _check_growth(grown: float, target: Target, where: str) -> None:
    if grown > target.megabytes:
        raise Violation(
            f"memory: grew by {grown:.0f} MiB within {where}, "
            f"{target.megabytes:.0f} are allowed"
        )


def _status(name: str) -> int:
    with open("/proc/self/status") as file:
        for line in file:
            if line.startswith(name):
                return int(line.split()[1]) * 1024
    return 0


def main(name: str, seed: str, first: str, count: str, heartbeat: str) -> None:
    """Prepares a target and runs `count` cases of it, or all there are for 0."""
    # Codec and commands may print; only the lines are for stdout.
    stream = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    beat = Heartbeat(pathlib.Path(heartbeat))
    target = targets.find(name)
    print(json.dumps({"seconds": target.seconds}), file=stream, flush=True)
    target.prepare()
    end = None if target.cases is None else target.cases()
    if int(count):
        last = int(first) + int(count)
        end = last if end is None else min(end, last)
    cases = itertools.count(int(first)) if end is None else range(int(first), end)
    found = _Findings(stream)
    end_state = BROKEN
    try:
        run(target, int(seed), cases, beat, found)
        end_state = DONE
    finally:
        beat.write(beat.read()[0], end_state)
        found.send(anyway=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
