"""Pre-training a discriminator: the player, the run, what it leaves behind."""

import dataclasses
import json
import math
import os
import signal

import numpy as np
import pytest
import tensorflow as tf

from deeplab2_tf import labels
from deeplab2_tf.config import DataConfig, LossConfig, PolyConfig
from deeplab2_tf.examples import LabelledPicture
from egic import pretraining, systems
from egic.discriminators import build
from egic.pretraining_config import (
    KINDS,
    PRESETS,
    DiscriminatorConfig,
    OasisConfig,
    PretrainingConfig,
)
from hific import config as hific_config
from hific import loop, training
from hific.names import named_variables

LABELS = labels.load("camvid")


def tiny(**fields):
    """A U-Net of two levels on crops of 16 pixels."""
    values = {
        "discriminator": DiscriminatorConfig(
            oasis=OasisConfig(down=(8, 12), up=(12, 8))
        ),
        "data": camvid(),
        "optimizer": PolyConfig(learning_rate=1e-2, warmup_steps=0),
        "steps": 4,
        "batch_size": 4,
    }
    return PretrainingConfig(**values | fields)


def camvid(**fields):
    values = {"min_resize": 0, "max_resize": 0, "crop": (16, 16), "eval_crop": (24, 24)}
    return DataConfig(**{"label_set": "camvid"} | values | fields)


class Bars:
    """24x24 pictures of three upright bars: sky, road and void in levels of grey."""

    label_set = LABELS

    def __len__(self):
        return 6

    def read(self, index):
        shift = np.roll(np.repeat([0, 3, 255], 8), 2 * index)
        semantic = np.broadcast_to(shift, (24, 24)).astype(np.int32)
        image = np.repeat(semantic[..., np.newaxis] * 60 % 256, 3, -1)
        return LabelledPicture(str(index), image.astype(np.uint8), semantic * 1000)


class Terminates(Bars):
    """A validation set that is asked to stop while it is read."""

    def read(self, index):
        if index == 0:  # A second one would not be caught.
            os.kill(os.getpid(), signal.SIGTERM)
        return super().read(index)


SETTINGS = pretraining.Settings(
    data_threads=1, log_every=1, validate_every=2, checkpoint_every=2
)


def run(workdir, config=None, settings=SETTINGS):
    config = config or tiny()
    pretraining.record(config, workdir, Bars())
    pretraining.train(config, Bars(), workdir, settings, Bars())
    lines = (workdir / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def batch(logits_shape):
    shape = logits_shape[:3]
    return {
        "image": tf.random.stateless_uniform((*shape, 3), (0, 1), maxval=255.0),
        "semantic": tf.fill(shape, 3),
        "weights": tf.ones(shape),
    }


def test_a_network_that_knows_nothing_scores_the_logarithm_of_its_outputs():
    config = tiny()
    critic = build.build(config.discriminator, LABELS.num_outputs)
    critic.to_logits.kernel.assign(tf.zeros_like(critic.to_logits.kernel))
    (player,) = systems.pretraining(critic, config, LABELS)
    terms = player.objective(batch((2, 16, 16)), tf.constant(0, tf.int64))
    assert terms.total().numpy() == pytest.approx(math.log(12), rel=1e-5)


def test_only_the_discriminator_changes_and_the_step_is_traced_once():
    config = tiny()
    critic = build.build(config.discriminator, LABELS.num_outputs)
    other = build.build(config.discriminator, LABELS.num_outputs)
    step = training.make_train_step(systems.pretraining(critic, config, LABELS))
    before = [[v.numpy() for v in net.trainable_variables] for net in (critic, other)]
    for number in range(2):
        metrics = step((batch((2, 16, 16)),), tf.constant(number, tf.int64))
    assert all(np.isfinite(value) for value in metrics.values())
    for variable, old in zip(critic.trainable_variables, before[0], strict=True):
        assert not np.array_equal(variable, old), variable.name
    for variable, old in zip(other.trainable_variables, before[1], strict=True):
        np.testing.assert_array_equal(variable, old)
    assert step.experimental_get_tracing_count() == 1


def test_pixel_accuracy_leaves_void_out():
    logits = tf.one_hot([[[0, 1, 1, 2]]], 4)
    labels_ = tf.constant([[[0, 1, 2, 255]]])
    accuracy = systems.pixel_accuracy(logits, labels_, 255)
    assert accuracy.value().numpy() == pytest.approx(2 / 3)


def test_a_few_steps_learn_to_tell_bars_apart(tmp_path):
    settings = dataclasses.replace(SETTINGS, validate_every=50, checkpoint_every=50)
    lines = run(tmp_path, tiny(steps=50), settings)
    losses = [x["discriminator/cross_entropy"] for x in lines if "seconds" in x]
    assert losses[-1] < 0.2 * losses[0]
    last = [x for x in lines if "validation/mean_iou" in x][-1]
    assert last["validation/mean_iou"] > 0.9
    assert last["validation/majority_mean_iou"] == pytest.approx(0.25, abs=0.01)
    assert last["validation/pixel_accuracy"] > 0.9


@pytest.mark.parametrize("norm", ["weight", "spectral"])
def test_a_resumed_run_equals_one_that_never_stopped(tmp_path, norm):
    config = tiny()
    config.discriminator.oasis.norm = norm
    run(tmp_path / "a", config)
    pretraining.record(config, tmp_path / "b", Bars())
    with pytest.raises(loop.Interrupted, match="step 2 of 4"):
        pretraining.train(config, Bars(), tmp_path / "b", SETTINGS, Terminates())
    run(tmp_path / "b", config)
    nets = [build.load_pretrained(tmp_path / name)[0] for name in "ab"]
    first, second = map(named_variables, nets)
    assert first.keys() == second.keys()
    for name, variable in first.items():
        np.testing.assert_array_equal(variable, second[name], name)


def test_a_run_can_be_rebuilt_from_its_directory(tmp_path):
    run(tmp_path)
    critic, config = build.load_pretrained(tmp_path)
    assert config == tiny()
    assert bool(critic.trunk.down[0].conv_0.calibrated)


@pytest.mark.parametrize(
    "fields, complaint",
    [
        ({"data": DataConfig(label_set="moon")}, "No label set 'moon'"),
        ({"data": DataConfig()}, "label set 'camvid', the config 'coco_panoptic'"),
        ({"data": camvid(crop=(250, 256))}, "must be multiples of"),
        ({"data": camvid(crop=(16, 16, 16, 16))}, "given twice"),
        ({"data": camvid(eval_crop=(22, 24))}, r"must be multiples of 4"),
        ({"data": camvid(max_resize=32)}, r"max_resize \(=32\), more than .*\(24, 24"),
        ({"data": camvid(pixel_weights="size")}, "No pixel_weights 'size'"),
        ({"data": camvid(autoaugment="all")}, "No autoaugment 'all'"),
        ({"data": camvid(max_scale=0.1)}, "scale"),
        ({"loss": LossConfig(top_k=20)}, r"top_k must be a share"),
        ({"loss": LossConfig(reduction="sum")}, r"No reduction 'sum'"),
        (
            {"discriminator": DiscriminatorConfig(conditioning="projection")},
            "must be 'none', got 'projection'",
        ),
        ({"optimizer": PolyConfig(warmup_steps=9)}, r"warmup_steps \(=9\)"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_anything_is_written(
    tmp_path, fields, complaint
):
    with pytest.raises(ValueError, match=complaint):
        pretraining.record(tiny(**fields), tmp_path, Bars())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", PRESETS)
def test_presets_survive_their_file(name):
    data = json.loads(json.dumps(hific_config.to_dict(PRESETS[name])))
    assert hific_config.from_dict(data, KINDS) == PRESETS[name]


def test_another_seed_or_another_number_of_pictures_is_refused(tmp_path):
    class More(Bars):
        def __len__(self):
            return 7

    pretraining.record(tiny(), tmp_path, Bars())
    pretraining.record(tiny(), tmp_path, Bars())
    with pytest.raises(ValueError, match="pictures was 6, now 7"):
        pretraining.record(tiny(), tmp_path, More())
    with pytest.raises(ValueError, match="seed was 0, now 3"):
        pretraining.record(tiny(), tmp_path, Bars(), seed=3)


def test_presets_have_the_published_numbers():
    coco, cityscapes = PRESETS["coco"], PRESETS["cityscapes"]
    policy = "simple_classification_policy_magnitude_scale_0.2"
    assert (coco.steps, coco.batch_size) == (1_000_000, 16)
    assert coco.data == DataConfig("coco_panoptic", 640, 640, 0.5, 1.5, 0.1, policy)
    assert coco.optimizer == PolyConfig(5e-4, 0.9, 2000, 1e-7, 0.0)
    assert (cityscapes.steps, cityscapes.batch_size) == (320_000, 16)
    assert cityscapes.data == DataConfig(
        "cityscapes_panoptic", 512, 1024, 0.5, 2.0, 0.1, "", eval_crop=(512, 1024)
    )
    assert cityscapes.optimizer == PolyConfig(2.5e-4, 0.9, 0, 1e-7, 0.0)
    for recipe in (coco, cityscapes):
        data = recipe.data
        assert recipe.loss == LossConfig(1.0, "nonzero")
        assert data.crop == (256, 256) and data.flip
        assert data.pixel_weights == "instance_size"
        assert (data.small_instance_threshold, data.small_instance_weight) == (4096, 3)
        assert recipe.discriminator == DiscriminatorConfig()
        assert recipe.discriminator.oasis.down == (128, 128, 256, 256, 512, 512)
