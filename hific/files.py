"""Files that are either complete or absent, even after a power cut."""

import contextlib
import os
import pathlib
import re
import secrets
import threading
from collections.abc import Iterable
from typing import NoReturn

# What threads of this process are writing; held while one more is begun.
_unfinished: set[pathlib.Path] = set()
_beginning = threading.Lock()
_SECONDS_TO_BEGIN = 1.0  # Where it takes longer, the disk is away.


def write_atomically(path: pathlib.Path, data: bytes) -> None:
    """Writes bytes under a temporary name, then renames; creates the folder.

    A reader, or a run killed at any moment, finds the old file or the new one whole.

    Args:
        path: Where the bytes end up; an existing file is replaced.
        data: All of the file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(unfinished_name(path.name))
    try:
        with _beginning:
            _unfinished.add(partial)
            file = partial.open("wb")
        with file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
        _unfinished.discard(partial)
    sync(path.parent)


def leave(code: int) -> NoReturn:
    """Ends this process at once, whatever its threads do; what they write is removed.

    A file that got its name is whole and stays.
    """
    _beginning.acquire(timeout=_SECONDS_TO_BEGIN)  # For good: nobody begins another.
    for partial in tuple(_unfinished):
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
    os._exit(code)


def unfinished_name(name: str) -> str:
    """A name for what is to get this one once it is whole."""
    # Processes of two machines, or containers, may have one number.
    return f"{name}.tmp-{os.getpid()}-{secrets.token_hex(4)}"


def unfinished(suffixes: Iterable[str]) -> re.Pattern[str]:
    """Matches what `unfinished_name` makes of names that end so; group 1 is the stem.

    Args:
        suffixes: With their dots.
    """
    endings = "|".join(map(re.escape, suffixes))
    return re.compile(rf"(.+)(?:{endings})\.tmp-\d+-[0-9a-f]{{8}}", re.DOTALL)


def sync(path: pathlib.Path) -> None:
    """Asks the system to put a file or a folder's list of names on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
