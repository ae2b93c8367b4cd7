"""What a run has done, a line for each file, so that the next one goes on from there.

    OUT/journal.jsonl           of runs that work on all files
    OUT/journal-1-of-4.jsonl    of the first of four shards

A file is noted when it is begun, and again when it is done or has failed. Lines are
appended and forced to the disk, so a run that is killed at any moment, or a power cut,
leaves whole lines but for the last, which is then ignored. What is begun and not done
is this command's own to write over.
"""

import dataclasses
import errno
import fcntl
import json
import os
import pathlib
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from egic.batch import UsageError
from egic.folders import WHOLE, Shard
from hific.files import sync

# A file system that knows no locks is written to without.
_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL)


class Done(NamedTuple):
    """What was made, of what.

    Attributes:
        source: Absolute path.
        source_bytes, source_time: Its size, and nanoseconds of its last change.
        settings: Fingerprint of what else decides the outputs.
        sizes: Bytes of the outputs.
    """

    source: str
    source_bytes: int
    source_time: int
    settings: str
    sizes: tuple[int, ...]


@dataclasses.dataclass(slots=True)
class History:
    """What all lines about one output say.

    Attributes:
        done: What was made last.
        done_at, begun_at, cleared_at: Seconds since 1970; when it was made, last begun,
            and last known not to be there.
        open: Times that it was begun without an end: by runs that were killed.
    """

    done: Done | None = None
    done_at: float = 0.0
    begun_at: float = 0.0
    cleared_at: float = 0.0
    open: int = 0

    def add(self, line: dict[str, Any]) -> None:
        """Takes in a line; lines may come in any order.

        Raises:
            KeyError, TypeError: It lacks something, and nothing of it was taken in.
        """
        at, status = line["time"], line["status"]
        if status == "begun":
            self.begun_at = max(self.begun_at, at)
            self.open += 1
            return
        if status == "done" and at >= self.done_at:
            self.done = Done(
                line["source"],
                line["source_bytes"],
                line["source_time"],
                sys.intern(line["settings"]),
                tuple(line["sizes"]),
            )
            self.done_at = at
        elif status == "failed" and not line["left"]:
            self.cleared_at = max(self.cleared_at, at)
        self.open = 0

    @property
    def unclear(self) -> bool:
        """Whether there may be an output that no line says is done."""
        return self.begun_at > max(self.done_at, self.cleared_at)


class Journal:
    """The journal of one run, and what it finds in those of all others.

    Attributes:
        histories: First output of a file, below the folder -> what is known of it.
        damaged: Lines that cannot be read.
        locked: Whether no other run writes to the same journal; False where the file
            system cannot tell.
    """

    def __init__(self, folder: pathlib.Path, shard: Shard = WHOLE):
        """Opens the journal, or begins one.

        Args:
            folder: Of the outputs; made if needed.
            shard: Of this run.

        Raises:
            UsageError: Another run is writing to it.
            OSError: It cannot be read or written.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.histories: dict[str, History] = {}
        self.damaged = 0
        self._time = 0.0
        self._files: list[int] = []
        try:
            self._open(folder, shard)
            for line in entries(folder):
                self._apply(line)
        except BaseException:
            self.close()
            raise

    def _open(self, folder: pathlib.Path, shard: Shard) -> None:
        """Opens the file to append to; a shard shares the one of whole runs."""
        self.path = path_of(folder, WHOLE)
        self.locked = True
        if shard.count > 1:
            self._take(fcntl.LOCK_SH)
            self.path = path_of(folder, shard)
        self._take(fcntl.LOCK_EX)
        sync(folder)
        self._mend()

    def _mend(self) -> None:
        """Takes away the last line where a power cut tore it, or ends it."""
        with self.path.open("rb") as lines:
            last, start = b"\n", 0
            for line in lines:
                last, start = line, start + len(line)
        start -= len(last)
        if last.endswith(b"\n"):
            return
        try:
            json.loads(last)
        except ValueError:
            if self.locked:
                os.ftruncate(self._file, start)
                self.damaged += 1
                return
        self._append(b"\n")

    @property
    def _file(self) -> int:
        return self._files[-1]

    def _take(self, lock: int) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._files.append(os.open(self.path, flags, 0o666))
        try:
            fcntl.flock(self._file, lock | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(
                f"Another run is writing to {self.path.parent}: {self.path.name} is "
                "locked. Several at once need --shard=1/N to N/N."
            ) from error
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            self.locked = False

    def _apply(self, line: Any) -> None:
        try:
            history = self.histories.setdefault(line["target"], History())
            history.add(line)
            self._time = max(self._time, line["time"])
        except (KeyError, TypeError):
            self.damaged += 1

    def begun(self, target: str, source: str) -> None:
        """Notes that a file will be worked on; before anything is written.

        Args:
            target: Its first output, below the folder.
            source: Absolute path.

        Raises:
            OSError: It cannot be written; the journal is as it was before.
        """
        self._write("begun", target, {"source": source})

    def done(self, target: str, done: Done, **remarks: Any) -> None:
        """Notes what was made, and what else is worth knowing of it."""
        self._write("done", target, {**done._asdict(), **remarks})

    def failed(self, target: str, source: str, reason: str, left: bool) -> None:
        """Notes why there is no output; `left` says that there still is some."""
        content = {"source": source, "reason": reason, "left": left}
        self._write("failed", target, content)

    def _write(self, status: str, target: str, content: dict[str, Any]) -> None:
        # Later than every line there is, whatever the clocks of machines say.
        self._time = max(round(time.time(), 6), self._time + 1e-6)
        line = {"time": self._time, "status": status, "target": target, **content}
        self._append(json.dumps(line).encode() + b"\n")

    def _append(self, data: bytes) -> None:
        before = os.fstat(self._file).st_size
        try:
            while data:
                data = data[os.write(self._file, data) :]
            os.fsync(self._file)
        except OSError as error:
            if self.locked:
                os.ftruncate(self._file, before)
            raise OSError(error.errno, error.strerror, str(self.path)) from error

    def close(self) -> None:
        """Lets other runs write."""
        while self._files:
            os.close(self._files.pop())

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *_) -> None:
        self.close()


def path_of(folder: pathlib.Path, shard: Shard) -> pathlib.Path:
    """The journal of a shard."""
    if shard.count == 1:
        return folder / "journal.jsonl"
    return folder / f"journal-{shard.number}-of-{shard.count}.jsonl"


def entries(folder: pathlib.Path) -> Iterator[Any]:
    """Yields the lines of all journals of a folder; None for one that is damaged."""
    shards = sorted(folder.glob("journal-*-of-*.jsonl"))
    for path in (*folder.glob("journal.jsonl"), *shards):
        with path.open("rb") as lines:
            for line in lines:
                try:
                    yield json.loads(line)
                except ValueError:
                    if line.strip():
                        yield None


def sizes_of(paths: Sequence[pathlib.Path]) -> tuple[int, ...] | None:
    """Bytes of files that are there; None where none of them is, -1 for one absent."""
    sizes = tuple(_size(path) for path in paths)
    return sizes if any(size >= 0 for size in sizes) else None


def _size(path: pathlib.Path) -> int:
    try:
        return path.stat().st_size
    except (FileNotFoundError, NotADirectoryError):
        return -1
