"""Tasks in several processes, of which each may die without taking the others along.

A task is a number, and what is done with it is made anew in each process, so that
models are loaded once a process and nothing large travels. Processes are spawned:
TensorFlow does not survive a fork.
"""

import collections
import contextlib
import dataclasses
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator, Sequence
from multiprocessing import connection
from typing import Any

from hific.errors import CodecError, UnsupportedAlphaError

Work = Callable[[int], Any]

# What a task may raise; it is passed on. Anything else ends its process, with a
# traceback.
PASSED_ON = (CodecError, OSError, MemoryError, UnsupportedAlphaError)

_ATTEMPTS = 2
_SECONDS_TO_STOP = 3


class WorkerDiedError(Exception):
    """The processes that worked on a task ended without an answer, twice."""


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of a task: its value, or the error it raised."""

    task: int
    value: Any = None
    error: BaseException | None = None


def run(
    make: Callable[[], Work], tasks: Sequence[int], processes: int = 1
) -> Generator[Outcome, None, None]:
    """Works on tasks, and yields each when it is over, in any order.

    Args:
        make: Makes what works on a task. It is called once in each process, so it must
            be picklable where there are several: a function of a module, or a
            `functools.partial` of one.
        tasks: Numbers; each is worked on once, or twice where its process dies.
        processes: 1 works in this one, and then nothing guards against its death.

    Yields:
        An outcome for each task. Errors of other kinds than `PASSED_ON` are raised.
    """
    if processes == 1 or len(tasks) < 2:
        return _run_here(make, tasks)
    return _run_apart(make, tasks, min(processes, len(tasks)))


def _run_here(make, tasks) -> Generator[Outcome, None, None]:
    work = make()
    for task in tasks:
        try:
            yield Outcome(task, work(task))
        except PASSED_ON as error:
            yield Outcome(task, error=error)


class _Worker:
    """A process and the task it has."""

    def __init__(self, make: Callable[[], Work], threads: int):
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(
            target=_serve, args=(theirs, make, threads), daemon=True
        )
        self.process.start()
        theirs.close()  # So that its death ends the pipe.
        self.task: int | None = None

    def give(self, task: int) -> None:
        self.task = task
        # A process that is dead already is noticed when it is listened to.
        with contextlib.suppress(BrokenPipeError):
            self.pipe.send(task)

    def answer(self) -> Outcome | None:
        """Returns what it sent, or None if it is dead."""
        try:
            return self.pipe.recv()
        except (EOFError, ConnectionResetError):
            return None

    def how_it_ended(self) -> str:
        self.process.join(_SECONDS_TO_STOP)
        code = self.process.exitcode
        if code is not None and code < 0:
            name = signal.Signals(-code).name
            likely = ": was memory short?" if -code == signal.SIGKILL else ""
            return f"by {name}{likely}"
        return f"with code {code}"


def _run_apart(make, tasks, processes) -> Generator[Outcome, None, None]:
    threads = max(1, len(os.sched_getaffinity(0)) // processes)
    waiting = collections.deque(tasks)
    attempts: collections.Counter[int] = collections.Counter()
    workers: list[_Worker] = []
    try:
        while waiting or any(worker.task is not None for worker in workers):
            while waiting and len(workers) < processes:
                workers.append(_Worker(make, threads))
                workers[-1].give(waiting.popleft())
            for worker in _ready(workers):
                outcome = worker.answer()
                task, worker.task = worker.task, None
                if outcome is None:
                    workers.remove(worker)
                    outcome = _after_death(worker, task, attempts, waiting)
                elif waiting:
                    worker.give(waiting.popleft())
                if outcome is not None:
                    yield outcome
    finally:
        _stop(workers)


def _ready(workers: Sequence[_Worker]) -> list[_Worker]:
    busy = [worker for worker in workers if worker.task is not None]
    ready = connection.wait([worker.pipe for worker in busy])
    return [worker for worker in busy if worker.pipe in ready]


def _stop(workers: Sequence[_Worker]) -> None:
    """Asks processes to end, so that they end what they started, then makes them."""
    for worker in workers:
        worker.process.terminate()
    end = time.monotonic() + _SECONDS_TO_STOP
    for worker in workers:
        worker.process.join(max(0.0, end - time.monotonic()))
        worker.process.kill()
        worker.process.join()
        worker.pipe.close()


def _after_death(worker, task, attempts, waiting) -> Outcome | None:
    """Puts the task of a dead process back, or gives it up."""
    ended = worker.how_it_ended()
    _stop([worker])
    attempts[task] += 1
    if attempts[task] < _ATTEMPTS:
        waiting.append(task)
        return None
    return Outcome(task, error=WorkerDiedError(f"its process ended {ended}, twice"))


def _serve(pipe, make, threads) -> None:
    """What a process does until its pipe ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # The first process stops this one,
    signal.signal(signal.SIGTERM, _end)  # by this.
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _limit_threads(threads)
    work = None
    with contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            task = pipe.recv()
            try:
                work = work or make()
                outcome = Outcome(task, work(task))
            except PASSED_ON as error:
                outcome = Outcome(task, error=error)
            pipe.send(outcome)


def _end(*_) -> None:
    sys.exit(1)


def _end_with_parent() -> None:
    """Ends this process when the first one is gone, in whatever it is doing."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
    os._exit(1)


def _limit_threads(threads: int) -> None:
    """Lets TensorFlow, where it is used, have a share of the cores."""
    os.environ["OMP_NUM_THREADS"] = str(threads)
    if "tensorflow" in sys.modules:
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
