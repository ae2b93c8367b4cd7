"""Codes collections of pictures on any runner of Apache Beam.

    python -m egic.beam compress --input=photos --output=small
    python -m egic.beam decompress --input=small --output=shown --alpha=0.5

Flags that are not named here are those of Beam and of the runner; docs/beam.md.
"""

import argparse
import os
import pathlib
import re
import sys
import time
from collections.abc import Callable, Sequence

import apache_beam as beam
from apache_beam.options.pipeline_options import (
    DirectOptions,
    PipelineOptions,
    TypeOptions,
    WorkerOptions,
)
from apache_beam.runners.runner import PipelineState

from egic import batch, coding_flags, commands, compression
from egic.beam import counts, places
from egic.beam.finding import LETTERS, FindPictures
from egic.beam.letters import WriteLetters
from egic.beam.places import Place
from egic.beam.tasks import Compression, Decompression, Task
from egic.beam.transforms import CompressPictures, DecompressPictures
from hific import engine_names
from hific.errors import CodecError, UnsupportedAlphaError

_HERE = "DirectRunner"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    parser = _parser()
    args, others = parser.parse_known_args(arguments)
    unknown, strays = _unknown(others)
    if unknown and args.runner == _HERE:
        parser.error(f"unknown flags: {' '.join(unknown)}")
    if strays:
        parser.error(f"{' '.join(strays)}: no flag names it; --input=PATH does")
    try:
        commands.choose_engine(args)
        task: Task = args.task(args)
        task.start()  # Finds what is wrong with the model here rather than there.
        return _run(args, task, others)
    except batch.UsageError as error:
        return _complain(str(error), batch.EXIT_USAGE)
    except UnsupportedAlphaError as error:
        return _complain(str(error), batch.EXIT_USAGE)
    except (CodecError, OSError) as error:
        return _complain(str(error), batch.exit_code_of(error))
    except RuntimeError as error:  # What Beam makes of errors of its workers.
        return _complain(*_of_workers(error))
    except KeyboardInterrupt:
        return _complain(
            "interrupted; the same command goes on", batch.EXIT_INTERRUPTED
        )


def _run(args: argparse.Namespace, task: Task, others: Sequence[str]) -> int:
    place, output = Place.of(args.input), places.full(args.output)
    if not place.exists():
        raise batch.UsageError(f"--input={args.input} is not there.")
    if places.is_local(output):
        pathlib.Path(output).mkdir(parents=True, exist_ok=True)
    letters = args.dead_letters or places.join(output, f"dead-letters{LETTERS}")
    options = PipelineOptions(list(others), runner=args.runner)
    _prepare(options)
    pipeline = beam.Pipeline(options=options)
    paths, missed = pipeline | FindPictures(place, output, task)
    outcome = paths | args.transform(place.root, output, task, args.force)
    (missed, outcome.failed) | beam.Flatten() | WriteLetters(letters)
    start = time.perf_counter()
    result = pipeline.run()
    result.wait_until_finish()
    seconds = time.perf_counter() - start
    if result.state != PipelineState.DONE:
        raise OSError(f"the pipeline ended as {result.state}; see above for why")
    found = counts.counted(result)
    if not any(found[name] for name in ("pictures", "skipped", "failed")):
        raise batch.UsageError(
            f"--input={args.input} holds no file that ends in {', '.join(task.reads)}."
        )
    print(counts.summary(found, task.coded, seconds))
    if found["failed"]:
        print(f"egic.beam: what failed, and why: {letters}", file=sys.stderr)
    return 0


def _prepare(options: PipelineOptions) -> None:
    """Sets what Beam's runners on this machine are to do otherwise."""
    # Else DirectRunner first tries Prism, a program that it fetches from the network.
    options.view_as(TypeOptions).allow_unsafe_triggers = True
    worker = options.view_as(WorkerOptions)
    worker.default_sdk_harness_log_level = (
        worker.default_sdk_harness_log_level or "ERROR"
    )
    direct = options.view_as(DirectOptions)
    if direct.direct_running_mode == "multi_processing":
        cores = len(os.sched_getaffinity(0))
        threads = max(1, cores // (direct.direct_num_workers or cores))
        for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"):
            os.environ.setdefault(name, str(threads))


def _unknown(others: Sequence[str]) -> tuple[list[str], list[str]]:
    """Flags that neither this program nor Beam knows, and what is no flag's value."""
    parsers: list[argparse.ArgumentParser] = []
    PipelineOptions([]).get_all_options(add_extra_args_fn=parsers.append)
    (parser,) = parsers
    unknown, strays, before = [], [], ""
    for word in parser.parse_known_args(others)[1]:
        if word.startswith("-"):
            unknown.append(word.partition("=")[0])
        elif not before.startswith("-") or "=" in before:
            strays.append(word)
        before = word
    return unknown, strays


# Errors of workers come as text. What they are here, by the names of their classes.
_CODES = {
    **{each.__name__: each.exit_code for each in CodecError.__subclasses__()},
    CodecError.__name__: CodecError.exit_code,
    batch.UsageError.__name__: batch.EXIT_USAGE,
    UnsupportedAlphaError.__name__: batch.EXIT_USAGE,
}
_RAISED = re.compile(r"(?:\w+\.)*(\w+): (.*?)(?: \[while running .*\])?")


def _of_workers(error: RuntimeError) -> tuple[str, int]:
    """What is said of an error of a worker, and the exit code."""
    *_, last = str(error).strip().splitlines()
    found = _RAISED.fullmatch(last)
    if found and found[1] in _CODES:
        return found[2], _CODES[found[1]]
    return f"the pipeline ended: {last}", batch.EXIT_SYSTEM


def _complain(text: str, code: int) -> int:
    print(batch.shown(f"egic.beam: {text}"), file=sys.stderr)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m egic.beam", description=__doc__, allow_abbrev=False
    )
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    compress = _add(verbs, "compress", _compression, CompressPictures)
    coding_flags.add_reading_flags(compress)
    decompress = _add(verbs, "decompress", _decompression, DecompressPictures)
    coding_flags.add_alpha(decompress)
    return parser


def _add(verbs, name: str, task: Callable, transform: type) -> argparse.ArgumentParser:
    parser = verbs.add_parser(name, allow_abbrev=False)
    parser.set_defaults(task=task, transform=transform)
    parser.add_argument(
        "--input",
        required=True,
        help="a folder, a file, or a pattern with *, ?, [a-z] and **; here, or where "
        "Beam has a file system, as gs://",
    )
    parser.add_argument(
        "--output", required=True, help="folder of the outputs, which mirrors the input"
    )
    parser.add_argument("--runner", default=_HERE, help=f"(default: {_HERE})")
    parser.add_argument(
        "--model",
        type=pathlib.Path,
        metavar="DIR",
        help=f"{coding_flags.MODEL_HELP}; a path that workers have too",
    )
    coding_flags.add_engine(parser)
    parser.add_argument(
        "--dead_letters",
        metavar="FILE",
        help="where to say what failed, in lines of JSON (default: "
        f"OUTPUT/dead-letters{LETTERS})",
    )
    parser.add_argument("--force", action="store_true", help="make again what is there")
    return parser


def _compression(args: argparse.Namespace) -> Compression:
    return Compression(args.model, compression.reading_of(args), _engine())


def _decompression(args: argparse.Namespace) -> Decompression:
    return Decompression(args.model, args.alpha, _engine())


def _engine() -> str:
    """What was settled for this process, for those on other machines."""
    return os.environ[engine_names.VARIABLE]


if __name__ == "__main__":
    sys.exit(main())
