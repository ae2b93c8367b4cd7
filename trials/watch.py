"""Watches the process that tries cases, kills it where it hangs, and goes on behind.

A loop in C++ cannot be interrupted from Python, and a process that dies takes its
findings along; so cases run in a child process that says which one it is at, and its
CPU time and its end are seen from here.
"""

import collections
import dataclasses
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading
import time
from typing import IO, cast

from trials import worker

_POLL_SECONDS = 0.05
_PREPARE_SECONDS = 300.0  # TensorFlow is loaded and traces; others may use the CPU.
_CLOCK_PER_CPU = 10.0  # See `trials.cases.Target.seconds`.
_VIOLATIONS_ENOUGH = 10  # Of one target in one run.
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclasses.dataclass(frozen=True)
class Found:
    """A promise that was broken.

    Attributes:
        case: Number.
        kind: "hang", "crash" or "error".
        text: What was seen, one line.
        trace: What the process said before, a traceback for instance.
    """

    case: int
    kind: str
    text: str
    trace: str = ""


@dataclasses.dataclass
class Report:
    """What became of the cases of one target.

    Attributes:
        outcomes: How many of each name ended well.
        found: The others.
        slowest: CPU seconds of the slowest case.
        grown: MiB by which memory grew at most within a case, or within a block.
        next_case: Where another run would go on; None where all were tried.
        seconds: That cases were tried for, on the clock.
    """

    outcomes: collections.Counter = dataclasses.field(
        default_factory=collections.Counter
    )
    found: list[Found] = dataclasses.field(default_factory=list)
    slowest: float = 0.0
    grown: float = 0.0
    next_case: int | None = 0
    seconds: float = 0.0

    @property
    def tried(self) -> int:
        """Cases in all."""
        return sum(self.outcomes.values()) + len(self.found)

    @property
    def goes_on(self) -> bool:
        """Whether there are cases left, and not yet enough were found broken."""
        return self.next_case is not None and len(self.found) < _VIOLATIONS_ENOUGH

    def add(self, line: str) -> None:
        """Adds what the process says of some cases."""
        news = json.loads(line)
        self.outcomes.update(news["outcomes"])
        self.slowest = max(self.slowest, news["slowest"])
        self.grown = max(self.grown, news["grown"])


def run(
    name: str,
    seed: int,
    seconds: float,
    first: int = 0,
    count: int = 0,
    report: Report | None = None,
) -> Report:
    """Tries cases of a target, in child processes, until time or cases are used up.

    Args:
        name: See `trials.targets.find`.
        seed: Of all cases.
        seconds: On the clock; what it takes to prepare the target does not count.
        first: Case to begin with.
        count: Of cases; 0 for no end.
        report: Is continued; None begins one.
    """
    report = Report() if report is None else report
    report.next_case = first
    last = first + count if count else None
    end = report.seconds + seconds
    while report.goes_on and report.next_case != last:
        left = 0 if last is None else last - report.next_case
        with _Child(name, seed, report.next_case, left) as child:
            if not child.prepare(report):
                report.next_case = None
                break
            start = time.monotonic()
            over = child.watch(report, start + end - report.seconds)
            report.seconds += time.monotonic() - start
            if over:
                break
    return report


class _Child:
    """One process, from its start to its end."""

    def __init__(self, name: str, seed: int, first: int, count: int):
        self._first = first
        self._folder = tempfile.TemporaryDirectory()
        folder = pathlib.Path(self._folder.name)
        self._beat = worker.Heartbeat(folder / "heartbeat")
        self._errors = folder / "stderr"
        arguments = [name, str(seed), str(first), str(count), f"{folder}/heartbeat"]
        with self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "trials.worker", *arguments],
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env=_environment(folder),
            )
        self._stdout = cast(IO[str], self._process.stdout)
        self._lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._kill()
        self._folder.cleanup()

    def prepare(self, report: Report) -> bool:
        """Waits for the first case; False, and a finding, if there is none to come."""
        deadline = time.monotonic() + _PREPARE_SECONDS
        while self._state() == worker.PREPARING and self._process.poll() is None:
            if time.monotonic() > deadline:
                self._kill()
            time.sleep(_POLL_SECONDS)
        if self._state() == worker.PREPARING:
            text = "the target cannot be prepared: " + self._last_words()
            report.found.append(Found(self._first, "error", text, self._said()))
            return False
        return True

    def watch(self, report: Report, deadline: float) -> bool:
        """Follows the cases; True when time is up or all are done.

        False where one broke a promise: the next process goes on behind it.
        """
        case, since, cpu = None, 0.0, 0.0
        limit = self._limit()
        while self._process.poll() is None:
            now, used, (at, state) = time.monotonic(), self._cpu(), self._beat.read()
            if at != case:
                case, since, cpu = at, now, used
            spent = max(used - cpu, (now - since) / _CLOCK_PER_CPU)
            if state == worker.RUNNING and spent > limit:
                self._kill()
                text = f"no return after {now - since:.1f} s, {used - cpu:.1f} s of CPU"
                return self._end(report, Found(at, "hang", text, self._said()))
            if state == worker.RUNNING and now > deadline:
                self._kill()
                return self._end(report, None)
            time.sleep(_POLL_SECONDS)
        code, (case, state) = self._process.returncode, self._beat.read()
        if state == worker.DONE:
            self._collect(report)
            report.next_case = None
            return True
        if code < 0:
            text = f"died of {signal.Signals(-code).name}"
            return self._end(report, Found(case, "crash", text, self._said()))
        return self._end(report, Found(case, "error", self._last_words(), self._said()))

    def _end(self, report: Report, found: Found | None) -> bool:
        self._collect(report)
        if found is None:
            report.next_case = self._beat.read()[0]
            return True
        report.found.append(found)
        report.next_case = found.case + 1
        return False

    def _state(self) -> int:
        return self._beat.read()[1]

    def _limit(self) -> float:
        """Seconds that a case may take; the first line tells."""
        while not self._lines and self._reader.is_alive():
            time.sleep(_POLL_SECONDS)
        return json.loads(self._lines[0])["seconds"]

    def _collect(self, report: Report) -> None:
        self._process.wait()
        self._reader.join()
        for line in self._lines[1:]:
            report.add(line)

    def _read(self) -> None:
        for line in self._stdout:
            if line.endswith("\n"):  # Half a line is left where it was killed.
                self._lines.append(line)

    def _kill(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._reader.join()
        self._stdout.close()

    def _cpu(self) -> float:
        """What the process, all of its threads, has used so far."""
        try:
            text = pathlib.Path(f"/proc/{self._process.pid}/stat").read_text()
        except OSError:
            return 0.0
        fields = text.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def _said(self) -> str:
        return self._errors.read_text(errors="replace")

    def _last_words(self) -> str:
        lines = self._said().strip().splitlines()
        code = self._process.returncode
        return lines[-1] if lines else f"ended before its cases, with code {code}"


def _environment(folder: pathlib.Path) -> dict[str, str]:
    """No GPU, one thread, and a folder for temporary files that goes with the child."""
    names = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")
    return {
        **os.environ,
        **dict.fromkeys(names, "1"),
        "CUDA_VISIBLE_DEVICES": "",
        "TMPDIR": str(folder),
    }
