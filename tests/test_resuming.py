"""Runs of real networks that are interrupted end as those that are not."""

import dataclasses
import functools
import json
import os
import signal
import time

import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing import plugin_event_accumulator

from egic import hific_stage2, stage1, stage2
from hific import checkpoints, loop, run_directory
from hific.config import DataConfig, OptimizerConfig
from hific.reports import CLOCK, Report
from hific.run_directory import Order, Origin
from tests.stage_runs import CODECS, MICRO_HIFIC, codec_run
from tests.toy_codec import ToyPictures

STEPS, DIES_AT = 5, 2
ADAM = OptimizerConfig(learning_rate=1e-3, ema_decay=0.5, clip_norm=1.0)
CROPS = DataConfig(crop=64)


@pytest.fixture
def asked(monkeypatch):
    """Asks the run to stop in the step after `DIES_AT` others, once."""
    advance = loop._Progress.advance

    def advance_and_ask(progress):
        advance(progress)
        if progress.done == DIES_AT + 1:
            monkeypatch.undo()
            os.kill(os.getpid(), signal.SIGUSR1)

    return lambda: monkeypatch.setattr(loop._Progress, "advance", advance_and_ask)


def first_stage(config, workdir):
    config = dataclasses.replace(
        config, optimizer=ADAM, data=CROPS, perceptual_weight=0.0
    )
    settings = stage1.Settings(
        STEPS, batch_size=2, cache_bytes=0, log_every=1, checkpoint_every=2
    )
    order = Order(0, len(ToyPictures()), settings.batch_size)
    stage1.record(config, workdir, STEPS, order)
    stage1.train(config, ToyPictures(), workdir, settings)


def second_stage(origin, workdir):
    settings = stage2.Settings(
        data_threads=1, cache_bytes=0, log_every=1, checkpoint_every=2
    )
    config = dataclasses.replace(MICRO_HIFIC, optimizer=ADAM)
    start = hific_stage2.prepare(config, origin, workdir, settings, STEPS)
    order = Order(0, len(ToyPictures()), 1)
    run_directory.begin_stage(start.config, start.config, order, origin, workdir)
    hific_stage2.train(start, ToyPictures(), workdir, settings, STEPS, 1)


def saved(workdir):
    prefix = next(checkpoints.valid_checkpoints(workdir))
    reader = tf.train.load_checkpoint(str(prefix))
    names = reader.get_variable_to_shape_map()
    return {
        name: np.asarray(reader.get_tensor(name)).tobytes()
        for name in names
        if not name.startswith(("save_counter", "_CHECKPOINTABLE"))
    }


def lines(workdir):
    parsed = map(json.loads, (workdir / "metrics.jsonl").read_text().splitlines())
    return [{k: v for k, v in line.items() if k not in CLOCK} for line in parsed]


def assert_an_interruption_changes_nothing(train, asked, tmp_path):
    straight, stopped = tmp_path / "straight", tmp_path / "stopped"
    train(straight)
    asked()
    with pytest.raises(loop.Interrupted, match="saved at step 3 of 5"):
        train(stopped)
    train(stopped)
    one, other = saved(straight), saved(stopped)
    assert one.keys() == other.keys()
    assert [name for name in one if one[name] != other[name]] == []
    assert any("optimizers" in name for name in one)
    assert lines(straight) == lines(stopped)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("codec", CODECS)
def test_stage_1(codec, asked, tmp_path):
    train = functools.partial(first_stage, CODECS[codec])
    assert_an_interruption_changes_nothing(train, asked, tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_stage_2_of_hific(asked, tmp_path):
    origin = Origin(str(codec_run(tmp_path / "stage1", MICRO_HIFIC)))
    train = functools.partial(second_stage, origin)
    assert_an_interruption_changes_nothing(train, asked, tmp_path)


def test_tensorboard_forgets_what_is_done_again(tmp_path):
    for start, values in ((0, (1.0, 2.0, 3.0)), (2, (30.0, 4.0))):
        with Report(tmp_path, start, 9) as report:
            for step, value in enumerate(values, start + 1):
                report.measured(step, {"score": value})
        time.sleep(1.1)  # Names of its files tell seconds.
    events = plugin_event_accumulator.EventAccumulator(str(tmp_path / "logs"))
    events.Reload()
    found = {
        event.step: float(tf.make_ndarray(event.tensor_proto))
        for event in events.Tensors("score")
    }
    assert found == {1: 1.0, 2: 2.0, 3: 30.0, 4: 4.0}
    assert len(events.Tensors("score")) == 4
