"""From one generator to another, by images or by weights: EGIC's ablation.

    python -m egic.interpolation --first=models/g1 --second=models/g2 --mode=image \
        --alphas=0,0.5,1 photo.egic

Two models that share E and P read the same files, so a decoder may go from the image of
the one, G1 at alpha = 0, to that of the other, G2 at alpha = 1; `egic.blends` says how.
An output-residual head is the same as "image" with a fraction of a second generator.

Source: Eq. 9 and 10 of EGIC (arXiv:2309.03244). There G1 is fine-tuned with the
objective of the head.
"""

import argparse
import dataclasses
import pathlib
import sys
from collections.abc import Sequence

import numpy as np

import egic.config
from egic import batch, codec, stored
from egic.blends import MODES, check_shared
from egic.stored import Loaded
from hific import bitstream, checkpoints, images, tables
from hific.choices import choose
from hific.errors import CodecError, ModelLoadError
from hific.names import copy_variables
from hific.rendering import Alpha
from hific.tile_encoding import Report


class InterpolatingCodec:
    """A codec whose alpha goes from the first model's generator to the second's.

    Shows the face that `evaluate.py` measures. Files are written in the second model's
    name and read in either's: their latents are the same.

    Attributes:
        mode: A key of `egic.blends.MODES`.
        stride: Pictures are padded to multiples of this.
    """

    def __init__(self, first: Loaded, second: Loaded, mode: str):
        """Checks that the two fit and builds what is needed of both.

        Args:
            first: Its image is alpha = 0.
            second: Its image is alpha = 1.
            mode: A key of `MODES`.

        Raises:
            ModelLoadError: They do not share E and P or the padding, or with "weights"
                their generators differ in size.
            ValueError: There is no such mode.
        """
        make = choose(MODES, mode, "interpolation")
        check_shared(first.model, second.model)
        self.mode = mode
        self._codec = codec.build_codec(*second)
        self.stride = self._codec.stride
        theirs = codec.SYSTEMS[type(first.config)].stride(first.config)
        if theirs != self.stride:
            raise ModelLoadError(
                f"The models pad pictures to multiples of {theirs} and {self.stride}; "
                "one file cannot be both. Their configs differ in `compatible`."
            )
        self._ids = {first.model_id, second.model_id}
        self._renderer = make(first, second)

    def compress_with_report(self, image: np.ndarray) -> tuple[bytes, Report]:
        """See `hific.codec.Codec.compress_with_report`."""
        return self._codec.compress_with_report(image)

    def estimate(self, image: np.ndarray) -> float:
        """See `hific.codec.Codec.estimate`."""
        return self._codec.estimate(image)

    def decompress(self, data: bytes, alpha: Alpha = 1.0) -> np.ndarray:
        """See `hific.codec.Codec.decompress`; takes files of either model."""
        return self.decompress_all(data, [alpha])[0]

    def decompress_all(self, data: bytes, alphas: Sequence[Alpha]) -> list[np.ndarray]:
        """`decompress` at several alphas; decodes the bits once."""
        packet = bitstream.unpack(data)
        if packet.model_id in self._ids:
            readdressed = dataclasses.replace(packet, model_id=self._codec.model_id)
            data = bitstream.pack(readdressed)
        packet, y_hat = self._codec.decode_y_hat(data)
        shown = self._renderer(y_hat, packet.height, packet.width)
        return [shown.image(alpha) for alpha in alphas]


def load(
    first: str | pathlib.Path, second: str | pathlib.Path, mode: str = "image"
) -> InterpolatingCodec:
    """Returns a codec between two models, each a bundle or the directory of a run.

    Of a run the newest checkpoint is taken, with averaged weights where it kept them.

    Raises:
        ModelLoadError, LimitExceededError, ValueError: See `egic.stored.read` and
            `InterpolatingCodec`.
    """
    return InterpolatingCodec(read(first), read(second), mode)


def read(directory: str | pathlib.Path) -> Loaded:
    """Reads the model of a bundle, or of a run's newest checkpoint; see `load`."""
    directory = pathlib.Path(directory)
    if not (directory / "checkpoints").is_dir():
        return stored.read(directory)
    try:
        config = egic.config.load(directory / "config.json")
        trained = codec.build_model(config)
        checkpoints.load_weights(directory, trained)
    except (ValueError, OSError) as error:
        raise ModelLoadError(f"The run in {directory} is no model: {error}") from error
    model = codec.SYSTEMS[type(config)].infer(config)
    copy_variables(trained, model)
    return Loaded(config, model, tables.build(model.prior.density), bytes(4))


def main(argv: Sequence[str] | None = None) -> int:
    """Renders files at several alphas and returns the exit code of docs/commands.md."""
    args = _parser().parse_args(argv)
    try:
        jobs = _plan(args.files, args.out_dir, args.mode, args.alphas, args.force)
        between = load(args.first, args.second, args.mode)
        return batch.run(jobs, lambda job: _render(between, job, args), "interpolating")
    except batch.UsageError as error:
        batch.complain("", error)
        return batch.EXIT_USAGE
    except (CodecError, OSError) as error:
        batch.complain("", error)
        return batch.exit_code_of(error)


def _plan(sources, out_dir, mode, alphas, replace) -> list[batch.Job]:
    """A picture for each file and alpha; unlike `batch.plan`, of pictures as well."""
    jobs = [
        batch.Job(
            source,
            tuple(
                (out_dir or source.parent) / f"{source.stem}.{mode}-{alpha:g}.png"
                for alpha in alphas
            ),
            replace,
        )
        for source in sources
    ]
    if len({target for job in jobs for target in job.targets}) < sum(
        len(job.targets) for job in jobs
    ):
        raise batch.UsageError(
            "Two pictures would be written to one file: an alpha or a file's name "
            "occurs twice."
        )
    return jobs


def _render(between: InterpolatingCodec, job: batch.Job, args) -> str:
    batch.check(job)
    if job.source.suffix == ".egic":
        data = batch.read_compressed(job.source)
    else:
        data, _ = between.compress_with_report(images.read_image(job.source))
    shown = between.decompress_all(data, args.alphas)
    for target, image in zip(job.targets, shown, strict=True):
        images.write_png(target, image)
    return f"{job.source}: {len(data):,} bytes -> {', '.join(map(str, job.targets))}"


def _alphas(text: str) -> list[float]:
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = [-1.0]
    if not all(0 <= value <= 1 for value in values):
        raise argparse.ArgumentTypeError(
            f"numbers from 0 to 1 with commas between are needed, got {text}"
        )
    return values


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m egic.interpolation",
        description="Renders files between the generators of two models with one E and "
        "one P: photo.egic becomes photo.image-0.5.png.",
        allow_abbrev=False,
    )
    folder = pathlib.Path
    parser.add_argument("files", nargs="+", type=folder, help=".egic files or pictures")
    for name, alpha in (("--first", 0), ("--second", 1)):
        parser.add_argument(
            name,
            type=folder,
            required=True,
            metavar="DIR",
            help=f"bundle or run whose image is alpha={alpha}",
        )
    parser.add_argument(
        "--mode", choices=list(MODES), default="image", help="what is interpolated"
    )
    parser.add_argument(
        "--alphas", type=_alphas, default=[0.0, 0.5, 1.0], metavar="A,B,..."
    )
    parser.add_argument("--out_dir", type=folder, help="default: beside each file")
    parser.add_argument("--force", action="store_true", help="replace pictures")
    return parser


if __name__ == "__main__":
    sys.exit(main())
