"""What a picture needs of a machine's memory, and what is said where it lacks it."""

import contextlib
from collections.abc import Iterator

import tensorflow as tf

from hific.errors import LimitExceededError

# Peak memory beside some 0.7 GB, measured with "egic"; smaller models need less.
BYTES_PER_PIXEL = 1600


@contextlib.contextmanager
def within_memory(height: int, width: int) -> Iterator[None]:
    """Turns what is raised for want of memory into LimitExceededError.

    Args:
        height, width: Of the picture that is coded, pixels.
    """
    try:
        yield
    except (MemoryError, tf.errors.ResourceExhaustedError) as error:
        need = BYTES_PER_PIXEL * height * width / 1e9
        raise LimitExceededError(
            f"The memory of this machine does not suffice for a picture of {width} x "
            f"{height}: the largest model needs {need + 0.7:.1f} GB for it. Cut or "
            "shrink the picture, or use a machine with more."
        ) from error
