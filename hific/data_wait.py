"""How much of a run's time goes by waiting for its next batch."""

import time
from collections.abc import Callable
from typing import Any

MOST = 0.02  # Of the time; above it a run says so, once.


class DataWait:
    """Times the calls that fetch a batch against all the time since the last look.

    Where steps run on an accelerator while Python goes on, this is an upper bound: what
    is waited for may be ready before the accelerator is.

    Args:
        clock: Seconds since some moment.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self._clock = clock
        self._waited, self._since = 0.0, clock()
        self._looks, self._told = 0, False

    def fetch(self, batches: Any) -> Any:
        """Returns the next batch of an iterator."""
        before = self._clock()
        batch = next(batches)
        self._waited += self._clock() - before
        return batch

    def share(self) -> float:
        """Waiting, of the time since the last call, in [0, 1]."""
        now = self._clock()
        share = self._waited / max(now - self._since, 1e-9)
        self._waited, self._since = 0.0, now
        self._looks += 1
        return share

    def complaint(self, share: float) -> str | None:
        """What to say of a share: one line the first time that it is above `MOST`.

        Nothing of the first window: there the pipeline fills and the step is traced.
        """
        if self._told or self._looks < 2 or share <= MOST:
            return None
        self._told = True
        return (
            f"{share:.0%} of the time goes by waiting for pictures; a larger "
            "--data_threads prepares more of them at once."
        )
