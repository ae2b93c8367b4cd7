"""The files of a folder and of all folders below it, and what becomes of each.

Files are sorted, so that every run and every machine finds them in one order. Links are
followed, but for those that lead back into a folder they are in. Nothing here reads a
file.
"""

import dataclasses
import errno
import os
import pathlib
import zlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from egic.batch import UsageError


class Found(NamedTuple):
    """A file.

    Attributes:
        name: Its path below the folder without the suffix, which outputs share.
        source: Its path.
    """

    name: str
    source: str


class Problem(NamedTuple):
    """What cannot be worked on: its path, and why."""

    path: str
    error: OSError | UsageError


@dataclasses.dataclass(frozen=True)
class Shard:
    """The part of a folder that one of several runs works on.

    A file belongs to the shard that its name says, whatever else is in the folder: runs
    that begin at different times, while files come and go, still share without overlap.

    Attributes:
        number: From 1 to `count`.
        count: Of shards.
    """

    number: int = 1
    count: int = 1

    def __contains__(self, name: str) -> bool:
        return zlib.crc32(os.fsencode(name)) % self.count == self.number - 1

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"


WHOLE = Shard()


def find(
    root: pathlib.Path,
    suffixes: Sequence[str],
    shard: Shard,
    without: pathlib.Path | None = None,
) -> tuple[list[Found], list[Problem]]:
    """Lists the files of a folder.

    Args:
        root, suffixes, without: See `listed`.
        shard: Files of others are left out.

    Returns:
        Files, and what stands in the way of others: folders that cannot be read, and
        files that would be written to one output.
    """
    found: list[Found] = []
    problems: list[Problem] = []
    for each in listed(root, suffixes, without, shard):
        if isinstance(each, Problem):
            problems.append(each)
        else:
            found.append(each)
    return _apart(found, problems)


def listed(
    root: pathlib.Path,
    suffixes: Sequence[str],
    without: pathlib.Path | None = None,
    shard: Shard = WHOLE,
) -> Iterator[Found | Problem]:
    """Yields the files of a folder one by one, and what stands in the way of others.

    Args:
        root: The folder.
        suffixes: Of files that are meant, in lower case.
        without: A folder that is left out with all below it, unless it is `root`.
        shard: Files of others are left out.
    """
    for each in _walk(root, _identity(without)):
        if isinstance(each, Problem):
            yield each
            continue
        stem, suffix = os.path.splitext(os.path.relpath(each.path, root))
        if suffix.lower() not in suffixes or stem not in shard:
            continue
        if each.is_file():
            yield Found(stem, each.path)
        else:
            yield Problem(each.path, _no_file(each))


def _walk(root, without) -> Iterator[os.DirEntry | Problem]:
    """Yields all but folders, in the order of their paths."""
    # Folders to be read, each with those it is in.
    waiting: list[tuple[str, tuple]] = [(os.fspath(root), ())]
    while waiting:
        folder, around = waiting.pop()
        try:
            here = _identity(folder)
            if here in around or (around and here == without):
                continue
            with os.scandir(folder) as entries:
                listed = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            yield Problem(folder, error)
            continue
        below = []
        for entry in listed:
            try:
                is_folder = entry.is_dir()
            except OSError as error:  # A link to itself, as one kind.
                yield Problem(entry.path, error)
                continue
            if is_folder:
                below.append((entry.path, (*around, here)))
            else:
                yield entry
        waiting.extend(reversed(below))


def _identity(folder) -> tuple[int, int] | None:
    """What two paths of one folder have in common; None where there is none."""
    if folder is None:
        return None
    try:
        status = os.stat(folder)
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


def _no_file(entry: os.DirEntry) -> OSError:
    if entry.is_symlink() and not os.path.exists(entry.path):
        return FileNotFoundError(errno.ENOENT, "is a link to nothing", entry.path)
    return OSError(errno.EINVAL, "is no regular file", entry.path)


def _apart(found: list[Found], problems: list[Problem]):
    """Takes out the files that differ in their suffix only."""
    sources: dict[str, list[str]] = {}
    for each in found:
        sources.setdefault(each.name, []).append(each.source)
    if len(sources) == len(found):
        return found, problems
    kept = []
    for each in found:
        others = sources[each.name]
        if len(others) == 1:
            kept.append(each)
        elif each.source == others[0]:
            names = " and ".join(os.path.basename(path) for path in others)
            error = UsageError(
                f"{names} would be written to one file; none of them was. Rename all "
                "but one, or give each in a command of its own with its --out_dir."
            )
            problems.append(Problem(os.path.dirname(others[0]), error))
    return kept, problems
