"""Stage 1's one player, on the toy codec."""

import numpy as np
import pytest
import tensorflow as tf

from hific import systems
from hific.config import OptimizerConfig, RateConfig
from hific.objectives import value
from tests.toy_codec import ToyCodec, ToyConfig

STEP = tf.constant(3, tf.int64)
IMAGES = tf.random.stateless_uniform((2, 32, 32, 3), (0, 1), 0.0, 255.0)


def terms(model=None, lpips=None, step=STEP, **fields):
    (player,) = systems.stage1(model or ToyCodec(), ToyConfig(**fields), lpips)
    return player.objective(IMAGES, step)


def test_terms_are_weights_times_what_is_logged():
    result = terms(
        lpips=lambda fake, real: tf.constant([0.2, 0.4]),
        rate=RateConfig(weight=5.0),
        distortion_weight=0.5,
        perceptual_weight=2.0,
    )
    weighted, logged = result
    assert float(weighted["rate"]) == pytest.approx(5.0 * float(logged["bpp"]))
    assert float(weighted["distortion"]) == pytest.approx(0.5 * float(logged["mse"]))
    assert float(weighted["perceptual"]) == pytest.approx(2.0 * 0.3)
    assert float(result.total()) == pytest.approx(sum(map(float, weighted.values())))


def test_rates_are_bits_per_pixel_of_the_batch():
    model = ToyCodec()
    rate = model.prior.rate(model.analysis(IMAGES))
    logged = terms(model).logged
    expected = np.mean(rate.hard_y_bits) / (32 * 32)
    assert float(logged["hard_bpp"]) == pytest.approx(expected)
    mse = float(logged["mse"])
    psnr = float(value(logged["psnr"]))
    assert psnr == pytest.approx(10 * np.log10(255**2 / mse), rel=1e-5)


def test_noise_depends_on_the_step_and_not_on_the_call():
    model = ToyCodec()
    first, again = (float(terms(model).logged["bpp"]) for _ in range(2))
    other = float(terms(model, step=STEP + 1).logged["bpp"])
    assert first == again != other


def test_an_absent_perceptual_term_needs_no_lpips():
    result = terms(perceptual_weight=0.0)
    assert set(result.weighted) == {"rate", "distortion"}
    assert "lpips" not in result.logged


def test_a_perceptual_term_without_lpips_names_the_flags():
    with pytest.raises(ValueError, match="--lpips_weights, or --config.perceptual"):
        terms(perceptual_weight=1.0)


def test_perception_counts_from_its_step_on_and_is_not_computed_before():
    calls = []

    def lpips(fake, real):
        tf.py_function(lambda: calls.append(1), [], [])
        return tf.reduce_mean(tf.abs(fake - real), [1, 2, 3])

    @tf.function(autograph=False)
    def perceptual(step):
        return terms(model, lpips, step, perceptual_weight=1.0, perceptual_start=3)[0][
            "perceptual"
        ]

    model = ToyCodec()
    assert float(perceptual(tf.constant(2, tf.int64))) == 0.0 and not calls
    assert float(perceptual(tf.constant(3, tf.int64))) > 1.0 and calls == [1]


def test_transforms_and_entropy_model_have_rates_of_their_own():
    model = ToyCodec()
    config = OptimizerConfig(learning_rate=0.5, entropy_learning_rate=0.25)
    transforms, entropy = systems.transform_and_entropy_groups(model, config)
    assert len(transforms.variables) == 2
    assert entropy.variables[0] is model.prior.log_scale
    for group in (transforms, entropy):
        group.optimizer.build(group.variables)
    assert float(transforms.optimizer.learning_rate(0)) == 0.5
    assert float(entropy.optimizer.learning_rate(0)) == 0.25
