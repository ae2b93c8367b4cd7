import numpy as np
import pytest
import tensorflow as tf

from deeplab2_tf import labels, targets
from tests.in_tf_data import both_ways
from tests.toy_panoptic import toy_map

COCO = labels.load("coco_panoptic")
CITYSCAPES = labels.load("cityscapes_panoptic")
LABEL_SETS = {"coco": COCO, "city": CITYSCAPES}

# Panoptic ids, and what they are split into: semantic, instances, thing, crowd.
SPLITS = [
    (COCO, [0, 256, 257, 20481], [0, 1, 1, 80], [0, 0, 257, 20481], "0111", "0100"),
    (
        COCO,
        [29952, 20480, 20485, 20736],
        [117, 80, 80, 81],
        [29952, 0, 20485, 20736],
        "0110",
        "0100",
    ),
    (
        COCO,
        [20739, 34048, 767, 0],
        [81, 133, 2, 0],
        [20739, 34048, 767, 0],
        "0010",
        "0000",
    ),
    (
        CITYSCAPES,
        [255000, 0, 7000, 11000],
        [255, 0, 7, 11],
        [255000, 0, 7000, 255000],
        "0001",
        "0001",
    ),
    (
        CITYSCAPES,
        [11001, 18003, 13000, 10000],
        [11, 18, 13, 10],
        [11001, 18003, 255000, 10000],
        "1110",
        "0010",
    ),
]


@both_ways
@pytest.mark.parametrize(
    "label_set, panoptic, semantic, instances, thing, crowd", SPLITS
)
def test_a_panoptic_map_is_taken_apart(
    run, label_set, panoptic, semantic, instances, thing, crowd
):
    parts = run(
        lambda ids: targets.split(ids, label_set), np.array([panoptic], np.int32)
    )
    assert parts.semantic.tolist() == [semantic]
    assert parts.instances.tolist() == [instances]
    assert parts.thing.tolist() == [[one == "1" for one in thing]]
    assert parts.crowd.tolist() == [[one == "1" for one in crowd]]


@pytest.mark.parametrize("name", ["coco", "city"])
def test_splitting_is_deeplab2s(shared, name):
    golden = np.load(shared / "golden/deeplab2/preprocessing_primitives.npz")
    parts = targets.split(tf.constant(golden[f"split_{name}_in"]), LABEL_SETS[name])
    for part, key in zip(parts, ["sem", "pan", "thing", "crowd"], strict=True):
        np.testing.assert_array_equal(part, golden[f"split_{name}_{key}"], err_msg=key)


@both_ways
@pytest.mark.parametrize(
    "threshold, pixels", [(6, 0), (7, 6), (12, 6), (13, 18), (20, 18), (21, 38)]
)
def test_instances_under_the_threshold_weigh_more(run, threshold, pixels):
    def weigh(panoptic):
        parts = targets.split(panoptic, COCO)
        return targets.small_instance_weights(parts.instances, COCO, threshold, 3.0)

    panoptic = toy_map()
    weights = run(weigh, panoptic)
    assert weights.dtype == np.float32 and weights.shape == (8, 10)
    assert (weights == 3).sum() == pixels
    assert (weights == 1).sum() == 80 - pixels
    # Crowd, void and stuff never do.
    assert (weights[np.isin(panoptic, [0, 768, 117 * 256])] == 1).all()


def test_void_of_cityscapes_is_no_instance():
    ids = tf.constant([[255000, 255001, 11001, 7000]])
    weights = targets.small_instance_weights(ids, CITYSCAPES, 4096, 3.0)
    assert weights.numpy().tolist() == [[1, 1, 3, 1]]


@both_ways
@pytest.mark.parametrize(
    "ignored, alpha",
    [
        (None, [1, 2 / 3, 1, 2]),
        (255, [1, 2 / 3, 1, 2]),
        (0, [0, 8 / 9, 4 / 3, 8 / 3]),
    ],
)
def test_classes_weigh_the_same_in_total(run, ignored, alpha):
    semantic = np.array([[[1, 1, 1, 2], [2, 3, 0, 0]]], np.int32)
    weights = run(lambda x: targets.class_frequency_weights(x, 4, ignored), semantic[0])
    np.testing.assert_allclose(weights, np.float32(alpha)[semantic[0]], rtol=1e-6)
    assert weights.sum() == pytest.approx(8)


@pytest.mark.parametrize("case", ["a", "b"])
def test_class_frequency_weights_are_oasis(shared, case):
    golden = np.load(shared / "golden/gan/class_balance.npz")
    semantic = tf.constant(golden[f"{case}_label"])
    num_classes = int(golden[f"{case}_num_classes"])
    for ignored, key in [(None, "weight"), (0, "weight_dontcare0")]:
        weights = targets.class_frequency_weights(semantic, num_classes, ignored)
        np.testing.assert_allclose(weights, golden[f"{case}_{key}"], rtol=1e-6)


def test_ids_beyond_the_classes_weigh_nothing():
    semantic = tf.constant([[[0, 0], [255, 7]]])
    weights = targets.class_frequency_weights(semantic, 4, 255)
    assert weights.numpy().tolist() == [[[2, 2], [0, 0]]]


def test_a_batch_of_void_weighs_nothing():
    weights = targets.class_frequency_weights(tf.zeros((1, 2, 2), tf.int32), 4, 0)
    assert weights.numpy().sum() == 0
