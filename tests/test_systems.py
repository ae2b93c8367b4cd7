"""HiFiC's second stage, on a toy codec and a discriminator of a few hundred weights."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from hific import systems, training
from hific.config import DiscriminatorConfig, HificConfig, OptimizerConfig, RateConfig
from hific.devices import Devices
from hific.discriminator import build_discriminator
from tests.toy_codec import CHANNELS, ToyCodec

STEP = tf.constant(0, tf.int64)


def make_config(**changes):
    return HificConfig(
        latent_channels=CHANNELS,
        discriminator=DiscriminatorConfig(
            filters=(2, 3), strides=(2, 2), latent_features=2, **changes
        ),
        rate=RateConfig(kind="fixed", weight=1.0),
        optimizer=OptimizerConfig(learning_rate=1e-3),
        perceptual_weight=0.0,
    )


def make_game(lpips=None, perceptual_weight=0.0, **changes):
    config = make_config(**changes)
    config.perceptual_weight = perceptual_weight
    model, critic = ToyCodec(), build_discriminator(config)
    return model, critic, systems.stage2(model, critic, config, lpips)


def images(count=2, seed=0):
    return tf.random.stateless_uniform((count, 32, 32, 3), (seed, 0), 0.0, 255.0)


def values(variables):
    return [variable.numpy() for variable in variables]


def changed(before, variables):
    return [
        not np.array_equal(old, variable.numpy())
        for old, variable in zip(before, variables, strict=True)
    ]


def test_the_discriminator_moves_first():
    _, _, players = make_game()
    assert [player.name for player in players] == ["discriminator", "generator"]


def test_the_discriminator_may_move_more_often():
    _, _, players = make_game(updates=2)
    assert [player.name for player in players] == 2 * ["discriminator"] + ["generator"]


def test_each_player_changes_exactly_its_own_variables():
    model, critic, (discriminator, generator) = make_game()
    for mover, own, others in (
        (discriminator, critic, model),
        (generator, model, critic),
    ):
        mine, theirs = own.trainable_variables, others.trainable_variables
        before, before_theirs = values(mine), values(theirs)
        step = training.make_train_step([mover])
        step((images(),), STEP)
        assert all(changed(before, mine))
        assert not any(changed(before_theirs, theirs))


def test_two_rounds_are_finite_and_traced_once():
    _, _, players = make_game()
    step = training.make_train_step(players)
    for i in range(2):
        metrics = step((images(seed=i), images(seed=i + 9)), tf.constant(i, tf.int64))
        assert all(np.isfinite(value.numpy()) for value in metrics.values())
    assert step.experimental_get_tracing_count() == 1


def test_the_terms_are_those_of_stage_1_and_the_game():
    _, _, (discriminator, generator) = make_game(
        lpips=lambda a, b: tf.ones(2), perceptual_weight=1.0
    )
    assert set(discriminator.objective(images(), STEP).weighted) == {"real", "fake"}
    terms = generator.objective(images(), STEP)
    assert list(terms.weighted) == ["rate", "distortion", "perceptual", "adversarial"]
    loss = terms.logged["adversarial_loss"].numpy()
    assert terms.weighted["adversarial"].numpy() == pytest.approx(0.15 * loss)


def test_the_discriminator_needs_no_lpips_call():
    calls = []
    lpips = lambda a, b: calls.append(1) or tf.ones(2)  # noqa: E731
    _, _, (discriminator, _) = make_game(lpips, perceptual_weight=1.0)
    discriminator.objective(images(), STEP)
    assert not calls


def test_the_encoder_learns_nothing_through_the_latent_the_critic_sees():
    model, critic, (_, generator) = make_game()
    seen = []
    door = critic.conditioning.enter
    critic.conditioning.enter = lambda x, y: seen.append(y) or door(x, y)
    with tf.GradientTape() as tape:
        generator.objective(images(), STEP)
        through_latent = tf.reduce_sum(seen[0])
    assert tape.gradient(through_latent, model.analysis.matrix) is None


def test_real_and_fake_share_one_power_iteration():
    _, critic, (discriminator, _) = make_game()
    calls = []
    run = critic.to_logits.effective_kernel
    critic.to_logits.effective_kernel = lambda t: calls.append(1) or run(t)
    discriminator.objective(images(), STEP)
    assert len(calls) == 1


def test_missing_lpips_weights_are_explained():
    with pytest.raises(ValueError, match="--lpips_weights"):
        make_game(perceptual_weight=1.0)


def test_bits_of_z_are_priced_by_their_schedule():
    rates = []
    for factor in (0.0, 0.5, 1.0):
        config, codec = make_config(), ToyCodec()
        config.rate = RateConfig(weight=1.0, hyper_factors=(factor,))
        codec.prior = CostlyHyper(codec.prior)
        _, generator = systems.stage2(codec, build_discriminator(config), config, None)
        terms = generator.objective(images(), STEP)
        rates.append(float(terms.weighted["rate"]))
    z_bpp = 512 / 32**2
    assert rates[1:] == pytest.approx([rates[0] + 0.5 * z_bpp, rates[0] + z_bpp])
    assert rates[2] == pytest.approx(float(terms.logged["bpp"]))


class CostlyHyper(tf.Module):
    """A prior whose z takes 512 bits of every picture."""

    def __init__(self, prior):
        super().__init__()
        self._prior = prior

    def rate(self, y, seed=None):
        rate = self._prior.rate(y, seed)
        bits = tf.fill(tf.shape(rate.z_bits), 512.0)
        return dataclasses.replace(rate, z_bits=bits)


def rounds_of(devices, count=3):
    """Metrics of some rounds, and the vectors of spectral norm that they leave."""
    training.set_seeds(0)
    _, critic, players = make_game()
    step = training.make_train_step(players, devices=devices)
    batches = [(images(4, i), images(4, i + 9)) for i in range(count)]
    metrics = [step(batch, tf.constant(i, tf.int64)) for i, batch in enumerate(batches)]
    return metrics, critic.non_trainable_variables


def test_micro_batches_make_the_rounds_of_whole_batches():
    whole, parted = rounds_of(Devices()), rounds_of(Devices(accumulate=2))
    for expected, found in zip(whole[0], parted[0], strict=True):
        for name, value in expected.items():
            assert found[name].numpy() == pytest.approx(value.numpy(), 1e-5), name
    assert whole[1]
    for mine, other in zip(parted[1], whole[1], strict=True):
        np.testing.assert_allclose(mine.numpy(), other.numpy(), rtol=1e-4, atol=1e-6)
