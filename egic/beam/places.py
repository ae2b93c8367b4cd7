"""Where the files of a collection are, and what their outputs are called."""

import dataclasses
import os
import pathlib
import re
from collections.abc import Iterator, Sequence

from apache_beam.io.filesystems import FileSystems

from egic import folders
from egic.folders import Problem

_WILD = re.compile(r"[*?[]")


def is_local(path: str) -> bool:
    """Whether a path is one of this machine, and needs no file system of Beam."""
    return FileSystems.get_scheme(path) is None


def full(path: str) -> str:
    """A path that means the same in every process, without a slash at its end."""
    return os.path.abspath(path) if is_local(path) else path.rstrip("/")


def join(folder: str, name: str) -> str:
    """The path of `name`, which has slashes, below a folder."""
    return f"{folder}/{name}"


def quoted(path: str) -> str:
    """A pattern of Beam that only this path matches."""
    return _WILD.sub(lambda match: f"[{match[0]}]", path)


def name_of(path: str, root: str) -> str:
    """What outputs are called that mirror `root`: the path below it, no suffix.

    A path outside of `root` is called by its last part.
    """
    below = path.removeprefix(f"{root}/")
    return os.path.splitext(below if below != path else os.path.basename(path))[0]


@dataclasses.dataclass(frozen=True)
class Place:
    """Files that are meant together.

    Attributes:
        root: The folder that outputs mirror.
        pattern: What Beam's file systems match; empty for all of `root` and below.
    """

    root: str
    pattern: str = ""

    @classmethod
    def of(cls, text: str) -> "Place":
        """A folder, one file, or a pattern with `*`, `?`, `[a-z]` and `**`.

        A folder elsewhere than on this machine cannot be told from a file but by its
        name: what has a suffix is a file.
        """
        path = full(text)
        if is_local(path) and os.path.isdir(path):
            return cls(path)
        wild = _WILD.search(path)
        if wild:
            return cls(path[: wild.start()].rpartition("/")[0], path)
        if os.path.splitext(path)[1]:
            return cls(path.rpartition("/")[0], quoted(path))
        return cls(path, "" if is_local(path) else f"{quoted(path)}/**")

    def exists(self) -> bool:
        """Whether a folder of this machine is there; True where that is not known."""
        return bool(self.pattern) or os.path.isdir(self.root)

    def files(self, suffixes: Sequence[str], without: str) -> Iterator[str | Problem]:
        """Yields paths, and what stands in the way of others.

        Args:
            suffixes: Of files that are meant, in lower case.
            without: A folder that is left out, unless it is `root`.
        """
        if not self.pattern:
            root, left_out = pathlib.Path(self.root), pathlib.Path(without)
            for each in folders.listed(root, suffixes, left_out):
                yield each if isinstance(each, Problem) else each.source
            return
        for path in matches(self.pattern):
            outside = without == self.root or not path.startswith(f"{without}/")
            if outside and path.lower().endswith(tuple(suffixes)):
                yield path


def matches(pattern: str) -> Iterator[str]:
    """Yields the paths that a pattern of Beam matches."""
    for result in FileSystems.match([pattern]):
        for metadata in result.metadata_list:
            yield metadata.path
