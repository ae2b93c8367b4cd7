"""The training step, once for every system.

A system is data: a tuple of players (`hific.players`). What they share is here: their
order, the average of weights, and the devices that a step runs on.
"""

import random
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from hific.accumulation import Accumulator
from hific.averages import Average
from hific.determinism import fix_order_of_sums
from hific.devices import ONE, Devices, split
from hific.guards import Guard
from hific.players import Group, Player, update

__all__ = ["Group", "Player", "deal", "make_train_step", "set_seeds", "update"]


def make_train_step(
    players: Sequence[Player],
    average: Average | None = None,
    guard: Guard | None = None,
    devices: Devices = ONE,
):
    """Compiles one round of the game.

    Args:
        players: In the order they move.
        average: Follows the weights after every round.
        guard: Counts rounds in which a player was not moved.
        devices: What it runs on; players, average and guard must have been made inside
            `hific.devices.using` of them.

    Returns:
        A function (batches, step) -> metrics, where `batches` holds one batch per
        player, of this worker's images, and `step` is the [] int64 number of completed
        rounds. It is traced once per shape of its arguments.
    """
    for player in players:  # Slots must exist before tf.function traces.
        for group in player.groups:
            group.optimizer.build(group.variables)
    accumulators = _accumulators(players, devices)

    def follow(metrics, step):
        if guard is not None:
            applied = [metrics[f"{player.name}/applied"] for player in players]
            guard.count(tf.reduce_min(tf.stack(applied)) > 0)
        if average is not None:
            average.update(step)
        return metrics

    def at_once(batches, step):
        metrics: dict[str, tf.Tensor] = {}
        for player, batch in zip(players, batches, strict=True):
            metrics |= update(player, batch, step)
        return follow(metrics, step)

    @tf.function(autograph=False, jit_compile=devices.xla or None)
    def train_step(batches, step):
        if devices.accumulate == 1:
            metrics = devices.run(at_once, tuple(batches), step)
        else:
            metrics = {}
            for player, batch in zip(players, batches, strict=True):
                metrics |= accumulators[player.name].move(batch, step)
            devices.run(lambda _, *args: follow(*args), (), metrics, step)
        fix_order_of_sums(tf.compat.v1.get_default_graph())
        return metrics

    return train_step


def _accumulators(
    players: Sequence[Player], devices: Devices
) -> dict[str, Accumulator]:
    """One for each player that moves in micro-batches; one may move several times."""
    if devices.accumulate == 1:
        return {}
    movers = {player.name: player for player in players}
    return {name: Accumulator(one, devices) for name, one in movers.items()}


def set_seeds(seed: int) -> None:
    """Seeds what initial weights are drawn from; a step's randomness needs no state."""
    random.seed(seed)  # Keras' initialisers take their seeds from here.
    tf.random.set_seed(seed)


def deal(batch: Any, players: int) -> tuple:
    """Deals a batch's images among the players in equal shares, first come first.

    No image is seen by two players of one round. Every tensor of the batch is split
    along its first axis.
    """
    return tuple(split(batch, players))
