"""Stages that work on different items at once: a thread for each, in order.

While one stage has an item, the one before it has the next. Threads gain where stages
wait for a disk, or compute outside of Python: as Pillow, zlib and networks do.
"""

import dataclasses
import itertools
import queue
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from hific import files

Stage = Callable[[Any], Any]

_NAME = "stage"  # Of their threads.
_SECONDS_TO_END = 2.0  # Of stages that work on what nobody wants any more.


@dataclasses.dataclass(frozen=True)
class Line:
    """What is done with an item, stage by stage; called, with one alone.

    Attributes:
        stages: Each is called with what the one before it returned.
        need: Bytes that an item takes while it is in a stage.
        fits: Whether so many bytes are to be had for several items together.
    """

    stages: Sequence[Stage]
    need: Callable[[Any], int] = lambda item: 0
    fits: Callable[[int], bool] = lambda need: True

    def __call__(self, item: Any) -> Any:
        """What the last stage makes of an item."""
        for stage in self.stages:
            item = stage(item)
        return item


class Over(NamedTuple):
    """What became of an item: what the last stage made, or the error of a stage."""

    item: Any
    value: Any = None
    error: BaseException | None = None


class _Room:
    """Lets items in, one after the other, while there is room; one alone has always."""

    def __init__(self, line: Line, at_once: int):
        if at_once < 1:
            raise ValueError(f"at_once must be 1 or more, got {at_once}.")
        self._line = line
        self._at_once = at_once
        self._needs: list[int] = []
        self._changed = threading.Condition()
        self._closed = False

    def enter(self, item: Any) -> bool:
        """Waits until there is room; False once it is closed."""
        need = self._line.need(item)
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._has_room(need))
            self._needs.append(need)
            return not self._closed

    def _has_room(self, need: int) -> bool:
        if not self._needs:
            return True
        few = len(self._needs) < self._at_once
        return few and self._line.fits(sum(self._needs) + need)

    def leave(self) -> None:
        """The item that came in first goes."""
        with self._changed:
            del self._needs[0]
            self._changed.notify()

    def close(self) -> None:
        """Lets nothing more in."""
        with self._changed:
            self._closed = True
            self._changed.notify()


def run(
    line: Line,
    items: Iterable[Any],
    at_once: int,
    passed_on: tuple[type[BaseException], ...] = (),
) -> Generator[Over, None, None]:
    """Takes items through all stages, and yields each when it is over, in their order.

    Args:
        line: Each of its stages is called in a thread of its own.
        items: Taken by another thread, one more than there is room for.
        at_once: Items at most that are in the stages, or over and not yet yielded.
        passed_on: Errors of stages that end their item only.

    Yields:
        What became of each item. Errors of other kinds are raised. Once closed, waits
        a while for the stages that are at work.
    """
    room = _Room(line, at_once)
    ends: list[queue.SimpleQueue] = [
        queue.SimpleQueue() for _ in range(len(line.stages) + 1)
    ]
    closed = threading.Event()
    feeder = threading.Thread(target=_feed, args=(items, room, ends[0]), daemon=True)
    threads = [
        threading.Thread(
            target=_serve,
            args=(stage, *pair, passed_on, closed),
            name=_NAME,
            daemon=True,
        )
        for stage, pair in zip(line.stages, itertools.pairwise(ends), strict=True)
    ]
    feeder.start()
    for thread in threads:
        thread.start()
    try:
        yield from _results(ends[-1], room)
    finally:
        closed.set()
        room.close()
        for end in ends:
            end.put(_END)
        end_at = time.monotonic() + _SECONDS_TO_END
        for thread in threads:  # The feeder may wait for items that never come.
            thread.join(max(0.0, end_at - time.monotonic()))


def leave_if_at_work(code: int) -> None:
    """Ends this process at once if stages are, which `run` no longer waits for.

    TensorFlow in a thread does not survive that Python ends around it. What is being
    written is removed.
    """
    if any(thread.name == _NAME for thread in threading.enumerate()):
        sys.stdout.flush()
        sys.stderr.flush()
        files.leave(code)


class _Defect(NamedTuple):
    """An error that ends everything."""

    error: BaseException


_END = object()


def _results(end: queue.SimpleQueue, room: _Room) -> Iterator[Over]:
    for result in iter(end.get, _END):
        if isinstance(result, _Defect):
            raise result.error
        room.leave()
        yield result


def _feed(items: Iterable[Any], room: _Room, end: queue.SimpleQueue) -> None:
    try:
        for item in items:
            if not room.enter(item):
                return
            end.put(Over(item, item))
    except BaseException as error:
        end.put(_Defect(error))
    end.put(_END)


def _serve(stage: Stage, taken, given, passed_on, closed: threading.Event) -> None:
    """What the thread of a stage does until there is no more."""
    for over in iter(taken.get, _END):
        if closed.is_set():
            return
        given.put(_after(stage, over, passed_on))
        del over  # And what it holds, while the next is waited for.
    given.put(_END)


def _after(stage: Stage, over: Any, passed_on) -> Any:
    if isinstance(over, _Defect) or over.error is not None:
        return over
    try:
        return Over(over.item, stage(over.value))
    except passed_on as error:
        return Over(over.item, error=error)
    except BaseException as error:
        return _Defect(error)
