"""Compiled networks on the disk, so that they are compiled once on a machine.

A cache is only ever faster: what is damaged, cannot be read or cannot be written is
left alone, and the network is compiled again. Processes may share one.
"""

import contextlib
import hashlib
import json
import os
import pathlib
from collections.abc import Iterable, Iterator, Mapping

from hific.files import write_atomically

MAGIC = b"EGICnet1"
LARGEST = 2**30  # Bytes of all files together; those used longest ago go first.
_SUFFIX = ".net"
_DIGEST = hashlib.sha256().digest_size


def folder() -> pathlib.Path | None:
    """$XDG_CACHE_HOME/egic/networks, or None where there is no home."""
    base = os.environ.get("XDG_CACHE_HOME")
    if base:
        return pathlib.Path(base) / "egic" / "networks"
    with contextlib.suppress(RuntimeError):
        return pathlib.Path.home() / ".cache" / "egic" / "networks"
    return None


def code_digest(files: Iterable[pathlib.Path]) -> str:
    """A digest of the texts that networks are written in; with them those change."""
    digest = hashlib.sha256()
    for path in files:
        digest.update(path.read_bytes())
    return digest.hexdigest()


class Cache:
    """Bytes by what they were made from."""

    def __init__(self, directory: pathlib.Path | None, largest: int = LARGEST):
        """Creates it; nothing is touched before it is used.

        Args:
            directory: Holds the files. None keeps nothing.
            largest: Bytes of all of them together.
        """
        self._directory = directory
        self._largest = largest

    def read(self, made_from: Mapping[str, object]) -> bytes | None:
        """Returns what was kept, or None if nothing whole is there."""
        if self._directory is None:
            return None
        path = self._path(made_from)
        try:
            raw = path.read_bytes()
            with contextlib.suppress(OSError):  # Somebody else's, or read-only.
                os.utime(path)
        except OSError:
            return None
        start = len(MAGIC) + _DIGEST
        data = memoryview(raw)[start:]
        if raw[:start] != MAGIC + hashlib.sha256(data).digest():
            return None
        return bytes(data)

    def holds(self, made_from: Mapping[str, object]) -> bool:
        """Whether there is a file to `read`, whole or not."""
        return self._directory is not None and self._path(made_from).exists()

    def write(self, made_from: Mapping[str, object], data: bytes) -> None:
        """Keeps bytes, if it can, and drops others if there are too many."""
        if self._directory is None or len(data) > self._largest:
            return
        with contextlib.suppress(OSError):
            whole = MAGIC + hashlib.sha256(data).digest() + data
            write_atomically(self._path(made_from), whole)
            self._drop()

    def _path(self, made_from: Mapping[str, object]) -> pathlib.Path:
        assert self._directory is not None
        text = json.dumps(made_from, sort_keys=True)
        return self._directory / (hashlib.sha256(text.encode()).hexdigest() + _SUFFIX)

    def _drop(self) -> None:
        left = self._largest
        for _, size, path in sorted(self._files(), reverse=True):
            left -= size
            if left < 0:
                path.unlink(missing_ok=True)

    def _files(self) -> Iterator[tuple[float, int, pathlib.Path]]:
        assert self._directory is not None
        # What a killed process left half-written counts too, and goes like the others.
        for path in self._directory.glob(f"*{_SUFFIX}*"):
            with contextlib.suppress(OSError):
                stat = path.stat()
                yield stat.st_mtime, stat.st_size, path
