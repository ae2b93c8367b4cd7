"""What training scripts have in common: flags, signals and how they end.

code    what happened
0       the run is done
1       wrong usage, steps that stay non-finite, checkpoints that are all damaged,
        another process in the run directory, labelled pictures that are unusable
4       the system cannot read or write a file
75      interrupted: start the same command again
other   the exit code of a `CodecError`: unusable pictures
"""

import contextlib
import sys
from collections.abc import Iterator

import tensorflow as tf
from absl import flags

from hific import determinism, loop
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
        with leaving():
            yield
    except loop.Interrupted as interrupted:
        _end(str(interrupted), EXIT_INTERRUPTED)
    except with_code_1 as error:
        sys.exit(f"{name}: {error}")
    except CodecError as error:
        _end(f"{name}: {error}", error.exit_code)
    except OSError as error:
        _end(f"{name}: {error}", EXIT_SYSTEM)
    except tf.errors.UnimplementedError as error:
        if "eterministic" not in error.message:
            raise
        sys.exit(
            f"{name}: {error.message.splitlines()[0]} Pass --nodeterministic to train "
            "without repeating every step bit for bit."
        )


def _end(line: str, code: int) -> None:
    print(line, file=sys.stderr)
    sys.exit(code)
