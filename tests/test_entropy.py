import math

import numpy as np
import pytest
import tensorflow as tf

from hific import entropy


def index_of(scale):
    return (math.log(scale) - math.log(0.11)) / 0.12305480


def test_neighbouring_scales_differ_by_the_published_step():
    assert pytest.approx(0.1230548, abs=1e-7) == entropy.LOG_STEP
    scales = entropy.scale_from_index(tf.constant([0.0, 1.0, 63.0])).numpy()
    np.testing.assert_allclose(scales, [0.11, 0.11 * 1.1309464, 256.0], rtol=1e-6)


@pytest.mark.parametrize(
    "residual, scale, bits",
    [
        (0.0, 0.11, 7.908e-06),
        (0.0, 0.05, 7.908e-06),
        (0.0, 1.0, 1.3848665),
        (1.0, 1.0, 2.0485296),
        (0.4, 0.5, 0.8801010),
        (3.0, 0.11, 29.8973529),
    ],
)
def test_gaussian_bits_are_those_of_the_formula(residual, scale, bits):
    index = tf.constant([index_of(scale)], tf.float64)
    found = entropy.gaussian_bits(tf.constant([residual], tf.float64), index, 1e-9)
    assert found.numpy()[0] == pytest.approx(bits, rel=1e-4)


@pytest.mark.parametrize("start, pushed", [(-2.0, True), (70.0, True), (30.0, True)])
def test_an_index_outside_its_range_is_only_pushed_back(start, pushed):
    """Wide data wants a larger scale, narrow data a smaller one."""
    index = tf.constant(start)
    gradients = {}
    for name, residual in (("wide", 5000.0), ("narrow", 0.0)):
        with tf.GradientTape() as tape:
            tape.watch(index)
            bits = entropy.gaussian_bits(tf.constant(residual), index)
        gradients[name] = float(tape.gradient(bits, index))
    if start < 0:
        assert gradients["wide"] < 0 and gradients["narrow"] == 0
    elif start > 63:
        assert gradients["wide"] == 0 and gradients["narrow"] > 0
    else:
        assert gradients["wide"] < 0 < gradients["narrow"]


@pytest.mark.parametrize(
    "index, rounded", [(-3.0, 0), (0.49, 0), (0.5, 1), (1.5, 2), (62.6, 63), (99.0, 63)]
)
def test_scale_indexes_round_half_up_within_the_table(index, rounded):
    assert entropy.round_index(tf.constant(index, tf.float64)).numpy() == rounded


def test_rounding_passes_the_gradient_of_its_argument():
    x = tf.constant([0.2, 1.7, -0.6])
    with tf.GradientTape() as tape:
        tape.watch(x)
        rounded = entropy.straight_through_round(x)
    np.testing.assert_array_equal(rounded.numpy(), [0.0, 2.0, -1.0])
    np.testing.assert_array_equal(tape.gradient(rounded, x).numpy(), [1.0, 1.0, 1.0])


def toy_prior(mean=0.3, index=20.0, noisy_hyper=False):
    """z is the mean of y over 4x4 blocks; every y has the same distribution."""

    def hyper_synthesis(z_hat):
        y_like = tf.repeat(tf.repeat(z_hat, 4, 1), 4, 2)
        return y_like

    def walk(hyper, code_slice):
        mean_, index_ = tf.fill(tf.shape(hyper), mean), tf.fill(tf.shape(hyper), index)
        mean_ = tf.ensure_shape(mean_, hyper.shape) + 0.0 * hyper
        return code_slice(0, mean_, tf.ensure_shape(index_, hyper.shape))

    return entropy.Prior(
        lambda y: tf.nn.avg_pool2d(y, 4, 4, "VALID"),
        entropy.FactorizedDensity(2),
        hyper_synthesis,
        walk,
        noisy_hyper,
    )


def test_latents_are_rounded_around_their_mean():
    y = tf.constant([0.5, 1.5, 2.5, -0.5], shape=(1, 2, 2, 1))
    y = tf.tile(y, (1, 2, 2, 2))
    rate = toy_prior().rate(y)
    np.testing.assert_allclose(
        rate.y_hat.numpy()[0, :2, :2, 0].ravel(), [0.3, 1.3, 2.3, -0.7], rtol=1e-6
    )


def test_the_gradient_of_a_latent_is_its_own_and_never_its_mean():
    y, mean = tf.ones((1, 4, 4, 2)) * 0.9, tf.Variable(0.3)
    with tf.GradientTape() as tape:
        tape.watch(y)
        y_hat = toy_prior(mean=mean).rate(y).y_hat
    d_y, d_mean = tape.gradient(y_hat, [y, mean])
    np.testing.assert_array_equal(d_y.numpy(), np.ones((1, 4, 4, 2)))
    assert d_mean is None or float(d_mean) == 0.0


def test_without_noise_soft_and_hard_bits_are_the_same_sum():
    y = tf.zeros((1, 4, 4, 2))
    rate = toy_prior(mean=0.0, index=18.0).rate(y)
    sigma = 0.11 * math.exp(18 * entropy.LOG_STEP)
    bits = -math.log2(math.erf(0.5 / sigma / math.sqrt(2)))
    assert rate.y_bits.numpy()[0] == pytest.approx(32 * bits, rel=1e-5)
    assert rate.y_bits.numpy()[0] == rate.hard_y_bits.numpy()[0] != 0
    assert rate.z_bits.numpy()[0] == rate.hard_z_bits.numpy()[0] > 0


def test_noise_is_a_function_of_the_seed():
    y = tf.random.stateless_normal((1, 4, 4, 2), (1, 2))
    prior = toy_prior()
    first, again, other = (
        prior.rate(y, tf.constant(seed)).y_bits.numpy()[0]
        for seed in ([0, 1], [0, 1], [0, 2])
    )
    assert first == again != other


def test_density_bits_are_the_sum_over_positions_and_channels():
    density = entropy.FactorizedDensity(3)
    z = tf.round(3.0 * tf.random.stateless_normal((2, 2, 1, 3), (0, 0)))
    by_hand = -np.log2(density.distribution.prob(z).numpy()).sum((1, 2, 3))
    np.testing.assert_allclose(density.bits(z).numpy(), by_hand, rtol=1e-5)
