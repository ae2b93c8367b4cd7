"""What flags of the `egic` command share: how a command is added, and their values.

A value's function takes the text of the command line, and raises
argparse.ArgumentTypeError where it is none. Needs no TensorFlow.
"""

import argparse
import pathlib

from egic import folders


def add(verbs, name: str, command, summary: str, description: str):
    """Adds a command, run by `command(args)`, and returns its parser."""
    parser = verbs.add_parser(
        name, help=summary, description=description, allow_abbrev=False
    )
    parser.set_defaults(command=command)
    return parser


def alphas(text: str) -> tuple[float, ...]:
    """Numbers from 0 to 1, separated by commas."""
    values = tuple(_number(part, 1) for part in text.split(","))
    if len({f"{value:g}" for value in values}) < len(values):  # As outputs are named.
        raise argparse.ArgumentTypeError(f"a number is there twice in {text}")
    return values


def share(text: str) -> float:
    """A number from 0 to 1."""
    return _number(text, 1)


def grey_levels(text: str) -> float:
    """A number from 0 to 255."""
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


def count(text: str) -> int:
    """A number from 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"a number from 1 is needed, got {text}")
    return int(text)


def port(text: str) -> int:
    """A number from 1 to 65535."""
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(
            f"a number from 1 to 65535 is needed, got {text}"
        )
    return int(text)


def shard(text: str) -> folders.Shard:
    """One part of several: "1/4" to "4/4"."""
    number, _, whole = text.partition("/")
    if (
        not 1
        <= (found := folders.Shard(count(number), count(whole))).number
        <= (found.count)
    ):
        raise argparse.ArgumentTypeError(f"I/N, such as 1/4 to 4/4, got {text}")
    return found


def png(text: str) -> pathlib.Path:
    """The path of a PNG file."""
    path = pathlib.Path(text)
    if path.suffix.lower() != ".png":
        raise argparse.ArgumentTypeError(f"a name that ends in .png, got {text}")
    return path


def colour(text: str) -> str:
    """A colour as Pillow knows it."""
    from PIL import ImageColor

    try:
        ImageColor.getrgb(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"a colour such as white or #808080 is needed, got {text}"
        ) from error
    return text
