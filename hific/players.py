"""Players of the training game, and how one of them moves.

A player has an objective and the only variables it may change. Clipping, the guard
against non-finite gradients and the adding up of shares of a batch live here and
nowhere else.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from hific import shares
from hific.objectives import Derived, Terms
from hific.shares import here, summed_over_devices


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

    Where several devices do the step, each calls this with its share of the batch: the
    gradients and numbers are those of all shares, and all devices decide alike.

    Returns:
        Metrics by name, [] float32 each: the weighted and the logged terms, `total`,
        `gradient_norm` before clipping, and `applied`, 0 where total or norm was not
        finite, so that nothing changed.
    """
    before = [tf.identity(variable) for variable in player.statistics]
    gradients, numbers = downhill(player, batch, step)
    return settle(
        player,
        summed_over_devices(gradients),
        numbers.summed_over_devices(),
        lambda: assign(player.statistics, before),
    )


def downhill(
    player: Player, batch: Any, step: tf.Tensor
) -> tuple[list[tf.Tensor], "Numbers"]:
    """What the current share of a batch adds to the gradient and to the metrics.

    Here and nowhere else is the loss scaled: objectives return means over the images
    they see, and the sum over equal shares is the mean over all of the batch.

    Raises:
        ValueError: The objective does not depend on some variable.
    """
    count = shares.current().count
    variables = player.variables
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(variables)
        terms = player.objective(batch, step)
        total = terms.total()
        scaled = total if count == 1 else total / count
    gradients = tape.gradient(scaled, variables)
    missing = [v.name for v, g in zip(variables, gradients, strict=True) if g is None]
    if missing:
        raise ValueError(
            f"Player {player.name!r}: the objective does not depend on "
            f"{', '.join(missing)}. Leave frozen or unused variables out of its groups."
        )
    return gradients, Numbers.of(total, terms)


@dataclasses.dataclass(frozen=True)
class Numbers:
    """The metrics of a player's share of a batch, to be added up.

    Attributes:
        means: Total, terms and what metrics are derived from, means over the share.
        count: Of shares; once `means` are sums over all of them, 1 / count scales.
        derive: Name -> the metric, from means over all of the batch.
    """

    means: Sequence[tf.Tensor]
    derive: Callable[[Sequence[tf.Tensor]], dict[str, tf.Tensor]]

    @classmethod
    def of(cls, total: tf.Tensor, terms: Terms) -> "Numbers":
        """The numbers of the current share."""
        logged = {**terms.logged, **terms.weighted, "total": total}

        def derive(means):
            means, found = list(means), {}
            for name, number in logged.items():
                if isinstance(number, Derived):
                    mine, means = means[: len(number.means)], means[len(number.means) :]
                    found[name] = number.function(*mine)
                else:
                    found[name], *means = means
            return found

        parts = [n.means if isinstance(n, Derived) else (n,) for n in logged.values()]
        return cls([mean for part in parts for mean in part], derive)

    def vector(self) -> tf.Tensor:
        """The means of this share as one tensor, [n] float32, divided by the shares."""
        count = shares.current().count
        return tf.stack([tf.cast(mean, tf.float32) for mean in self.means]) / count

    def from_vector(self, vector: tf.Tensor) -> "Numbers":
        """The same metrics, of the sum of the vectors of all shares."""
        return dataclasses.replace(self, means=tf.unstack(vector, len(self.means)))

    def summed_over_devices(self) -> "Numbers":
        """The same metrics of all devices' shares."""
        if shares.current().count == 1:
            return self
        return self.from_vector(summed_over_devices([self.vector()])[0])


def settle(
    player: Player,
    gradients: Sequence[tf.Tensor],
    numbers: Numbers,
    otherwise: Callable[[], tf.Operation],
    also: Callable[[], Any] = tf.no_op,
) -> dict[str, tf.Tensor]:
    """Applies the gradients of a whole batch where all is finite; see `update`.

    Args:
        player: Whose they are.
        gradients: Of all shares, one for each variable.
        numbers: Of all shares.
        otherwise: What is done instead where something is not finite.
        also: What is done beside where all is.
    """
    metrics = numbers.derive(numbers.means)
    norm = tf.linalg.global_norm(gradients)
    if player.clip_norm is not None:
        gradients, _ = tf.clip_by_global_norm(gradients, player.clip_norm, norm)
    finite = tf.math.is_finite(metrics["total"]) & tf.math.is_finite(norm)

    def apply():
        also()
        return _apply(player.groups, gradients)

    tf.cond(finite, apply, otherwise)
    metrics |= {"gradient_norm": norm, "applied": finite}
    return {
        f"{player.name}/{name}": tf.cast(value, tf.float32)
        for name, value in metrics.items()
    }


def _apply(groups: Sequence[Group], gradients: Sequence[tf.Tensor]) -> tf.Operation:
    gradients = list(gradients)
    alone = tf.distribute.get_replica_context().num_replicas_in_sync == 1
    for group in groups:
        mine, gradients = (
            gradients[: len(group.variables)],
            gradients[len(group.variables) :],
        )
        if alone:
            group.optimizer.apply_gradients(zip(mine, group.variables, strict=True))
        else:
            group.optimizer.apply_here(mine, group.variables)
    return tf.no_op()


def assign(variables, values) -> tf.Operation:
    for variable, value in zip(variables, values, strict=True):
        here(variable).assign(value)
    return tf.no_op()
