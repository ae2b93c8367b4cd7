"""Makes shards, in this process or in others.

Nothing here imports TensorFlow, so that a worker process starts at once.
"""

import concurrent.futures
import multiprocessing
import os
import pathlib
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from typing import NamedTuple

import numpy as np

from deeplab2_tf import shards
from deeplab2_tf.conversion import Picture, convert
from deeplab2_tf.errors import DataError
from deeplab2_tf.journal import FinishedShard
from deeplab2_tf.panoptic import Encoding


class Job(NamedTuple):
    """One shard to make.

    Attributes:
        number: In its split, from 0.
        path: Where it goes.
        root: Folder of the data set.
        pictures: In the order in which they are stored.
        image_format: See `conversion.convert`.
        encoding: What the annotations mean.
        finished: What an earlier run wrote; kept if the file is still that.
    """

    number: int
    path: pathlib.Path
    root: pathlib.Path
    pictures: Sequence[Picture]
    image_format: str
    encoding: Encoding
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
    label_set = job.encoding.label_set
    size = max(label_set.num_classes, label_set.ignore_label + 1)
    pixels = np.zeros(size, np.int64)

    def records() -> Iterator[bytes]:
        for picture in job.pictures:
            try:
                made = convert(job.root, picture, job.image_format, job.encoding)
            except DataError as error:
                same = error.name == picture.path
                reason = error.reason if same else str(error)
                rejected.append((picture.path, reason))
                continue
            pixels[: len(made.pixels)] += made.pixels
            yield made.record

    shard = shards.write_shard(job.path, records())
    entry = FinishedShard(job.number, shard, pixels.tolist(), rejected)
    return Done(entry, kept=False)


def make_shards(jobs: Sequence[Job], processes: int) -> Iterator[Done]:
    """Makes many shards; yields each when it is on the disk, in any order.

    Args:
        jobs: The shards.
        processes: That work at a time; 1 works in this one.

    Raises:
        ValueError: A process died.
    """
    if processes == 1:
        yield from map(make_shard, jobs)
        return
    pool = concurrent.futures.ProcessPoolExecutor(
        min(processes, max(len(jobs), 1)),
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_depend_on_parent,
    )
    try:
        futures = [pool.submit(make_shard, job) for job in jobs]
        for future in concurrent.futures.as_completed(futures):
            yield future.result()
    except BrokenProcessPool as error:
        raise ValueError(
            f"One of {processes} processes died; was memory short? Finished shards "
            "are kept: run again, with fewer --processes."
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _depend_on_parent() -> None:
    """Leaves Ctrl-C to the parent, and ends when the parent does, however it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()

    def follow() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
