"""`egic decompress`: the bits of each file once, and as many pictures as asked for."""

import argparse
import functools
import hashlib
import os
import pathlib
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from egic import batch, batch_folders, batch_processes, commands, folders, progress
from hific import bitstream, memory, pipelines
from hific.errors import CodecError, UnsupportedAlphaError
from hific.tiles import Progress

if TYPE_CHECKING:
    import numpy as np


class Decoder(Protocol):
    """What `hific.codec.Codec` is here."""

    def decode(self, data: bytes) -> "Rendering": ...


class Rendering(Protocol):
    """What `hific.rendering.Rendering` is here."""

    @property
    def height(self) -> int: ...

    @property
    def width(self) -> int: ...

    def images(self, alphas: "Sequence[float | np.ndarray]") -> "list[np.ndarray]": ...


# A decoded file -> its pictures, one for each target, and a remark on them.
Shower = Callable[[Rendering], tuple[list["np.ndarray"], str]]


def decompress(args: argparse.Namespace) -> int:
    """.egic files -> PNG pictures."""
    _check(args)
    folder = batch.only_folder(args.files)
    if folder is not None:
        return batch_folders.run(_order(folder, args))
    batch.refuse_flags_of_folders(args)
    with progress.tiles("decompressing", args.files) as tell:
        stages = worker(args, tell)
        jobs = batch.plan(
            args.files,
            args.out_dir,
            *_suffixes(args),
            replace=args.force,
            extra=[] if args.invented is None else [args.invented],
            also_read=[] if args.alpha_map is None else [args.alpha_map],
        )
        try:
            return batch.run_line(jobs, stages, line, "decompressing")
        except UnsupportedAlphaError as error:  # It would fail every file alike.
            raise batch.UsageError(str(error)) from error


def worker(
    args: argparse.Namespace, tell: Progress | None = None, processes: int = 1
) -> pipelines.Line:
    """Returns what decompresses files, from jobs to what they made, as flags say."""
    from egic import models

    found = models.Models(commands.model_directory(args.model))
    pictures = len(args.alpha) + (0 if args.invented is None else 2)
    codec, show = models.decoders(found, args.isolated, pictures), _shower(args)
    if not args.isolated:
        codec = progress.telling(codec, tell)
    # Of a process of its own, decoding and drawing are one question after the other.
    return line_of(show, codec, processes, args.isolated)


def _order(folder: pathlib.Path, args: argparse.Namespace) -> batch_folders.Order:
    commands.model_directory(args.model)
    mask = None if args.alpha_map is None else args.alpha_map.read_bytes()
    settings = batch_folders.fingerprint(
        command="decompress",
        alpha=args.alpha,
        alpha_map=mask and hashlib.sha256(mask).hexdigest(),
        strip=args.strip,
    )
    return batch_folders.Order(
        root=folder,
        out=args.out_dir or folder,
        reads=(".egic",),
        writes=_suffixes(args),
        make=functools.partial(worker, args),
        line=line,
        size=_size,
        settings=settings,
        verb="decompressing",
        shard=args.shard or folders.WHOLE,
        processes=batch_processes.asked(args, args.isolated),
        replace=args.force,
    )


def _size(path: pathlib.Path) -> tuple[int, int] | None:
    """Height and width of a compressed picture, or None where it is damaged."""
    try:
        fields = bitstream.inspect(batch.read_compressed(path))
    except (CodecError, OSError):
        return None
    return int(fields["height"]), int(fields["width"])


def line_of(
    show: Shower,
    codec: Callable[[bytes], Decoder],
    processes: int = 1,
    together: bool = False,
) -> pipelines.Line:
    """The stages of decompressing a file: from its job to what was made of it.

    Args:
        show: Makes the pictures of the targets.
        codec: Returns the codec of a model id; called once a file is known to be
            intact.
        processes: That share the memory of this machine.
        together: Decode and draw in one stage.

    Stages raise UnsupportedAlphaError where the model does not have the alpha that is
    asked for; CodecError, OSError or MemoryError where a file cannot be decompressed,
    and then what is not yet written stays unwritten.
    """
    networks: tuple[pipelines.Stage, ...] = (
        functools.partial(_decode, codec),
        functools.partial(_draw, show),
    )
    if together:
        networks = (pipelines.Line(networks),)
    fits = functools.partial(memory.fits, processes=processes)
    return pipelines.Line((_read, *networks, _write), _need, fits)


class _File(NamedTuple):
    job: batch.Job
    source: os.stat_result
    data: bytes
    model_id: bytes


class _Decoded(NamedTuple):
    file: _File
    rendering: Rendering
    began: float
    seconds: float


class _Drawn(NamedTuple):
    job: batch.Job
    pictures: "list[np.ndarray]"
    made: batch.Made


def _need(job: batch.Job) -> int:
    size = _size(job.source)
    return 0 if size is None else memory.beside(*size)


def _read(job: batch.Job) -> _File:
    source = job.source.stat()
    data = batch.read_compressed(job.source)
    # Neither a damaged file nor too large a picture needs a model to be refused.
    packet = bitstream.unpack(data)
    bitstream.check_memory(packet)
    return _File(job, source, data, packet.model_id)


def _decode(codec: Callable[[bytes], Decoder], file: _File) -> _Decoded:
    model = codec(file.model_id)
    began, start = time.monotonic(), time.perf_counter()
    rendering = model.decode(file.data)
    return _Decoded(file, rendering, began, time.perf_counter() - start)


def _draw(show: Shower, decoded: _Decoded) -> _Drawn:
    file, rendering = decoded.file, decoded.rendering
    start = time.perf_counter()
    pictures, remark = show(rendering)
    made = batch.Made(
        rendering.width,
        rendering.height,
        len(file.data),
        file.source.st_size,
        file.source.st_mtime_ns,
        decoded.seconds + time.perf_counter() - start,
        remark,
        decoded.began,
    )
    return _Drawn(file.job, pictures, made)


def _write(drawn: _Drawn) -> batch.Made:
    from hific.images import write_png

    batch.check(drawn.job)  # The targets may have appeared in the meantime.
    for target, picture in zip(drawn.job.targets, drawn.pictures, strict=True):
        write_png(target, picture)
    return drawn.made


def line(job: batch.Job, made: batch.Made) -> str:
    """What is told of a file that was decompressed."""
    return (
        f"{job.source} -> {_names(job)}: {made.width}x{made.height}, "
        f"{commands.size(made.bytes, made.width, made.height)}, "
        f"{3 * made.width * made.height / made.bytes:.1f}:1 to raw, "
        f"{made.seconds:.2f} s{made.remark}"
    )


def _check(args: argparse.Namespace) -> None:
    """Refuses flags that contradict each other."""
    if args.strip and args.alpha_map is not None:
        raise batch.UsageError("--strip shows several --alpha, not an --alpha_map.")
    if args.invented is not None:
        number = len(args.files)
        several = f"{number} files" if number > 1 else "a folder"
        if number > 1 or batch.only_folder(args.files) is not None:
            raise batch.UsageError(
                f"--invented={args.invented} is one picture, for one file; got "
                f"{several}."
            )


def _suffixes(args: argparse.Namespace) -> list[str]:
    """What the outputs of one file end in."""
    return [".strip.png"] if args.strip else suffixes_of(args.alpha)


def suffixes_of(alphas: Sequence[float]) -> list[str]:
    """What the pictures of one file end in."""
    if len(alphas) == 1:
        return [".png"]
    return [f".alpha-{alpha:g}.png" for alpha in alphas]


def _shower(args: argparse.Namespace) -> Shower:
    """Returns a function from a decoded file to its pictures and a remark on them."""
    from egic import alpha_maps, invented
    from hific.evaluation.pictures import side_by_side

    mask = None
    if args.alpha_map is not None:
        batch.check_readable(args.alpha_map)
        mask = alpha_maps.read(args.alpha_map)

    def show(rendering: Rendering) -> "tuple[list[np.ndarray], str]":
        alphas = list(args.alpha)
        if mask is not None:
            alphas = [alpha_maps.resized(mask, rendering.height, rendering.width)]
        ends = [] if args.invented is None else [1.0, 0.0]
        # In one call, which runs the networks once.
        shown = rendering.images([*alphas, *ends])
        pictures, shown_ends = shown[: len(alphas)], shown[len(alphas) :]
        if args.strip:
            labels = [f"alpha {alpha:g}" for alpha in args.alpha]
            pictures = [side_by_side(dict(zip(labels, pictures, strict=True)))]
        if args.invented is None:
            return pictures, ""
        residual = invented.residual(*shown_ends)
        share = invented.share_above(residual, args.invented_threshold)
        remark = (
            f"; {100 * share:.1f} % of pixels invented (alpha 1 and 0 differ by more "
            f"than {args.invented_threshold:g} grey levels)"
        )
        return [*pictures, invented.heat_map(residual)], remark

    return show


def _names(job: batch.Job) -> str:
    first, *others = job.targets
    return f"{first} and {len(others)} more" if others else str(first)
