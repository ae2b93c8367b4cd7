"""Exponential moving averages of weights."""

import tensorflow as tf

from hific.names import named_variables


class Average(tf.Module):
    """Follows the trainable variables of a module at a distance.

        shadow <- d * shadow + (1 - d) * variable,   d = min(decay, (1 + t) / (10 + t))

    t counts completed steps: the average forgets the start quickly, and only later
    averages over 1 / (1 - decay) steps.

    Args:
        module: Whose variables are averaged, by their names in `named_variables`.
        decay: In [0, 1).
    """

    def __init__(self, module: tf.Module, decay: float = 0.999):
        super().__init__()
        if not 0.0 <= decay < 1.0:
            raise ValueError(f"decay must be in [0, 1), got {decay}.")
        self._decay = decay
        named = named_variables(module)
        # Not tracked: the checkpoint has these variables under the module's own name.
        self._followed = _Untracked(
            {name: var for name, var in named.items() if var.trainable}
        )
        self.shadows = {
            name: tf.Variable(variable.value(), trainable=False, dtype=variable.dtype)
            for name, variable in self._followed.values.items()
        }

    def update(self, step: tf.Tensor) -> None:
        """Moves all shadows; `step` is [] int64, steps completed before this one."""
        step = tf.cast(step, tf.float32)
        keep = tf.minimum(self._decay, (1.0 + step) / (10.0 + step))
        for name, variable in self._followed.values.items():
            shadow = self.shadows[name]
            shadow.assign_sub((1.0 - keep) * (shadow - variable))

    def apply(self) -> None:
        """Sets the variables to the averages."""
        for name, variable in self._followed.values.items():
            variable.assign(self.shadows[name])


class _Untracked:
    """Hides its contents from checkpoints."""

    def __init__(self, values: dict[str, tf.Variable]):
        self.values = values
