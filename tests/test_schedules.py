import numpy as np
import pytest
import tensorflow as tf

from hific.config import OptimizerConfig
from hific.schedules import make_optimizer


def rate(step, **fields):
    optimizer = make_optimizer(2.0, OptimizerConfig(**fields))
    variable = tf.Variable(0.0)
    optimizer.build([variable])
    optimizer.iterations.assign(step)
    expected = optimizer.learning_rate(optimizer.iterations).numpy()
    optimizer.apply_gradients([(tf.constant(1.0), variable)])
    # Adam's first moments of a gradient of 1 are 0.1 and 0.001, whatever the step.
    correction = np.sqrt(1 - 0.999 ** (step + 1.0)) / (1 - 0.9 ** (step + 1.0))
    moved = expected * correction * 0.1 / (np.sqrt(0.001) + 1e-7)
    assert -variable.numpy() == pytest.approx(moved, rel=1e-4)
    return expected


@pytest.mark.parametrize("step, expected", [(0, 2.0), (9, 2.0), (10, 0.2), (99, 0.2)])
def test_piecewise_changes_at_its_boundary(step, expected):
    fields = {"schedule": "piecewise", "boundaries": (10,), "factors": (1.0, 0.1)}
    assert rate(step, **fields) == pytest.approx(expected)


@pytest.mark.parametrize("step, expected", [(0, 2.0), (50, 1.0), (100, 0), (200, 0)])
def test_cosine_ends_at_its_horizon(step, expected):
    result = rate(step, schedule="cosine", horizon=100)
    assert result == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("step, expected", [(0, 0.5), (1, 1.0), (3, 2.0), (4, 2.0)])
def test_warm_up_grows_linearly_over_its_steps(step, expected):
    result = rate(step, boundaries=(), factors=(1.0,), warmup_steps=4)
    assert result == pytest.approx(expected)


def test_an_unknown_schedule_is_named_with_those_there_are():
    with pytest.raises(ValueError, match="'step'; there are piecewise, cosine"):
        make_optimizer(1.0, OptimizerConfig(schedule="step"))


def test_cosine_without_a_horizon_is_refused():
    with pytest.raises(ValueError, match="horizon"):
        make_optimizer(1.0, OptimizerConfig(schedule="cosine"))
