"""Tests of hific/training.py on a toy codec: a matrix instead of networks."""

import json
import os
import signal

import numpy as np
import pytest
import tensorflow as tf

from hific import checkpoints, loop, systems, training
from hific.averages import Average
from hific.checkpoints import load_weights
from hific.config import DataConfig, OptimizerConfig, RateConfig
from hific.crops import TrainingCrops
from hific.guards import Guard
from hific.objectives import Terms
from tests.toy_codec import ToyCodec, ToyConfig, ToyPictures

ZERO = tf.constant(0, tf.int64)
NO_BATCH = ((),)


def player(objective, *variables, clip_norm=None, name="generator"):
    optimizer = tf.keras.optimizers.SGD(0.1)
    group = training.Group(list(variables), optimizer)
    return training.Player(name, objective, [group], clip_norm)


def test_a_player_changes_only_its_own_variables():
    mine, frozen = tf.Variable(1.0), tf.Variable(1.0)
    one = player(lambda batch, step: Terms({"sum": (mine + frozen) ** 2}), mine)
    training.make_train_step([one])(NO_BATCH, ZERO)
    assert mine.numpy() == pytest.approx(1.0 - 0.1 * 4.0)
    assert frozen.numpy() == 1.0


def test_groups_have_their_own_rates_and_share_one_clip():
    a, b = tf.Variable(3.0), tf.Variable(4.0)
    groups = [
        training.Group([a], tf.keras.optimizers.SGD(1.0)),
        training.Group([b], tf.keras.optimizers.SGD(0.1)),
    ]
    one = training.Player(
        "p", lambda *_: Terms({"t": (a**2 + b**2) / 2}), groups, clip_norm=1.0
    )
    metrics = training.make_train_step([one])(NO_BATCH, ZERO)
    assert metrics["p/gradient_norm"].numpy() == pytest.approx(5.0)
    assert a.numpy() == pytest.approx(3.0 - 0.6)
    assert b.numpy() == pytest.approx(4.0 - 0.1 * 0.8)


def test_a_step_that_is_not_finite_changes_nothing_and_is_counted():
    weight, guard = tf.Variable(2.0), Guard()
    optimizer = tf.keras.optimizers.Adam(0.1, jit_compile=False)
    one = training.Player(
        "p",
        lambda batch, step: Terms({"t": weight * batch}),
        [training.Group([weight], optimizer)],
    )
    step = training.make_train_step([one], guard=guard)
    for value in (np.nan, np.inf, 1.0, np.nan):
        before = [variable.numpy() for variable in optimizer.variables]
        metrics = step((tf.constant(value, tf.float32),), ZERO)
        same = [variable.numpy() for variable in optimizer.variables] == before
        assert same == (value != 1.0)
        assert metrics["p/applied"].numpy() == float(value == 1.0)
    assert weight.numpy() == pytest.approx(1.9)
    assert (int(guard.skipped), int(guard.longest)) == (3, 2)


def test_a_step_that_is_not_finite_takes_back_what_the_objective_changed():
    norm = tf.keras.layers.BatchNormalization(momentum=0.5)
    norm.build((None, 1))
    one = training.Player(
        "p",
        lambda batch, step: Terms({"t": tf.reduce_sum(norm(batch, training=True))}),
        [training.Group(norm.trainable_variables, tf.keras.optimizers.SGD(0.1))],
        statistics=norm.non_trainable_variables,
    )
    step = training.make_train_step([one])
    step((tf.constant([[0.0], [4.0]]),), ZERO)
    assert norm.moving_mean.numpy() == [1.0]  # Half of the batch's 2.
    step((tf.constant([[np.nan], [4.0]]),), ZERO)
    assert norm.moving_mean.numpy() == [1.0]
    assert norm.moving_variance.numpy() == [2.5]


def test_players_move_in_order_each_with_its_own_share_of_the_batch():
    a, b = tf.Variable(0.0), tf.Variable(0.0)
    first = player(lambda x, _: Terms({"t": a * tf.reduce_sum(x)}), a, name="d")
    second = player(lambda x, _: Terms({"t": b * (a + tf.reduce_sum(x))}), b, name="g")
    batches = training.deal(tf.constant([1.0, 2.0, 10.0, 20.0]), 2)
    training.make_train_step([first, second])(batches, ZERO)
    assert a.numpy() == pytest.approx(-0.1 * 3.0)
    assert b.numpy() == pytest.approx(-0.1 * (30.0 - 0.3))


def test_a_variable_the_objective_never_reads_is_named():
    used, unused = tf.Variable(1.0, name="used"), tf.Variable(1.0, name="idle")
    one = player(lambda *_: Terms({"t": used * 1.0}), used, unused)
    with pytest.raises(ValueError, match="idle"):
        training.make_train_step([one])(NO_BATCH, ZERO)


def test_a_player_without_variables_is_refused():
    with pytest.raises(ValueError, match="built"):
        player(lambda *_: Terms({}))


# --- The loop -----------------------------------------------------------------------


def run(workdir, steps, seed=0, more=(), **options):
    """Trains the toy codec; returns it, its players and the average."""
    config = ToyConfig(
        rate=RateConfig(weight=0.1),
        optimizer=OptimizerConfig(
            schedule="cosine", horizon=6, warmup_steps=2, clip_norm=1.0
        ),
        data=DataConfig(crop=32, scale_min=0.6, colour_probability=0.5, flip=True),
    )
    model = ToyCodec()
    players = systems.stage1(model, config, seed=seed)
    average = Average(model, 0.9)
    loop.fit(
        players,
        lambda step: TrainingCrops(ToyPictures(), 2, config.data, seed, step),
        workdir,
        steps=steps,
        modules={"model": model},
        average=average,
        occasions=[systems.shown_pairs(model, 1000), *more],
        log_every=2,
        **options,
    )
    return model, players, average


def state(model, players, average):
    optimizers = [group.optimizer for one in players for group in one.groups]
    variables = [*model.variables, *average.shadows.values()]
    return [v.numpy() for v in variables] + [
        v.numpy() for optimizer in optimizers for v in optimizer.variables()
    ]


def test_a_resumed_run_equals_one_that_never_stopped(tmp_path):
    straight = state(*run(tmp_path / "a", 6))
    run(tmp_path / "b", 3)
    resumed = state(*run(tmp_path / "b", 6))
    assert len(straight) == len(resumed) > 10
    for x, y in zip(straight, resumed, strict=True):
        np.testing.assert_array_equal(x, y)


def test_metrics_have_one_line_per_logged_step_also_after_resuming(tmp_path):
    run(tmp_path, 3)
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 5, "lost": 1}\n{"ste')
    run(tmp_path, 6)
    text = (tmp_path / "metrics.jsonl").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert [line["step"] for line in lines] == [2, 3, 4, 6]
    names = {f"generator/{n}" for n in ("rate", "distortion", "total", "bpp", "psnr")}
    assert names <= set(lines[0])
    assert lines[-1]["generator/learning_rate/entropy"] == pytest.approx(
        1e-4 * 0.5 * (1 + np.cos(np.pi * 5 / 6))
    )
    assert list((tmp_path / "logs").iterdir())


def test_sigterm_saves_and_the_run_continues_from_there(tmp_path):
    class Deadly(TrainingCrops):
        def __next__(self):
            batch = super().__next__()
            self.calls = getattr(self, "calls", 0) + 1
            if self.calls == 2:
                os.kill(os.getpid(), signal.SIGTERM)
            return batch

    model = ToyCodec()
    config = ToyConfig(data=DataConfig(crop=32))
    with pytest.raises(loop.Interrupted, match="step 2 of 9"):
        loop.fit(
            systems.stage1(model, config),
            lambda step: Deadly(ToyPictures(), 2, config.data, 0, step),
            tmp_path,
            steps=9,
            modules={"model": model},
        )
    assert load_weights(tmp_path, ToyCodec()) == 2
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_step_is_traced_once(tmp_path):
    traces = []

    class Traced(ToyCodec):
        def analysis_call(self, image):
            traces.append(image.shape)
            return super().analysis_call(image)

    model = Traced()
    config = ToyConfig(data=DataConfig(crop=32))
    loop.fit(
        systems.stage1(model, config),
        lambda step: TrainingCrops(ToyPictures(), 2, config.data, 0, step),
        tmp_path,
        steps=4,
        modules={"model": model},
    )
    assert traces == [(2, 32, 32, 3)]


def test_occasions_come_at_their_interval_and_at_the_end(tmp_path):
    seen = []

    def look(report, step, batch):
        seen.append((step, batch.shape))
        report.measured(step, {"score": float("nan") if step == 2 else 0.5 * step})

    run(tmp_path, 5, more=[loop.Occasion(2, look)])
    assert seen == [(step, (2, 32, 32, 3)) for step in (2, 4, 5)]
    lines = map(json.loads, (tmp_path / "metrics.jsonl").read_text().splitlines())
    scores = {line["step"]: line["score"] for line in lines if "score" in line}
    assert scores == {2: None, 4: 2.0, 5: 2.5}


def test_a_signal_during_an_occasion_saves_the_step_it_came_in(tmp_path):
    def look(report, step, batch):
        os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(loop.Interrupted, match="saved at step 2 of 6"):
        run(tmp_path, 6, more=[loop.Occasion(2, look)], checkpoint_every=100)
    assert (tmp_path / "checkpoints" / "ckpt-2.ok").exists()


def test_a_signal_does_not_wait_for_a_look(tmp_path):
    class Deadly(TrainingCrops):
        def __next__(self):
            os.kill(os.getpid(), signal.SIGTERM)
            return super().__next__()

    seen = []
    config = ToyConfig(rate=RateConfig(weight=0.1), data=DataConfig(crop=32))
    model = ToyCodec()
    with pytest.raises(loop.Interrupted, match="saved at step 1 of 3"):
        loop.fit(
            systems.stage1(model, config),
            lambda step: Deadly(ToyPictures(), 2, config.data, 0, step),
            tmp_path,
            steps=3,
            modules={"model": model},
            occasions=[loop.Occasion(1, lambda *_: seen.append(1))],
        )
    assert not seen


def test_a_signal_while_a_step_is_traced_ends_the_run_after_it(tmp_path):
    class Traced(ToyCodec):
        def analysis_call(self, image):
            os.kill(os.getpid(), signal.SIGUSR1)
            return super().analysis_call(image)

    model = Traced()
    config = ToyConfig(data=DataConfig(crop=32))
    with pytest.raises(loop.Interrupted, match="saved at step 1 of 4"):
        loop.fit(
            systems.stage1(model, config),
            lambda step: TrainingCrops(ToyPictures(), 2, config.data, 0, step),
            tmp_path,
            steps=4,
            modules={"model": model},
        )
    assert (tmp_path / "checkpoints" / "ckpt-1.ok").exists()


def test_a_signal_while_a_checkpoint_is_written_lets_it_be_finished(
    tmp_path, monkeypatch
):
    sync = checkpoints.sync

    def interrupted(path):
        os.kill(os.getpid(), signal.SIGTERM)
        sync(path)

    monkeypatch.setattr(checkpoints, "sync", interrupted)
    with pytest.raises(loop.Interrupted, match="saved at step 2 of 6"):
        run(tmp_path, 6, checkpoint_every=2)
    assert [p.name for p in checkpoints.valid_checkpoints(tmp_path)] == ["ckpt-2"]
