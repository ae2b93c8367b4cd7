"""Steps in micro-batches, one after the other, for batches that no memory holds.

Gradients are added up and applied once; so are metrics. Several devices meet only then,
once for each player: in a graph that is called several times in a step, what one device
sends in a call could be taken for that of the next. What the objective changes in
passing (running statistics, the vectors of spectral norm) starts from the same values
in every micro-batch, and the mean of the results is kept: for what depends on weights
alone, as spectral norm does, that is what the whole batch would have left.
"""

from typing import Any

import tensorflow as tf

from hific.determinism import fix_order_of_sums
from hific.devices import Devices, split
from hific.players import Numbers, Player, assign, downhill, settle
from hific.shares import here, summed_over_devices


class Accumulator:
    """Moves one player by the gradient of several micro-batches.

    Args:
        player: Made on the devices.
        devices: See there; `accumulate` micro-batches on each.
    """

    def __init__(self, player: Player, devices: Devices):
        self._player, self._devices = player, devices
        self._shares = devices.count * devices.accumulate
        self._gradients = [_zeros_like(variable) for variable in player.variables]
        self._moving = [one for one in player.statistics if one.dtype.is_floating]
        self._moved = [_zeros_like(variable) for variable in self._moving]
        self._numbers: Numbers | None = None
        # One call after the other, and the graph of one of them only.
        self._add = tf.function(
            self._add_on_devices,
            autograph=False,
            experimental_attributes={"_noinline": True},
        )

    def move(self, batch: Any, step: tf.Tensor) -> dict[str, tf.Tensor]:
        """`hific.players.update` with the images of this worker, in a graph."""
        devices, count = self._devices, self._devices.accumulate
        with tf.device("/device:CPU:0"):
            pieces = split(batch, devices.here * count)
            parts = [_together(pieces[i::count]) for i in range(count)]
        vectors: list[tf.Tensor] = []
        for i, part in enumerate(parts):
            with tf.control_dependencies(vectors[-1:]):
                vectors.append(self._add(part, step, tf.constant(i)))
        return devices.run(self._settle, tf.add_n(vectors))

    def _add_on_devices(self, part: Any, step: tf.Tensor, number: tf.Tensor):
        """The numbers of one micro-batch of each device, [devices here, n]."""
        vectors = self._devices.each(self._add_here, part, step, part=number)
        fix_order_of_sums(tf.compat.v1.get_default_graph())
        return tf.stack(vectors)

    def _add_here(self, part: Any, step: tf.Tensor) -> tf.Tensor:
        before = [tf.identity(variable) for variable in self._moving]
        gradients, self._numbers = downhill(self._player, part, step)
        for total, gradient in zip(self._gradients, gradients, strict=True):
            here(total).assign_add(gradient)
        for total, variable in zip(self._moved, self._moving, strict=True):
            here(total).assign_add(variable / self._shares)
        assign(self._moving, before)
        return self._numbers.vector()

    def _settle(self, vectors: tf.Tensor) -> dict[str, tf.Tensor]:
        assert self._numbers is not None, "There is no micro-batch."
        totals = [*self._gradients, *self._moved]
        added = [tf.identity(value) for value in (vectors[0], *totals)]  # On this one.
        vector, *sums = summed_over_devices(added)
        gradients, moved = sums[: len(self._gradients)], sums[len(self._gradients) :]
        metrics = settle(
            self._player,
            gradients,
            self._numbers.from_vector(vector),
            tf.no_op,
            lambda: assign(self._moving, moved),
        )
        assign(totals, [tf.zeros_like(total) for total in totals])
        return metrics


def _zeros_like(variable: tf.Variable) -> tf.Variable:
    return tf.Variable(
        tf.zeros(variable.shape, variable.dtype), trainable=False, dtype=variable.dtype
    )


def _together(pieces: list) -> Any:
    """Joins batches along their first axis."""
    if len(pieces) == 1:
        return pieces[0]
    return tf.nest.map_structure(lambda *tensors: tf.concat(tensors, 0), *pieces)
