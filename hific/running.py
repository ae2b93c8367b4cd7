"""What training scripts have in common: flags, signals and how they end.

code    what happened
0       the run is done
1       wrong usage, steps that stay non-finite, checkpoints that are all damaged,
        another process in the run directory, labelled pictures that are unusable
4       the system cannot read or write a file
75      interrupted, or another worker has ended: start the same command again
other   the exit code of a `CodecError`: unusable pictures
"""

import contextlib
import os
import re
import sys
from collections.abc import Iterator

import tensorflow as tf
from absl import flags

from hific import determinism, devices, loop
from hific.checkpoints import UnusableCheckpoint
from hific.errors import CodecError
from hific.guards import NonFiniteTraining
from hific.run_directory import RunInUse
from hific.signals import EXIT_INTERRUPTED, leaving

EXIT_SYSTEM = 4

_DETERMINISTIC = flags.DEFINE_boolean(
    "deterministic",
    True,
    "Repeat every step bit for bit; --nodeterministic where a GPU has no deterministic "
    "kernel for an operation.",
)
_DEVICES = flags.DEFINE_string(
    "strategy_devices",
    devices.NONE,
    f"What a step runs on: {devices.NONE}, one device; {devices.ALL} GPUs of this "
    "machine, or how many of them. Unless it is none, several workers are found in "
    "TF_CONFIG or in Slurm's variables. --batch_size is that of all devices.",
)
_ACCUMULATE = flags.DEFINE_integer(
    "accumulate",
    1,
    "Micro-batches that a device takes one after the other in a step, each an equal "
    "share: the memory of a small batch for the gradient of a large one.",
    1,
)
_XLA = flags.DEFINE_boolean("xla", False, "Compile steps with XLA.")


@contextlib.contextmanager
def as_script(name: str, *failures: type[Exception]) -> Iterator[None]:
    """Runs a training as a script: what it raises is a line on stderr and a code.

    Args:
        name: Of the script.
        failures: More exceptions that end it with code 1.

    Raises:
        SystemExit: With the code, after any exception above.
    """
    if _DETERMINISTIC.value:
        determinism.enable()
    with_code_1: tuple[type[Exception], ...] = (
        NonFiniteTraining,
        UnusableCheckpoint,
        RunInUse,
        *failures,
    )
    try:
        with leaving(), devices.using(_devices(name)):
            yield
    except loop.Interrupted as interrupted:
        _end(str(interrupted), EXIT_INTERRUPTED)
    except with_code_1 as error:
        sys.exit(f"{name}: {error}")
    except CodecError as error:
        _end(f"{name}: {error}", error.exit_code)
    except OSError as error:
        _end(f"{name}: {error}", EXIT_SYSTEM)
    except _WORKER_LOST as error:
        _leave_workers(name, error)
    except tf.errors.UnimplementedError as error:
        if "eterministic" not in error.message:
            raise
        sys.exit(
            f"{name}: {error.message.splitlines()[0]} Pass --nodeterministic to train "
            "without repeating every step bit for bit."
        )


# What a step raises where it could not meet with the others.
_WORKER_LOST = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
)


def _devices(name: str) -> devices.Devices:
    try:
        return devices.choose(_DEVICES.value, _ACCUMULATE.value, _XLA.value)
    except ValueError as error:
        sys.exit(f"{name}: {error}")


def _leave_workers(name: str, error: tf.errors.OpError) -> None:
    """Ends this worker because another has ended; none can go on without it."""
    if _DEVICES.value == devices.NONE:
        raise error
    found = re.search(r"aborted by: (.*)", error.message)
    reason = found[1] if found else error.message.splitlines()[0]
    print(
        f"{name}: another worker has ended, so this one cannot go on; start all of "
        f"them again. ({reason})",
        file=sys.stderr,
        flush=True,
    )
    sys.stdout.flush()
    os._exit(EXIT_INTERRUPTED)  # Leaving in order would wait for the others.


def _end(line: str, code: int) -> None:
    print(line, file=sys.stderr)
    sys.exit(code)
