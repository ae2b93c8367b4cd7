"""Python's search for cyclic garbage, put off where much is made that stays.

Importing TensorFlow and building a model make a million objects, none of them garbage,
which Python looks through again and again: half a second of those it takes to start,
and one more when the process ends.
"""

import atexit
import contextlib
import functools
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def put_off() -> Iterator[None]:
    """Searches for no garbage while this lasts; what is made counts as old after it."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        if not gc.get_freeze_count():  # What somebody froze shall stay so.
            gc.freeze()
            gc.unfreeze()  # Into the oldest generation, without a look at it.
        gc.enable()


@functools.cache  # Once is enough.
def leave_to_the_system() -> None:
    """When the process ends, leaves what is in its memory to the system.

    Python else looks through all of it three times, to call finalisers of what hangs
    together in circles. Functions registered with `atexit` are called all the same.
    """
    atexit.register(gc.freeze)
