"""Stage 3 on the smallest codec: what it changes, and where it starts."""

import copy
import dataclasses
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

import egic
import hific.config
from egic import orp
from egic.codec import build_model, export
from egic.config import PRESETS
from egic.orp_config import PRESETS as RECIPES
from egic.orp_config import get_config
from egic.transforms import Head
from hific import training
from hific.averages import Average
from hific.checkpoints import Checkpoints, load_weights
from hific.config import DataConfig, OptimizerConfig
from hific.images import write_png
from hific.names import named_variables
from hific.network_config import HeadConfig
from hific.run_directory import Order, Origin
from tests import micro_codec
from tests.toy_codec import ToyPictures

# ml_collections loads a config file by a method that Python 3.12 drops.
pytestmark = pytest.mark.filterwarnings("ignore:the load_module:DeprecationWarning")

RECIPE = orp.OrpConfig(
    optimizer=OptimizerConfig(learning_rate=1e-3, ema_decay=0.5),
    data=DataConfig(crop=64),
    steps=4,
    batch_size=2,
)
ORDER = Order(0, len(ToyPictures()))
HEADED = dataclasses.replace(micro_codec.CONFIG, head=HeadConfig(1))


def save_run(workdir, config, model, average=None):
    """Leaves a run directory as a training of stage 2 would."""
    hific.config.save(config, workdir / "config.json")
    parts = {} if average is None else {"average": average}
    step = tf.Variable(7, dtype=tf.int64)
    Checkpoints(workdir, step=step, model=model, **parts).save(7)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The run of a codec whose G is that of `micro_codec`."""
    workdir = tmp_path_factory.mktemp("stage2")
    save_run(workdir, micro_codec.CONFIG, micro_codec.model())
    return workdir


def train(trained, workdir, steps=4, **fields):
    recipe = dataclasses.replace(copy.deepcopy(RECIPE), **fields)
    model = orp.prepare(recipe, Origin(str(trained)), workdir, "float32", ORDER)
    settings = orp.Settings(log_every=1, checkpoint_every=1)
    # As many steps as asked for; the recipe in stage.json says how many there will be.
    now = dataclasses.replace(recipe, steps=steps)
    orp.train(now, model, ToyPictures(), workdir, settings)
    return model


def values(module):
    return {name: v.numpy() for name, v in named_variables(module).items()}


def test_a_new_run_starts_with_the_other_runs_weights_and_a_copy_of_gs_end(
    trained, tmp_path
):
    model = orp.prepare(RECIPE, Origin(str(trained)), tmp_path, "float32", ORDER)
    for name, value in values(micro_codec.model()).items():
        np.testing.assert_array_equal(named_variables(model)[name], value)
    features = model.synthesis.features(tf.ones((1, 4, 4, 32)))
    np.testing.assert_array_equal(
        model.head(features), model.synthesis.render(features)
    )
    assert egic.config.load(tmp_path / "config.json").head == HeadConfig(1)
    assert (tmp_path / "stage.json").exists()


@pytest.fixture(scope="module")
def whole(trained, tmp_path_factory):
    """The directory of a run of four steps."""
    workdir = tmp_path_factory.mktemp("orp") / "run"
    train(trained, workdir)
    return workdir


def saved(workdir, averaged):
    model = build_model(HEADED)
    load_weights(workdir, model, averaged)
    return values(model)


@pytest.mark.parametrize("averaged", [False, True])
def test_only_the_heads_variables_change(trained, whole, tmp_path, averaged):
    after = saved(whole, averaged)
    for name, value in values(micro_codec.model()).items():
        assert after[name].tobytes() == value.tobytes(), name
    start = orp.prepare(RECIPE, Origin(str(trained)), tmp_path, "float32", ORDER)
    for name, value in values(start.head).items():
        assert not np.array_equal(after[f"head.{name}"], value), name


def test_a_resumed_run_equals_one_that_never_stopped_and_copies_nothing_again(
    trained, whole, tmp_path, monkeypatch
):
    train(trained, tmp_path, steps=2)
    calls = []
    monkeypatch.setattr(Head, "start_from", lambda *_: calls.append("head"))
    monkeypatch.setattr(
        orp.checkpoints, "load_weights", lambda *_: calls.append("weights")
    )
    train(trained, tmp_path)
    assert calls == []
    for averaged in (False, True):
        expected = saved(whole, averaged)
        for name, value in saved(tmp_path, averaged).items():
            np.testing.assert_array_equal(value, expected[name])


def test_averaged_weights_are_taken_where_the_run_kept_any(tmp_path):
    model = build_model(micro_codec.CONFIG)
    average = Average(model)
    average.shadows["synthesis.unpack.bias"].assign(0.75 * tf.ones(12))
    save_run(tmp_path / "stage2", micro_codec.CONFIG, model, average)
    ours = orp.prepare(
        RECIPE, Origin(str(tmp_path / "stage2")), tmp_path / "run", "float32", ORDER
    )
    assert ours.synthesis.unpack.bias.numpy().tolist() == [0.75] * 12
    assert ours.head.unpack.bias.numpy().tolist() == [0.75] * 12


def test_the_loss_is_the_heads_mean_squared_error_in_grey_levels(trained, tmp_path):
    model = orp.prepare(RECIPE, Origin(str(trained)), tmp_path, "float32", ORDER)
    model.head.unpack.kernel.assign(tf.zeros((32, 12)))
    model.head.unpack.bias.assign(0.5 * tf.ones(12))  # 127.5 everywhere.
    (player,) = orp.players(model, RECIPE)
    image = tf.fill((1, 64, 64, 3), 137.5)
    terms = player.objective(image, tf.constant(0, tf.int64))
    assert float(terms.total()) == pytest.approx(100.0)
    assert float(terms.logged["psnr"].value()) == pytest.approx(28.1308, abs=1e-3)


def test_nothing_but_the_head_could_get_a_gradient(trained, tmp_path):
    model = orp.prepare(RECIPE, Origin(str(trained)), tmp_path, "float32", ORDER)
    (player,) = orp.players(model, RECIPE)
    with tf.GradientTape() as tape:
        loss = player.objective(tf.zeros((1, 64, 64, 3)), tf.constant(0)).total()
    variables = model.without_head().trainable_variables
    assert not any(g is not None for g in tape.gradient(loss, variables))


def moved_by_one_step(model):
    """Names of the variables that one step on noise changes."""
    before = values(model)
    recipe = dataclasses.replace(RECIPE, optimizer=OptimizerConfig(learning_rate=0.01))
    (player,) = orp.players(model, recipe)
    player.groups[0].optimizer.build(player.variables)
    image = tf.random.stateless_uniform((1, 64, 64, 3), (0, 0), 0.0, 255.0)
    training.update(player, image, tf.constant(0, tf.int64))
    return {name for name, v in values(model).items() if (v != before[name]).any()}


def test_a_run_goes_on_when_what_it_started_from_is_gone(trained, whole, tmp_path):
    shutil.copytree(whole, tmp_path / "run")
    gone = Origin(str(trained) + "-gone")
    (tmp_path / "run" / "origin.json").unlink()
    model = orp.prepare(RECIPE, gone, tmp_path / "run", "float32", ORDER)
    assert named_variables(model).keys() == saved(whole, averaged=False).keys()


@pytest.mark.parametrize("stages", [2, 4])
def test_a_deeper_head_starts_as_gs_end_too(trained, tmp_path, stages):
    recipe = dataclasses.replace(RECIPE, head=HeadConfig(stages))
    model = orp.prepare(recipe, Origin(str(trained)), tmp_path, "float32", ORDER)
    y_hat = tf.ones((1, 4, 4, 32))
    image = model.head(model.synthesis.features(y_hat, stages))
    np.testing.assert_array_equal(image, model.synthesis(y_hat))
    names = {f"head.{name}" for name in values(model.head)}
    assert moved_by_one_step(model) == names
    assert sum(name.endswith("qkv.kernel") for name in names) == stages


def test_hifics_decoder_gets_a_head_too(tmp_path):
    config = PRESETS["hific-tiny"]
    save_run(tmp_path / "stage2", config, build_model(config))
    model = orp.prepare(
        RECIPE, Origin(str(tmp_path / "stage2")), tmp_path / "run", "float32", ORDER
    )
    moved = moved_by_one_step(model)
    assert moved == {f"head.{name}" for name in values(model.head)}


def test_a_head_can_be_trained_anew_beside_an_older_one(trained, tmp_path):
    first = orp.prepare(
        RECIPE, Origin(str(trained)), tmp_path / "first", "float32", ORDER
    )
    first.head.unpack.kernel.assign(tf.zeros((32, 12)))
    save_run(tmp_path / "first", HEADED, first)
    again = orp.prepare(
        RECIPE,
        Origin(str(tmp_path / "first")),
        tmp_path / "second",
        "float32",
        ORDER,
    )
    np.testing.assert_array_equal(
        again.head.unpack.kernel, again.synthesis.unpack.kernel
    )


@pytest.mark.parametrize(
    "fields, message",
    [
        ({"head": HeadConfig(0)}, "head.stages is 0"),
        ({"head": HeadConfig(5)}, r"head.stages \(=5\) must be 1 to 4"),
        ({"data": DataConfig(crop=100)}, "data.crop must be a multiple of 64"),
        ({"optimizer": OptimizerConfig(schedule="cosin")}, "No schedule 'cosin'"),
    ],
)
def test_a_recipe_that_makes_no_sense_writes_nothing(
    trained, tmp_path, fields, message
):
    with pytest.raises(ValueError, match=message):
        train(trained, tmp_path / "run", **fields)
    assert not (tmp_path / "run").exists()


def test_another_recipe_in_the_same_directory_is_refused_by_field(trained, tmp_path):
    orp.prepare(RECIPE, Origin(str(trained)), tmp_path, "float32", ORDER)
    recipe = dataclasses.replace(RECIPE, batch_size=3)
    with pytest.raises(ValueError, match="batch_size was 2, now 3"):
        orp.prepare(recipe, Origin(str(trained)), tmp_path, "float32", ORDER)


def test_another_seed_is_refused(trained, tmp_path):
    orp.prepare(RECIPE, Origin(str(trained)), tmp_path, "float32", ORDER)
    with pytest.raises(ValueError, match="seed was 0, now 3"):
        orp.prepare(
            RECIPE, Origin(str(trained)), tmp_path, "float32", Order(3, ORDER.pictures)
        )


def test_what_is_no_run_to_start_from_is_refused(tmp_path):
    with pytest.raises(ValueError, match="is no training run: it holds no config.json"):
        orp.prepare(RECIPE, Origin(str(tmp_path)), tmp_path / "run", "float32", ORDER)
    hific.config.save(micro_codec.CONFIG, tmp_path / "config.json")
    with pytest.raises(ValueError, match="holds no valid checkpoint"):
        orp.prepare(RECIPE, Origin(str(tmp_path)), tmp_path / "run", "float32", ORDER)
    assert not (tmp_path / "run").exists()


def test_the_recipe_is_that_of_the_released_code():
    recipe = get_config("orp")
    assert recipe == RECIPES["orp"]
    assert (recipe.steps, recipe.batch_size, recipe.head.stages) == (2_000_000, 16, 1)
    schedule = orp.make_optimizer(
        recipe.optimizer.learning_rate, recipe.optimizer
    ).learning_rate
    assert float(schedule(1_799_999)) == pytest.approx(1e-4)
    assert float(schedule(1_800_000)) == pytest.approx(1e-5)
    with pytest.raises(ValueError, match="there are orp, orp-tiny, orp-small"):
        get_config("orpp")


def run_script(root, **arguments):
    """Exit code and output; the flags of two scripts do not fit into one process."""
    flags = [f"--{name}={value}" for name, value in arguments.items()]
    done = subprocess.run(
        [sys.executable, "train_orp.py", *flags],
        cwd=root,
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout + done.stderr


def test_the_script_leaves_a_run_whose_bundle_has_every_alpha(
    trained, tmp_path, request
):
    root = request.config.rootpath
    for i in range(2):
        picture = micro_codec.picture(64 + i, 70)
        write_png(tmp_path / "pictures" / f"{i}.png", picture)
    arguments = {
        "config": "egic/orp_config.py:orp-tiny",
        "config.data.crop": 64,
        "init_from": trained,
        "images": tmp_path / "pictures",
        "workdir": tmp_path / "run",
        "steps": 2,
        "batch_size": 1,
    }
    code, output = run_script(root, **arguments)
    assert code == 0, output
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert {"config.json", "stage.json", "checkpoints", "metrics.jsonl"} <= names
    export(tmp_path / "run", tmp_path / "bundle")
    codec = egic.load(tmp_path / "bundle")
    data = codec.compress(micro_codec.picture())
    faithful, realistic = codec.decompress_all(data, [0.0, 1.0])
    assert faithful.shape == realistic.shape
    for changed, complaint in (
        ({"steps": 3}, "steps was 2, now 3"),
        ({"init_from": tmp_path}, "init_from was"),
    ):
        code, output = run_script(root, **(arguments | changed))
        assert code == 1 and complaint in output
