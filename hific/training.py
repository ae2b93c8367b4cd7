"""The training step, once for every system, and the loop around it.

A system is data: a tuple of players, each with an objective and the only variables it
may change. Clipping, the guard against non-finite gradients and averaging of weights
live here and nowhere else.
"""

import contextlib
import dataclasses
import pathlib
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from hific.averages import Average
from hific.checkpoints import Checkpoints
from hific.guards import Guard, roll_back
from hific.objectives import Terms
from hific.reports import Report
from hific.signals import Signals

EXIT_INTERRUPTED = 75  # EX_TEMPFAIL: a supervisor should start the run again.


class Batches(Protocol):
    """An endless iterator that can be stopped.

    Attributes:
        bad: Name and reason of every picture that could not be used so far.
    """

    @property
    def bad(self) -> Sequence[str]: ...

    def __next__(self) -> Any: ...

    def close(self) -> None: ...


@dataclasses.dataclass(frozen=True)
class Occasion:
    """Something to look at while a run goes on: images, a validation score.

    Attributes:
        every: Steps between two looks; the last step is one too.
        look: (report, step, batch) -> None; `batch` is the one just trained on, and the
            report takes what there is to say.
    """

    every: int
    look: Callable[[Report, int, Any], None]


class Interrupted(Exception):
    """SIGTERM or SIGINT arrived; the run was saved and can be resumed."""


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
    """

    name: str
    objective: Callable[[Any, tf.Tensor], Terms]
    groups: Sequence[Group]
    clip_norm: float | None = None

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
    tf.cond(finite, lambda: _apply(player.groups, gradients), tf.no_op)
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


def fit(
    players: Sequence[Player],
    batches_from: Callable[[int], Batches],
    workdir: pathlib.Path,
    *,
    steps: int,
    modules: Mapping[str, tf.Module],
    average: Average | None = None,
    occasions: Sequence[Occasion] = (),
    log_every: int = 50,
    checkpoint_every: int = 1000,
) -> int:
    """Trains until `steps` rounds are done, counting those of earlier runs.

    Continues from the newest valid checkpoint in `workdir`, with the same result, bit
    for bit, as if the run had never stopped.

    Args:
        players: In the order they move.
        batches_from: Maps a step to batches from there on; each is dealt among the
            players (see `deal`).
        workdir: Gets checkpoints/, logs/ and metrics.jsonl.
        steps: Rounds in all.
        modules: Name -> networks, all of whose variables are saved; the codec is
            called "model".
        average: Averaged weights, saved beside.
        occasions: What else is looked at, and how often.
        log_every, checkpoint_every: In steps. The last step is always logged and saved.

    Returns:
        Completed rounds.

    Raises:
        Interrupted: SIGTERM or SIGINT came; the state was saved.
        NonFiniteTraining: Going back three times did not help, or nothing was saved.
    """
    step = tf.Variable(0, trainable=False, dtype=tf.int64)
    guard = Guard()
    round_ = make_train_step(players, average, guard)
    state = {"guard": guard, "optimizers": _optimizers(players), **modules}
    if average is not None:
        state["average"] = average
    checkpoints = Checkpoints(workdir, step=step, **state)
    checkpoints.restore()
    if int(step) >= steps:
        print(f"{workdir} is done: {int(step)} of {steps} steps.", flush=True)
        return int(step)
    with (
        contextlib.closing(batches_from(int(step))) as batches,
        Report(workdir, int(step), steps) as report,
        Signals() as signals,
    ):
        saved = int(step)
        loop = _Loop(players, round_, step, batches)
        while loop.done < steps and not signals.received:
            loop.advance()
            if loop.is_due(log_every, steps) or signals.received:
                numbers = loop.take_metrics() | _rates(players)
                numbers["data/bad_pictures"] = len(batches.bad)
                report.metrics(loop.done, numbers)
                report.counts(skipped=int(guard.skipped))
            # Not when interrupted: a run that never stops looks at fixed steps only.
            if loop.is_due(log_every, steps) and guard.stuck():
                back = roll_back(guard, checkpoints, step, checkpoint_every)
                report.say(f"Step {loop.done} goes on with the weights of step {back}.")
            if loop.is_due(checkpoint_every, steps):
                checkpoints.save(loop.done)
                saved = loop.done
            for occasion in occasions:  # A look may take long; a signal does not wait.
                if loop.is_due(occasion.every, steps) and not signals.received:
                    occasion.look(report, loop.done, loop.batch)
        if saved < loop.done:
            checkpoints.save(loop.done)
    if loop.done < steps:
        raise Interrupted(f"Interrupted and saved at step {loop.done} of {steps}.")
    return loop.done


class _Loop:
    """Steps with one call each; metrics stay where they were computed until asked."""

    def __init__(self, players, round_, step: tf.Variable, batches: Batches):
        self.done = int(step)
        self.batch: Any = None
        self._batches = batches
        self._step = step
        self._players = players
        self._round = round_
        self._names: list[str] = []
        self._window: list[tf.Tensor] = []
        self._compiled: Callable | None = None

    def is_due(self, every: int, last: int) -> bool:
        """Whether what happens every so many steps, and at the last, happens now."""
        return self.done == last or self.done % every == 0

    def advance(self) -> None:
        self.batch = next(self._batches)
        if self._compiled is None:
            self._compiled = self._compile()
        self._window.append(self._compiled(self.batch))
        self.done += 1

    def _compile(self) -> Callable:
        signature = tf.nest.map_structure(
            lambda part: tf.TensorSpec(part.shape, part.dtype), self.batch
        )

        @tf.function(input_signature=[signature], autograph=False)
        def compiled(batch):
            metrics = self._round(deal(batch, len(self._players)), self._step.value())
            self._step.assign_add(1)
            self._names[:] = metrics
            return tf.stack(list(metrics.values()))

        return compiled

    def take_metrics(self) -> dict[str, float]:
        """Means since the last call, over the finite values of each metric."""
        values = np.stack([row.numpy() for row in self._window]).astype(np.float64)
        self._window.clear()
        finite = np.isfinite(values)
        count = finite.sum(axis=0)
        total = np.where(finite, values, 0.0).sum(axis=0)
        means = np.where(count > 0, total / np.maximum(count, 1), np.nan)
        return dict(zip(self._names, means.tolist(), strict=True))


def _optimizers(players: Sequence[Player]) -> dict[str, tf.keras.optimizers.Optimizer]:
    """Name -> optimizer of every group of every player."""
    return {
        f"{player.name}-{i}": group.optimizer
        for player in players
        for i, group in enumerate(player.groups)
    }


def _rates(players: Sequence[Player]) -> dict[str, float]:
    """Learning rates of the last step, by player and group."""
    rates = {}
    for player in players:
        for group in player.groups:
            rate = group.optimizer.learning_rate
            if callable(rate):
                rate = rate(tf.maximum(group.optimizer.iterations - 1, 0))
            rates[f"{player.name}/learning_rate/{group.name}"] = float(rate)
    return rates
