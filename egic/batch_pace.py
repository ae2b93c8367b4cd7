"""How far a run over many files is, how fast it is, and where that is shown."""

import contextlib
import math
import sys
import time
from collections.abc import Callable, Iterator

from egic.batch import Made, print_above, print_line

_SECONDS_BETWEEN_NOTES = 30.0


class Pace:
    """Counts what was done.

    A rate is over the time since the first file began to be coded: what processes and
    models take to start is told beside it.

    Attributes:
        total: Files to be done.
        files: Done.
        failed: Of others.
        bytes: Of compressed files.
        pixels: Of their pictures.
        by: Who does it, as "2 processes of 1 thread".
    """

    def __init__(
        self, total: int, by: str = "", clock: Callable[[], float] = time.monotonic
    ):
        self.total = total
        self.by = by
        self.files = self.failed = self.bytes = self.pixels = 0
        self._clock = clock
        self._start = clock()
        self._began = math.inf

    def add(self, made: Made) -> None:
        """Counts a file."""
        self.files += 1
        self.bytes += made.bytes
        self.pixels += made.width * made.height
        if made.began:
            self._began = min(self._began, made.began)

    @property
    def over(self) -> int:
        """Files that are done or have failed."""
        return self.files + self.failed

    @property
    def count(self) -> str:
        """Files that are over, of all: "12/100"."""
        return f"{self.over}/{self.total}"

    @property
    def seconds(self) -> float:
        """Since the start, models and processes being loaded included."""
        return max(self._clock() - self._start, 1e-3)

    @property
    def to_start(self) -> float:
        """Seconds until the first file began to be coded."""
        return self._began - self._start if math.isfinite(self._began) else 0.0

    def rate(self) -> str:
        """Files and pixels a second, and who does it."""
        seconds = max(self.seconds - self.to_start, 1e-3)
        text = (
            f"{self.files / seconds:.2f} files/s, "
            f"{self.pixels / 1e6 / seconds:.2f} megapixels/s"
        )
        return f"{text} by {self.by}" if self.by else text

    def note(self) -> str:
        """How far it is, how fast, and how long it will take."""
        seconds = self.seconds - self.to_start
        left = (self.total - self.over) * seconds / max(self.over, 1)
        return f"{self.over:,} of {self.total:,}, {self.rate()}, {duration(left)} left"

    def summary(self) -> str:
        """What was done in all."""
        text = f"{self.files:,} done in {duration(self.seconds)}"
        if not self.files:
            return text
        bpp = 8 * self.bytes / self.pixels
        return (
            f"{text}, {duration(self.to_start)} of it to start; {self.rate()}; "
            f"{self.bytes:,} bytes, {bpp:.4f} bpp"
        )


def workforce(processes: int, threads: int) -> str:
    """Who works, in words: "2 processes of 1 thread each"."""
    if processes == 1:
        return f"1 process of {threads} thread{'s' * (threads > 1)}"
    return f"{processes} processes of {threads} thread{'s' * (threads > 1)} each"


def duration(seconds: float) -> str:
    """A time as a person says it: "12 s", "3 min 20 s", "2 h 5 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


@contextlib.contextmanager
def following(pace: Pace, verb: str) -> Iterator[Callable[[str | None], None]]:
    """Yields what to call after each file, with its line if it has one.

    Shows how far it is on stderr: as a bar on a terminal, else as a line now and then.
    """
    with (_bar if pace.total and sys.stderr.isatty() else _notes)(pace, verb) as show:
        yield show


@contextlib.contextmanager
def _notes(pace: Pace, verb: str) -> Iterator[Callable[[str | None], None]]:
    noted = time.monotonic()

    def show(line: str | None) -> None:
        nonlocal noted
        print_line(line)
        due = time.monotonic() - noted >= _SECONDS_BETWEEN_NOTES
        if due and 0 < pace.over < pace.total:
            noted = time.monotonic()
            print(f"egic: {verb}: {pace.note()}", file=sys.stderr, flush=True)

    yield show


@contextlib.contextmanager
def _bar(pace: Pace, verb: str) -> Iterator[Callable[[str | None], None]]:
    from rich import console, progress

    bar = progress.Progress(
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TextColumn("{task.fields[rate]}"),
        progress.TimeRemainingColumn(),
        console=console.Console(stderr=True),
        redirect_stdout=False,
        transient=True,
    )

    def show(line: str | None) -> None:
        print_above(bar, line)
        bar.update(task, completed=pace.over, rate=pace.rate())

    with bar:
        task = bar.add_task(verb, total=pace.total, rate="")
        yield show
