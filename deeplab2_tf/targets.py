"""What a network learns from a panoptic map: classes, and how much each pixel weighs.

Source: spec of DeepLab2's data/preprocessing/; the class-frequency weights are those
of Schönfeld et al. 2021 (OASIS), arXiv:2012.04781.
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from deeplab2_tf.labels import LabelSet


class Parts(NamedTuple):
    """A panoptic map taken apart; each [..., H, W] like the map.

    Attributes:
        semantic: int32, the class; crowds keep theirs.
        instances: int32, the panoptic map with crowds made void.
        thing: bool, the class is countable; crowds included.
        crowd: bool, a thing that is no single instance.
    """

    semantic: tf.Tensor
    instances: tf.Tensor
    thing: tf.Tensor
    crowd: tf.Tensor


def split(panoptic: tf.Tensor, label_set: LabelSet) -> Parts:
    """Takes a panoptic map apart, [..., H, W] int32.

    Ids outside of the label set are neither things nor crowds.
    """
    divisor = label_set.label_divisor
    semantic = panoptic // divisor
    is_thing = np.zeros(label_set.num_classes + 1, bool)  # The last: all ids beyond.
    is_thing[list(label_set.thing_ids)] = True
    thing = tf.gather(is_thing, tf.clip_by_value(semantic, 0, label_set.num_classes))
    crowd = thing & (panoptic % divisor == 0)
    return Parts(
        semantic=semantic,
        instances=tf.where(crowd, label_set.void, panoptic),
        thing=thing,
        crowd=crowd,
    )


def small_instance_weights(
    instances: tf.Tensor, label_set: LabelSet, threshold: int, weight: float
) -> tf.Tensor:
    """`weight` on the pixels of small instances, 1 elsewhere.

    An instance is small if *fewer* than `threshold` of its pixels are in the map, even
    where the picture had more of it: in a 256x256 crop and with DeepLab2's threshold,
    4096, all that covers less than a sixteenth of the crop. Parts that do not touch
    count together. Stuff, crowds and void weigh 1.

    Args:
        instances: [H, W] int32, panoptic ids, crowds made void; see `split`.
        label_set: Divisor and ignore label.
        threshold: Pixels.
        weight: Of small instances.

    Returns:
        [H, W] float32.
    """
    ids, index, counts = tf.unique_with_counts(tf.reshape(instances, (-1,)))
    divisor = label_set.label_divisor
    single = (ids % divisor != 0) & (ids // divisor != label_set.ignore_label)
    weights = tf.where(single & (counts < threshold), float(weight), 1.0)
    return tf.reshape(tf.gather(weights, index), tf.shape(instances))


def class_frequency_weights(
    semantic: tf.Tensor, num_classes: int, ignore_label: int | None
) -> tf.Tensor:
    """Weights that give every class of the batch the same total.

        alpha_c = P / (K n_c)

    P counts the pixels of the batch, void included, n_c those of class c, and K the
    classes that occur. All weights together sum to P. The loss they were made for is a
    mean over all pixels.

    Args:
        semantic: [B, H, W] int32.
        num_classes: Ids lie in [0, num_classes); others weigh 0.
        ignore_label: Id that weighs 0 and is not counted as a class, or None.

    Returns:
        [B, H, W] float32, 0 everywhere in a batch of void.
    """
    known = (semantic >= 0) & (semantic < num_classes)
    if ignore_label is not None:
        known &= semantic != ignore_label
    labels = tf.where(known, semantic, num_classes)
    counts = tf.math.bincount(
        tf.reshape(labels, (-1,)),
        minlength=num_classes + 1,
        maxlength=num_classes + 1,
        dtype=tf.float32,
    )
    counts *= tf.one_hot(num_classes, num_classes + 1, on_value=0.0, off_value=1.0)
    present = tf.reduce_sum(tf.cast(counts > 0, tf.float32))
    pixels = tf.cast(tf.size(semantic), tf.float32)
    alpha = tf.math.divide_no_nan(pixels, present * counts)
    return tf.gather(alpha, labels)
