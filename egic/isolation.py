"""A process of its own, which is killed when it takes more than it was given.

What such a process says is bytes, of lengths that the one who asks knows or limits;
nothing of it is executed here. Needs no TensorFlow.
"""

import contextlib
import dataclasses
import json
import os
import pathlib
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Mapping, Sequence
from typing import IO, Any

from hific import errors, memory
from hific.errors import CodecError, LimitExceededError, UnsupportedAlphaError

START_SECONDS = 120.0  # Until TensorFlow runs and the model is loaded.
# Of two cores, "egic" takes 6 to 10 seconds for a megapixel at one alpha.
_SECONDS, _SECONDS_PER_PIXEL = 10.0, 20e-6

# Addresses that TensorFlow maps and never touches, and those of a thread's stack and
# heap: 1.4 GB and 12.5 MB were measured, with 8 and with 132 threads.
_ADDRESSES = 2 * 2**30
_ADDRESSES_PER_CORE = 64 * 2**20  # Two pools of threads, each as large as the cores.
_BYTES_PER_PIXEL_MORE = 6  # Of each picture but the first: itself, and to be sent.

_CPU_GRACE = 2  # Seconds from SIGXCPU to SIGKILL.
_LINE_BYTES = 2**16
_SAID_BYTES = 2000
_SAID_FILE_BYTES = 2**20  # What it says goes to a file; there is no other to write.

SignalNames = {each.value: each.name for each in signal.Signals}


@dataclasses.dataclass(frozen=True)
class Budget:
    """What a process may take. None: as much as it likes.

    Attributes:
        memory_bytes: Of addresses (RLIMIT_AS), more than it has memory.
        cpu_seconds: Of all its threads together.
        wall_seconds: From its start to its last answer.
        file_bytes: The largest file it may write.
    """

    memory_bytes: int | None = None
    cpu_seconds: float | None = None
    wall_seconds: float | None = None
    file_bytes: int | None = None

    def limits(self) -> dict[int, tuple[int, int]]:
        """For `resource.prlimit`: limit -> soft and hard."""
        found = {resource.RLIMIT_CORE: (0, 0)}
        for limit, value, grace in (
            (resource.RLIMIT_AS, self.memory_bytes, 0),
            (resource.RLIMIT_CPU, self.cpu_seconds, _CPU_GRACE),
            (resource.RLIMIT_FSIZE, self.file_bytes, 0),
        ):
            if value is not None:
                found[limit] = (int(value), int(value) + grace)
        return found


def budget_of(
    height: int, width: int, whole: bool = False, pictures: int = 1
) -> Budget:
    """What decoding a picture of a size may take, model and TensorFlow included.

    Args:
        height, width: Of the picture, pixels.
        whole: See `hific.memory.needed`.
        pictures: How many are drawn of it, at different alphas.
    """
    cores = len(os.sched_getaffinity(0))
    seconds = START_SECONDS + _SECONDS + _SECONDS_PER_PIXEL * height * width
    more = _BYTES_PER_PIXEL_MORE * (pictures - 1) * height * width
    return Budget(
        memory_bytes=(
            memory.needed(height, width, whole)
            + more
            + _ADDRESSES
            + cores * _ADDRESSES_PER_CORE
        ),
        cpu_seconds=seconds * cores,
        wall_seconds=seconds,
        file_bytes=_SAID_FILE_BYTES,
    )


class Child:
    """A process that answers questions, each a line of JSON and bytes.

    It reads them from stdin and answers on stdout; see `serve` for its side. It belongs
    to a session of its own, so that it is killed with all it starts.
    """

    def __init__(
        self,
        command: Sequence[str],
        budget: Budget | None = None,
        environment: Mapping[str, str] | None = None,
    ):
        """Starts it.

        Args:
            command: Program and arguments.
            budget: None sets no limit.
            environment: Beside that of this process, which it overrules.
        """
        self.budget = budget or Budget()
        self._said = tempfile.TemporaryFile()  # noqa: SIM115
        self._timed_out = False
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
        )
        # Also where nobody closes it, and at the end of this process.
        self._finalizer = weakref.finalize(self, _end, self._process, self._said)
        for limit, value in self.budget.limits().items():
            # One that is gone already is noticed when it is asked.
            with contextlib.suppress(ProcessLookupError):
                resource.prlimit(self._process.pid, limit, value)
        self._given: float | None = None
        self._end = None
        if self.budget.wall_seconds is not None:
            self._end = time.monotonic() + self.budget.wall_seconds

    def ask(
        self,
        question: Mapping[str, Any],
        data: bytes = b"",
        expected: int = 0,
        seconds: float | None = None,
    ) -> tuple[dict[str, Any], bytes]:
        """Returns what it answers: a line, and the bytes after it.

        Args:
            question, data: What it is asked.
            expected: How many bytes an answer that is no error has.
            seconds: For this answer, where the budget sets no time.

        Raises:
            LimitExceededError: It took too long, or more memory than it was given.
            CodecError: It answered with an error, which is raised; it died; or what it
                answers is none.
        """
        timer = None
        left = [] if self._end is None else [self._end - time.monotonic()]
        left += [] if seconds is None else [seconds]
        if left:
            self._given = self.budget.wall_seconds if seconds is None else seconds
            timer = threading.Timer(min(left), self._time_out)
            timer.daemon = True
            timer.start()
        try:
            assert self._process.stdin and self._process.stdout
            _send(self._process.stdin, question, data)
            answer = _receive_line(self._process.stdout)
            if answer is None:
                raise self._death()
            if "error" in answer:
                raise _error(answer)
            received = self._process.stdout.read(expected)
            if len(received) < expected:
                raise self._death()
            return answer, received
        except (BrokenPipeError, ConnectionResetError):
            raise self._death() from None
        finally:
            if timer is not None:
                timer.cancel()

    def close(self) -> None:
        """Kills it, and whatever it started."""
        self._finalizer()

    def __enter__(self) -> "Child":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def _time_out(self) -> None:
        self._timed_out = True
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _death(self) -> CodecError:
        """What to raise for a process that gives no answer."""
        try:
            code = self._process.wait(_CPU_GRACE + 1)
        except subprocess.TimeoutExpired:  # It lives, and closed its output.
            return CodecError("The decoding process gave no answer.")
        said = self._last_words()
        if self._timed_out:
            return LimitExceededError(
                f"Decoding took longer than the {self._given:g} s it was given, and "
                "was stopped."
            )
        if self.budget.cpu_seconds is not None and -code in (
            signal.SIGXCPU,
            signal.SIGKILL,
        ):
            return LimitExceededError(
                f"Decoding was stopped by {SignalNames[-code]}: it used the "
                f"{self.budget.cpu_seconds:g} s of CPU time it was given, or memory "
                "was short."
            )
        if self.budget.memory_bytes is not None and _wants_memory(said):
            return LimitExceededError(
                f"Decoding wanted more than the {self.budget.memory_bytes / 1e9:.1f} "
                "GB of addresses it was given."
            )
        ended = f"with code {code}"
        if code < 0:
            ended = f"by {SignalNames.get(-code, f'signal {-code}')}"
        return CodecError(
            f"The decoding process ended {ended}" + (f": {said}" if said else ".")
        )

    def _last_words(self) -> str:
        """The last line it wrote to stderr."""
        size = self._said.seek(0, os.SEEK_END)
        self._said.seek(max(0, size - _SAID_BYTES))
        lines = self._said.read().decode(errors="replace").strip().splitlines()
        return "".join(c for c in lines[-1] if c.isprintable()) if lines else ""


def _end(process: subprocess.Popen, said: IO[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for file in (process.stdin, process.stdout, said):
        if file is not None:
            with contextlib.suppress(OSError):  # What was not sent yet.
                file.close()


def _wants_memory(said: str) -> bool:
    return any(word in said for word in ("bad_alloc", "MemoryError", "out of memory"))


def python(module: str, *arguments: str) -> tuple[list[str], dict[str, str]]:
    """Command and environment that run a module of ours, wherever this process is.

    The current folder is not searched for modules: it is where files come to.
    """
    root = str(pathlib.Path(__file__).resolve().parents[1])
    path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    return [sys.executable, "-P", "-m", module, *arguments], {"PYTHONPATH": path}


def serve(answer) -> None:
    """What a `Child` does until its stdin ends.

    Args:
        answer: (question, bytes) -> (answer, bytes). A CodecError, MemoryError or
            UnsupportedAlphaError it raises is the answer. Anything else is a defect,
            and ends the process.
    """
    # What libraries print is no answer.
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    source = sys.stdin.buffer
    while (question := _receive_line(source)) is not None:
        try:
            reply, data = answer(question, source.read(question["bytes"]))
        except (CodecError, UnsupportedAlphaError) as error:
            reply, data = {"error": type(error).__name__, "text": str(error)}, b""
        except MemoryError:
            text = "Decoding wanted more memory than it was given."
            reply, data = {"error": LimitExceededError.__name__, "text": text}, b""
        _send(output, reply, data)


def _send(file, line: Mapping[str, Any], data: bytes) -> None:
    file.write(json.dumps({**line, "bytes": len(data)}).encode() + b"\n")
    file.write(data)
    file.flush()


def _receive_line(file) -> dict[str, Any] | None:
    """Returns a line of JSON, or None at the end."""
    line = file.readline(_LINE_BYTES)
    if not line.endswith(b"\n"):
        return None
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise CodecError("The decoding process answers something else.") from error
    if not isinstance(found, dict):
        raise CodecError("The decoding process answers something else.")
    return found


def _error(answer: Mapping[str, Any]) -> Exception:
    """The exception a process names, of those that it may."""
    kind = getattr(errors, str(answer["error"]), None)
    text = str(answer.get("text", ""))[:_LINE_BYTES]
    if isinstance(kind, type) and issubclass(kind, CodecError | UnsupportedAlphaError):
        return kind(text)
    return CodecError(f"{answer['error']}: {text}")
