"""Where what TensorFlow and numpy raise becomes a `CodecError`.

Whatever leaves `compress`, `decompress` and what they are made of passes here. Only
what bad input or a poor machine can cause is translated: a defect of this software, a
TypeError say, stays what it is.
"""

import contextlib
from collections.abc import Iterator

import tensorflow as tf

from hific import memory
from hific.errors import CodecError, LimitExceededError

# oneDNN's own out of memory, in words of TensorFlow.
_ONEDNN_OUT_OF_MEMORY = "Status: 1,"


@contextlib.contextmanager
def border(
    height: int, width: int, blame: type[CodecError] = CodecError
) -> Iterator[None]:
    """Turns what is raised within for bad input or want of memory into a CodecError.

    Args:
        height, width: Of the picture that is coded, pixels.
        blame: What it means that TensorFlow refuses its input here.

    Raises:
        LimitExceededError: The memory of this machine does not suffice.
        CodecError: Or the child named by `blame`.
    """
    try:
        yield
    except (MemoryError, tf.errors.ResourceExhaustedError) as error:
        raise _too_large(height, width) from error
    except tf.errors.AbortedError as error:
        if _ONEDNN_OUT_OF_MEMORY in error.message:
            raise _too_large(height, width) from error
        raise CodecError(_failed(error)) from error
    except (
        tf.errors.InvalidArgumentError,
        tf.errors.DataLossError,
        tf.errors.OutOfRangeError,
    ) as error:
        raise blame(_failed(error)) from error
    except tf.errors.OpError as error:
        raise CodecError(_failed(error)) from error


def _too_large(height: int, width: int) -> LimitExceededError:
    need = memory.needed(height, width) / 1e9
    return LimitExceededError(
        f"The memory of this machine does not suffice for a picture of {width} x "
        f"{height}: the largest model needs {need:.1f} GB for it. Cut or "
        "shrink the picture, or use a machine with more."
    )


def _failed(error: tf.errors.OpError) -> str:
    reason = (error.message or "").partition("\n")[0]
    return f"TensorFlow gives up with {type(error).__name__}: {reason[:300]}"
