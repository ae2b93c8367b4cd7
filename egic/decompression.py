"""`egic decompress`: the bits of each file once, and as many pictures as asked for."""

import argparse
import functools
import hashlib
import pathlib
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from egic import batch, batch_folders, commands, folders, progress
from hific import bitstream
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
        do = worker(args, tell)
        jobs = batch.plan(
            args.files,
            args.out_dir,
            *_suffixes(args),
            replace=args.force,
            extra=[] if args.invented is None else [args.invented],
            also_read=[] if args.alpha_map is None else [args.alpha_map],
        )

        def work(job: batch.Job) -> str:
            batch.check(job)
            try:
                return line(job, do(job))
            except UnsupportedAlphaError as error:  # It would fail every file alike.
                raise batch.UsageError(str(error)) from error

        return batch.run(jobs, work, "decompressing")


def worker(
    args: argparse.Namespace, tell: Progress | None = None
) -> Callable[[batch.Job], batch.Made]:
    """Returns what decompresses one file after the other as the flags say."""
    from egic import models

    found = models.Models(commands.model_directory(args.model))
    pictures = len(args.alpha) + (0 if args.invented is None else 2)
    codec, show = models.decoders(found, args.isolated, pictures), _shower(args)
    if not args.isolated:
        codec = progress.telling(codec, tell)
    return lambda job: decompress_one(job, show, codec)


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
        processes=args.processes or 1,
        replace=args.force,
    )


def _size(path: pathlib.Path) -> tuple[int, int] | None:
    """Height and width of a compressed picture, or None where it is damaged."""
    try:
        fields = bitstream.inspect(batch.read_compressed(path))
    except (CodecError, OSError):
        return None
    return int(fields["height"]), int(fields["width"])


def decompress_one(
    job: batch.Job, show: Shower, codec: Callable[[bytes], Decoder]
) -> batch.Made:
    """Decompresses one file to its pictures.

    Args:
        job: Source and targets.
        show: Makes the pictures of the targets.
        codec: Returns the codec of a model id; called once the file is known to be
            intact.

    Raises:
        UnsupportedAlphaError: The model does not have the alpha that is asked for.
        CodecError, OSError, MemoryError: It cannot be done; what is not yet written
            stays unwritten.
    """
    from hific.images import write_png

    source = job.source.stat()
    data = batch.read_compressed(job.source)
    # Neither a damaged file nor too large a picture needs a model to be refused.
    packet = bitstream.unpack(data)
    bitstream.check_memory(packet)
    model = codec(packet.model_id)
    start = time.perf_counter()
    rendering = model.decode(data)
    pictures, remark = show(rendering)
    seconds = time.perf_counter() - start
    batch.check(job)  # The targets may have appeared in the meantime.
    for target, picture in zip(job.targets, pictures, strict=True):
        write_png(target, picture)
    return batch.Made(
        rendering.width,
        rendering.height,
        len(data),
        source.st_size,
        source.st_mtime_ns,
        seconds,
        remark,
    )


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
