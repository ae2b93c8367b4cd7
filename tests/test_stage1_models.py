"""Stage 1 on the real models: every part learns, the step is traced once."""

import contextlib
import copy
import dataclasses
import json
import pathlib

import numpy as np
import pytest
import tensorflow as tf

from egic import stage1
from egic.codec import build_model
from egic.config import PRESETS, TransformConfig
from hific import checkpoints, systems, training
from hific.config import RateConfig
from hific.images import write_png
from hific.names import named_variables
from hific.pictures import find_pictures
from hific.run_directory import Order
from tests.micro_codec import CONFIG as MICRO_EGIC
from tests.stage_runs import codec_run


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["egic-tiny", "hific-tiny"])
def test_two_steps_move_encoder_prior_and_decoder(preset):
    config = copy.deepcopy(PRESETS[preset])
    config.perceptual_weight = 0.0
    config.optimizer.horizon = 10
    config.optimizer.warmup_steps = 0
    training.set_seeds(0)
    model = build_model(config)
    before = {name: v.numpy() for name, v in named_variables(model).items()}
    players = systems.stage1(model, config)
    traces = []
    objective = players[0].objective

    def counted(batch, step):
        traces.append(1)
        return objective(batch, step)

    object.__setattr__(players[0], "objective", counted)
    step = training.make_train_step(players)
    images = tf.random.stateless_uniform((2, 64, 64, 3), (0, 0), 0.0, 255.0)
    for i in range(2):
        metrics = step((images,), tf.constant(i, tf.int64))
        assert all(np.isfinite(value) for value in metrics.values())
    assert len(traces) == 1
    for part in ("analysis", "synthesis", "prior"):
        moved = [
            not np.array_equal(before[name], variable.numpy())
            for name, variable in named_variables(model).items()
            if name.startswith(part)
        ]
        assert np.mean(moved) > 0.9, part


def test_a_run_starts_from_the_weights_of_another(tmp_path):
    origin = codec_run(tmp_path / "origin", MICRO_EGIC)
    pictures = tmp_path / "pictures"
    for number in range(2):
        write_png(pictures / f"{number}.png", np.full((64, 64, 3), 99, np.uint8))
    config = copy.deepcopy(MICRO_EGIC)
    config.rate.weight, config.perceptual_weight = 3.0, 0.0
    config.data.crop, config.optimizer.learning_rate = 64, 0.0
    config.optimizer.entropy_learning_rate = 0.0
    stage1.check_start("paper", str(origin), config)
    settings = stage1.Settings(
        1, batch_size=2, seed=9, init_from=str(origin), images_every=9
    )
    seen, workdir = find_pictures(str(pictures)), tmp_path / "run"
    stage1.record(config, workdir, 1, Order(9, 2, 2))
    stage1.train(config, seen, workdir, settings)
    theirs, ours = build_model(MICRO_EGIC), build_model(config)
    checkpoints.load_weights(origin, theirs)
    checkpoints.load_weights(workdir, ours)
    there, here = named_variables(theirs), named_variables(ours)
    for name, variable in there.items():
        np.testing.assert_array_equal(variable.numpy(), here[name].numpy(), name)


@pytest.mark.parametrize(
    "change, complaint",
    [
        ({"transform": TransformConfig(depths=(1, 1, 1, 2))}, "transform of .*depths"),
        ({"rate": RateConfig(weight=7.0)}, None),
    ],
)
def test_weights_of_another_codec_are_refused_by_field(tmp_path, change, complaint):
    origin = codec_run(tmp_path / "origin", MICRO_EGIC)
    config = dataclasses.replace(MICRO_EGIC, **change)
    with contextlib.ExitStack() as stack:
        if complaint:
            stack.enter_context(pytest.raises(ValueError, match=complaint))
        stage1.check_start("paper", str(origin), config)


def test_two_starts_at_once_and_no_run_are_refused(tmp_path):
    with pytest.raises(ValueError, match="two starts"):
        stage1.check_start("klt", "runs/a", MICRO_EGIC)
    with pytest.raises(ValueError, match="holds no run with a valid checkpoint"):
        stage1.check_start("paper", str(tmp_path), MICRO_EGIC)


def test_a_run_keeps_where_it_started_from(tmp_path):
    def record(workdir, init_from):
        stage1.record(copy.deepcopy(MICRO_EGIC), workdir, 1, Order(0, 2, 2), init_from)

    begun, other = tmp_path / "begun", tmp_path / "other"
    record(begun, "runs/a")
    origin = json.loads((begun / "origin.json").read_text())
    assert origin["init_from"] == str(pathlib.Path("runs/a").resolve())
    record(begun, None)
    with pytest.raises(ValueError, match="init_from was .*runs/a', now .*runs/b'"):
        record(begun, "runs/b")
    record(other, None)
    with pytest.raises(ValueError, match="other began without it"):
        record(other, "runs/a")
