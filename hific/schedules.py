"""Learning rates by step, as schedules that live inside a Keras optimizer."""

import math
from collections.abc import Callable, Mapping, Sequence

import tensorflow as tf

from hific.choices import choose
from hific.config import OptimizerConfig
from hific.rate_control import Schedule
from hific.shares import here


class PiecewiseSchedule(tf.keras.optimizers.schedules.LearningRateSchedule):
    """rate * factors[i] from step boundaries[i - 1] up to before boundaries[i].

    The factor changes *at* its boundary; `tf.keras`' PiecewiseConstantDecay changes
    one step after it.
    """

    def __init__(self, rate: float, factor: Schedule):
        self.rate, self.factor = rate, factor

    def __call__(self, step):
        """Returns the rate, [] float32, for [] integer `step` completed steps."""
        return self.rate * self.factor(step)

    def get_config(self):
        return {"rate": self.rate, "factor": self.factor}


class CosineSchedule(tf.keras.optimizers.schedules.LearningRateSchedule):
    """rate * (1 + cos(pi * step / horizon)) / 2, and 0 from the horizon on."""

    def __init__(self, rate: float, horizon: int):
        if horizon <= 0:
            raise ValueError(
                f"The cosine schedule needs a horizon above 0, got {horizon}: the step "
                "at which the rate reaches 0."
            )
        self.rate, self.horizon = rate, horizon

    def __call__(self, step):
        """Returns the rate, [] float32, for [] integer `step` completed steps."""
        done = tf.minimum(tf.cast(step, tf.float32) / self.horizon, 1.0)
        return self.rate * 0.5 * (1.0 + tf.cos(math.pi * done))

    def get_config(self):
        return {"rate": self.rate, "horizon": self.horizon}


class WarmUp(tf.keras.optimizers.schedules.LearningRateSchedule):
    """Multiplies a schedule by min(1, (step + 1) / steps)."""

    def __init__(self, schedule, steps: int):
        self.schedule, self.steps = schedule, steps

    def __call__(self, step):
        """Returns the rate, [] float32, for [] integer `step` completed steps."""
        grown = tf.minimum((tf.cast(step, tf.float32) + 1.0) / self.steps, 1.0)
        return grown * self.schedule(step)

    def get_config(self):
        return {"schedule": self.schedule, "steps": self.steps}


# Name in `OptimizerConfig.schedule` -> makes the schedule of one learning rate.
SCHEDULES: Mapping[str, Callable[[float, OptimizerConfig], Callable]] = {
    "piecewise": lambda rate, config: PiecewiseSchedule(
        rate, Schedule(config.factors, config.boundaries)
    ),
    "cosine": lambda rate, config: CosineSchedule(rate, config.horizon),
}


class Adam(tf.keras.optimizers.legacy.Adam):
    """Adam as one operation for each variable.

    Keras' newer class writes the same update as ten: a full-size step of stage 1 is
    traced in half the time without it, and is a little faster.
    """

    def build(self, variables: Sequence[tf.Variable]) -> None:
        """Creates the slots, which must exist before a step is traced."""
        self._create_all_weights(variables)

    def apply_here(
        self, gradients: Sequence[tf.Tensor], variables: Sequence[tf.Variable]
    ) -> None:
        """`apply_gradients` to this device's copies of mirrored variables.

        The original meets with the other devices, which it may not inside `tf.cond`.
        All devices must apply the same gradients.
        """
        mine = [here(variable) for variable in variables]
        state = self._prepare(mine)
        for gradient, variable in zip(gradients, mine, strict=True):
            self._resource_apply_dense(gradient, variable, state)
        here(self.iterations).assign_add(1)


def make_optimizer(rate: float, config: OptimizerConfig) -> Adam:
    """Adam with the configured schedule and warm-up inside.

    Args:
        rate: Learning rate that the schedule multiplies.
        config: Schedule, warm-up and epsilon; "cosine" needs its horizon resolved.

    Raises:
        ValueError: The schedule is unknown, or its numbers contradict each other.
    """
    schedule = choose(SCHEDULES, config.schedule, "schedule")(rate, config)
    if config.warmup_steps:
        schedule = WarmUp(schedule, config.warmup_steps)
    return Adam(schedule, epsilon=config.epsilon)
