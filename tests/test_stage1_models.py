"""Stage 1 on the real models: every part learns, the step is traced once."""

import copy

import numpy as np
import pytest
import tensorflow as tf

from egic.codec import build_model
from egic.config import PRESETS
from hific import systems, training
from hific.names import named_variables


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
