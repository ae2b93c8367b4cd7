import numpy as np
import pytest
import tensorflow as tf
import tensorflow_compression as tfc

from hific import choices, layers


def pixel(*values):
    return tf.constant(values, tf.float32)[tf.newaxis, tf.newaxis, tf.newaxis]


@pytest.mark.parametrize(
    "values, expected",
    [
        ((1, 2, 3, 4), (-1.1615466, -0.3871822, 0.3871822, 1.1615466)),
        ((0, 0, 0, 8), (-0.4999844, -0.4999844, -0.4999844, 1.4999531)),
        ((5, 5, 5, 5), (0, 0, 0, 0)),
        ((-1, 1, -1, 1), (-0.8657008, 0.8657008, -0.8657008, 0.8657008)),
    ],
)
def test_channel_norm_divides_by_the_unbiased_deviation(values, expected):
    y = layers.ChannelNorm()(pixel(*values))
    np.testing.assert_allclose(y[0, 0, 0], expected, atol=1e-6)


def test_channel_norm_scales_and_shifts():
    norm = layers.built(layers.ChannelNorm(), 4)
    norm.gamma.assign((1, 2, 0.5, -1))
    norm.beta.assign((0, 1, 0, 10))
    y = norm(pixel(1, 2, 3, 4))
    expected = (-1.1615466, 0.2256356, 0.1935911, 8.8384534)
    np.testing.assert_allclose(y[0, 0, 0], expected, atol=1e-6)


def test_channel_norm_of_a_crop_is_the_crop_of_the_norm():
    x = tf.random.stateless_normal((1, 8, 8, 6), seed=(0, 1))
    norm = layers.ChannelNorm()
    np.testing.assert_allclose(norm(x)[:, 2:5, 3:7], norm(x[:, 2:5, 3:7]), rtol=1e-6)


def test_channel_norm_does_not_mix_pictures_of_a_batch():
    x = tf.random.stateless_normal((3, 4, 4, 6), seed=(0, 2))
    norm = layers.ChannelNorm()
    np.testing.assert_allclose(norm(x)[1:2], norm(x[1:2]), rtol=1e-6)


def test_channel_norm_gradient_is_the_derived_one():
    norm = layers.built(layers.ChannelNorm(dtype="float64"), 5)
    norm.gamma.assign(tf.random.stateless_normal((5,), (1, 1), dtype=tf.float64))
    norm.beta.assign(tf.random.stateless_normal((5,), (1, 2), dtype=tf.float64))
    x = tf.random.stateless_normal((2, 3, 4, 5), (1, 3), dtype=tf.float64)
    weight = tf.random.stateless_normal(x.shape, (1, 4), dtype=tf.float64)
    sources = [x, norm.gamma, norm.beta]
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        mean = tf.reduce_mean(x, -1, keepdims=True)
        variance = tf.reduce_sum((x - mean) ** 2, -1, keepdims=True) / 4
        y = (x - mean) / tf.sqrt(variance + 1e-3) * norm.gamma + norm.beta
        plain = tf.reduce_sum(weight * y)
        own = tf.reduce_sum(weight * norm(x))
    gradients = tape.gradient(own, sources), tape.gradient(plain, sources)
    for a, b in zip(*gradients, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


def test_channel_norm_in_bfloat16_has_float32_statistics():
    x = tf.random.stateless_normal((1, 4, 4, 8), seed=(0, 3)) + 30.0
    wide = tf.cast(tf.cast(x, tf.bfloat16), tf.float32)
    y = layers.ChannelNorm(dtype="mixed_bfloat16")(x)
    assert y.dtype == tf.bfloat16
    np.testing.assert_allclose(
        tf.cast(y, tf.float32), layers.ChannelNorm()(wide), atol=2**-7
    )


def test_channel_norm_of_one_channel_is_refused():
    with pytest.raises(ValueError, match="at least 2 known channels"):
        layers.ChannelNorm()(tf.zeros((1, 2, 2, 1)))


@pytest.mark.parametrize(
    "name, expected",
    [
        ("channel", (-0.8657008, 0.8657008, -0.8657008, 0.8657008)),
        ("layer", (-0.9995004, 0.9995004, -0.9995004, 0.9995004)),
        ("instance", (0, 0, 0, 0)),
        ("none", (-1, 1, -1, 1)),
    ],
)
def test_normalisations_by_name(name, expected):
    norm = layers.built(layers.NORMALISATIONS[name](dtype="float32"), 4)
    np.testing.assert_allclose(norm(pixel(-1, 1, -1, 1))[0, 0, 0], expected, atol=1e-6)


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(ValueError, match="No normalisation 'batch'; there are channel"):
        choices.choose(layers.NORMALISATIONS, "batch", "normalisation")


def test_residual_block_adds_its_input_and_ends_without_activation():
    block = layers.built(layers.ResidualBlock(3), 3)
    block.norm_1.gamma.assign(tf.zeros(3))
    block.norm_1.beta.assign((-9.0, 0.0, 1.0))
    x = tf.random.stateless_normal((1, 4, 4, 3), seed=(0, 4))
    np.testing.assert_allclose(block(x), x + (-9.0, 0.0, 1.0), rtol=1e-6)


def test_residual_block_of_another_width_is_refused():
    with pytest.raises(ValueError, match="adds its input"):
        layers.ResidualBlock(4)(tf.zeros((1, 2, 2, 3)))


@pytest.mark.parametrize("support", [(3, 3), (5, 5), (4, 2)])
def test_fourier_kernel_starts_as_the_kernel_it_was_given(support):
    kernel = tf.random.stateless_normal((*support, 2, 3), seed=(0, 7))
    np.testing.assert_allclose(layers.FourierKernel(kernel)(), kernel, atol=1e-6)


@pytest.mark.parametrize("support", [(3, 3), (5, 5), (4, 2)])
def test_fourier_kernel_means_the_same_as_that_of_tensorflow_compression(support):
    ours = layers.FourierKernel(tf.zeros((*support, 2, 3)))
    theirs = tfc.RDFTParameter(tf.zeros((*support, 2, 3)))
    real = tf.random.stateless_normal(theirs.real.shape, seed=(0, 8))
    imag = tf.random.stateless_normal(theirs.imag.shape, seed=(0, 9))
    theirs.real.assign(real)
    theirs.imag.assign(imag)
    parts = [
        tf.reshape(tf.transpose(x, (2, 3, 0, 1)), (-1, 2, 3)) for x in (real, imag)
    ]
    ours.coefficients.assign(tf.concat(parts, axis=0))
    np.testing.assert_allclose(ours(), theirs(), atol=1e-5)
