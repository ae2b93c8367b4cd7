"""Label sets: the shipped ones, and files that do not describe one."""

import copy
import json

import numpy as np
import pytest

from deeplab2_tf import labels

TOY = {
    "name": "toy",
    "label_divisor": 10,
    "ignore_label": 255,
    "classes": [
        {"id": 0, "name": "sky", "colour": [1, 2, 3], "is_thing": False},
        {"id": 2, "name": "cat", "colour": [0, 255, 9], "is_thing": True},
    ],
}


def load(tmp_path, **changes):
    path = tmp_path / "toy.json"
    path.write_text(json.dumps(TOY | changes))
    return labels.load(path)


def with_cat(**changes):
    classes = copy.deepcopy(TOY["classes"])
    classes[1] |= changes
    return {"classes": classes}


@pytest.mark.parametrize(
    "name, classes, things, outputs, ids",
    [
        ("coco_panoptic", 133, 80, 135, 134),
        ("cityscapes_panoptic", 19, 8, 20, 256),
        ("camvid", 11, 0, 12, 256),
        ("synthetic", 11, 5, 12, 256),
    ],
)
def test_the_shipped_label_sets_are_what_the_documentation_says(
    name, classes, things, outputs, ids
):
    one = labels.load(name)
    assert one.name == name
    assert len(one.classes) == classes
    assert len(one.thing_ids) == things
    assert (one.num_outputs, one.num_ids) == (outputs, ids)


def test_a_file_becomes_a_label_set(tmp_path):
    toy = load(tmp_path, original_void=[11])
    assert (toy.num_classes, toy.fake_label, toy.num_outputs) == (3, 3, 4)
    assert (toy.thing_ids, toy.void, toy.original_void) == ((2,), 2550, (11,))
    expected = np.zeros((256, 3), np.uint8)
    expected[0], expected[2] = (1, 2, 3), (0, 255, 9)
    np.testing.assert_array_equal(toy.colours(), expected)


def test_ids_reach_to_the_larger_of_void_and_the_last_class(tmp_path):
    assert load(tmp_path, ignore_label=1).num_ids == 3
    assert load(tmp_path, ignore_label=7).num_ids == 8


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"name": ""}, "name must be a text that is not empty"),
        ({"label_divisor": 0}, r"label_divisor \(=0\) must be an integer in \[1, "),
        ({"label_divisor": 1000.0}, r"label_divisor \(=1000.0\) must be an integer"),
        ({"label_divisor": True}, r"label_divisor \(=True\) must be an integer"),
        ({"label_divisor": 2**24}, r"\(=16777216\) .* fit into 32 bits"),
        ({"ignore_label": -1}, r"ignore_label \(=-1\) must be an integer in \[0, 255"),
        ({"ignore_label": 256}, r"ignore_label \(=256\) must be an integer"),
        ({"ignore_label": "255"}, r"ignore_label \(='255'\) must be an integer"),
        ({"ignore_label": 2}, r"ignore_label \(=2\) is the id of a class"),
        ({"ignore_label": 3}, r"ignore_label \(=3\) is .*of the fake class"),
        ({"original_void": [11, -1]}, r"original_void \(=-1\) must be an integer"),
        (with_cat(id=255), r"class 255 \('cat'\): id must be an integer in \[0, 254\]"),
        (with_cat(id=-1), r"class -1 \('cat'\): id must be an integer"),
        (with_cat(id=2.0), r"class 2.0 \('cat'\): id must be an integer"),
        (with_cat(id=0), r"class ids must be distinct and ascending, got \[0, 0\]"),
        (with_cat(colour=[0, 256, 9]), r"class 2 \('cat'\): colour \(=\[0, 256, 9\]\)"),
        (with_cat(colour=[0, 0.5, 9]), r"class 2 \('cat'\): colour \(=\[0, 0.5, 9\]\)"),
        (with_cat(colour=[0, 9]), r"class 2 \('cat'\): colour \(=\[0, 9\]\)"),
        (with_cat(colour=7), r"class \{'id': 2, .*not iterable"),
        (with_cat(is_thing=1), r"class 2 \('cat'\): is_thing \(=1\) must be true or f"),
        (with_cat(name=""), r"class 2 \(''\): name must be a text"),
        (with_cat(name="sky"), r"classes 0 and 2 have the same name \(='sky'\)"),
        (with_cat(original_id=-2), r"class 2 \('cat'\): original_id \(=-2\) must be"),
        (with_cat(color=[0, 0, 0]), r"class \{'id': 2, .*unexpected keyword .*'color'"),
        ({"classes": []}, r"class ids must be distinct and ascending, got \[\]"),
        ({"divisor": 3}, "unknown fields divisor"),
    ],
)
def test_what_is_no_label_set_is_refused_with_class_and_value(
    tmp_path, changes, message
):
    with pytest.raises(
        ValueError, match=f"toy.json does not .* label set: .*{message}"
    ):
        load(tmp_path, **changes)


def test_two_classes_with_one_original_id_are_refused(tmp_path):
    classes = [one | {"original_id": 7} for one in TOY["classes"]]
    with pytest.raises(ValueError, match=r"0 and 2 have the same original_id \(=7\)"):
        load(tmp_path, classes=classes)


def test_missing_fields_are_named(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"name": "a", "ignore_label": 0}))
    with pytest.raises(ValueError, match="a.json .*no field classes, label_divisor"):
        labels.load(path)


def test_no_such_label_set_lists_those_that_there_are():
    with pytest.raises(ValueError, match="'ade20k'; there are camvid, cityscapes_pano"):
        labels.load("ade20k")
