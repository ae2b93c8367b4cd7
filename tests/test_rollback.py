"""What happens after ten steps in a row that were not finite."""

import json
import os
import signal

import numpy as np
import pytest
import tensorflow as tf

from hific import loop, training
from hific.averages import Average
from hific.guards import Guard, NonFiniteTraining, roll_back
from hific.objectives import Terms

EVERY = 20  # Steps between checkpoints.


class Numbers:
    """Batch k is 1, or NaN where `nan` says so; SIGTERM comes with batch `dies_at`."""

    bad = ()

    def __init__(self, step, nan, dies_at=None):
        self._next, self._nan, self._dies_at = step, nan, dies_at

    def __next__(self):
        number = self._next
        self._next += 1
        if number == self._dies_at:
            os.kill(os.getpid(), signal.SIGTERM)
        return np.array([np.nan if self._nan(number) else 1.0], np.float32)

    def close(self):
        pass


class Weight(tf.Module):
    """One number, which goes down by 1 with every step that is applied."""

    def __init__(self):
        super().__init__()
        self.value = tf.Variable(0.0)


def run(workdir, steps, bad, dies_at=None):
    model = Weight()
    optimizer = tf.keras.optimizers.SGD(1.0)
    player = training.Player(
        "p",
        lambda batch, step: Terms({"t": model.value * tf.reduce_sum(batch)}),
        [training.Group([model.value], optimizer)],
    )
    average = Average(model, 0.9)
    loop.fit(
        [player],
        lambda step: Numbers(step, bad, dies_at),
        workdir,
        steps=steps,
        modules={"model": model},
        average=average,
        log_every=2,
        checkpoint_every=EVERY,
    )
    return float(model.value), float(average.shadows["value"])


def ten_from(first):
    return lambda number: first <= number < first + 10


def test_the_run_goes_on_with_older_weights_and_the_next_data(tmp_path, capsys):
    # 24 good steps, 10 bad ones; back to the weights of step 20, then 6 good ones.
    value, _ = run(tmp_path, 40, ten_from(24))
    assert value == -26.0
    assert "Step 34 goes on with the weights of step 20." in capsys.readouterr().out
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    applied = {x["step"]: x["p/applied"] for x in map(json.loads, lines)}
    assert list(applied) == list(range(2, 42, 2))
    assert [step for step, share in applied.items() if share == 0] == [
        *range(26, 36, 2)
    ]


def test_nine_bad_steps_in_a_row_are_skipped_and_nothing_more(tmp_path):
    value, _ = run(tmp_path, 40, lambda number: 24 <= number < 33)
    assert value == -31.0


def test_weights_saved_while_steps_were_skipped_are_passed_over(tmp_path):
    # Checkpoint 40 was written after five of the ten; its weights are those of 35.
    value, _ = run(tmp_path, 46, ten_from(35))
    assert value == -20.0


def test_three_rollbacks_that_do_not_help_stop_the_run(tmp_path, capsys):
    with pytest.raises(NonFiniteTraining, match=r"3 rollbacks .*did not help") as error:
        run(tmp_path, 200, lambda number: number >= 26)
    assert "(40 in all, up to step 66)" in str(error.value)
    assert capsys.readouterr().out.count("goes on with the weights of step 20") == 3


def test_without_a_checkpoint_there_is_nowhere_to_go_back_to(tmp_path):
    with pytest.raises(NonFiniteTraining, match="no older checkpoint"):
        run(tmp_path, 40, lambda number: number >= 2)


@pytest.mark.parametrize("dies_at", [26, 29, 33, 34])
def test_a_resumed_run_rolls_back_as_one_that_never_stopped(tmp_path, dies_at):
    straight = run(tmp_path / "a", 50, ten_from(24))
    with pytest.raises(loop.Interrupted):
        run(tmp_path / "b", 50, ten_from(24), dies_at)
    assert run(tmp_path / "b", 50, ten_from(24)) == straight


class Shelf:
    """Checkpoints by step, each with the number of steps skipped just before it."""

    def __init__(self, guard, in_a_row):
        self.guard, self.in_a_row, self.taken = guard, in_a_row, []

    def steps(self):
        return sorted(self.in_a_row, reverse=True)

    def restore_step(self, number):
        self.taken.append(number)
        self.guard.in_a_row.assign(self.in_a_row[number])
        self.guard.rollbacks.assign(0)  # As it was when the checkpoint was saved.
        return True


def test_a_rollback_that_did_not_help_is_followed_by_one_to_older_weights():
    guard, step = Guard(), tf.Variable(34, dtype=tf.int64)
    shelf = Shelf(guard, {10: 0, 20: 0, 30: 0, 33: 0})
    taken = []
    for now in (34, 44, 54):
        step.assign(now)
        taken.append(roll_back(guard, shelf, step, 10))
        assert int(step) == now
    assert taken == [30, 20, 10]


def test_weights_saved_after_a_rollback_are_tried_before_older_ones():
    guard, step = Guard(), tf.Variable(34, dtype=tf.int64)
    shelf = Shelf(guard, {20: 0, 30: 0})
    assert roll_back(guard, shelf, step, 10) == 30
    shelf.in_a_row |= {40: 0, 50: 3}
    step.assign(54)
    assert roll_back(guard, shelf, step, 10) == 40
    assert shelf.taken == [30, 50, 40]
