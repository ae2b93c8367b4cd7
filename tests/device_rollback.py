"""A training of one number that several workers take back to older weights.

    python -m tests.device_rollback --out=DIR --strategy_devices=all

The first worker is sent 10 bad batches, the others are slow to see what was saved.
"""

import pathlib
import sys
import time

import numpy as np
import tensorflow as tf
from absl import flags

from hific import devices, loop, running
from hific.objectives import Terms
from hific.schedules import Adam
from hific.training import Group, Player

STEPS, SAVED_EVERY, RATE = 60, 20, 0.01
BAD = range(30, 40)  # The last is one after which the run is saved.
SECONDS = 1.0  # Far more than it takes to save a number.

_OUT = flags.DEFINE_string("out", None, "Gets a run directory.")
flags.DEFINE_string("runs", None, "Not read.")


class Ones:
    """Batch k is 1, or NaN for the first worker where it is bad."""

    bad = ()

    def __init__(self, step: int):
        self._next = step

    def __next__(self):
        number, self._next = self._next, self._next + 1
        bad = number in BAD and devices.current().is_chief
        return np.array([np.nan if bad else 1.0], np.float32)

    def close(self):
        pass


def train(out: pathlib.Path) -> None:
    """Trains the number, which goes down by RATE with every step that counts."""
    model = tf.Module()
    model.value = tf.Variable(0.0)
    player = Player(
        "p",
        lambda batch, step: Terms({"t": tf.reduce_mean(batch) * model.value}),
        [Group([model.value], Adam(RATE))],
    )
    loop.fit(
        [player],
        Ones,
        out,
        steps=STEPS,
        modules={"model": model},
        log_every=SAVED_EVERY,
        checkpoint_every=SAVED_EVERY,
    )
    print(f"It ended at {model.value.numpy():.4f}.", flush=True)


def slow(roll_back):
    """Goes back late, but for the chief, and says where to."""

    def late(*args):
        time.sleep(0.0 if devices.current().is_chief else SECONDS)
        number = roll_back(*args)
        print(f"It went back to {number}.", flush=True)
        return number

    return late


@running.as_script("device_rollback")
def main():
    loop.roll_back = slow(loop.roll_back)
    train(pathlib.Path(_OUT.value))


if __name__ == "__main__":
    flags.FLAGS(sys.argv)
    main()
