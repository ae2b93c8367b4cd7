"""EGIC's second stage, on a toy codec and discriminators of a few weights."""

import math

import numpy as np
import pytest
import tensorflow as tf

from deeplab2_tf import labels
from egic import systems
from egic.discriminators import build
from egic.labelmix import class_mask
from egic.pretraining_config import DiscriminatorConfig, OasisConfig
from egic.stage2_config import AdamConfig, GeneratorWeights, Stage2Config
from hific import training
from hific.objectives import value
from tests.toy_codec import CHANNELS, ToyCodec

STEP = tf.constant(0, tf.int64)
LABELS = labels.load("cityscapes_panoptic")  # 19 classes, things 11 to 18, void 255.
ROAD, CAR, VOID = 0, 13, 255
NOTHING_KNOWN = math.log(LABELS.num_outputs)


class Constant:
    """Says the same of every pixel, and notes what it was shown."""

    def __init__(self, logits):
        self.bias = tf.Variable(logits, dtype=tf.float32)
        self.trainable_variables = [self.bias]
        self.non_trainable_variables = []
        self.calls = []

    def __call__(self, image, latent, training=False):
        self.calls.append((image, latent, training))
        return tf.zeros((*image.shape[:3], self.bias.shape[0])) + self.bias


def batch(classes=(ROAD, CAR, VOID, CAR), weights=1.0, count=2, seed=0):
    """Images of noise over labels in four bars of 8 columns."""
    image = tf.random.stateless_uniform((count, 32, 32, 3), (seed, 0), 0.0, 255.0)
    semantic = tf.constant(np.repeat(classes, 8), tf.int32)
    return {
        "image": image,
        "semantic": tf.broadcast_to(semantic, (count, 32, 32)),
        "weights": tf.fill((count, 32, 32), float(weights)),
    }


def make_config(**fields):
    fields.setdefault("strategy_1", GeneratorWeights(0.01, 0.0, 0.3))
    fields.setdefault(
        "discriminator",
        DiscriminatorConfig(
            conditioning="projection",
            oasis=OasisConfig(down=(4, 6), up=(6, 4), norm="spectral_training"),
        ),
    )
    return Stage2Config(**fields)


def make_game(critic=None, lpips=None, **fields):
    config = make_config(**fields)
    model = ToyCodec()
    if critic is None:
        critic = build.build(config.discriminator, LABELS.num_outputs, CHANNELS)
    return model, critic, systems.stage2(model, critic, config, LABELS, lpips)


def undecided():
    return Constant(np.zeros(LABELS.num_outputs))


def test_a_discriminator_that_knows_nothing_scores_what_the_docstring_says():
    _, _, (discriminator, generator) = make_game(undecided(), strategy="II")
    terms = discriminator.objective(batch(), STEP)
    assert terms.total().numpy() == pytest.approx(2 * NOTHING_KNOWN, rel=1e-6)
    assert terms.weighted["consistency"].numpy() == 0.0
    terms = generator.objective(batch(), STEP)
    assert terms.total().numpy() == pytest.approx(NOTHING_KNOWN, rel=1e-6)


def test_constant_logits_score_what_can_be_computed_by_hand():
    # The car's logit is ln 3 and the fake one's ln 5: the softmax of the 20 divides by
    # 18 + 3 + 5 = 26.
    logits = np.zeros(LABELS.num_outputs)
    logits[CAR], logits[-1] = math.log(3), math.log(5)
    _, _, (discriminator, generator) = make_game(
        Constant(logits), strategy_1=GeneratorWeights(0.0, 0.0, 0.3)
    )
    # One bar of road, two of car, void left out; fake pixels count everywhere.
    classes = (math.log(26) + 2 * math.log(26 / 3)) / 3
    terms = discriminator.objective(batch(weights=3.0), STEP).weighted
    assert list(terms) == ["real", "fake", "consistency"]
    assert terms["real"].numpy() == pytest.approx(3 * classes, rel=1e-5)
    assert terms["fake"].numpy() == pytest.approx(math.log(26 / 5), rel=1e-5)
    terms = generator.objective(batch(weights=3.0), STEP).weighted
    assert list(terms) == ["adversarial"]
    assert terms["adversarial"].numpy() == pytest.approx(0.9 * classes, rel=1e-5)


def test_all_pixels_may_count_instead():
    _, _, (discriminator, _) = make_game(undecided(), reduction="all_pixels")
    terms = discriminator.objective(batch(), STEP).weighted
    assert terms["real"].numpy() == pytest.approx(0.75 * NOTHING_KNOWN, rel=1e-5)
    assert terms["fake"].numpy() == pytest.approx(NOTHING_KNOWN, rel=1e-5)


def test_labelmix_counts_ten_times_and_compares_what_was_mixed():
    class Brightness(Constant):
        """Squares the red channel: what it says of a mix is the mix of what it says."""

        def __call__(self, image, latent, training=False):
            super().__call__(image, latent, training)
            return self.bias * tf.square(image[..., :1] / 255.0)

    critic = Brightness(np.ones(LABELS.num_outputs))
    _, _, (discriminator, _) = make_game(critic)
    terms = discriminator.objective(batch(), STEP)
    assert terms.weighted["consistency"].numpy() == pytest.approx(0.0, abs=1e-3)

    class Average(Brightness):
        """The mean of all pixels, which a mix has not."""

        def __call__(self, image, latent, training=False):
            seen = super().__call__(image, latent, training)
            return tf.zeros_like(seen) + tf.reduce_mean(seen, (1, 2), keepdims=True)

    _, _, (discriminator, _) = make_game(Average(np.ones(LABELS.num_outputs)))
    terms = discriminator.objective(batch(), STEP)
    loss = terms.logged["labelmix"].numpy()
    assert loss > 0
    assert terms.weighted["consistency"].numpy() == pytest.approx(10 * loss)


def test_real_fake_and_mixed_are_shown_in_one_call_with_the_same_latent():
    model, critic, (discriminator, _) = make_game(undecided())
    given = batch()
    discriminator.objective(given, STEP)
    ((shown, latent, training_),) = critic.calls
    assert training_
    real, fake, mixed = tf.split(shown, 3)
    np.testing.assert_array_equal(real, given["image"])
    y_hat = model.prior.rate(model.analysis(real)).y_hat
    for part in tf.split(latent, 3):
        np.testing.assert_array_equal(part, y_hat)
    np.testing.assert_allclose(fake, model.synthesis(y_hat), rtol=1e-5, atol=1e-3)
    mask = class_mask(given["semantic"], systems.labelmix_seed(0, STEP))
    np.testing.assert_array_equal(mixed, mask * real + (1 - mask) * fake)


def test_the_mask_is_drawn_anew_in_every_step():
    masks = [
        class_mask(batch()["semantic"], systems.labelmix_seed(0, tf.constant(step)))
        for step in range(8)
    ]
    assert len({mask.numpy().tobytes() for mask in masks}) > 1


def test_accuracies_are_by_group_and_void_has_none():
    logits = np.zeros(LABELS.num_outputs)
    logits[CAR] = 1.0
    _, _, (discriminator, generator) = make_game(Constant(logits))
    logged = discriminator.objective(batch(), STEP).logged
    assert value(logged["accuracy_things"]).numpy() == 1.0
    assert value(logged["accuracy_stuff"]).numpy() == 0.0
    assert value(logged["accuracy_fake"]).numpy() == 0.0
    fooled = generator.objective(batch(), STEP).logged["fooled"]
    assert value(fooled).numpy() == pytest.approx(2 / 3)
    logged = discriminator.objective(batch((ROAD, ROAD, VOID, VOID)), STEP).logged
    assert np.isnan(value(logged["accuracy_things"]))


def values(variables):
    return [variable.numpy() for variable in variables]


def changed(before, variables):
    return [
        not np.array_equal(old, variable.numpy())
        for old, variable in zip(before, variables, strict=True)
    ]


def test_each_player_changes_exactly_its_own_variables():
    model, critic, (discriminator, generator) = make_game()
    own = critic.trainable_variables
    kept = [*model.variables]
    before, before_kept = values(own), values(kept)
    training.make_train_step([discriminator])((batch(),), STEP)
    assert all(changed(before, own))
    assert not any(changed(before_kept, kept))
    own = model.synthesis.trainable_variables
    kept = [*critic.variables, *model.analysis.variables, *model.prior.variables]
    before, before_kept = values(own), values(kept)
    training.make_train_step([generator])((batch(),), STEP)
    assert all(changed(before, own))
    assert not any(changed(before_kept, kept))


@pytest.mark.parametrize("strategy", ["I", "II"])
def test_two_rounds_are_finite_and_traced_once(strategy):
    _, _, players = make_game(strategy=strategy)
    assert [player.name for player in players] == ["discriminator", "generator"]
    step = training.make_train_step(players)
    for i in range(2):
        shares = batch(seed=i), batch(seed=i + 9)
        metrics = step(shares, tf.constant(i, tf.int64))
        assert all(np.isfinite(value.numpy()) for value in metrics.values())
    assert step.experimental_get_tracing_count() == 1


def test_the_generator_learns_from_its_picture_and_not_from_the_latent():
    model, critic, (_, generator) = make_game(strategy="II")
    seen = []
    synthesis = model.synthesis_call
    model.synthesis._call = lambda y: seen.append((y, synthesis(y))) or seen[-1][1]
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([model.analysis.matrix, model.synthesis.matrix])
        total = generator.objective(batch(), STEP).total()
        y_hat, fake = seen[0]
        through_latent = tf.reduce_sum(y_hat)
    assert np.abs(tape.gradient(total, fake)).max() > 0
    assert tape.gradient(total, model.analysis.matrix) is None
    assert tape.gradient(through_latent, model.analysis.matrix) is None
    assert np.abs(tape.gradient(total, model.synthesis.matrix)).max() > 0


def test_the_discriminators_fake_has_no_gradient_to_the_generator():
    model, _, (discriminator, _) = make_game()
    with tf.GradientTape() as tape:
        total = discriminator.objective(batch(), STEP).total()
    gradients = tape.gradient(total, [model.synthesis.matrix, model.analysis.matrix])
    assert gradients == [None, None]


def test_every_network_runs_once_for_each_share():
    model, critic, players = make_game(undecided())
    calls = []
    for name, part in (("E", model.analysis), ("G", model.synthesis)):
        part._call = lambda x, name=name, run=part._call: calls.append(name) or run(x)
    for player in players:
        calls.clear()
        critic.calls.clear()
        player.objective(batch(), STEP)
        assert calls == ["E", "G"]
        assert len(critic.calls) == 1


def test_lpips_is_computed_once_in_strategy_one_and_never_in_two():
    calls = []
    lpips = lambda a, b: calls.append(1) or tf.ones(2)  # noqa: E731
    for strategy, names, count in (
        ("I", {"adversarial", "distortion", "perceptual"}, 1),
        ("II", {"adversarial"}, 0),
    ):
        calls.clear()
        _, _, (discriminator, generator) = make_game(
            lpips=lpips, strategy=strategy, strategy_1=GeneratorWeights()
        )
        discriminator.objective(batch(), STEP)
        assert not calls
        assert set(generator.objective(batch(), STEP).weighted) == names
        assert len(calls) == count


def test_missing_lpips_weights_are_explained():
    with pytest.raises(ValueError, match=r"--config\.strategy_1\.perceptual=0"):
        make_game(strategy_1=GeneratorWeights())


def test_a_strategy_that_there_is_not_is_named():
    with pytest.raises(ValueError, match="No strategy 'III'; there are I, II"):
        make_game(strategy="III")


def test_both_learning_rates_fall_to_0_at_the_horizon_and_are_else_constant():
    for horizon, expected in ((0, [0.3, 0.3, 0.3]), (10, [0.3, 0.15, 0.0])):
        optimizer = AdamConfig(generator_rate=0.3, horizon=horizon)
        _, _, (_, generator) = make_game(optimizer=optimizer)
        (group,) = generator.groups
        group.optimizer.build(group.variables)
        rates = []
        for step in (0, 5, 10):
            group.optimizer.iterations.assign(step)
            rates.append(float(group.optimizer._decayed_lr(tf.float32)))
        assert rates == pytest.approx(expected, abs=1e-7)
