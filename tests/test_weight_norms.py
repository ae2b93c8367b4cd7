import numpy as np
import tensorflow as tf

from hific import layers, weight_norms


def pixel(*values):
    return tf.constant(values, tf.float32)[tf.newaxis, tf.newaxis, tf.newaxis]


def spectral_1x1(matrix, u):
    conv = layers.built(weight_norms.SpectralConv2D(len(matrix[0]), 1), len(matrix))
    conv.kernel.assign(np.reshape(matrix, (1, 1, len(matrix), -1)))
    conv.u.assign(np.reshape(u, (-1, 1)))
    return conv


def test_spectral_norm_after_one_iteration():
    conv = spectral_1x1([[3.0, 0.0], [0.0, 1.0]], np.ones(2) / np.sqrt(2))
    y = conv(pixel(1, 1))
    np.testing.assert_allclose(y[0, 0, 0], (1.0476454, 0.3492151), rtol=1e-6)
    np.testing.assert_allclose(conv.u[:, 0], (0.9938837, 0.1104315), rtol=1e-6)


def test_spectral_norm_converges_to_the_largest_singular_value():
    conv = layers.built(weight_norms.SpectralConv2D(5, 3), 3)
    matrix = tf.reshape(conv.kernel, (-1, 5)).numpy()
    for _ in range(100):
        kernel = conv.normalised_kernel()
    largest = np.linalg.svd(matrix, compute_uv=False)[0]
    np.testing.assert_allclose(kernel, conv.kernel / largest, rtol=1e-4)


def test_spectral_norm_gradient_goes_through_sigma_but_not_through_u():
    conv = spectral_1x1([[3.0, 1.0], [0.5, 1.0]], (0.8, 0.6))
    matrix, u = conv.kernel[0, 0].numpy(), conv.u.numpy()
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(conv(pixel(1, 2)))
    gradient = tape.gradient(loss, conv.kernel)[0, 0]

    v = matrix.T @ u / np.linalg.norm(matrix.T @ u)
    u = matrix @ v / np.linalg.norm(matrix @ v)
    sigma = (u.T @ matrix @ v).item()
    x = np.array([[1.0], [2.0]])
    total = (x.T @ matrix).sum()
    expected = x @ np.ones((1, 2)) / sigma - total / sigma**2 * (u @ v.T)
    np.testing.assert_allclose(gradient, expected, rtol=1e-5)


def test_spectral_norm_does_not_change_the_trained_kernel():
    conv = layers.built(weight_norms.SpectralConv2D(4, 3), 2)
    before = conv.kernel.numpy()
    conv(tf.ones((1, 4, 4, 2)))
    np.testing.assert_array_equal(conv.kernel, before)
    assert len(conv.trainable_variables) == 2
