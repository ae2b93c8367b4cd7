"""The flags of `egic compress` and `egic decompress`."""

import pathlib

from egic import commands, compression, decompression, flags
from hific import engine_names

MODEL_HELP = (
    "model bundle, as `egic export` writes it, or a folder of bundles; a file can only "
    "be decoded with the model that made it (default: the environment variable "
    f"{commands.MODEL_VARIABLE}, else the model that comes with this program)"
)


def add_engine(parser) -> None:
    """What executes the transforms."""
    parser.add_argument(
        "--engine",
        choices=engine_names.choices(),
        help="executes the transforms, not what codes bits: files are the same kind "
        "with each; auto is the fastest installed (default: the environment variable "
        f"{engine_names.VARIABLE}, else auto)",
    )


def _add_output_flags(parser) -> None:
    parser.add_argument("--model", type=pathlib.Path, metavar="DIR", help=MODEL_HELP)
    add_engine(parser)
    parser.add_argument(
        "--out_dir",
        type=pathlib.Path,
        metavar="DIR",
        help="folder of the outputs, made if needed (default: beside each input)",
    )
    parser.add_argument(
        "--force", action="store_true", help="replace outputs that exist"
    )


def _add_folder_flags(parser) -> None:
    parser.add_argument(
        "--processes",
        type=flags.count,
        metavar="N",
        help="of a folder: so many processes, of which each loads the model (default: "
        "as many as are faster and have memory, see docs/commands.md)",
    )
    parser.add_argument(
        "--shard",
        type=flags.shard,
        metavar="I/N",
        help="of a folder: only the I-th of N parts, for as many commands at once",
    )


def _add_files(parser) -> None:
    parser.add_argument(
        "files",
        nargs="+",
        type=pathlib.Path,
        metavar="FILE",
        help="files, or one folder: all in it and below, see docs/commands.md",
    )


def add_reading_flags(parser) -> None:
    """What may be lost when a picture is read: `egic.compression.Reading`."""
    parser.add_argument(
        "--flatten_alpha",
        type=flags.colour,
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


def add_alpha(parser) -> None:
    """Which pictures are made of a file."""
    parser.add_argument(
        "--alpha",
        type=flags.alphas,
        default=(1.0,),
        metavar="A[,A...]",
        help="0 is the most faithful picture, 1 the most realistic; the file is the "
        "same for all; other than 1 needs a model with an output-residual head; "
        "several, separated by commas, give photo.alpha-A.png each (default: 1)",
    )


def add_compress(verbs) -> None:
    """Pictures to .egic files."""
    parser = flags.add(
        verbs,
        "compress",
        compression.compress,
        "pictures to .egic files",
        "Compresses PNG, JPEG, WebP, TIFF and BMP pictures; photo.png becomes "
        "photo.egic. EXIF orientation is applied, ICC profiles are converted to sRGB, "
        "grey is expanded. Prints bytes, bits per pixel, the ratios to the source file "
        "and to raw 24 bit pixels, and the seconds of coding.",
    )
    _add_files(parser)
    _add_output_flags(parser)
    _add_folder_flags(parser)
    add_reading_flags(parser)
    parser.add_argument(
        "--verify",
        action="store_true",
        help="before a file is written, decode it in another process with other "
        "threads and libraries; what does not decode there is not written",
    )


def add_decompress(verbs) -> None:
    """.egic files to pictures."""
    parser = flags.add(
        verbs,
        "decompress",
        decompression.decompress,
        ".egic files to PNG pictures",
        "Reads compressed files back; photo.egic becomes photo.png. A file that is "
        "damaged, or whose latents this machine does not reproduce, is refused: no "
        "wrong picture is written.",
    )
    _add_files(parser)
    _add_output_flags(parser)
    _add_folder_flags(parser)
    parser.add_argument(
        "--isolated",
        action="store_true",
        help="decode each file in a process of its own, with limited memory and time: "
        "for files of unknown origin",
    )
    which = parser.add_mutually_exclusive_group()
    add_alpha(which)
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
        type=flags.png,
        metavar="OUT.png",
        help="also write where the realistic picture departs from the faithful one, "
        "as a heat map: black 0 grey levels, pale yellow 64 and more",
    )
    parser.add_argument(
        "--invented_threshold",
        type=flags.grey_levels,
        default=8.0,
        metavar="LEVELS",
        help="count a pixel as invented above this (default: 8)",
    )
