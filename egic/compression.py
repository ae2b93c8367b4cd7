"""`egic compress`: pictures to .egic files."""

import argparse
import dataclasses
import functools
import os
import pathlib
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from egic import batch, batch_folders, batch_processes, commands, folders, progress
from hific import memory, pipelines
from hific.files import write_atomically
from hific.limits import LIMITS
from hific.tiles import Progress

if TYPE_CHECKING:
    import numpy as np


class Compressor(Protocol):
    """What `hific.codec.Codec` is here."""

    def analyse(self, image: "np.ndarray") -> Any: ...

    def encode_latents(self, analysed: Any) -> bytes: ...


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
        stages = worker(args, tell)
        jobs = batch.plan(args.files, args.out_dir, ".egic", replace=args.force)
        return batch.run_line(jobs, stages, line, "compressing")


def worker(
    args: argparse.Namespace, tell: Progress | None = None, processes: int = 1
) -> pipelines.Line:
    """Returns what compresses pictures, from jobs to what they made, as flags say."""
    codec, reading = commands.codec_loader(args.model), reading_of(args)
    if args.verify:
        from egic import verification

        codec = verification.verified(codec, verification.Verifier(_model(args)))
    codec = progress.telling(codec, tell)
    return line_of(reading, codec, processes)


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
        processes=batch_processes.asked(args, args.verify),
        replace=args.force,
    )


def _model(args: argparse.Namespace) -> pathlib.Path:
    from egic.models import Models

    return Models(commands.model_directory(args.model)).only()


def reading_of(args: argparse.Namespace) -> Reading:
    """What the flags say of reading."""
    return Reading(args.flatten_alpha, args.allow_16bit, args.allow_cmyk)


def line_of(
    reading: Reading, codec: Callable[[], Compressor], processes: int = 1
) -> pipelines.Line:
    """The stages of compressing a picture: from its job to what was made of it.

    Args:
        reading: How pictures are read.
        codec: Returns the codec; called once a picture is known to be one.
        processes: That share the memory of this machine.

    Stages raise CodecError, OSError or MemoryError where a picture cannot be
    compressed, and then nothing of it is written.
    """
    stages = (
        functools.partial(_read, reading),
        functools.partial(_analyse, codec),
        functools.partial(_encode, codec),
        _write,
    )
    return pipelines.Line(
        stages, _need, functools.partial(memory.fits, processes=processes)
    )


class _Picture(NamedTuple):
    job: batch.Job
    source: os.stat_result
    image: "np.ndarray"


class _Analysed(NamedTuple):
    job: batch.Job
    source: os.stat_result
    analysed: Any
    began: float
    seconds: float


class _Coded(NamedTuple):
    job: batch.Job
    data: bytes
    made: batch.Made


def _need(job: batch.Job) -> int:
    from hific import images

    size = images.read_size(job.source)
    return 0 if size is None else memory.beside(*size)


def _read(reading: Reading, job: batch.Job) -> _Picture:
    from hific import images

    source = job.source.stat()  # Before it is read: what changes later is noticed.
    image = images.read_image(job.source, **dataclasses.asdict(reading))
    height, width, _ = image.shape
    LIMITS.check_memory(width, height)
    return _Picture(job, source, image)


def _analyse(codec: Callable[[], Compressor], picture: _Picture) -> _Analysed:
    model = codec()
    began, start = time.monotonic(), time.perf_counter()
    analysed = model.analyse(picture.image)
    seconds = time.perf_counter() - start
    return _Analysed(picture.job, picture.source, analysed, began, seconds)


def _encode(codec: Callable[[], Compressor], picture: _Analysed) -> _Coded:
    start = time.perf_counter()
    data = codec().encode_latents(picture.analysed)
    made = batch.Made(
        picture.analysed.width,
        picture.analysed.height,
        len(data),
        picture.source.st_size,
        picture.source.st_mtime_ns,
        picture.seconds + time.perf_counter() - start,
        began=picture.began,
    )
    return _Coded(picture.job, data, made)


def _write(coded: _Coded) -> batch.Made:
    batch.check(coded.job)  # The target may have appeared in the meantime.
    write_atomically(coded.job.target, coded.data)
    return coded.made


def line(job: batch.Job, made: batch.Made) -> str:
    """What is told of a picture that was compressed."""
    return (
        f"{job.source} -> {job.target}: "
        f"{commands.size(made.bytes, made.width, made.height)}, "
        f"{made.source_bytes / made.bytes:.1f}:1 to the source, "
        f"{3 * made.width * made.height / made.bytes:.1f}:1 to raw, "
        f"{made.seconds:.2f} s"
    )
