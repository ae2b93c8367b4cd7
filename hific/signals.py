"""Wishes to stop, noted and not obeyed at once."""

import signal
import threading
from typing import Any


class Signals:
    """Notes SIGTERM and SIGINT instead of dying; the second one acts as usual."""

    def __init__(self):
        self.received = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "Signals":
        # Python delivers signals to the main thread only.
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._before[number] = signal.signal(number, self._note)
        return self

    def _note(self, *_) -> None:
        self.received = True
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    def __exit__(self, *_) -> None:
        self._restore()
