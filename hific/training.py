"""The training step, once for every system.

A system is data: a tuple of players, each with an objective and the only variables it
may change. Clipping, the guard against non-finite gradients and averaging of weights
live here and nowhere else.
"""

import dataclasses
import random
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from hific.averages import Average
from hific.determinism import fix_order_of_sums
from hific.guards import Guard
from hific.objectives import Terms


@dataclasses.dataclass(frozen=True)
class Group:
    """Variables that share an optimizer, hence a learning rate.

    Attributes:
        variables: The only variables this optimizer changes. Freezing a network means
            leaving it out.
        optimizer: Owned by this group alone; its schedule counts its own steps.
        name: Names the learning rate in the log.
    """

    variables: Sequence[tf.Variable]
    optimizer: tf.keras.optimizers.Optimizer
    name: str = "all"


@dataclasses.dataclass(frozen=True)
class Player:
    """One side of the training game.

    Attributes:
        name: Prefix of this player's metrics, e.g. "generator".
        objective: Maps (batch, step) to terms. The player minimises the sum of the
            weighted ones. `step` is the [] int64 number of completed steps; randomness
            is drawn statelessly from it.
        groups: The only variables this player may change, with their optimizers.
        clip_norm: Limit of the gradient norm over all groups, or None.
        statistics: Variables that the objective itself changes in passing, such as the
            running means of batch norm. A step that is not applied takes that back.
    """

    name: str
    objective: Callable[[Any, tf.Tensor], Terms]
    groups: Sequence[Group]
    clip_norm: float | None = None
    statistics: Sequence[tf.Variable] = ()

    def __post_init__(self):
        if not self.groups or not all(group.variables for group in self.groups):
            raise ValueError(
                f"Player {self.name!r} has a group without variables to train. A Keras "
                "network has none until it is built: call it once before making the "
                "player."
            )
        names = [variable.ref() for variable in self.variables]
        if len(set(names)) != len(names):
            raise ValueError(f"Player {self.name!r} holds a variable in two groups.")

    @property
    def variables(self) -> list[tf.Variable]:
        """All variables of the groups, in order."""
        return [variable for group in self.groups for variable in group.variables]


def update(player: Player, batch: Any, step: tf.Tensor) -> dict[str, tf.Tensor]:
    """Moves one player downhill once, unless that would spoil its weights.

    Returns:
        Metrics by name, [] float32 each: the weighted and the logged terms, `total`,
        `gradient_norm` before clipping, and `applied`, 0 where total or norm was not
        finite, so that nothing changed.
    """
    variables = player.variables
    before = [tf.identity(variable) for variable in player.statistics]
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(variables)
        terms = player.objective(batch, step)
        total = terms.total()
    gradients = tape.gradient(total, variables)
    missing = [v.name for v, g in zip(variables, gradients, strict=True) if g is None]
    if missing:
        raise ValueError(
            f"Player {player.name!r}: the objective does not depend on "
            f"{', '.join(missing)}. Leave frozen or unused variables out of its groups."
        )
    norm = tf.linalg.global_norm(gradients)
    if player.clip_norm is not None:
        gradients, _ = tf.clip_by_global_norm(gradients, player.clip_norm, norm)
    finite = tf.math.is_finite(total) & tf.math.is_finite(norm)
    tf.cond(
        finite,
        lambda: _apply(player.groups, gradients),
        lambda: _assign(player.statistics, before),
    )
    metrics = dict(terms.logged) | dict(terms.weighted)
    metrics |= {"total": total, "gradient_norm": norm, "applied": finite}
    return {
        f"{player.name}/{name}": tf.cast(value, tf.float32)
        for name, value in metrics.items()
    }


def _apply(groups: Sequence[Group], gradients: Sequence[tf.Tensor]) -> tf.Operation:
    gradients = list(gradients)
    for group in groups:
        mine, gradients = (
            gradients[: len(group.variables)],
            gradients[len(group.variables) :],
        )
        group.optimizer.apply_gradients(zip(mine, group.variables, strict=True))
    return tf.no_op()


def _assign(variables, values) -> tf.Operation:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
    return tf.no_op()


def make_train_step(
    players: Sequence[Player],
    average: Average | None = None,
    guard: Guard | None = None,
):
    """Compiles one round of the game.

    Args:
        players: In the order they move.
        average: Follows the weights after every round.
        guard: Counts rounds in which a player was not moved.

    Returns:
        A function (batches, step) -> metrics, where `batches` holds one batch per
        player and `step` is the [] int64 number of completed rounds. It is traced
        once per shape of its arguments.
    """
    for player in players:  # Slots must exist before tf.function traces.
        for group in player.groups:
            group.optimizer.build(group.variables)

    @tf.function(autograph=False)
    def train_step(batches, step):
        metrics: dict[str, tf.Tensor] = {}
        for player, batch in zip(players, batches, strict=True):
            metrics |= update(player, batch, step)
        if guard is not None:
            applied = [metrics[f"{player.name}/applied"] for player in players]
            guard.count(tf.reduce_min(tf.stack(applied)) > 0)
        if average is not None:
            average.update(step)
        fix_order_of_sums(tf.compat.v1.get_default_graph())
        return metrics

    return train_step


def set_seeds(seed: int) -> None:
    """Seeds what initial weights are drawn from; a step's randomness needs no state."""
    random.seed(seed)  # Keras' initialisers take their seeds from here.
    tf.random.set_seed(seed)


def deal(batch: Any, players: int) -> tuple:
    """Deals a batch's images among the players in equal shares, first come first.

    No image is seen by two players of one round. Every tensor of the batch is split
    along its first axis.
    """
    if players == 1:
        return (batch,)
    shares = [tf.split(part, players) for part in tf.nest.flatten(batch)]
    return tuple(
        tf.nest.pack_sequence_as(batch, [share[i] for share in shares])
        for i in range(players)
    )
