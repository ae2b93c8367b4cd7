"""Makes shards, in this process or in others."""

import contextlib
import itertools
import multiprocessing
import multiprocessing.connection
import pathlib
import signal
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, NamedTuple

import numpy as np

from deeplab2_tf import shards
from deeplab2_tf.building.conversion import Converter
from deeplab2_tf.building.journal import FinishedShard
from deeplab2_tf.errors import DataError


class Job(NamedTuple):
    """One shard to make.

    Attributes:
        number: In its split, from 0.
        path: Where it goes.
        pictures: What the converter takes, in the order in which they are stored.
        converter: Makes their records.
        finished: What an earlier run wrote; kept if the file is still that.
    """

    number: int
    path: pathlib.Path
    pictures: Sequence[Any]
    converter: Converter
    finished: FinishedShard | None


class Done(NamedTuple):
    """A shard that is on the disk.

    Attributes:
        entry: What it holds.
        kept: It was there already.
    """

    entry: FinishedShard
    kept: bool


def make_shard(job: Job) -> Done:
    """Writes one shard, unless it is there."""
    if job.finished and shards.is_intact(job.path, job.finished.shard):
        return Done(job.finished, kept=True)
    rejected: list[tuple[str, str]] = []
    pixels = np.zeros(job.converter.label_set.num_ids, np.int64)

    def records() -> Iterator[bytes]:
        for picture in job.pictures:
            try:
                made = job.converter.convert(picture)
            except DataError as error:
                name = job.converter.name(picture)
                reason = error.reason if error.name == name else str(error)
                rejected.append((name, reason))
                continue
            pixels[: len(made.pixels)] += made.pixels
            yield made.record

    shard = shards.write_shard(job.path, records())
    entry = FinishedShard(job.number, shard, pixels.tolist(), rejected)
    return Done(entry, kept=False)


def make_shards(jobs: Sequence[Job], processes: int) -> Iterator[Done]:
    """Makes many shards; yields each when it is on the disk, in any order.

    Whatever stops the iteration, an error or Ctrl-C, ends the processes at once; and
    they end by themselves when this one is killed.

    Args:
        jobs: The shards.
        processes: That work at a time; 1 works in this one.

    Raises:
        OSError: A shard cannot be written.
        ValueError: A process died.
    """
    if processes == 1:
        yield from map(make_shard, jobs)
        return
    waiting = iter(jobs)
    started: list[BaseProcess] = []
    busy: dict[Connection, BaseProcess] = {}
    try:
        for job in itertools.islice(waiting, processes):
            connection, process = _start()
            started.append(process)
            busy[connection] = process
            connection.send(job)
        while busy:
            ready = multiprocessing.connection.wait(list(busy))
            for connection in [one for one in busy if one in ready]:
                done = _receive(connection, busy[connection])
                following = next(waiting, None)
                if following is None:
                    connection.close()
                    del busy[connection]
                else:
                    connection.send(following)
                yield done
    finally:
        for process in busy.values():
            process.terminate()
        for process in started:
            process.join()


def _start() -> tuple[Connection, BaseProcess]:
    # One server imports what all need, TensorFlow above all; processes fork from it.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(theirs,), daemon=True)
    process.start()
    theirs.close()  # The process' end is then the only one, and closes with it.
    return ours, process


def _receive(connection: Connection, process: BaseProcess) -> Done:
    try:
        answer = connection.recv()
    except (EOFError, ConnectionError) as error:
        process.join()
        raise ValueError(
            f"A process died with exit code {process.exitcode} (-9: killed, mostly for "
            "lack of memory). Finished shards are kept: run it again, with fewer "
            "--processes."
        ) from error
    if isinstance(answer, OSError):
        raise answer
    return answer


def _work(connection: Connection) -> None:
    """Makes shards until the other end of the connection closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business.
    with contextlib.suppress(EOFError, ConnectionError):
        while True:
            job = connection.recv()
            answer: Done | OSError
            try:
                answer = make_shard(job)
            except OSError as error:
                answer = error
            connection.send(answer)
