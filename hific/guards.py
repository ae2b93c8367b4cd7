"""What is done about steps that are not finite.

Such a step is not applied. Ten of them in a row mean that the weights themselves have
gone astray, so the run goes back to older ones and on with other data.
"""

from typing import Protocol

import tensorflow as tf

_MAX_SKIPPED_IN_A_ROW = 10
_MAX_ROLLBACKS = 3


class NonFiniteTraining(Exception):
    """Loss or gradients stayed NaN or infinite, from older weights too."""


class Guard(tf.Module):
    """Counts steps that were not applied because they were not finite.

    Attributes:
        skipped: Such steps in all, [] int64 as all of these.
        in_a_row: Of the last steps.
        longest: Of them in a row since the last rollback.
        rollbacks: Times that the run went back to older weights.
        rolled_at, rolled_to: The step of the last time, and that of its weights.
    """

    def __init__(self):
        super().__init__()
        self.skipped = _counter()
        self.in_a_row = _counter()
        self.longest = _counter()
        self.rollbacks = _counter()
        self.rolled_at = _counter()
        self.rolled_to = _counter()

    def count(self, applied: tf.Tensor) -> None:
        """Takes note of one step; `applied` is [] bool."""
        skipped = tf.cast(tf.logical_not(applied), tf.int64)
        self.skipped.assign_add(skipped)
        self.in_a_row.assign((self.in_a_row + 1) * skipped)
        self.longest.assign(tf.maximum(self.longest, self.in_a_row))

    def stuck(self) -> bool:
        """Whether 10 steps in a row were skipped."""
        return _number(self.longest) >= _MAX_SKIPPED_IN_A_ROW

    def note_rollback(self, rollbacks: int, skipped: int, at: int, to: int) -> None:
        """Sets what must outlive the restoring of a checkpoint."""
        self.rollbacks.assign(rollbacks)
        self.skipped.assign(skipped)
        self.longest.assign(0)
        self.rolled_at.assign(at)
        self.rolled_to.assign(to)


class Restorable(Protocol):
    """`hific.checkpoints.Checkpoints`, as far as it is needed here."""

    def steps(self) -> list[int]: ...

    def restore_step(self, number: int) -> bool: ...


def roll_back(
    guard: Guard, checkpoints: Restorable, step: tf.Variable, every: int
) -> int:
    """Takes a run that is stuck back to older weights, optimizers and averages.

    The step stays: data and noise go on from where they are, or the same steps would
    come again. The weights are those of the newest checkpoint that was saved at a
    multiple of `every` (those of an interruption are not in every run, and a resumed
    run must equal one that never stopped) and while steps were applied. After a
    rollback that did not help, an older one comes first.

    Args:
        guard: Of the run.
        checkpoints: Where `guard` and `step` are saved too.
        step: [] int64, completed steps.
        every: Steps between two checkpoints.

    Returns:
        The step of the weights.

    Raises:
        NonFiniteTraining: There were three rollbacks before, or there is no checkpoint
            to go back to.
    """
    now, streak, skipped = map(_number, (step, guard.longest, guard.skipped))
    rollbacks, at, to = map(
        _number, (guard.rollbacks, guard.rolled_at, guard.rolled_to)
    )
    tried = range(to, at + 1) if rollbacks else ()
    regular = [number for number in checkpoints.steps() if number % every == 0]
    if rollbacks < _MAX_ROLLBACKS:
        for number in sorted(regular, key=lambda number: number in tried):
            if checkpoints.restore_step(number) and not _number(guard.in_a_row):
                guard.note_rollback(rollbacks + 1, skipped, now, number)
                step.assign(now)
                return number
    raise NonFiniteTraining(
        f"{streak} steps in a row had a NaN or infinite loss or gradient ({skipped} in "
        f"all, up to step {now}); none of them was applied. {_why_not(rollbacks)} "
        "Lower the learning rate, or clip gradients with "
        "--config.optimizer.clip_norm=1."
    )


def _why_not(rollbacks: int) -> str:
    if rollbacks >= _MAX_ROLLBACKS:
        return f"{rollbacks} rollbacks to older weights did not help."
    return "There is no older checkpoint to go back to."


def _number(counter: tf.Variable) -> int:
    return int(counter.numpy())  # One that is mirrored is no int by itself.


def _counter() -> tf.Variable:
    return tf.Variable(0, trainable=False, dtype=tf.int64)
