"""Painted scenes with exact labels; `deeplab2_tf.synthetic` is their data set."""
