"""Draws of preprocessing that a test chooses."""

import tensorflow as tf

from deeplab2_tf import autoaugment, preprocessing


def fixed_draws(scale=1.0, pad=(0.0, 0.0), crop=(0.0, 0.0), flip=1.0):
    """Draws that neither scale nor mirror, and keep to the top left, unless told."""
    return preprocessing.Draws(
        scale=tf.constant(scale, tf.float32),
        autoaugment=autoaugment.draw(tf.constant([0, 0])),
        pad=tf.constant(pad, tf.float32),
        crop=tf.constant(crop, tf.float32),
        flip=tf.constant(flip, tf.float32),
    )
