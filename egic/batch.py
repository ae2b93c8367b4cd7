"""Many files in one command: each on its own, each output whole or absent.

Outputs are planned before work starts, so that two inputs never write one file. A file
that fails is reported and the others go on; the exit code is that of the first failure.
"""

import argparse
import contextlib
import dataclasses
import errno
import os
import pathlib
import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from typing import TypeVar

from hific import bitstream, pipelines, signals
from hific.errors import CodecError, ModelLoadError

EXIT_USAGE = 2
EXIT_EXISTS = 3
EXIT_SYSTEM = 4
EXIT_MEMORY = 5
EXIT_STOPPED = signals.EXIT_INTERRUPTED  # A folder, and the same command goes on.
EXIT_INTERRUPTED = 130

# In work in one process: one that is read, one in the networks, one that is entropy
# coded or written.
AT_ONCE = 3

Item = TypeVar("Item")

_OF_ONE_FILE = (CodecError, OSError, MemoryError)


class UsageError(Exception):
    """The command line asks for something that cannot be meant; nothing was done."""


@dataclasses.dataclass(frozen=True)
class Job:
    """Files to make from one; usually one.

    Attributes:
        source: What is read.
        targets: What is written.
        replace: Whether targets that exist may be written over.
    """

    source: pathlib.Path
    targets: tuple[pathlib.Path, ...]
    replace: bool = False

    @property
    def target(self) -> pathlib.Path:
        """The first of them."""
        return self.targets[0]

    def __str__(self) -> str:
        return str(self.source)


@dataclasses.dataclass(frozen=True)
class Made:
    """What a job came to.

    Attributes:
        width, height: Of the picture.
        bytes: Of the compressed file.
        source_bytes, source_time: Size of what was read, and nanoseconds of its last
            change, as they were before it was read.
        seconds: Of coding, without reading and writing files; where other files are
            coded meanwhile, longer than alone.
        remark: What else is to be said of it.
        began: When its coding began, of `time.monotonic`; 0 where that was not noted.
    """

    width: int
    height: int
    bytes: int
    source_bytes: int
    source_time: int
    seconds: float
    remark: str = ""
    began: float = 0.0

    @property
    def bpp(self) -> float:
        """Bits per pixel of the compressed file."""
        return 8 * self.bytes / (self.width * self.height)


def plan(
    sources: Sequence[pathlib.Path],
    out_dir: pathlib.Path | None,
    *suffixes: str,
    replace: bool = False,
    extra: Sequence[pathlib.Path] = (),
    also_read: Sequence[pathlib.Path] = (),
) -> list[Job]:
    """Returns what will be written where: photo.png -> photo.egic.

    Args:
        sources: Input files.
        out_dir: Folder of the outputs; None puts each beside its input.
        *suffixes: Of the outputs of each input, with their dots.
        replace: Whether outputs that exist may be written over.
        extra: Further outputs of each input, where they are named.
        also_read: Further inputs, of which nothing is made.

    Raises:
        UsageError: Two outputs are one file, or an output is an input.
    """
    if out_dir is not None and out_dir.exists() and not out_dir.is_dir():
        raise UsageError(f"--out_dir={out_dir} is a file, not a folder.")
    inputs = {path.resolve() for path in (*sources, *also_read)}
    writer_of: dict[pathlib.Path, pathlib.Path] = {}
    jobs = []
    for source in sources:
        for suffix in suffixes:
            if source.suffix == pathlib.PurePath(f"photo{suffix}").suffix:
                raise UsageError(
                    f"{source} already ends in {source.suffix}; is the opposite "
                    "command meant?"
                )
        folder = out_dir or source.parent
        targets = (*(folder / f"{source.stem}{suffix}" for suffix in suffixes), *extra)
        for target in targets:
            _claim(target, source, inputs, writer_of)
        jobs.append(Job(source, targets, replace))
    return jobs


def _claim(target, source, inputs, writer_of) -> None:
    """Notes that `source` is written to `target`, unless something speaks against."""
    place = target.resolve()
    if place in inputs:
        raise UsageError(f"{source} would be written to {target}, itself an input.")
    if place in writer_of and writer_of[place] == source:
        raise UsageError(f"{target} is named for two pictures of {source}.")
    if place in writer_of:
        raise UsageError(
            f"{writer_of[place]} and {source} would both be written to {target}; "
            "nothing was done. Give them in two commands with different --out_dir."
        )
    writer_of[place] = source


def check(job: Job) -> None:
    """Finds what would stop a job, before a model is loaded for it.

    Raises:
        FileExistsError: The output is there and may not be replaced.
        OSError: The input is absent, a folder, or not readable.
    """
    check_readable(job.source)
    for target in job.targets:
        if not job.replace and target.exists():
            raise FileExistsError(
                errno.EEXIST, "exists; --force replaces it", str(target)
            )


def only_folder(files: Sequence[pathlib.Path]) -> pathlib.Path | None:
    """Returns the folder that a command is given instead of files."""
    return files[0] if len(files) == 1 and files[0].is_dir() else None


def refuse_flags_of_folders(args: argparse.Namespace) -> None:
    """Raises UsageError where files are given what only a folder can use."""
    for name in ("processes", "shard"):
        value = getattr(args, name)
        if value is not None:
            raise UsageError(f"--{name}={value} is for a folder, given alone.")


def check_readable(path: pathlib.Path) -> None:
    """Raises OSError if a path is absent, a folder, or not readable."""
    path.stat()
    if path.is_dir():
        raise IsADirectoryError(
            errno.EISDIR, "is a folder; name its files, or give it alone", str(path)
        )
    if not os.access(path, os.R_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))


def read_compressed(path: pathlib.Path) -> bytes:
    """Returns a file's bytes, unless it is larger than any compressed file may be."""
    check_readable(path)
    bitstream.LIMITS.check_file(path.stat().st_size)
    return path.read_bytes()


def run(items: Sequence[Item], work: Callable[[Item], str], verb: str) -> int:
    """Works on each item, prints a line for each, and goes on after a failure.

    Args:
        items: What is worked on; `str(item)` names it in errors.
        work: Does one item and returns the line that reports it.
        verb: Label of the progress bar, which is drawn on stderr when that is a
            terminal and there are several items.

    Returns:
        The exit code: 0, or that of the first item that failed.

    Raises:
        ModelLoadError: It would fail every item alike.
    """
    return _report(_one_by_one(items, work), len(items), verb)


def run_line(
    jobs: Sequence[Job],
    line: pipelines.Line,
    told: Callable[[Job, Made], str],
    verb: str,
) -> int:
    """Like `run`, with several jobs in the stages of a line at once.

    What becomes of each, and the order in which it is told, is as if they were done one
    by one.

    Args:
        jobs: Each is checked before its first stage.
        line: From jobs to what they made.
        told: What is said of a job that was done.
    """
    first = pipelines.Line((_checked, line.stages[0]))
    line = dataclasses.replace(line, stages=(first, *line.stages[1:]))
    if len(jobs) > 1:
        overs = pipelines.run(line, jobs, AT_ONCE, _OF_ONE_FILE)
    else:  # In this thread.
        overs = _one_by_one(jobs, line)
    with contextlib.closing(overs):
        lines = (_told(over, told) for over in overs)
        return _report(lines, len(jobs), verb)


def _checked(job: Job) -> Job:
    check(job)
    return job


def _told(over: pipelines.Over, told) -> pipelines.Over:
    return over if over.error else over._replace(value=told(over.item, over.value))


def _one_by_one(items, work) -> Generator[pipelines.Over, None, None]:
    for item in items:
        try:
            over = pipelines.Over(item, work(item))
        except _OF_ONE_FILE as error:
            over = pipelines.Over(item, error=error)
        yield over


def _report(overs: Iterable[pipelines.Over], total: int, verb: str) -> int:
    """Prints the line of each item, its value, or its error; see `run`."""
    exit_code = 0
    with _progress(total, verb) as show:
        for over in overs:
            if isinstance(over.error, ModelLoadError):
                raise over.error
            if over.error is not None:
                complain(str(over.item), over.error)
                exit_code = exit_code or exit_code_of(over.error)
            show(over.value)
    return exit_code


def complain(name: str, error: BaseException) -> None:
    """Prints one line about a failure to stderr, naming the file once."""
    text = str(error)
    if isinstance(error, OSError) and error.strerror:
        name, text = str(error.filename or name), error.strerror
    elif isinstance(error, MemoryError):
        text = "not enough memory for a picture of this size"
    prefix = "" if not name or text.startswith(name) else f"{name}: "
    print(shown(f"egic: {prefix}{text}"), file=sys.stderr, flush=True)


def exit_code_of(error: BaseException) -> int:
    """Returns what the command line answers for an error; see docs/commands.md."""
    if isinstance(error, CodecError):
        return error.exit_code
    if isinstance(error, MemoryError):
        return EXIT_MEMORY
    return EXIT_EXISTS if isinstance(error, FileExistsError) else EXIT_SYSTEM


def print_above(bar, line: str | None) -> None:
    """`print_line` beside a progress bar; on a terminal the line scrolls above it."""
    if line is not None and sys.stdout.isatty():
        bar.console.out(shown(line), highlight=False)
    else:
        print_line(line)


def print_line(line: str | None) -> None:
    """Prints a line that may name files, if there is one."""
    if line is not None:
        encoding = sys.stdout.encoding or "utf-8"
        print(shown(line).encode(encoding, "backslashreplace").decode(encoding))
        sys.stdout.flush()


def shown(text: str) -> str:
    """Text as one line that terminals and logs take, whatever names are in it.

    Line breaks, control characters and bytes that are no UTF-8 become escapes.
    """
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in text
    )


@contextlib.contextmanager
def _progress(total: int, verb: str) -> Iterator[Callable[[str | None], None]]:
    """Yields what to call after each item, with its line if it has one.

    Draws a bar for several items on a terminal, nothing into files and pipes.
    """
    if total < 2 or not sys.stderr.isatty():
        yield print_line
        return
    from rich import console, progress

    bar = progress.Progress(
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TimeRemainingColumn(),
        console=console.Console(stderr=True),
        redirect_stdout=False,
        transient=True,
    )

    def show(line: str | None) -> None:
        print_above(bar, line)
        bar.advance(task)

    with bar:
        task = bar.add_task(verb, total=total)
        yield show
