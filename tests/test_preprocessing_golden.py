"""Samples against those that DeepLab2 made of the same pictures and draws."""

import numpy as np
import pytest
import tensorflow as tf

from deeplab2_tf import labels, preprocessing
from deeplab2_tf.config import DataConfig
from tests.fixed_draws import fixed_draws
from tests.in_tf_data import both_ways
from tests.toy_panoptic import toy_map

COCO = labels.load("coco_panoptic")


def test_undoing_is_deeplab2s(shared):
    golden = np.load(shared / "golden/deeplab2/layers.npz")
    result = preprocessing.undo_preprocessing(
        tf.constant(golden["undo_in"][0]), golden["undo_crop"], golden["undo_out_size"]
    )
    np.testing.assert_array_equal(result, golden["undo_out"][0])


@both_ways
def test_the_toy_validation_sample_is_deeplab2s(shared, run):
    golden = np.load(shared / "golden/deeplab2/sample_toy_coco_eval.npz")
    np.testing.assert_array_equal(toy_map(), golden["label"])
    config = DataConfig(
        min_resize=0,
        max_resize=0,
        eval_crop=(8, 10),
        small_instance_threshold=int(golden["threshold"]),
        small_instance_weight=float(golden["weight"]),
    )
    sample = run(
        lambda *one: preprocessing.eval_sample(*one, config, COCO),
        golden["image_in"],
        golden["label"],
    )
    keys = {"semantic": "semantic_gt", "weights": "semantic_loss_weight"}
    keys |= {"crowd": "is_crowd_gt", "panoptic": "panoptic_gt"}
    keys |= {"semantic_raw": "semantic_raw", "size": "size_raw"}
    for ours, key in keys.items():
        np.testing.assert_array_equal(sample[ours], golden[f"out_{key}"], err_msg=key)
    np.testing.assert_allclose(sample["image"], golden["out_image"], atol=1e-3)


@pytest.fixture(scope="module")
def real(shared):
    """A picture with its panoptic map, and what DeepLab2 made of both."""
    folder = shared / "golden/deeplab2"
    path = shared / "data/coco_panoptic_sample/input_images/000000142238.jpg"
    image = tf.io.decode_image(path.read_bytes(), expand_animations=False)
    panoptic = np.load(folder / "coco_sample_panoptic_labels.npz")
    return (
        image.numpy(),
        panoptic["142238_crowd_ignore_1"],
        np.load(folder / "sample_coco142238.npz"),
    )


@both_ways
@pytest.mark.parametrize("case", ["a", "b", "c"])
def test_training_samples_are_deeplab2s_given_its_draws(real, run, case):
    image, panoptic, golden = real
    fractions = golden[f"{case}_pad_offset_hw_crop_offset_hw_fraction"]
    draws = fixed_draws(
        scale=golden[f"{case}_scale"],
        pad=fractions[:2],
        crop=fractions[2:],
        flip=0.5 if golden[f"{case}_flip"] else 0.75,
    )
    sample = run(
        lambda *one: preprocessing.apply(*one, draws, DataConfig(), COCO),
        image,
        panoptic,
    )
    keys = {"semantic": "semantic_gt", "panoptic": "panoptic_gt"}
    keys |= {"weights": "semantic_loss_weight"}
    for ours, key in keys.items():
        expected = golden[f"{case}_{key}"]
        np.testing.assert_array_equal(sample[ours], expected, err_msg=key)
    result = sample["image"]
    for name, part in [("8x8", result[::32, ::32]), ("row0", result[0, ::16])]:
        expected = golden[f"{case}_image_{name}"]
        np.testing.assert_allclose(part, expected, atol=0.01, err_msg=name)
    np.testing.assert_allclose(
        result.sum(axis=(0, 1), dtype=np.float64),
        golden[f"{case}_image_sum_per_channel"],
        rtol=1e-6,
    )


@both_ways
def test_validation_samples_are_deeplab2s(real, run):
    image, panoptic, golden = real
    sample = run(
        lambda *one: preprocessing.eval_sample(*one, DataConfig(), COCO),
        image,
        panoptic,
    )
    keys = {"semantic": "semantic_gt", "weights": "semantic_loss_weight"}
    for ours, key in (keys | {"semantic_raw": "semantic_raw"}).items():
        np.testing.assert_array_equal(sample[ours], golden[f"eval_{key}"], err_msg=key)
    np.testing.assert_allclose(
        sample["image"][::80, ::80], golden["eval_image_8"], atol=0.01
    )
