"""How training scripts end."""

import errno
import signal

import pytest
import tensorflow as tf
from absl import flags

from hific import determinism, loop, running
from hific.checkpoints import NotSaved, UnusableCheckpoint
from hific.errors import InvalidImageError
from hific.guards import NonFiniteTraining
from hific.run_directory import RunInUse


@pytest.fixture(autouse=True)
def enabled(monkeypatch):
    """Whether results were asked to repeat; flags are parsed as without any."""
    calls = []
    monkeypatch.setattr(determinism, "enable", lambda: calls.append(1))
    if not flags.FLAGS.is_parsed():
        flags.FLAGS.mark_as_parsed()
    return calls


def ended(error, *failures):
    with pytest.raises(SystemExit) as exit_, running.as_script("train.py", *failures):
        raise error
    return exit_.value.code


@pytest.mark.parametrize(
    "error, code",
    [
        (loop.Interrupted("saved at step 3 of 9"), 75),
        (InvalidImageError("no picture"), 18),
        (NotSaved("Checkpoint 3 cannot be written"), 4),
        (OSError(errno.EROFS, "Read-only file system", "/runs/a"), 4),
        (PermissionError(errno.EACCES, "Permission denied", "/runs/a"), 4),
    ],
)
def test_what_is_raised_becomes_a_line_and_a_code(error, code, capsys):
    assert ended(error) == code
    (line,) = capsys.readouterr().err.splitlines()
    assert str(error) in line


@pytest.mark.parametrize("kind", [NonFiniteTraining, UnusableCheckpoint, RunInUse])
def test_what_starting_again_would_not_mend_ends_with_its_text(kind):
    assert ended(kind("why")) == "train.py: why"


def test_a_script_names_more_failures_and_a_defect_stays_one():
    assert ended(KeyError("x"), KeyError) == "train.py: 'x'"
    with pytest.raises(KeyError), running.as_script("train.py"):
        raise KeyError("x")


def test_an_operation_that_cannot_be_repeated_names_the_flag():
    text = "A deterministic GPU implementation of X is not currently available."
    error = tf.errors.UnimplementedError(None, None, text)
    assert ended(error) == (
        f"train.py: {text} Pass --nodeterministic to train without repeating every "
        "step bit for bit."
    )
    other = tf.errors.UnimplementedError(None, None, "Cast string to float")
    with pytest.raises(tf.errors.UnimplementedError), running.as_script("train.py"):
        raise other


def test_signals_are_as_before_afterwards(enabled):
    before = signal.getsignal(signal.SIGUSR1)
    with running.as_script("train.py"):
        assert signal.getsignal(signal.SIGUSR1) is not before
    assert signal.getsignal(signal.SIGUSR1) is before
    assert enabled == [1]
