"""DeepLab2's learning rate by step, as a schedule inside a Keras optimizer."""

import tensorflow as tf


class Poly(tf.keras.optimizers.schedules.LearningRateSchedule):
    """base * (1 - step / steps)^power, after a linear growth from 0.

    The warm-up leaves the decay's clock alone: at its end the rate drops from `base` to
    what the decay has reached. With a warm-up, the first update has rate 0; from
    `steps` on the rate is 0.

    Source: DeepLab2's "poly" policy, computed in float32 as there.
    """

    def __init__(
        self, base: float, steps: int, warmup_steps: int = 0, power: float = 0.9
    ):
        """Creates the schedule.

        Args:
            base: Rate before the first decay.
            steps: The rate reaches 0 here.
            warmup_steps: Steps of linear growth; 0 for none.
            power: 1 decays linearly, less decays later.

        Raises:
            ValueError: `steps` is not positive, or the warm-up fills them all.
        """
        if steps <= 0:
            raise ValueError(f"The poly schedule needs steps above 0, got {steps}.")
        if not 0 <= warmup_steps < steps:
            raise ValueError(
                f"warmup_steps (={warmup_steps}) must lie in [0, steps), steps (="
                f"{steps}), or the rate would never decay. A short run needs a shorter "
                "warm-up."
            )
        self.base, self.steps = base, steps
        self.warmup_steps, self.power = warmup_steps, power

    def __call__(self, step):
        """Returns the rate, [] float32, for [] integer `step` completed steps."""
        step = tf.cast(step, tf.float32)
        done = tf.minimum(step, float(self.steps)) / float(self.steps)
        rate = self.base * tf.pow(1.0 - done, self.power)
        if not self.warmup_steps:
            return rate
        grown = self.base * (step / float(self.warmup_steps))
        return tf.where(step < float(self.warmup_steps), grown, rate)

    def get_config(self):
        return {
            "base": self.base,
            "steps": self.steps,
            "warmup_steps": self.warmup_steps,
            "power": self.power,
        }
