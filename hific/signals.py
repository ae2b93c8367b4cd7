"""Wishes to stop: SIGTERM, Ctrl-C and SIGUSR1, which schedulers of clusters send.

A script leaves at once as long as there is nothing to save (`leaving`). While a run
goes on, the wish is noted and obeyed between two steps (`Signals`).
"""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

EXIT_INTERRUPTED = 75  # EX_TEMPFAIL: a supervisor should start the run again.
NUMBERS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)

_LEFT = b"Interrupted; the run goes on from what was saved last.\n"
# A scheduler and the job's own script often send the same signal, one after the other.
_ONE_WISH_SECONDS = 1.0


class Stopped(Exception):
    """Something long that can be left out or done again was left because of a wish."""


def leave(*_: Any) -> None:
    """Ends the process, also in the middle of an import or of tracing."""
    # No exception: raised anywhere, it might leave a lock held, or be swallowed.
    os.write(2, _LEFT)
    os._exit(EXIT_INTERRUPTED)


@contextlib.contextmanager
def leaving() -> Iterator[None]:
    """Lets every wish to stop end the process with `EXIT_INTERRUPTED` at once."""
    before = {number: signal.signal(number, leave) for number in NUMBERS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Signals:
    """Notes the wish to stop instead of dying of it.

    A second one, a second or more after the first, acts as it would have without this
    object.

    Attributes:
        received: Whether there was one.
        starting: Nothing was done yet, so that inside `leaving` the first one leaves.
    """

    def __init__(self, told: bytes = b""):
        """Creates the object; `told` is what the first wish is answered on stderr."""
        self.received = False
        self.starting = True
        self._told = told
        self._noted_at = 0.0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "Signals":
        # Python delivers signals to the main thread only.
        if threading.current_thread() is threading.main_thread():
            for number in NUMBERS:
                self._before[number] = signal.signal(number, self._note)
        return self

    def stop_if_asked(self) -> None:
        """Raises Stopped after a wish; for long loops that change nothing."""
        if self.received:
            raise Stopped

    def _note(self, number: int, frame: Any) -> None:
        before = self._before[number]
        if self.starting and before is leave:
            leave()
        if not self.received:
            self.received, self._noted_at = True, time.monotonic()
            os.write(2, self._told)
        elif time.monotonic() - self._noted_at >= _ONE_WISH_SECONDS:
            self._restore()
            if callable(before):
                before(number, frame)
            else:
                os.kill(os.getpid(), number)

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    def __exit__(self, *_) -> None:
        self._restore()
