import json

import numpy as np
import pytest
from PIL import Image

from deeplab2_tf import labels, panoptic
from deeplab2_tf.errors import DataError
from tests import coco_tree

COCO = labels.load("coco_panoptic")
CITYSCAPES = labels.load("cityscapes_panoptic")


def encode(ids, segments, label_set=COCO, crowd_is_void=True):
    categories = panoptic.original_ids(label_set)
    encoding = panoptic.Encoding(label_set, categories, crowd_is_void)
    return panoptic.encode("a.jpg", ids, segments, encoding)


@pytest.mark.parametrize(
    "crowd_is_void, step, row_0, row_2",
    [
        (True, 1, [257, 257, 257, 258, 258, 258], [0, 0, 20481, 20481, 0, 0]),
        (False, 1, [257, 257, 257, 258, 258, 258], [256, 256, 20481, 20481, 0, 0]),
        (False, -1, [258, 258, 258, 257, 257, 257], [256, 256, 20481, 20481, 0, 0]),
    ],
)
def test_things_are_numbered_in_the_order_of_the_list(
    crowd_is_void, step, row_0, row_2
):
    segments = coco_tree.segments_info()[::step]
    found = encode(coco_tree.IDS, segments, crowd_is_void=crowd_is_void)
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, [row_0, [29952] * 6, row_2, [0] * 6])


def test_colours_are_little_endian_numbers():
    rgb = np.array([[112, 17, 1], [7, 0, 1], [5, 0, 0], [255, 255, 255]], np.uint8)
    found = panoptic.segment_ids(rgb)
    np.testing.assert_array_equal(found, [70000, 65543, 5, 2**24 - 1])


@pytest.mark.parametrize("crowd_is_void, crowd", [(True, 255000), (False, 11000)])
def test_cityscapes_keeps_its_train_ids_and_has_void_at_255(crowd_is_void, crowd):
    ids = np.array([[7, 11001], [11000, 13000], [3, 0]])
    segments = coco_tree.segments_info(
        ((7, 7, 0), (11001, 11, 0), (11000, 11, 1), (13000, 13, 0)), ids
    )
    found = encode(ids, segments, CITYSCAPES, crowd_is_void)
    expected = [[7000, 11001], [crowd, 13001], [255000, 255000]]
    np.testing.assert_array_equal(found, expected)


def changed(position, **changes):
    segments = coco_tree.segments_info()
    segments[position] |= changes
    return segments


@pytest.mark.parametrize(
    "segments, reason",
    [
        (changed(0, area=4), r"segment 70000 covers 3 pixels, .* given as 4"),
        (changed(1, id=6), r"segment 6 covers 0 pixels"),
        (changed(2, category_id=91), r"segment 300 is of category 91, which coco_pan"),
        (changed(2, iscrowd=1), r"segment 300 is a crowd of stuff \(category 184\)"),
        ([{"id": 5, "area": 3}], r"has no category_id, iscrowd"),
    ],
)
def test_wrong_annotations_are_refused(segments, reason):
    with pytest.raises(DataError, match=rf"a\.jpg: .*{reason}"):
        encode(coco_tree.IDS, segments)


def test_a_class_has_fewer_things_than_the_divisor():
    ids = np.arange(1, 257).reshape(16, 16)
    segments = coco_tree.segments_info([(one, 1, 0) for one in range(1, 256)], ids)
    assert encode(ids, segments).max() == 256 + 255
    segments += coco_tree.segments_info([(256, 1, 0)], ids)
    with pytest.raises(DataError, match="256 things of class 1, .* only 256"):
        encode(ids, segments)


def test_annotations_that_are_not_rgb_are_refused(tmp_path):
    Image.fromarray(np.zeros((4, 6), np.uint8)).save(tmp_path / "a.png")
    with pytest.raises(DataError, match="mode 'L', not RGB. Is it a map of class ids"):
        panoptic.read_segments(tmp_path / "a.png")
    with pytest.raises(DataError, match="b.png: no readable annotation"):
        panoptic.read_segments(tmp_path / "b.png")


def test_pixels_are_counted_by_class_and_void():
    counts = panoptic.pixels_by_id("a", np.array([[0, 0, 133], [1, 1, 1]]), COCO)
    assert counts.shape == (134,)
    assert {one: counts[one] for one in np.flatnonzero(counts)} == {0: 2, 1: 3, 133: 1}


@pytest.mark.parametrize(
    "label_set, wrong, named",
    [(COCO, 134, "134"), (COCO, -1, "-1"), (CITYSCAPES, 19, "19"), (COCO, 255, "255")],
)
def test_other_semantic_ids_are_refused(label_set, wrong, named):
    semantic = np.array([[1, wrong], [1, 2]])
    with pytest.raises(DataError, match=rf"semantic ids {named} are neither .* void"):
        panoptic.pixels_by_id("a", semantic, label_set)


def test_golden_toy_label_maps(shared):
    golden = np.load(shared / "golden/deeplab2/coco_toy_panoptic.npz")
    ids = panoptic.segment_ids(golden["rgb"])
    np.testing.assert_array_equal(ids, golden["ids"])
    segments = json.loads(str(golden["segments"]))
    for key, order, crowd_is_void in (
        ("crowd_ignored", 1, True),
        ("crowd_kept", 1, False),
        ("crowd_kept_reversed_segments", -1, False),
    ):
        found = encode(ids, segments[::order], crowd_is_void=crowd_is_void)
        np.testing.assert_array_equal(found, golden[key])


def test_cocos_categories_are_deeplab2s(shared):
    text = (shared / "golden/deeplab2/coco_categories.json").read_text()
    rows = [
        (one.id, one.original_id, one.name, one.is_thing, list(one.colour))
        for one in COCO.classes
    ]
    golden = [tuple(row.values()) for row in json.loads(text)]
    assert len(rows) == 133
    assert rows == [
        (number, original, name, bool(is_thing), colour)
        for number, original, is_thing, name, colour in golden
    ]
