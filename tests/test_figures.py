"""What TensorBoard shows of the second stage, on two pixels."""

import numpy as np
import tensorflow as tf

from deeplab2_tf import labels
from egic import figures
from egic.systems import Judged

CAMVID = labels.load("camvid")
SKY, ROAD, VOID, FAKE = 0, 3, 255, CAMVID.fake_label
BLACK = [0, 0, 0]


def said(*classes):
    """Logits of one image, [1, 1, 2, N + 1], whose largest are of these classes."""
    return tf.one_hot([[classes]], CAMVID.num_outputs)


def test_columns_are_in_the_order_of_the_title_and_fake_and_void_are_black():
    batch = {
        "image": tf.fill((1, 1, 2, 3), 200.0),
        "semantic": tf.constant([[[ROAD, VOID]]]),
        "weights": tf.constant([[[1.0, 4.0]]]),
    }
    seen = Judged(
        fake=tf.fill((1, 1, 2, 3), 100.0),
        mask=tf.constant([[[[1.0], [0.0]]]]),
        mixed=tf.fill((1, 1, 2, 3), 150.0),
        real_logits=said(ROAD, SKY),
        fake_logits=said(SKY, FAKE),
        mixed_logits=said(FAKE, ROAD),
    )
    columns = figures.panels(batch, seen, CAMVID)
    titles = figures.TITLE.split(" | ")
    assert len(columns) == len(titles)
    shown = {
        title: np.asarray(column)[0, 0].tolist()
        for title, column in zip(titles, columns, strict=True)
    }
    sky, road = (CAMVID.colours()[one].tolist() for one in (SKY, ROAD))
    assert shown == {
        "original": [[200.0] * 3] * 2,
        "reconstruction": [[100.0] * 3] * 2,
        "mixed": [[150.0] * 3] * 2,
        "mask": [[255.0] * 3, [0.0] * 3],
        "weights": [[63.75] * 3, [255.0] * 3],
        "labels": [road, BLACK],
        "D(original)": [road, sky],
        "D(reconstruction)": [sky, BLACK],
        "D(mixed)": [BLACK, road],
        "mix of D's": [road, BLACK],
    }


def test_weights_that_are_all_zero_are_black():
    weights = tf.zeros((1, 1, 2))
    batch = {"image": tf.zeros((1, 1, 2, 3)), "semantic": tf.zeros((1, 1, 2), tf.int32)}
    one = tf.zeros((1, 1, 2, 3))
    seen = Judged(one, one[..., :1], one, *[said(SKY, SKY)] * 3)
    columns = figures.panels(batch | {"weights": weights}, seen, CAMVID)
    assert not np.asarray(columns[4]).any()
