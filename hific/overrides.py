"""Answers to mistyped `--config` and `--config.a.b=value` flags.

`ml_collections.config_flags` parses both, but ends in a traceback where an override
names no field of the config, or there is no such file.
"""

import dataclasses
import difflib
import pathlib
import re
import sys
from collections.abc import Sequence
from typing import Any

from absl import app, flags

_OVERRIDE = re.compile(r"--?(?:no)?config\.([^=\s]+)")


def parse_flags(argv: list[str], default: str | None = None) -> list[str]:
    """Parses the flags of a script that has a `--config`; `app.run(flags_parser=)`.

    Args:
        argv: The command line, the program's name first.
        default: Of `--config`, which can then be overridden as if it had been given.
            As the default of the flag itself, it would be read before any error of an
            override can be answered.

    Returns:
        What is left of it. A config file that is not there, or an override of a field
        that does not exist, ends the program with absl's message on wrong usage, which
        names the file, or the field and the likely one.
    """
    if default is not None and given(argv) is None:
        argv = [argv[0], f"--config={default}", *argv[1:]]
    try:
        left = app.parse_flags_with_usage(argv)
        message = _not_read(argv, flags.FLAGS["config"].value)
        if message is None:
            return left
    except (KeyError, IndexError, AttributeError, ValueError, OSError):
        config = _config_of(argv)
        message = _not_read(argv, config) or unknown_field(argv, config)
        if message is None:
            raise
    app.usage(shorthelp=True, detailed_error=message)
    sys.exit(1)


def _not_read(argv: Sequence[str], config: Any) -> str | None:
    """Why there is no config, where its file could not be read."""
    if config is None or dataclasses.is_dataclass(config):
        return None
    return (
        f"--config={given(argv)} cannot be read. It is FILE.py:PRESET, where FILE.py "
        f"is a path from {pathlib.Path.cwd()}."
    )


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
    name = given(argv)
    return None if name is None else flags.FLAGS["config"].parser.parse(name)


def given(argv: Sequence[str]) -> str | None:
    """What a command line says of `--config`."""
    for argument, following in zip(argv, [*argv[1:], ""], strict=True):
        flag, joined, value = argument.partition("=")
        if flag in ("--config", "-config"):
            return value if joined else following
    return None
