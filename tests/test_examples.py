import pickle

import numpy as np
import pytest
import tensorflow as tf

from deeplab2_tf import examples
from deeplab2_tf.errors import DataError

PANOPTIC = np.array([[257, 0, 29952], [20481, 257, 1]])
RECORD = examples.serialize("000042", b"a jpeg", "jpeg", 2, 3, PANOPTIC)


def features_without(*keys, **changes):
    """The features of RECORD as plain values, some missing or changed."""
    parsed = tf.train.Example.FromString(RECORD).features.feature
    values = {
        key: (one.bytes_list.value or one.int64_list.value)[0]
        for key, one in parsed.items()
    }
    return {key: one for key, one in values.items() if key not in keys} | changes


def test_tensorflow_serializes_the_same_example_to_the_same_bytes():
    example = tf.train.Example.FromString(RECORD)
    assert example.SerializeToString(deterministic=True) == RECORD
    assert sorted(example.features.feature) == [
        "image/channels",
        "image/encoded",
        "image/filename",
        "image/format",
        "image/height",
        "image/segmentation/class/encoded",
        "image/segmentation/class/format",
        "image/width",
    ]


def test_labels_are_little_endian_int32_row_by_row():
    label = features_without()[examples.LABEL]
    assert label[:8] == b"\x01\x01\x00\x00\x00\x00\x00\x00"
    assert len(label) == 4 * 2 * 3
    big_endian = examples.serialize(
        "000042", b"a jpeg", "jpeg", 2, 3, PANOPTIC.astype(">i8")
    )
    assert big_endian == RECORD


def test_a_record_parses_to_what_was_serialized():
    stored = examples.parse(RECORD, "x")
    assert stored[:4] == ("000042", b"a jpeg", 2, 3)
    assert stored.panoptic.dtype == np.int32
    np.testing.assert_array_equal(stored.panoptic, PANOPTIC)


def test_a_record_without_label_has_neither_label_key():
    record = examples.serialize("1", b"a png", "png", 2, 3, None)
    assert examples.parse(record, "x").panoptic is None
    keys = " ".join(tf.train.Example.FromString(record).features.feature)
    assert "segmentation" not in keys


@pytest.mark.parametrize(
    "key",
    [
        examples.ENCODED,
        examples.FILENAME,
        examples.FORMAT,
        examples.HEIGHT,
        examples.WIDTH,
        examples.CHANNELS,
    ],
)
def test_each_image_key_is_required(key):
    record = examples.serialize_features(features_without(key))
    with pytest.raises(DataError, match=f"record 7.*: no feature '{key}'; there are"):
        examples.parse(record, "record 7")


@pytest.mark.parametrize(
    "change, reason",
    [
        ({examples.HEIGHT: b"2"}, "'image/height' must be a single value of type int"),
        ({examples.LABEL: 5}, "class/encoded' must be a single value of type bytes"),
        ({examples.LABEL: b"\0" * 20}, "has 20 bytes, 2 x 3 pixels need 24"),
        ({examples.LABEL: b"\x89PNG\r\n"}, "semantic-only records are not supported"),
        ({examples.WIDTH: 0}, "its size is 2 x 0 pixels"),
    ],
)
def test_wrong_values_are_refused_by_name(change, reason):
    record = examples.serialize_features(features_without(**change))
    with pytest.raises(DataError, match=rf"file: record 0 \(000042\): .*{reason}"):
        examples.parse(record, "file: record 0")


def test_bytes_that_are_no_example_are_refused():
    with pytest.raises(DataError, match="x: not a tf.train.Example"):
        examples.parse(b"\xff" * 9, "x")


def test_a_label_map_of_another_size_is_not_written():
    with pytest.raises(ValueError, match=r"is \(2, 3\), its picture \(3, 2\)"):
        examples.serialize("a", b"", "png", 3, 2, PANOPTIC)
    with pytest.raises(ValueError, match="one of jpeg, png, got 'webp'"):
        examples.serialize("a", b"", "webp", 2, 3, PANOPTIC)


def test_errors_cross_process_borders():
    error = pickle.loads(pickle.dumps(DataError("a.jpg", "damaged")))
    assert (error.name, error.reason) == ("a.jpg", "damaged")
    assert str(error) == "a.jpg: damaged"
