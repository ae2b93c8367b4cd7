import numpy as np
import pytest
import tensorflow as tf

from hific import losses

REAL = tf.constant((2.0, 0.5, -1.0, 3.0))
FAKE = tf.constant((-1.0, 0.0, 1.0, -2.0))


def test_mse_is_in_squared_grey_levels_and_unclipped():
    original = tf.constant([[[[255.0, 0.0, 10.0]]]])
    reconstruction = tf.constant([[[[258.0, -3.0, 16.0]]]])
    assert losses.mse_255(reconstruction, original).numpy() == 18.0


def test_non_saturating_losses():
    terms = losses.non_saturating_discriminator_loss(REAL, FAKE)
    np.testing.assert_allclose(terms, (0.4907135, 0.6116496), rtol=1e-6)
    generator = losses.non_saturating_generator_loss(FAKE)
    assert generator.numpy() == pytest.approx(1.1116496)
    assert 0.15 * generator.numpy() == pytest.approx(0.1667474)


def test_non_saturating_gradient_of_the_generator():
    with tf.GradientTape() as tape:
        tape.watch(FAKE)
        loss = losses.non_saturating_generator_loss(FAKE)
    expected = (-0.1827646, -0.1250000, -0.0672354, -0.2201993)
    np.testing.assert_allclose(tape.gradient(loss, FAKE), expected, rtol=1e-6)


@pytest.mark.parametrize(
    "name, discriminator, generator",
    [
        ("non_saturating", 1.1023632, 1.1116496),
        ("least_squares", 0.1955535, 0.2040725),
        # Real: (0 + 0.5 + 2 + 0) / 4; fake: (0 + 1 + 2 + 0) / 4; generator: -(-2 / 4).
        ("hinge", 0.625 + 0.75, 0.5),
    ],
)
def test_games_by_name(name, discriminator, generator):
    game = losses.ADVERSARIAL_LOSSES[name]
    assert sum(game.discriminator(REAL, FAKE)).numpy() == pytest.approx(discriminator)
    assert game.generator(FAKE).numpy() == pytest.approx(generator)


@pytest.mark.parametrize(
    "name, discriminator, generator",
    [
        ("non_saturating", 1.3862944, 0.6931472),
        ("least_squares", 0.25, 0.125),
        ("hinge", 2.0, 0.0),
    ],
)
def test_losses_of_an_undecided_discriminator(name, discriminator, generator):
    game, zero = losses.ADVERSARIAL_LOSSES[name], tf.zeros((2, 4, 4, 1))
    assert sum(game.discriminator(zero, zero)).numpy() == pytest.approx(discriminator)
    assert game.generator(zero).numpy() == pytest.approx(generator)
