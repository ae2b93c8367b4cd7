import numpy as np
import pytest
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
        kernel = conv.effective_kernel()
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


@pytest.fixture
def spectral(shared):
    with np.load(shared / "golden" / "gan" / "spectral_norm.npz") as data:
        return dict(data)


def golden_spectral_conv(golden):
    conv = layers.built(weight_norms.TrainingSpectralConv2D(5, 3), 3)
    conv.kernel.assign(golden["kernel_hwio"])
    conv.bias.assign(golden["bias"])
    conv.u.assign(golden["u0"][:, np.newaxis])
    return conv


def test_training_spectral_norm_follows_the_original_for_three_steps(spectral):
    conv = golden_spectral_conv(spectral)
    for step in (1, 2, 3):
        y = conv(spectral["x"], training=True)
        np.testing.assert_allclose(y, spectral[f"y{step}"], rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(
            conv.u[:, 0], spectral[f"u{step}"], rtol=1e-5, atol=1e-6
        )


def test_training_spectral_norm_has_the_original_gradient(spectral):
    conv = golden_spectral_conv(spectral)
    for _ in range(3):
        conv(spectral["x"], training=True)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(conv(spectral["x"], training=True) ** 2)
    gradient = tape.gradient(loss, conv.kernel)
    expected = spectral["grad_kernel_hwio_step4"]
    np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-5)


def test_training_spectral_norm_keeps_its_vectors_outside_of_training():
    conv = layers.built(weight_norms.TrainingSpectralConv2D(4, 3), 2)
    x = tf.ones((1, 4, 4, 2))
    before = conv.u.numpy(), conv.v.numpy()
    conv(x)
    np.testing.assert_array_equal(conv.u, before[0])
    np.testing.assert_array_equal(conv.v, before[1])
    conv(x, training=True)
    assert not np.array_equal(conv.u, before[0])


def test_training_spectral_norm_converges_to_the_largest_singular_value():
    conv = layers.built(weight_norms.TrainingSpectralConv2D(5, 3), 3)
    for _ in range(200):
        conv.effective_kernel(training=True)
    largest = np.linalg.svd(np.reshape(conv.kernel, (-1, 5)), compute_uv=False)[0]
    np.testing.assert_allclose(
        conv.effective_kernel(training=False), conv.kernel / largest, rtol=1e-4
    )


def test_weight_norm_uses_length_and_direction():
    conv = layers.built(weight_norms.WeightNormConv2D(2, 1), 2)
    conv.kernel.assign([[[[3.0, 0.0], [4.0, -2.0]]]])
    conv.gain.assign([10.0, 0.5])
    conv.bias.assign([1.0, 0.0])
    np.testing.assert_allclose(conv(pixel(1, 1))[0, 0, 0], (15.0, -0.5), rtol=1e-6)


@pytest.mark.parametrize(
    "name, suffix",
    [("weight", "_salimans"), ("weight_released", "")],
)
def test_weight_norm_starts_from_data_as_the_originals_do(shared, name, suffix):
    with np.load(shared / "golden" / "gan" / "weight_norm.npz") as data:
        golden = dict(data)
    conv = layers.built(weight_norms.WEIGHT_NORMS[name](4, 3), 3)
    conv.kernel.assign(golden["v"])
    assert weight_norms.calibrate(tf.keras.Sequential([conv]), golden["x"]) == 1
    gain, bias = (
        ("g_salimans", "b_salimans") if suffix else ("g_after_init", "bias_after_init")
    )
    np.testing.assert_allclose(conv.gain, golden[gain], rtol=1e-5)
    np.testing.assert_allclose(conv.bias, golden[bias], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(
        conv(golden["x"]), golden[f"y_first_call{suffix}"], rtol=1e-5, atol=1e-5
    )


def test_weight_norm_has_the_original_second_output_and_gradients(shared):
    with np.load(shared / "golden" / "gan" / "weight_norm.npz") as data:
        golden = dict(data)
    conv = layers.built(weight_norms.WeightNormConv2D(4, 3), 3)
    conv.kernel.assign(golden["v"])
    conv.gain.assign(golden["g_after_init"])
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(conv(golden["x2"]) ** 2)
    d_kernel, d_gain = tape.gradient(loss, [conv.kernel, conv.gain])
    np.testing.assert_allclose(d_kernel, golden["grad_v"], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(d_gain, golden["grad_g"], rtol=1e-4)
    conv.bias.assign(golden["bias_after_init"])
    np.testing.assert_allclose(
        conv(golden["x2"]), golden["y_second_call"], rtol=1e-5, atol=1e-5
    )


def test_calibrated_outputs_are_standard_normal_layer_after_layer():
    convs = [weight_norms.WeightNormConv2D(6, 3) for _ in range(2)]
    x = 50.0 + 20.0 * tf.random.stateless_normal((2, 8, 8, 3), seed=(0, 5))
    network = tf.keras.Sequential(convs)
    network.build((None, None, None, 3))
    weight_norms.calibrate(network, x)
    middle = convs[0](x)
    for y in (middle, convs[1](middle)):
        mean, variance = tf.nn.moments(y, (0, 1, 2))
        np.testing.assert_allclose(mean, np.zeros(6), atol=1e-4)
        np.testing.assert_allclose(variance, np.ones(6), rtol=1e-4)


def test_calibration_happens_once():
    conv = layers.built(weight_norms.WeightNormConv2D(4, 3), 3)
    network = tf.keras.Sequential([conv])
    network.build((None, None, None, 3))
    first = tf.random.stateless_normal((2, 8, 8, 3), seed=(0, 6))
    assert weight_norms.calibrate(network, first) == 1
    before = conv.gain.numpy()
    assert weight_norms.calibrate(network, 9.0 * first) == 0
    np.testing.assert_array_equal(conv.gain, before)


def test_layer_norm_is_over_a_samples_pixels_and_channels():
    conv = layers.built(weight_norms.LayerNormConv2D(4, 3), 3)
    x = 7.0 * tf.random.stateless_normal((2, 8, 8, 3), seed=(0, 7)) + 3.0
    y = conv(x)
    mean, variance = tf.nn.moments(y, (1, 2, 3))
    np.testing.assert_allclose(mean, np.zeros(2), atol=1e-4)
    np.testing.assert_allclose(variance, np.ones(2), rtol=1e-2)
    np.testing.assert_allclose(y[:1], conv(x[:1]), atol=1e-5)
