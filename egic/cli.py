"""The `egic` command: compress, decompress, info, verify, export, demo and others.

The command line itself: help, exit codes (listed in docs/commands.md), and the flags of
commands that have few; `egic.coding_flags` has those of the others. Needs no
TensorFlow; what the commands do is in `egic.commands`.
"""

import argparse
import importlib.metadata
import pathlib
import sys
from collections.abc import Sequence

from egic import batch, coding_flags, commands, flags
from hific import garbage, pipelines
from hific.errors import CodecError

_DESCRIPTION = """\
Compresses pictures to very small files with a learned codec, and reads them back.

  egic compress photo.jpg                writes photo.egic
  egic decompress photo.egic             writes photo.png
  egic compress photos --out_dir=small   all pictures of a folder
"""

STORAGES = ("float32", "float16")  # Keys of `hific.bundle.STORAGES`, without numpy.

_EPILOG = """\
exit codes: 0 success; 1 `doctor` found a fault; 2 wrong usage; 3 the output exists;
4 a file cannot be read or written; 5 not enough memory; 10 to 20 what is wrong with a
compressed file, a picture or a model, see docs/commands.md; 75 a folder was left when
told to, and the same command goes on. Of several files, the first failure counts, and
the others are still done.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    garbage.leave_to_the_system()
    args = _parser().parse_args(argv)
    code = _run(args)
    pipelines.leave_if_at_work(code)
    return code


def _run(args: argparse.Namespace) -> int:
    try:
        commands.choose_engine(args)
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
    coding_flags.add_compress(verbs)
    coding_flags.add_decompress(verbs)
    _add_info_and_verify(verbs)
    _add_export_and_doctor(verbs)
    _add_selftest(verbs)
    _add_demo(verbs)
    return parser


def _version() -> str:
    try:
        return importlib.metadata.version("egic")
    except importlib.metadata.PackageNotFoundError:
        return "(not installed)"


def _add_info_and_verify(verbs) -> None:
    parser = flags.add(
        verbs,
        "info",
        commands.info,
        "what a compressed file says of itself",
        "Prints size, model and the bytes of each part. Needs no model.",
    )
    parser.add_argument("file", type=pathlib.Path, metavar="FILE")
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser = flags.add(
        verbs,
        "verify",
        commands.verify,
        "whether files arrived as they were written",
        "Checks header, length and checksums of every byte. Needs no model, and does "
        "not decode: decompress finds out whether this machine reproduces the picture.",
    )
    parser.add_argument("files", nargs="+", type=pathlib.Path, metavar="FILE")


def _add_export_and_doctor(verbs) -> None:
    parser = flags.add(
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
    parser.add_argument(
        "--storage",
        choices=STORAGES,
        default=STORAGES[0],
        help="of the weights; float16 halves the bundle, and rounds them before tables "
        "and conformance vectors are made (default: %(default)s)",
    )
    flags.add(
        verbs,
        "doctor",
        commands.doctor,
        "what is wrong with this installation, and what mends it",
        "Checks Python, versions that are known to break, the GPU and its libraries, "
        "CPU features and memory.",
    )


def _add_selftest(verbs) -> None:
    parser = flags.add(
        verbs,
        "selftest",
        commands.selftest,
        "whether this machine decodes a model's files as others do",
        "Decodes the conformance vectors of a model bundle: scale indexes and symbols "
        "must be exactly those of the machine that made them, pixels nearly. Of a "
        "folder of bundles, each is tested.",
    )
    parser.add_argument(
        "--model",
        type=pathlib.Path,
        metavar="DIR",
        help="model bundle, or a folder of them (default: the environment variable "
        f"{commands.MODEL_VARIABLE}, else the one that comes with this program)",
    )
    how = parser.add_mutually_exclusive_group()
    how.add_argument(
        "--matrix",
        action="store_true",
        help="decode them again with other numbers of threads, instruction sets, "
        "libraries and compilers; takes minutes",
    )
    how.add_argument(
        "--write",
        action="store_true",
        help="make the vectors of a bundle that has none, on a machine that is trusted",
    )


def _add_demo(verbs) -> None:
    parser = flags.add(
        verbs,
        "demo",
        commands.demo,
        "a page to try the codec on, in the browser",
        "Shows a page on this machine, and on no other: drop a picture, drag alpha, "
        "paint it, compare. Needs Gradio: pip install 'egic[demo]'.",
    )
    parser.add_argument(
        "--model", type=pathlib.Path, metavar="DIR", help=coding_flags.MODEL_HELP
    )
    coding_flags.add_engine(parser)
    parser.add_argument(
        "--port",
        type=flags.port,
        metavar="N",
        help="of 127.0.0.1 (default: the first from 7860 on that is free)",
    )
    parser.add_argument(
        "--share",
        choices=("never",),
        default="never",
        help="the page has no public address, and there is no way to give it one",
    )


if __name__ == "__main__":
    sys.exit(main())
