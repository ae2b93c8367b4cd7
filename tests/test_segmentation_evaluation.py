"""Mean IoU over pictures: resizing back, the fake class, skipped pictures."""

import numpy as np
import pytest
import tensorflow as tf

from deeplab2_tf import evaluation, labels
from deeplab2_tf.config import DataConfig
from deeplab2_tf.errors import DataError
from deeplab2_tf.examples import LabelledPicture

CONFIG = DataConfig(min_resize=0, max_resize=0, eval_crop=(8, 8))


class Halves:
    """6x4 pictures: the upper half is black and class 0, the lower white and 1."""

    label_set = labels.load("camvid")

    def __init__(self, count=3, bad=()):
        self._count, self._bad = count, bad

    def __len__(self):
        return self._count

    def read(self, index):
        if index in self._bad:
            raise DataError(f"picture {index}", "it is torn.")
        lower = np.repeat([0, 1], 3)[:, np.newaxis] * np.ones((1, 4), np.int32)
        image = np.repeat(255 * lower[..., np.newaxis], 3, -1).astype(np.uint8)
        panoptic = (lower * self.label_set.label_divisor).astype(np.int32)
        return LabelledPicture(f"picture {index}", image, panoptic)


def by_brightness(image):
    """Logits of 12 outputs; the last, "fake", wins everywhere if it is asked."""
    white = image[..., 0] > 127.0
    best = tf.one_hot(tf.where(white, 1, 0), 12)
    return best + 9.0 * tf.one_hot(tf.fill(tf.shape(image)[:3], 11), 12)


def always_sky(image):
    return tf.one_hot(tf.zeros(tf.shape(image)[:3], tf.int32), 12)


def evaluate(logits_of, source):
    predict = evaluation.make_predict(logits_of, source, CONFIG)
    return evaluation.evaluate(predict, source)


def test_a_network_that_is_right_scores_one_though_fake_has_the_largest_logit():
    result = evaluate(by_brightness, Halves())
    assert result.mean_iou.result() == 1.0
    assert result.mean_iou.pixels == 3 * 24
    assert result.skipped == ()


def test_always_the_same_class_scores_as_the_majority():
    metric = evaluate(always_sky, Halves()).mean_iou
    assert metric.result() == metric.majority().result() == 0.25  # (1/2 + 0) / 2
    assert metric.pixel_accuracy() == 0.5


def test_predictions_return_to_the_size_of_the_picture():
    source = Halves()
    config = DataConfig(min_resize=12, max_resize=12, eval_crop=(16, 16))
    predict = evaluation.make_predict(by_brightness, source, config)
    picture = source.read(0)
    raw, prediction = predict(picture.image, picture.panoptic)
    np.testing.assert_array_equal(raw, picture.panoptic // 1000)
    np.testing.assert_array_equal(prediction, raw)


def test_pictures_that_cannot_be_used_are_named():
    result = evaluate(by_brightness, Halves(bad={1}))
    assert result.skipped == ("picture 1: it is torn.",)
    assert result.mean_iou.pixels == 2 * 24


def test_a_set_without_a_usable_picture_is_an_error():
    with pytest.raises(DataError, match="none of 2 pictures"):
        evaluate(by_brightness, Halves(2, bad={0, 1}))
