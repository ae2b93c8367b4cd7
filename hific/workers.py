"""Tasks in several processes, of which each may die without taking the others along.

What is done with a task is made anew in each process, so that models are loaded once a
process and nothing large travels. Processes are spawned: TensorFlow does not survive a
fork.
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
from collections.abc import Callable, Generator, Hashable, Iterable, Sequence
from multiprocessing import connection
from typing import Any

from hific.errors import CodecError, UnsupportedAlphaError

Work = Callable[[Any], Any]

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
) -> Generator[Outcome, None, None]:
    """Works on tasks, and yields each when it is over, in any order.

    Args:
        make: Makes what works on a task. It is called once in each process, so it must
            be picklable where there are several: a function of a module, or a
            `functools.partial` of one.
        tasks: Small and picklable; taken one by one, when a process has nothing to do.
            Each is worked on once, or twice where its process dies.
        processes: How many. 1 works in this one, and then nothing guards against its
            death.
        apart: Works in a process of its own also where that is the only one.
        stopping: Asked before each task; once it is true no other is begun, and those
            have no outcome.

    Yields:
        An outcome for each task. Errors of other kinds than `PASSED_ON` are raised.
    """
    if processes == 1 and not apart:
        return _run_here(make, tasks, stopping)
    return _run_apart(make, _Tasks(tasks, stopping), processes)


def _run_here(make, tasks, stopping) -> Generator[Outcome, None, None]:
    work = make()
    for task in _Tasks(tasks, stopping):
        try:
            yield Outcome(task, work(task))
        except PASSED_ON as error:
            yield Outcome(task, error=error)


class _Tasks:
    """What is yet to be begun; an iterator."""

    def __init__(self, tasks: Iterable[Hashable], stopping: Callable[[], bool]):
        self._tasks = iter(tasks)
        self._stopping = stopping
        self._again: list[Hashable] = []
        self._deaths: collections.Counter[Hashable] = collections.Counter()

    def __iter__(self) -> "_Tasks":
        return self

    def __next__(self) -> Hashable:
        if self._stopping():
            raise StopIteration
        return self._again.pop() if self._again else next(self._tasks)

    def after_death(self, task: Hashable, ended: str) -> Outcome | None:
        """Puts the task of a dead process back, or gives it up."""
        self._deaths[task] += 1
        if self._deaths[task] < _ATTEMPTS:
            self._again.append(task)
            return None
        error = WorkerDiedError(f"its process ended {ended}, twice")
        return Outcome(task, error=error)


class _Worker:
    """A process and the task it has."""

    def __init__(self, make: Callable[[], Work], threads: int):
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(
            target=_serve, args=(theirs, make, threads), daemon=True
        )
        # Until it has handlers of its own, what comes for all has to wait there.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _FOR_THE_FIRST)
        try:
            self.process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()  # So that its death ends the pipe.
        self.busy = False
        self.task: Hashable = None

    def give(self, task: Hashable) -> None:
        self.busy, self.task = True, task
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


def _run_apart(make, tasks: _Tasks, processes) -> Generator[Outcome, None, None]:
    threads = max(1, len(os.sched_getaffinity(0)) // processes)
    workers: list[_Worker] = []
    try:
        while True:
            _give_out(tasks, workers, processes, lambda: _Worker(make, threads))
            if not any(worker.busy for worker in workers):
                return
            outcomes = [_heard(worker, workers, tasks) for worker in _ready(workers)]
            # Nobody waits for what is done with outcomes.
            _give_out(tasks, workers, processes, lambda: _Worker(make, threads))
            yield from filter(None, outcomes)
    finally:
        _stop(workers)


def _give_out(tasks: _Tasks, workers: list[_Worker], processes: int, start) -> None:
    """Gives a task to each process that has none, and starts processes for more."""
    idle = [worker for worker in workers if not worker.busy]
    for task in tasks if idle or len(workers) < processes else ():
        if not idle:
            idle.append(start())
            workers.append(idle[-1])
        idle.pop().give(task)
        if not idle and len(workers) == processes:
            return


def _heard(worker: _Worker, workers: list[_Worker], tasks: _Tasks) -> Outcome | None:
    """Returns what became of the task of a process that answered, or died."""
    outcome = worker.answer()
    worker.busy = False
    if outcome is None:
        workers.remove(worker)
        ended = worker.how_it_ended()
        _stop([worker])
        outcome = tasks.after_death(worker.task, ended)
    return outcome


def _ready(workers: Sequence[_Worker]) -> list[_Worker]:
    busy = [worker for worker in workers if worker.busy]
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


def _serve(pipe, make, threads) -> None:
    """What a process does until its pipe ends."""
    signal.signal(_STOP, _end)
    for number in _FOR_THE_FIRST:  # Not SIG_IGN: programs it starts would inherit that.
        signal.signal(number, _ignore)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _FOR_THE_FIRST)
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


def _ignore(*_) -> None:
    pass


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
        return
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        os.environ.setdefault(name, str(threads))
