"""The loop around the training step: data in, logs and checkpoints out.

It knows nothing of what is trained. Whatever is looked at on the way is an `Occasion`.
"""

import contextlib
import dataclasses
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from hific import devices as devices_
from hific.averages import Average
from hific.checkpoints import Checkpoints
from hific.data_wait import DataWait
from hific.devices import Devices
from hific.guards import Guard, roll_back
from hific.reports import REPORTS, Report
from hific.run_directory import locked
from hific.signals import Signals, Stopped
from hific.training import Player, deal, make_train_step


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
            report takes what there is to say. One that takes long calls
            `report.stop_if_asked()` now and then.
    """

    every: int
    look: Callable[[Report, int, Any], None]


class Interrupted(Exception):
    """Something asked the run to stop; it was saved and can be resumed."""


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
    for bit, as if the run had never stopped; with several threads it takes
    `hific.determinism.enable`.

    Runs on `hific.devices.current()`; variables must have been made inside the same.
    Of several workers all call this, and the chief alone writes; a wish to stop that
    reaches one of them stops them all after the same step.

    Args:
        players: In the order they move.
        batches_from: Maps a step to batches from there on, of this worker's images;
            each is dealt among the players (see `deal`).
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
        Interrupted: A signal came (see `hific.signals`); the state was saved.
        NonFiniteTraining: Going back three times did not help, or nothing was saved.
        hific.checkpoints.UnusableCheckpoint: See `Checkpoints.restore`.
        hific.run_directory.RunInUse: Another process trains in `workdir`.
        ValueError: Workers do not find the same checkpoint.
        OSError: The disk is full, or `workdir` cannot be written. What was saved before
            is kept.
    """
    step = tf.Variable(0, trainable=False, dtype=tf.int64)
    guard = Guard()
    devices = devices_.current()
    reports = REPORTS[devices.is_chief]
    turn = make_train_step(players, average, guard, devices)
    kept = {"average": average} if average is not None else {}
    state = {"guard": guard, "optimizers": _optimizers(players), **modules, **kept}
    with locked(workdir) if devices.is_chief else contextlib.nullcontext():
        checkpoints, begun = _restored(workdir, devices, step=step, **state)
        if begun >= steps:
            print(f"{workdir} is done: {begun} of {steps} steps.", flush=True)
            return begun
        with (
            contextlib.closing(batches_from(begun)) as batches,
            Signals() as signals,
            reports(workdir, begun, steps, signals.stop_if_asked) as report,
        ):
            progress = _Progress(players, turn, step, steps, batches, devices, signals)
            intervals = _Intervals(log_every, checkpoint_every, occasions)
            _go_on(progress, intervals, guard, checkpoints, report, signals)
        devices.meet(progress.done, "step")  # Nobody leaves while the chief writes.
    if progress.done < steps:
        raise Interrupted(f"Interrupted and saved at step {progress.done} of {steps}.")
    return progress.done


def _restored(
    workdir: pathlib.Path, devices: Devices, **state: Any
) -> tuple[Checkpoints, int]:
    """A run's checkpoints, and the step of the newest, which all workers now have.

    Raises:
        ValueError: They do not find the same.
    """
    checkpoints = Checkpoints(workdir, **state)
    checkpoints.writes = devices.is_chief
    begun = checkpoints.restore()
    checkpoints.tidy()
    devices.meet(begun, "step")
    return checkpoints, begun


@dataclasses.dataclass(frozen=True)
class _Intervals:
    """What `fit` does every so many steps."""

    log: int
    checkpoint: int
    occasions: Sequence[Occasion]


class _Progress:
    """Steps with one call each; metrics stay where they were computed until asked."""

    def __init__(
        self,
        players,
        turn,
        step: tf.Variable,
        steps: int,
        batches: Batches,
        devices: Devices,
        signals: Signals,
    ):
        self.step = step
        self.done = int(step.numpy())
        self.steps = steps
        self.batch: Any = None
        self._batches = batches
        self.wait = DataWait()
        self.devices, self._signals = devices, signals
        self._wishes: list[tf.Tensor] = []
        self._players = players
        self._turn = turn
        self._names: list[str] = []
        self._window: list[tf.Tensor] = []
        self._compiled: Callable | None = None

    def is_due(self, every: int) -> bool:
        """Whether what happens every so many steps, and at the last, happens now."""
        return self.done == self.steps or self.done % every == 0

    def advance(self) -> None:
        self.batch = self.wait.fetch(self._batches)
        if self._compiled is None:
            self._compiled = self._compile()
        metrics, wishes = self._compiled(self.batch, float(self._signals.received))
        self._window.append(metrics)
        self._wishes = [*self._wishes[-1:], wishes]
        self.done += 1

    def stops(self) -> bool:
        """Whether the run stops here, because this or another worker was asked to.

        All workers know it of each other one step late, when the answer is there
        without waiting for it.
        """
        if self.devices.workers == 1:
            return self._signals.received
        return len(self._wishes) > 1 and float(self._wishes[0]) > 0

    def _compile(self) -> Callable:
        signature = tf.nest.map_structure(
            lambda part: tf.TensorSpec(part.shape, part.dtype), self.batch
        )
        asked = tf.TensorSpec((), tf.float32)

        @tf.function(input_signature=[signature, asked], autograph=False)
        def compiled(batch, asked):
            with tf.device("/device:CPU:0"):
                batches = deal(batch, len(self._players))
            metrics = self._turn(batches, self.step.value())
            self.step.assign_add(1)
            self._names[:] = metrics
            wishes = self.devices.total(asked) if self.devices.workers > 1 else asked
            return tf.stack(list(metrics.values())), wishes

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

    def rates(self) -> dict[str, float]:
        """Learning rates of the last step, by player and group."""
        return _rates(self._players)

    def bad_pictures(self) -> float:
        """How many pictures could not be used so far."""
        return float(len(self._batches.bad))

    def waited(self) -> float:
        """Share of the time since the last call that went by waiting for data."""
        return self.wait.share()


def _go_on(
    progress: _Progress,
    intervals: _Intervals,
    guard: Guard,
    checkpoints: Checkpoints,
    report: Report,
    signals: Signals,
) -> None:
    """Trains to the last step, or until a signal; the state is saved in both cases."""
    saved = progress.done
    while progress.done < progress.steps and not progress.stops():
        progress.advance()
        signals.starting = False
        if progress.is_due(intervals.log) or progress.stops():
            numbers = progress.take_metrics() | progress.rates()
            data = {"bad_pictures": progress.bad_pictures(), "wait": progress.waited()}
            numbers |= {f"data/{name}": value for name, value in data.items()}
            report.metrics(progress.done, numbers)
            if complaint := progress.wait.complaint(data["wait"]):
                report.say(complaint)
            report.counts(skipped=int(guard.skipped.numpy()))
        # Not when interrupted: a run that never stops looks at fixed steps only.
        if progress.is_due(intervals.log) and guard.stuck():
            back = roll_back(guard, checkpoints, progress.step, intervals.checkpoint)
            progress.devices.meet(back, "weights of step")  # Before the chief saves.
            report.say(f"Step {progress.done} goes on with the weights of step {back}.")
        if progress.is_due(intervals.checkpoint):
            saved = checkpoints.save(progress.done)
        with contextlib.suppress(Stopped):  # A wish to stop does not wait for a look.
            for occasion in intervals.occasions:
                if progress.is_due(occasion.every):
                    signals.stop_if_asked()
                    occasion.look(report, progress.done, progress.batch)
    if saved < progress.done:
        checkpoints.save(progress.done)


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
            rates[f"{player.name}/learning_rate/{group.name}"] = float(
                tf.convert_to_tensor(rate)
            )
    return rates
