"""The trial that kills trainings: what it takes for a loss, and a few kills."""

import json
import random
import signal

import pytest
import tensorflow as tf

from hific.checkpoints import Checkpoints
from trials import kill_training
from trials.training_runs import STAGES, Run


def left_by_a_run(workdir, weight=1.0, steps=(2, 4), logged=4):
    """A run directory with checkpoints of some steps, and metrics up to another."""
    step, variable = tf.Variable(0, dtype=tf.int64), tf.Variable(weight)
    checkpoints = Checkpoints(workdir, step=step, weight=variable)
    for number in steps:
        checkpoints.save(number)
    lines = [{"step": n, "seconds": random.random()} for n in range(1, logged + 1)]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (workdir / "metrics.jsonl").write_text(text + '{"step": 9')  # The last was cut off.
    kill_training.log(workdir).write_text(
        f"Interrupted and saved at step {steps[-1]} of"
    )
    return workdir


def test_runs_that_end_alike_do_not_differ_however_often_they_were_saved(tmp_path):
    one = left_by_a_run(tmp_path / "one")
    other = left_by_a_run(tmp_path / "other", steps=(1, 2, 3, 4))
    assert kill_training.differences(one, other) == []


def test_another_weight_and_a_doubled_line_are_differences(tmp_path):
    one = left_by_a_run(tmp_path / "one")
    other = left_by_a_run(tmp_path / "other", weight=1.0000001)
    with (other / "metrics.jsonl").open("a") as file:
        file.write('\n{"step": 4}\n')
    weight, lines = kill_training.differences(one, other)
    assert weight.startswith("weight/")
    assert lines == "metrics.jsonl"


def test_what_is_unfinished_is_found(tmp_path):
    workdir = left_by_a_run(tmp_path / "run")
    assert kill_training.unfinished(workdir) == []
    folder = workdir / "checkpoints"
    (folder / "ckpt-4.ok").unlink()
    (folder / "ckpt-5_temp").mkdir()
    (workdir / "config.json.tmp-1-00000000").write_bytes(b"")
    assert len(kill_training.unfinished(workdir)) == 3


@pytest.mark.parametrize(
    "number, code, known, logged, complaint",
    [
        (signal.SIGKILL, -9, 4, 6, None),
        (signal.SIGUSR1, 75, 4, 4, None),
        (signal.SIGUSR1, -10, 4, 4, None),
        (signal.SIGKILL, -9, 6, 6, "6 was acknowledged, 4 is left"),
        (signal.SIGKILL, -9, 4, 7, "3 steps to do again after step 7"),
        (signal.SIGTERM, 1, 4, 4, "exit 1 after 15"),
        (signal.SIGTERM, 75, 4, 5, "1 steps to do again after a wish to stop"),
    ],
)
def test_what_a_kill_may_leave(tmp_path, number, code, known, logged, complaint):
    workdir = left_by_a_run(tmp_path / "run", logged=logged)
    run = Run(STAGES["egic-1"], tmp_path, steps=9, checkpoint_every=2)
    tally = kill_training.Tally()
    killer = kill_training.Killer(run, 1.0, 1.0, random.Random(0), tally)
    killer._look(workdir, number, code, known)
    assert tally.lost == ([] if complaint is None else [complaint])


def test_leaving_before_the_first_step_repeats_what_an_earlier_kill_cost(tmp_path):
    workdir = left_by_a_run(tmp_path / "run", logged=5)
    run = Run(STAGES["egic-1"], tmp_path, steps=9, checkpoint_every=2)
    tally = kill_training.Tally()
    killer = kill_training.Killer(run, 1.0, 1.0, random.Random(0), tally)
    killer._said = len(kill_training.said(workdir))  # Another process said it.
    killer._look(workdir, signal.SIGTERM, 75, 4)
    assert tally.lost == []


@pytest.mark.parametrize("name", STAGES)
def test_every_stage_has_a_command_that_names_what_it_begins_with(name, tmp_path):
    run = Run(STAGES[name], tmp_path, steps=9, checkpoint_every=2)
    command = run.command(tmp_path / "run")
    assert all((tmp_path / need).name in " ".join(command) for need in run.stage.needs)
    assert set(run.stage.needs.values()) <= set(STAGES)
    assert "--steps=9" in command


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_few_kills_lose_nothing(tmp_path, capsys):
    code = kill_training.main(
        [
            "--kills=3",
            "--steps=12",
            "--checkpoint_every=3",
            "--stage=egic-1-smallest",
            f"--workdir={tmp_path / 'kills'}",
        ]
    )
    output = capsys.readouterr().out
    assert code == 0, output
    assert "3 kills, 0 lost" in output
