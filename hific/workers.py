"""Tasks in several processes, of which each may die without taking the others along.

What is done with a task is made anew in each process, so that models are loaded once a
process and nothing large travels. Processes are spawned: TensorFlow does not survive a
fork.
"""

import collections
import contextlib
import dataclasses
import itertools
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import (
    Callable,
    Generator,
    Hashable,
    Iterable,
    Iterator,
    Sequence,
)
from multiprocessing import connection
from typing import Any, NamedTuple

from hific import files, pipelines
from hific.errors import CodecError, UnsupportedAlphaError

Work = Callable[[Any], Any] | pipelines.Line

# What a task may raise; it is passed on. Anything else ends its process, with a
# traceback.
PASSED_ON = (CodecError, OSError, MemoryError, UnsupportedAlphaError)

_ATTEMPTS = 2
_SECONDS_TO_STOP = 3

# Sent to all processes of a terminal or a job at once. The first process decides what
# they mean, and stops the others by a signal that nobody else sends.
_FOR_THE_FIRST = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
_STOP = signal.SIGUSR2


class WorkerDiedError(Exception):
    """The processes that worked on a task ended without an answer, twice."""


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of a task: its value, or the error it raised."""

    task: Any
    value: Any = None
    error: BaseException | None = None


def run(
    make: Callable[[], Work],
    tasks: Iterable[Hashable],
    processes: int = 1,
    apart: bool = False,
    stopping: Callable[[], bool] = lambda: False,
    at_once: int = 1,
    last: Iterable[Hashable] = (),
) -> Generator[Outcome, None, None]:
    """Works on tasks, and yields each when it is over, in any order.

    Args:
        make: Makes what works on a task, a function or a `pipelines.Line`. It is called
            once in each process, so it must be picklable where there are several: a
            function of a module, or a `functools.partial` of one.
        tasks: Small and picklable; taken one by one, when a process wants another.
            Each is worked on once, or twice where its process dies: the second time
            with no other in the same process, which tells the one that is deadly from
            those that were beside it.
        processes: How many. 1 works in this one, and then nothing guards against its
            death.
        apart: Works in a process of its own also where that is the only one.
        stopping: Asked before each task; once it is true no other is begun, and those
            have no outcome.
        at_once: Tasks that a process may have where it is not this one. The stages of
            a line work on different ones.
        last: Further tasks, after the others; each has a process for itself.

    Yields:
        An outcome for each task. Errors of other kinds than `PASSED_ON` are raised.
    """
    waiting = _Tasks(tasks, last, stopping)
    if processes == 1 and not apart:
        return _run_here(make, waiting)
    return _run_apart(make, waiting, processes, at_once)


def _run_here(make, tasks: "_Tasks") -> Generator[Outcome, None, None]:
    work = make()
    while (given := tasks.take(alone=True)) is not None:
        try:
            yield Outcome(given.task, work(given.task))
        except PASSED_ON as error:
            yield Outcome(given.task, error=error)


class _Given(NamedTuple):
    """A task, and whether its process may have no other meanwhile."""

    task: Hashable
    alone: bool


class _Tasks:
    """What is yet to be begun."""

    def __init__(self, tasks, last, stopping: Callable[[], bool]):
        self._tasks = (_Given(task, False) for task in tasks)
        self._last = (_Given(task, True) for task in last)
        self._stopping = stopping
        self._again: list[Hashable] = []
        self._deaths: collections.Counter[Hashable] = collections.Counter()

    def take(self, alone: bool) -> _Given | None:
        """What to begin next, if anything.

        Args:
            alone: Whether the process that it is for has nothing else.
        """
        if self._stopping():
            return None
        if alone and self._again:
            return _Given(self._again.pop(), True)
        given = next(self._tasks, None)
        return next(self._last, None) if given is None and alone else given

    def after_death(self, task: Hashable, ended: str) -> Outcome | None:
        """Puts the task of a dead process back, or gives it up."""
        self._deaths[task] += 1
        if self._deaths[task] < _ATTEMPTS:
            self._again.append(task)
            return None
        error = WorkerDiedError(f"its process ended {ended}, twice")
        return Outcome(task, error=error)


class _Worker:
    """A process and the tasks it has."""

    def __init__(self, make: Callable[[], Work], threads: int, at_once: int):
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(
            target=_serve, args=(theirs, make, threads, at_once), daemon=True
        )
        # Until it has handlers of its own, what comes for all has to wait there.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _FOR_THE_FIRST)
        try:
            self.process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()  # So that its death ends the pipe.
        self.tasks: list[Hashable] = []
        self._at_once = at_once
        self._alone = False

    @property
    def takes(self) -> bool:
        """Whether it may have one more."""
        return not self.tasks or not self._alone and len(self.tasks) < self._at_once

    def give(self, given: _Given) -> None:
        self.tasks.append(given.task)
        self._alone = given.alone
        # A process that is dead already is noticed when it is listened to.
        with contextlib.suppress(BrokenPipeError):
            self.pipe.send(given.task)

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


def _run_apart(make, tasks, processes, at_once) -> Generator[Outcome, None, None]:
    threads = threads_of(processes)
    workers: list[_Worker] = []
    try:
        while True:
            _give_out(
                tasks, workers, processes, lambda: _Worker(make, threads, at_once)
            )
            if not any(worker.tasks for worker in workers):
                return
            for outcome in _heard(_ready(workers), workers, tasks):
                # Nobody waits for what is done with outcomes.
                _give_out(
                    tasks, workers, processes, lambda: _Worker(make, threads, at_once)
                )
                yield outcome
    finally:
        _stop(workers)


def threads_of(processes: int) -> int:
    """Threads that each of some processes computes with: its share of the cores."""
    return max(1, len(os.sched_getaffinity(0)) // processes)


def _give_out(tasks: _Tasks, workers: list[_Worker], processes: int, start) -> None:
    """Gives tasks to whom has fewest, and starts processes while all have some."""
    while True:
        free = [worker for worker in workers if worker.takes]
        worker = min(free, key=lambda worker: len(worker.tasks), default=None)
        more = len(workers) < processes
        if worker is None and not more:
            return
        idle = worker is not None and not worker.tasks
        given = tasks.take(alone=idle or more)
        if given is None:
            return
        if worker is None or more and not idle:
            worker = start()
            workers.append(worker)
        worker.give(given)


def _heard(
    ready: Sequence[_Worker], workers: list[_Worker], tasks: _Tasks
) -> list[Outcome]:
    """What became of tasks of processes that answered, or died."""
    outcomes: list[Outcome | None] = []
    for worker in ready:
        outcome = worker.answer()
        if outcome is not None:
            worker.tasks.remove(outcome.task)
            outcomes.append(outcome)
            continue
        workers.remove(worker)
        ended = worker.how_it_ended()
        _stop([worker])
        # Taken from the end: the first of them first.
        outcomes += [tasks.after_death(task, ended) for task in worker.tasks[::-1]]
    return list(filter(None, outcomes))


def _ready(workers: Sequence[_Worker]) -> list[_Worker]:
    busy = [worker for worker in workers if worker.tasks]
    ready = connection.wait([worker.pipe for worker in busy])
    return [worker for worker in busy if worker.pipe in ready]


def _stop(workers: Sequence[_Worker]) -> None:
    """Asks processes to end, so that they end what they started, then makes them."""
    for worker in workers:
        if worker.process.is_alive() and worker.process.pid is not None:
            os.kill(worker.process.pid, _STOP)
    end = time.monotonic() + _SECONDS_TO_STOP
    for worker in workers:
        worker.process.join(max(0.0, end - time.monotonic()))
        worker.process.kill()
        worker.process.join()
        worker.pipe.close()


def _serve(pipe, make, threads, at_once) -> None:
    """What a process does until its pipe ends."""
    signal.signal(_STOP, _end)
    for number in _FOR_THE_FIRST:  # Not SIG_IGN: programs it starts would inherit that.
        signal.signal(number, _ignore)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _FOR_THE_FIRST)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _limit_threads(threads)
    tasks = _received(pipe)
    try:
        _answer(pipe, tasks, make, at_once)
    except SystemExit:  # Told to end, with stages that may take long.
        pipelines.leave_if_at_work(1)
        raise


def _answer(pipe, tasks: Iterator[Hashable], make, at_once: int) -> None:
    """Works on what is received, and sends what became of it."""
    with contextlib.suppress(BrokenPipeError):
        for task in tasks:
            try:
                line = _line(make())
            except PASSED_ON as error:
                pipe.send(Outcome(task, error=error))
                continue
            waiting = itertools.chain([task], tasks)
            over = pipelines.run(line, waiting, at_once, PASSED_ON)
            with contextlib.closing(over):
                for each in over:
                    pipe.send(Outcome(*each))


def _line(work: Work) -> pipelines.Line:
    return work if isinstance(work, pipelines.Line) else pipelines.Line((work,))


def _received(pipe) -> Iterator[Hashable]:
    with contextlib.suppress(EOFError, ConnectionResetError):
        while True:
            yield pipe.recv()


def _end(*_) -> None:
    sys.exit(1)


def _ignore(*_) -> None:
    pass


def _end_with_parent() -> None:
    """Ends this process when the first one is gone, in whatever it is doing."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
    files.leave(1)


def _limit_threads(threads: int) -> None:
    """Lets TensorFlow, where it is used, have a share of the cores."""
    os.environ["OMP_NUM_THREADS"] = str(threads)
    if "tensorflow" in sys.modules:
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
        return
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        os.environ.setdefault(name, str(threads))
