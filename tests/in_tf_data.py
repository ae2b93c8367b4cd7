"""Runs a function on tensors in the two ways that preprocessing is used."""

import numpy as np
import pytest
import tensorflow as tf


def eagerly(function, *inputs):
    """Returns function(*inputs) as numpy arrays."""
    outputs = function(*(tf.convert_to_tensor(one) for one in inputs))
    return tf.nest.map_structure(np.asarray, outputs)


def in_dataset(function, *inputs):
    """Returns the same, computed by a `tf.data` pipeline unaware of sizes."""
    tensors = tuple(tf.convert_to_tensor(one) for one in inputs)
    signature = tuple(tf.TensorSpec(_without_sizes(x.shape), x.dtype) for x in tensors)
    dataset = tf.data.Dataset.from_generator(
        lambda: iter([tensors]), output_signature=signature
    )
    (output,) = dataset.map(function)
    return tf.nest.map_structure(np.asarray, output)


def _without_sizes(shape):
    return [None, None, *shape[2:]] if shape.rank > 1 else shape


both_ways = pytest.mark.parametrize("run", [eagerly, in_dataset])
