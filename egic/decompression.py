"""`egic decompress`: the bits of each file once, and as many pictures as asked for."""

import argparse
import time

from egic import batch, commands
from hific import bitstream
from hific.errors import UnsupportedAlphaError


def decompress(args: argparse.Namespace) -> int:
    """.egic files -> PNG pictures."""
    codec = commands.codec_loader(args.model)
    _check(args)
    jobs = batch.plan(
        args.files,
        args.out_dir,
        *_suffixes(args),
        extra=[] if args.invented is None else [args.invented],
        also_read=[] if args.alpha_map is None else [args.alpha_map],
    )
    show = _shower(args)

    def work(job: batch.Job) -> str:
        from hific.images import write_png

        batch.check(job, args.force)
        data = batch.read_compressed(job.source)
        bitstream.unpack(data)  # A damaged file is refused before a model is loaded.
        model = codec()
        start = time.perf_counter()
        rendering = model.decode(data)
        try:
            pictures, remark = show(rendering)
        except UnsupportedAlphaError as error:  # It would fail every file alike.
            raise batch.UsageError(str(error)) from error
        seconds = time.perf_counter() - start
        batch.check(job, args.force)  # They may have appeared in the meantime.
        for target, picture in zip(job.targets, pictures, strict=True):
            write_png(target, picture)
        height, width = rendering.height, rendering.width
        return (
            f"{job.source} -> {_names(job)}: {width}x{height}, "
            f"{commands.size(len(data), width, height)}, "
            f"{3 * width * height / len(data):.1f}:1 to raw, {seconds:.2f} s{remark}"
        )

    return batch.run(jobs, work, "decompressing")


def _check(args: argparse.Namespace) -> None:
    """Refuses flags that contradict each other."""
    if args.strip and args.alpha_map is not None:
        raise batch.UsageError("--strip shows several --alpha, not an --alpha_map.")
    if args.invented is not None and len(args.files) > 1:
        raise batch.UsageError(
            f"--invented={args.invented} is one picture, for one file; got "
            f"{len(args.files)} files."
        )


def _suffixes(args: argparse.Namespace) -> list[str]:
    """What the outputs of one file end in."""
    if args.strip:
        return [".strip.png"]
    if len(args.alpha) == 1:
        return [".png"]
    return [f".alpha-{alpha:g}.png" for alpha in args.alpha]


def _shower(args: argparse.Namespace):
    """Returns a function from a decoded file to its pictures and a remark on them."""
    from egic import alpha_maps, invented
    from hific.evaluation.pictures import side_by_side

    mask = None
    if args.alpha_map is not None:
        batch.check_readable(args.alpha_map)
        mask = alpha_maps.read(args.alpha_map)

    def show(rendering):
        if mask is None:
            pictures = [rendering.image(alpha) for alpha in args.alpha]
        else:
            alpha = alpha_maps.resized(mask, rendering.height, rendering.width)
            pictures = [rendering.image(alpha)]
        if args.strip:
            labels = [f"alpha {alpha:g}" for alpha in args.alpha]
            pictures = [side_by_side(dict(zip(labels, pictures, strict=True)))]
        if args.invented is None:
            return pictures, ""
        residual = invented.residual(rendering.image(1.0), rendering.image(0.0))
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
