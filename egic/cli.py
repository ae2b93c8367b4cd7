"""The `egic` command: compress, decompress, info, verify, export, doctor.

The command line itself: flags, help, exit codes (listed in docs/commands.md). Needs no
TensorFlow; what the commands do is in `egic.commands`.
"""

import argparse
import importlib.metadata
import pathlib
import sys
from collections.abc import Sequence

from egic import batch, commands, decompression
from hific.errors import CodecError

_DESCRIPTION = """\
Compresses pictures to very small files with a learned codec, and reads them back.

  egic compress photo.jpg --model=models/egic     writes photo.egic
  egic decompress photo.egic --model=models/egic  writes photo.png
"""

_EPILOG = """\
exit codes: 0 success; 1 `doctor` found a fault; 2 wrong usage; 3 the output exists;
4 a file cannot be read or written; 5 not enough memory; 10 to 20 what is wrong with a
compressed file, a picture or a model, see docs/commands.md. Of several files, the
first failure counts, and the others are still done.
"""

_MODEL_HELP = (
    "model bundle, as `egic export` writes it; a file can only be decoded with the "
    f"model that made it (default: the environment variable {commands.MODEL_VARIABLE})"
)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    args = _parser().parse_args(argv)
    try:
        return args.command(args)
    except batch.UsageError as error:
        batch.complain("", error)
        return batch.EXIT_USAGE
    except (CodecError, OSError) as error:
        batch.complain("", error)
        return batch.exit_code_of(error)
    except KeyboardInterrupt:
        print("egic: interrupted; finished files are kept", file=sys.stderr)
        return batch.EXIT_INTERRUPTED


def _alphas(text: str) -> tuple[float, ...]:
    values = tuple(_number(part, 1) for part in text.split(","))
    if len(set(values)) < len(values):
        raise argparse.ArgumentTypeError(f"a number is there twice in {text}")
    return values


def _grey_levels(text: str) -> float:
    return _number(text, 255)


def _number(text: str, largest: int) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= largest:
        raise argparse.ArgumentTypeError(
            f"a number from 0 to {largest} is needed, got {text}"
        )
    return value


def _png(text: str) -> pathlib.Path:
    path = pathlib.Path(text)
    if path.suffix.lower() != ".png":
        raise argparse.ArgumentTypeError(f"a name that ends in .png, got {text}")
    return path


def _colour(text: str) -> str:
    from PIL import ImageColor

    try:
        ImageColor.getrgb(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"a colour such as white or #808080 is needed, got {text}"
        ) from error
    return text


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="egic",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--version", action="version", version=f"egic {_version()}", help="print it"
    )
    verbs = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_compress(verbs)
    _add_decompress(verbs)
    _add_info_and_verify(verbs)
    _add_export_and_doctor(verbs)
    return parser


def _version() -> str:
    try:
        return importlib.metadata.version("egic")
    except importlib.metadata.PackageNotFoundError:
        return "(not installed)"


def _add(verbs, name: str, command, summary: str, description: str):
    parser = verbs.add_parser(
        name, help=summary, description=description, allow_abbrev=False
    )
    parser.set_defaults(command=command)
    return parser


def _add_output_flags(parser) -> None:
    parser.add_argument("--model", type=pathlib.Path, metavar="DIR", help=_MODEL_HELP)
    parser.add_argument(
        "--out_dir",
        type=pathlib.Path,
        metavar="DIR",
        help="folder of the outputs, made if needed (default: beside each input)",
    )
    parser.add_argument(
        "--force", action="store_true", help="replace outputs that exist"
    )


def _add_compress(verbs) -> None:
    parser = _add(
        verbs,
        "compress",
        commands.compress,
        "pictures to .egic files",
        "Compresses PNG, JPEG, WebP, TIFF and BMP pictures; photo.png becomes "
        "photo.egic. EXIF orientation is applied, ICC profiles are converted to sRGB, "
        "grey is expanded. Prints bytes, bits per pixel, the ratios to the source file "
        "and to raw 24 bit pixels, and the seconds of coding.",
    )
    parser.add_argument("files", nargs="+", type=pathlib.Path, metavar="FILE")
    _add_output_flags(parser)
    parser.add_argument(
        "--flatten_alpha",
        type=_colour,
        metavar="COLOUR",
        help="lay transparent pixels over this colour, such as white or #808080 "
        "(default: refuse such pictures)",
    )
    parser.add_argument(
        "--allow_16bit", action="store_true", help="keep the upper 8 of 16 bits"
    )
    parser.add_argument(
        "--allow_cmyk", action="store_true", help="convert CMYK pictures to sRGB"
    )


def _add_decompress(verbs) -> None:
    parser = _add(
        verbs,
        "decompress",
        decompression.decompress,
        ".egic files to PNG pictures",
        "Reads compressed files back; photo.egic becomes photo.png. A file that is "
        "damaged, or whose latents this machine does not reproduce, is refused: no "
        "wrong picture is written.",
    )
    parser.add_argument("files", nargs="+", type=pathlib.Path, metavar="FILE")
    _add_output_flags(parser)
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--alpha",
        type=_alphas,
        default=(1.0,),
        metavar="A[,A...]",
        help="0 is the most faithful picture, 1 the most realistic; the file is the "
        "same for all; other than 1 needs a model with an output-residual head; "
        "several, separated by commas, give photo.alpha-A.png each (default: 1)",
    )
    which.add_argument(
        "--alpha_map",
        type=pathlib.Path,
        metavar="MASK",
        help="a grey picture of any size that chooses for each pixel: black faithful, "
        "white realistic",
    )
    parser.add_argument(
        "--strip",
        action="store_true",
        help="set the pictures of all alphas side by side, in photo.strip.png",
    )
    parser.add_argument(
        "--invented",
        type=_png,
        metavar="OUT.png",
        help="also write where the realistic picture departs from the faithful one, "
        "as a heat map: black 0 grey levels, pale yellow 64 and more",
    )
    parser.add_argument(
        "--invented_threshold",
        type=_grey_levels,
        default=8.0,
        metavar="LEVELS",
        help="count a pixel as invented above this (default: 8)",
    )


def _add_info_and_verify(verbs) -> None:
    parser = _add(
        verbs,
        "info",
        commands.info,
        "what a compressed file says of itself",
        "Prints size, model and the bytes of each part. Needs no model.",
    )
    parser.add_argument("file", type=pathlib.Path, metavar="FILE")
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser = _add(
        verbs,
        "verify",
        commands.verify,
        "whether files arrived as they were written",
        "Checks header, length and checksums of every byte. Needs no model, and does "
        "not decode: decompress finds out whether this machine reproduces the picture.",
    )
    parser.add_argument("files", nargs="+", type=pathlib.Path, metavar="FILE")


def _add_export_and_doctor(verbs) -> None:
    parser = _add(
        verbs,
        "export",
        commands.export,
        "a training run to a model bundle",
        "Writes config, weights and integer coding tables of the newest checkpoint.",
    )
    parser.add_argument(
        "--workdir", type=pathlib.Path, required=True, metavar="RUN", help="of training"
    )
    parser.add_argument(
        "--out", type=pathlib.Path, required=True, metavar="DIR", help="the new bundle"
    )
    parser.add_argument(
        "--raw",
        action="store_true",
        help="the last step's weights instead of their moving average",
    )
    _add(
        verbs,
        "doctor",
        commands.doctor,
        "what is wrong with this installation, and what mends it",
        "Checks Python, versions that are known to break, the GPU and its libraries, "
        "CPU features and memory.",
    )


if __name__ == "__main__":
    sys.exit(main())
