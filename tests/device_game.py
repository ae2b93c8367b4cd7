"""A game of six numbers, played on one device, in micro-batches or on two devices.

    python -m tests.device_game DIR

plays it on two virtual CPUs, at once and in micro-batches, and writes what `play`
returns to DIR.
"""

import pathlib
import sys

import numpy as np
import tensorflow as tf

from hific import devices, shares, training
from hific.checkpoints import Checkpoints
from hific.devices import Devices
from hific.guards import Guard, roll_back
from hific.objectives import Derived, Terms
from hific.schedules import Adam

STEPS = 20
BAD_STEPS = 10  # As many as make the guard go back.


def game(devices_, priced=False):
    """Two players against each other, with noise, a ratio and a running mean.

    Args:
        devices_: Those in use.
        priced: Whether the first player's loss depends on all of the batch at once.

    Returns:
        The step, its variables, and its guard.
    """
    a, b = tf.Variable([1.0, -2.0]), tf.Variable([0.5, 0.5])
    moving = tf.Variable(  # As batch norm makes it.
        0.0,
        trainable=False,
        synchronization=tf.VariableSynchronization.ON_READ,
        aggregation=tf.VariableAggregation.MEAN,
    )

    def first(batch, step):
        seed = tf.stack([tf.constant(0, tf.int64), step])
        noise = shares.stateless_uniform(tf.shape(batch), seed, -0.5, 0.5)
        error = tf.reduce_mean((batch * a - b + noise) ** 2)
        mean = tf.reduce_mean(batch)
        moving.assign(0.9 * moving + 0.1 * mean)
        if priced:
            error *= tf.where(shares.mean_over_devices(mean) > 0.0, 2.0, 0.5)
        big = tf.reduce_sum(tf.cast(batch > 1.0, tf.float32))
        positive = tf.reduce_sum(tf.cast(batch > 0.0, tf.float32))
        share = Derived(tf.divide, (big, positive))
        return Terms({"error": error}, {"big": share, "mean": mean})

    def second(batch, step):
        del step
        return Terms({"other": tf.reduce_mean(tf.square(batch * b + a))})

    def player(name, objective, variable, statistics=()):
        group = training.Group([variable], Adam(0.01))
        return training.Player(name, objective, [group], 1.0, statistics)

    players = (player("p", first, a, (moving,)), player("q", second, b))
    guard = Guard()
    step = training.make_train_step(players, None, guard, devices_)
    return step, (a, b, moving), guard


def images(step, poison=False):
    """The batch of a step, [16, 2] for both players; one image may be spoilt."""
    batch = 2.0 * np.asarray(tf.random.stateless_normal((16, 2), (step, 3)))
    if poison:
        batch[5] = np.nan
    return training.deal(tf.constant(batch), 2)


def play(directory, devices_, priced):
    """Twenty steps, ten bad ones, the way back, and one more step.

    Returns:
        Name -> [21] metrics by step, weights as they end, and what the guard counted.
    """
    train, variables, guard = game(devices_, priced)
    step = tf.Variable(0, trainable=False, dtype=tf.int64)
    weights = dict(zip("abc", variables, strict=True))
    checkpoints = Checkpoints(directory, step=step, guard=guard, **weights)
    lines = []

    def go(bad=False):
        metrics = train(images(int(step.numpy()), bad), tf.constant(step.numpy()))
        step.assign_add(1)
        if not bad:
            lines.append({name: value.numpy() for name, value in metrics.items()})

    for _ in range(STEPS):
        go()
    checkpoints.save(STEPS)
    before = weights["a"].numpy()
    for _ in range(BAD_STEPS):
        go(bad=True)
    assert guard.stuck()
    weights["a"].assign([7.0, 7.0])
    assert roll_back(guard, checkpoints, step, STEPS) == STEPS
    np.testing.assert_array_equal(weights["a"].numpy(), before)
    go()
    found = {name: np.array([line[name] for line in lines]) for name in lines[0]}
    found |= {f"end/{name}": value.numpy() for name, value in weights.items()}
    counts = (guard.skipped, guard.rollbacks, guard.rolled_at, step)
    return found | {"end/counts": np.array([count.numpy() for count in counts])}


def main(directory):
    """Two virtual CPUs; see above."""
    strategy = devices.choose("2").strategy
    for accumulate in (1, 2):
        out = directory / str(accumulate)
        with devices.using(Devices(strategy, accumulate=accumulate)) as both:
            np.savez(f"{out}.npz", **play(out, both, priced=accumulate == 1))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
