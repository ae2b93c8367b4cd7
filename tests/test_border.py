"""Tests of the border where foreign exceptions become a CodecError."""

import pytest
import tensorflow as tf

from hific.border import border
from hific.errors import (
    CodecError,
    CorruptError,
    DecodeMismatchError,
    LimitExceededError,
)

ONEDNN = "Operation received an exception: Status: 1, message: could not create"


def crossing(error, *blame):
    """What arrives on the other side."""
    with pytest.raises(Exception) as caught, border(50, 70, *blame):
        raise error
    return caught.value


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        tf.errors.ResourceExhaustedError(None, None, "OOM when allocating"),
        tf.errors.AbortedError(None, None, ONEDNN),
    ],
)
def test_want_of_memory_is_a_limit_with_the_size_of_the_picture(error):
    arrived = crossing(error)
    assert type(arrived) is LimitExceededError
    assert "70 x 50" in str(arrived) and arrived.__cause__ is error


@pytest.mark.parametrize("kind", ["InvalidArgument", "DataLoss", "OutOfRange"])
def test_input_that_tensorflow_refuses_is_what_the_caller_says_it_means(kind):
    error = getattr(tf.errors, f"{kind}Error")(None, None, "bad\nstack")
    assert type(crossing(error, CorruptError)) is CorruptError
    assert type(crossing(error)) is CodecError
    assert str(crossing(error)).endswith(f"{kind}Error: bad")


@pytest.mark.parametrize("kind", ["Internal", "Unknown", "Unimplemented", "Aborted"])
def test_a_machine_that_fails_is_a_codec_error(kind):
    error = getattr(tf.errors, f"{kind}Error")(None, None, "cuDNN went away")
    arrived = crossing(error, CorruptError)
    assert type(arrived) is CodecError and "cuDNN went away" in str(arrived)


@pytest.mark.parametrize(
    "error",
    [TypeError("x"), IndexError("x"), KeyboardInterrupt(), DecodeMismatchError("x")],
)
def test_defects_and_codec_errors_pass_unchanged(error):
    with pytest.raises(type(error)) as caught, border(50, 70):
        raise error
    assert caught.value is error
