"""Flags and exit codes that the builders share."""

import argparse
import os
import pathlib
import sys
from collections.abc import Callable, Sequence
from typing import Any

from deeplab2_tf.building.builds import MAX_REJECTED

SPLITS = ("train", "val", "test")
COMPLETE, FAILED, SOME_REJECTED, INTERRUPTED = 0, 1, 3, 130


def parser(description: str | None, num_shards: int) -> argparse.ArgumentParser:
    """Returns a parser of the flags that all builders have."""
    made = argparse.ArgumentParser(
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    flag = made.add_argument
    flag(
        "--out_dir",
        "--output_dir",
        type=pathlib.Path,
        required=True,
        help="folder for the shards",
    )
    flag("--num_shards", type=int, default=num_shards, help="of every split")
    flag("--processes", type=int, default=len(os.sched_getaffinity(0)))
    return made


def annotation_parser(
    description: str | None, num_shards: int
) -> argparse.ArgumentParser:
    """Returns a parser of the flags that builders from annotations have."""
    made = parser(description, num_shards)
    flag = made.add_argument
    flag(
        "--treat_crowd_as_ignore",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="pixels of crowds become void, rather than a class without instance",
    )
    flag("--splits", default=",".join(SPLITS), help="which, separated by commas")
    flag(
        "--max_rejected",
        type=float,
        default=MAX_REJECTED,
        help="share of a split's pictures that may be unusable, in [0, 1]; 1 accepts "
        "any (default: %(default)s)",
    )
    flag(
        "--retry_rejected",
        action="store_true",
        help="make shards again that an earlier run left pictures out of",
    )
    return made


def run_options(flags: argparse.Namespace) -> dict[str, Any]:
    """Returns the fields of `builds.Plan` that are about the run, not the records."""
    return {
        "processes": flags.processes,
        "max_rejected": flags.max_rejected,
        "retry_rejected": flags.retry_rejected,
    }


def splits(text: str) -> tuple[str, ...]:
    """Parses --splits.

    Raises:
        ValueError: A split is none of train, val and test.
    """
    chosen = tuple(filter(None, text.split(",")))
    unknown = [one for one in chosen if one not in SPLITS]
    if unknown or not chosen:
        raise ValueError(f"--splits={text}: there are {', '.join(SPLITS)}.")
    return chosen


def exit_code(run: Callable[[], int]) -> int:
    """Runs a build and says how it went.

    Args:
        run: Returns the number of rejected pictures.

    Returns:
        0: all pictures are in the records. 3: complete, but for some rejected
        pictures. 1: stopped, and stderr says why. 130: Ctrl-C.
    """
    try:
        rejected = run()
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("Interrupted. Run it again to go on.", file=sys.stderr)
        return INTERRUPTED
    return SOME_REJECTED if rejected else COMPLETE


def report(line: str) -> None:
    """Prints a line at once, into pipes as well."""
    print(line, flush=True)


def check_folders(root: pathlib.Path, folders: Sequence[str], splits: str) -> None:
    """Checks that the pictures of every split are there, before any is built.

    Raises:
        ValueError: Names the missing folder.
    """
    for folder in folders:
        if not (root / folder).is_dir():
            raise ValueError(
                f"{root} has no folder {folder}. Is it unpacked? --splits (={splits}) "
                "may leave its split out."
            )
