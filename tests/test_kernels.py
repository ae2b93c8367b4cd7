import math

import numpy as np
import pytest
import tensorflow as tf

from egic.kernels import KERNELS, fastest


def tokens(rows=6, columns=4, seed=0):
    return tf.random.stateless_normal((rows, columns), (seed, 1))


def arguments():
    return {
        "layer_norm": (tokens(), tokens(1)[0], tokens(1, seed=2)[0]),
        "dense_gelu": (tokens(), tokens(4, 8), tokens(1, 8)[0]),
        "dense_add": (tokens(), tokens(4, 8), tokens(1, 8)[0], tokens(6, 8, 3)),
    }


@pytest.mark.parametrize("operation", ["layer_norm", "dense_gelu", "dense_add"])
@pytest.mark.parametrize("execution", ["trainable", "fused"])
def test_every_execution_computes_the_same(execution, operation):
    if execution == "fused" and fastest() != "fused":
        pytest.skip("this TensorFlow has no oneDNN kernels for this CPU")
    values = arguments()[operation]
    expected = getattr(KERNELS["plain"], operation)(*values)
    function = tf.function(getattr(KERNELS[execution], operation), autograph=False)
    np.testing.assert_allclose(function(*values), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("operation", ["layer_norm", "dense_gelu"])
def test_written_gradients_are_those_of_the_plain_formula(operation):
    """To 1e-6: TensorFlow's own GELU has a square root in float32."""
    values = [tf.cast(value, tf.float64) for value in arguments()[operation]]

    def gradients(kernels):
        with tf.GradientTape() as tape:
            tape.watch(values)
            result = getattr(kernels, operation)(*values)
            loss = tf.reduce_sum(tf.sin(result))
        return tape.gradient(loss, values)

    for ours, derived in zip(
        gradients(KERNELS["trainable"]), gradients(KERNELS["plain"]), strict=True
    ):
        np.testing.assert_allclose(ours, derived, rtol=1e-6)


def test_layer_norm_divides_by_the_biased_deviation():
    x = tf.constant([[1.0, 2.0, 3.0, 4.0]])
    normal = KERNELS["plain"].layer_norm(x, tf.ones(4), tf.zeros(4))
    expected = (np.arange(4) - 1.5) / math.sqrt(1.25 + 1e-5)
    np.testing.assert_allclose(normal.numpy()[0], expected, rtol=1e-6)


def test_gelu_is_the_exact_one():
    x = tf.constant([[-1.0, 0.0, 2.0]])
    found = KERNELS["trainable"].dense_gelu(x, tf.eye(3), tf.zeros(3)).numpy()[0]
    by_hand = [v * 0.5 * (1 + math.erf(v / math.sqrt(2))) for v in (-1.0, 0.0, 2.0)]
    np.testing.assert_allclose(found, by_hand, rtol=1e-6)
