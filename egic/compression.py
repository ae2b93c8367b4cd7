"""`egic compress`: pictures to .egic files."""

import argparse
import dataclasses
import functools
import pathlib
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from egic import batch, batch_folders, commands, folders, progress
from hific.files import write_atomically
from hific.limits import LIMITS
from hific.tiles import Progress

if TYPE_CHECKING:
    import numpy as np


class Compressor(Protocol):
    """What `hific.codec.Codec` is here."""

    def compress(self, image: "np.ndarray") -> bytes: ...


@dataclasses.dataclass(frozen=True)
class Reading:
    """What may be lost when a picture is read; see `hific.images.read_image`."""

    flatten_alpha: str | None = None
    allow_16bit: bool = False
    allow_cmyk: bool = False


def compress(args: argparse.Namespace) -> int:
    """Pictures -> .egic files."""
    folder = batch.only_folder(args.files)
    if folder is not None:
        return batch_folders.run(_order(folder, args))
    batch.refuse_flags_of_folders(args)
    with progress.tiles("compressing", args.files) as tell:
        do = worker(args, tell)
        jobs = batch.plan(args.files, args.out_dir, ".egic", replace=args.force)

        def work(job: batch.Job) -> str:
            batch.check(job)
            return line(job, do(job))

        return batch.run(jobs, work, "compressing")


def worker(
    args: argparse.Namespace, tell: Progress | None = None
) -> Callable[[batch.Job], batch.Made]:
    """Returns what compresses one picture after the other as the flags say."""
    codec, reading = commands.codec_loader(args.model), reading_of(args)
    if args.verify:
        from egic import verification

        codec = verification.verified(codec, verification.Verifier(_model(args)))
    codec = progress.telling(codec, tell)
    return lambda job: compress_one(job, reading, codec)


def _order(folder: pathlib.Path, args: argparse.Namespace) -> batch_folders.Order:
    from hific import bundle, images

    settings = batch_folders.fingerprint(
        command="compress",
        model=bundle.read_manifest(_model(args))["sha256"],
        **dataclasses.asdict(reading_of(args)),
    )
    return batch_folders.Order(
        root=folder,
        out=args.out_dir or folder,
        reads=images.SUFFIXES,
        writes=(".egic",),
        make=functools.partial(worker, args),
        line=line,
        size=images.read_size,
        settings=settings,
        verb="compressing",
        shard=args.shard or folders.WHOLE,
        processes=args.processes or 1,
        replace=args.force,
    )


def _model(args: argparse.Namespace) -> pathlib.Path:
    from egic.models import Models

    return Models(commands.model_directory(args.model)).only()


def reading_of(args: argparse.Namespace) -> Reading:
    """What the flags say of reading."""
    return Reading(args.flatten_alpha, args.allow_16bit, args.allow_cmyk)


def compress_one(
    job: batch.Job, reading: Reading, codec: Callable[[], Compressor]
) -> batch.Made:
    """Compresses one picture to its file.

    Args:
        job: Source and target.
        reading: How the picture is read.
        codec: Returns the codec; called once the picture is known to be one.

    Raises:
        CodecError, OSError, MemoryError: It cannot be done; nothing is written.
    """
    from hific import images

    source = job.source.stat()  # Before it is read: what changes later is noticed.
    image = images.read_image(job.source, **dataclasses.asdict(reading))
    height, width, _ = image.shape
    LIMITS.check_memory(width, height)
    model = codec()
    start = time.perf_counter()
    data = model.compress(image)
    seconds = time.perf_counter() - start
    batch.check(job)  # The target may have appeared in the meantime.
    write_atomically(job.target, data)
    return batch.Made(
        width, height, len(data), source.st_size, source.st_mtime_ns, seconds
    )


def line(job: batch.Job, made: batch.Made) -> str:
    """What is told of a picture that was compressed."""
    return (
        f"{job.source} -> {job.target}: "
        f"{commands.size(made.bytes, made.width, made.height)}, "
        f"{made.source_bytes / made.bytes:.1f}:1 to the source, "
        f"{3 * made.width * made.height / made.bytes:.1f}:1 to raw, "
        f"{made.seconds:.2f} s"
    )
