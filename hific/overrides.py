"""Answers to mistyped `--config.a.b=value` flags.

`ml_collections.config_flags` parses overrides, but ends in a traceback where one names
no field of the config.
"""

import dataclasses
import difflib
import re
import sys
from collections.abc import Sequence
from typing import Any

from absl import app, flags

_OVERRIDE = re.compile(r"--?(?:no)?config\.([^=\s]+)")


def parse_flags(argv: list[str]) -> list[str]:
    """Parses the flags of a script that has a `--config`; `app.run(flags_parser=)`.

    Args:
        argv: The command line, the program's name first.

    Returns:
        What is left of it. An override of a field that does not exist ends the program
        with absl's message on wrong usage, which names the field and the likely one.
    """
    try:
        return app.parse_flags_with_usage(argv)
    except (KeyError, IndexError, AttributeError, ValueError):
        message = unknown_field(argv, _config_of(argv))
        if message is None:
            raise
        app.usage(shorthelp=True, detailed_error=message)
        sys.exit(1)


def unknown_field(argv: Sequence[str], config: Any) -> str | None:
    """Says which override names no field of a config; None where all do.

    Args:
        argv: A command line with `--config.a.b=value` flags.
        config: Dataclasses within dataclasses.
    """
    for argument in argv:
        match = _OVERRIDE.match(argument)
        if match is None:
            continue
        holder = config
        path, bracket, _ = match[1].partition("[")
        for name in path.split("."):
            names = _fields(holder)
            if name not in names:
                return _no_field(path, name, holder, names)
            holder = getattr(holder, name)
        if bracket:
            return (
                f"--config.{match[1]}: single values cannot be changed; give all of "
                f"them, as --config.{path}='{holder}'."
            )
    return None


def _no_field(path: str, name: str, holder: Any, names: Sequence[str]) -> str:
    what = f"--config.{path}: {type(holder).__name__} has no field {name!r}"
    if not names:
        return f"{what}, for it is a value."
    close = difflib.get_close_matches(name, names, 1)
    guess = f"; did you mean {close[0]}?" if close else "."
    return f"{what}{guess} Its fields are {', '.join(names)}."


def _fields(holder: Any) -> list[str]:
    if not dataclasses.is_dataclass(holder):
        return []
    return [field.name for field in dataclasses.fields(holder)]


def _config_of(argv: Sequence[str]) -> Any:
    """The config that `--config` names, before overrides."""
    for argument, following in zip(argv, [*argv[1:], ""], strict=True):
        flag, joined, value = argument.lstrip("-").partition("=")
        if flag == "config" and argument.startswith("-"):
            return flags.FLAGS["config"].parser.parse(value if joined else following)
    return None
