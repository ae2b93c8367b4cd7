"""A folder of files in one command: in several processes, stopped and gone on with.

What is finished is known by the journal (`egic.journal`). A file is finished when the
journal says so, its outputs are there with the size they had, and nothing they depend
on has changed. All else is worked on; files at which runs were killed come last.
"""

import contextlib
import dataclasses
import errno
import functools
import hashlib
import json
import os
import pathlib
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from egic import batch, batch_processes, folders
from egic.batch_pace import Pace, following, workforce
from egic.folders import Found, Shard
from egic.journal import Done, History, Journal, sizes_of
from hific import files, workers
from hific.errors import ModelLoadError, UnsupportedAlphaError
from hific.signals import Signals, leaving

# What would meet every further file alike.
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
_DEATHS_IN_A_ROW = 10

_STOPPING = b"egic: stopping after the files in work; once more to stop at once\n"


@dataclasses.dataclass(frozen=True)
class Order:
    """What is to be made of a folder.

    Attributes:
        root: The folder.
        out: Folder of the outputs, which mirrors it.
        reads: Suffixes of the files that are meant, in lower case.
        writes: Suffixes of the outputs of each.
        make: Makes in one of so many `processes` what does one job; see
            `hific.workers`.
        line: What is told of a job that was done.
        size: Height and width of a file's picture, or None; reads little of it.
        settings: Fingerprint of what decides the outputs besides the files.
        verb: What is being done, as "compressing".
        shard: Part of the files.
        processes: How many; None is `batch_processes.best`.
        at_once: Files at most that each has in work.
        replace: Whether outputs may be replaced that the journal does not know.
    """

    root: pathlib.Path
    out: pathlib.Path
    reads: Sequence[str]
    writes: Sequence[str]
    make: Callable[..., Callable[[batch.Job], batch.Made]]
    line: Callable[[batch.Job, batch.Made], str]
    size: Callable[[pathlib.Path], tuple[int, int] | None]
    settings: str
    verb: str
    shard: Shard
    processes: int | None
    replace: bool
    at_once: int = batch.AT_ONCE

    def job(self, found: Found) -> batch.Job:
        """Source and targets of a file; who begins it has made sure of the targets."""
        targets = (self.out / f"{found.name}{suffix}" for suffix in self.writes)
        return batch.Job(pathlib.Path(found.source), tuple(targets), replace=True)

    def key(self, found: Found) -> str:
        """What the journal calls a file: its first output below the folder."""
        return f"{found.name}{self.writes[0]}"


def run(order: Order) -> int:
    """Does what is not finished of a folder; returns the exit code.

    Raises:
        UsageError: `out` is a file, or another run writes to it.
        ModelLoadError, OSError: No further file can be done.
    """
    if order.out.exists() and not order.out.is_dir():
        raise batch.UsageError(f"--out_dir={order.out} is a file, not a folder.")
    with contextlib.ExitStack() as stack:
        with leaving():  # As long as nothing is begun.
            found, problems = folders.find(
                order.root, order.reads, order.shard, order.out
            )
            if not found and not problems and order.shard == folders.WHOLE:
                raise batch.UsageError(
                    f"{order.root} holds no file that ends in {', '.join(order.reads)}."
                )
            journal = stack.enter_context(Journal(order.out, order.shard))
            _tidy(order, journal)
            prepared = _Run(order, journal, found, problems)
        return prepared.run()


class _Run:
    """One run over what was found.

    The first failure decides the exit code: of problems with folders, then of files in
    their order.
    """

    def __init__(self, order, journal: Journal, found: Sequence[Found], problems):
        self._order = order
        self._journal = journal
        self._found = found
        self._begun: dict[batch.Job, int] = {}
        self._codes: list[tuple[int, int]] = []  # Place in `found`, and exit code.
        self._deaths = 0
        for problem in problems:
            self._complain(-1, problem.path, problem.error)
        waiting = self._unfinished()
        self._waiting = [place for open_, place in waiting if not open_]
        self._last = [place for open_, place in waiting if open_]
        self._processes = self._number([found[place].source for _, place in waiting])

    def run(self) -> int:
        order, waiting = self._order, len(self._waiting) + len(self._last)
        if self._processes > 1:  # Processes that share a GPU take of it what they need.
            os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
        processes = min(self._processes, max(1, waiting))
        threads = workers.threads_of(self._processes)
        pace = Pace(waiting, workforce(processes, threads))
        with Signals(_STOPPING) as signals, following(pace, order.verb) as show:
            outcomes = workers.run(
                functools.partial(order.make, processes=self._processes),
                self._jobs(self._waiting),
                self._processes,
                apart=True,
                stopping=lambda: signals.received,
                at_once=order.at_once,
                last=self._jobs(self._last),  # One of them may be deadly.
            )
            with contextlib.closing(outcomes):
                for outcome in outcomes:
                    show(self._after(outcome, pace))
        self._sum_up(pace)
        if pace.files + pace.failed < waiting:
            print("egic: stopped; the same command goes on", file=sys.stderr)
            return batch.EXIT_STOPPED
        # The first of several in one place: `min` keeps their order.
        first = min(self._codes, key=lambda code: code[0], default=(0, 0))
        return first[1]

    def _number(self, waiting: Sequence[str]) -> int:
        """How many processes there will be."""
        paths, order = list(map(pathlib.Path, waiting)), self._order
        if order.processes is None:
            return batch_processes.best(len(self._found), paths, order.size)
        batch_processes.warn_of_memory(order.processes, paths, order.size)
        return order.processes

    def _unfinished(self) -> list[tuple[int, int]]:
        """How often runs were killed at what is to be done, and its place; in order."""
        waiting = []
        for place, found in enumerate(self._found):
            history = self._journal.histories.get(self._order.key(found), History())
            try:
                if not _finished(self._order, found, history):
                    waiting.append((history.open, place))
            except OSError as error:
                self._complain(place, found.source, error)
        return sorted(waiting)

    def _jobs(self, places: Sequence[int]) -> Iterator[batch.Job]:
        """Notes each file before it is given to a process."""
        for place in places:
            found = self._found[place]
            job = self._order.job(found)
            self._begun[job] = place
            self._journal.begun(self._order.key(found), os.path.abspath(found.source))
            yield job

    def _after(self, outcome: workers.Outcome, pace: Pace) -> str | None:
        """Notes what became of a file, and returns what is told of it."""
        job, order = outcome.task, self._order
        place = self._begun.pop(job)
        key, source = order.key(self._found[place]), os.path.abspath(job.source)
        if outcome.error is None:
            made: batch.Made = outcome.value
            sizes = sizes_of(job.targets) or ()
            done = Done(
                source, made.source_bytes, made.source_time, order.settings, sizes
            )
            self._journal.done(key, done, **_remarks(made))
            self._deaths = 0
            pace.add(made)
            return f"{pace.count} {order.line(job, made)}"
        _stop_for(outcome.error, job)
        self._journal.failed(key, source, str(outcome.error), _is_left(job))
        self._complain(place, str(job.source), outcome.error)
        self._count_deaths(outcome.error)
        pace.failed += 1
        return None

    def _complain(self, place: int, name: str, error: BaseException) -> None:
        batch.complain(name, error)
        usage = isinstance(error, batch.UsageError)
        code = batch.EXIT_USAGE if usage else batch.exit_code_of(error)
        self._codes.append((place, code))

    def _count_deaths(self, error: BaseException) -> None:
        died = isinstance(error, workers.WorkerDiedError)
        self._deaths = self._deaths + 1 if died else 0
        if self._deaths == _DEATHS_IN_A_ROW:
            raise OSError(
                f"processes died at {_DEATHS_IN_A_ROW} files in a row; nothing more "
                "was tried. Is memory short, or this installation broken? See above "
                "for what they said, and `egic doctor`."
            )

    def _sum_up(self, pace: Pace) -> None:
        before = len(self._found) - pace.total
        before -= sum(place >= 0 for place, _ in self._codes) - pace.failed
        words = [pace.summary()]
        if self._codes:
            words.append(f"{len(self._codes):,} failed")
        if before:
            words.append(f"{before:,} finished before")
        print("; ".join(words), flush=True)


def _finished(order: Order, found: Found, history: History) -> bool:
    """Whether a file is done; raises OSError where its outputs are not ours."""
    job = order.job(found)
    sizes = sizes_of(job.targets)
    if sizes is None:
        return False
    done, ours = history.done, history.unclear
    if done is not None and not ours and _as_made(sizes, done.sizes):
        source = os.path.abspath(found.source)
        if (done.source, done.settings) == (source, order.settings):
            status = job.source.stat()
            now = (status.st_size, status.st_mtime_ns)
            if (done.source_bytes, done.source_time, done.sizes) == (*now, sizes):
                return True
            ours = True  # Of the source as it was, or some are gone.
    if not ours and not order.replace:
        why = _why_kept(done, order, os.path.abspath(found.source))
        raise FileExistsError(errno.EEXIST, why, str(job.target))
    return False


def _is_left(job: batch.Job) -> bool:
    """Whether there is an output of a job, as far as can be known."""
    try:
        return sizes_of(job.targets) is not None
    except OSError:
        return True


def _as_made(sizes: Sequence[int], made: Sequence[int]) -> bool:
    """Whether outputs that are there have the sizes they were made with."""
    return len(sizes) == len(made) and all(
        size in (-1, expected) for size, expected in zip(sizes, made, strict=True)
    )


def _why_kept(done: Done | None, order: Order, source: str) -> str:
    if done is None:
        return "exists, and the journal does not know it; --force replaces it"
    if done.source != source:
        return f"exists, made from {done.source}; --force replaces it"
    if done.settings != order.settings:
        return "exists, made with another model or other flags; --force replaces it"
    return "exists, but is not what the journal says of it; --force replaces it"


def _stop_for(error: BaseException, job: batch.Job) -> None:
    """Raises what would meet every further file alike."""
    if isinstance(error, ModelLoadError):
        raise error
    if isinstance(error, UnsupportedAlphaError):
        raise batch.UsageError(str(error)) from error
    if isinstance(error, OSError) and error.errno in _NO_ROOM:
        raise OSError(
            error.errno,
            f"{error.strerror}; finished files are kept, and the same command goes on",
            error.filename or str(job.target),
        ) from error


def fingerprint(**settings: Any) -> str:
    """A short name of plain data: what outputs depend on beside their files."""
    text = json.dumps(settings, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _remarks(made: batch.Made) -> dict[str, Any]:
    """What a line of the journal says beside what is needed to go on."""
    return {
        "width": made.width,
        "height": made.height,
        "bytes": made.bytes,
        "bpp": round(made.bpp, 6),
        "seconds": round(made.seconds, 3),
    }


def _tidy(order: Order, journal: Journal) -> None:
    """Says what is wrong with the journal; removes what killed runs left half done."""
    if journal.damaged:
        print(
            f"egic: {journal.damaged} damaged lines of the journal in {order.out} were "
            "left out; what they said is done again",
            file=sys.stderr,
        )
    if not journal.locked:  # Their writers may be alive.
        return
    unfinished = files.unfinished(order.writes)
    for folder, _, names in os.walk(order.out):
        for name in names:
            match = unfinished.fullmatch(name)
            if match is None:
                continue
            path = os.path.join(folder, match[1])
            if os.path.relpath(path, order.out) in order.shard:
                pathlib.Path(folder, name).unlink(missing_ok=True)
