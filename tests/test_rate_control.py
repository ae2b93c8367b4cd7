import pytest
import tensorflow as tf

from hific import rate_control
from hific.config import PRESETS, RateConfig, get_config
from hific.rate_control import FixedRate, RateControl, Schedule

CONTROL = RateControl(target_bpp=0.14, weight_above=2.0, weight_below=0.5)
START = tf.constant(0, tf.int64)


@pytest.mark.parametrize("hard_bpp, weight", [(0.15, 2.0), (0.14, 0.5), (0.10, 0.5)])
def test_weight_switches_just_above_the_target(hard_bpp, weight):
    term = CONTROL(tf.constant(0.2), tf.constant(hard_bpp), START)
    assert term.numpy() == pytest.approx(weight * 0.2)


def test_only_the_soft_rate_carries_a_gradient():
    soft, hard = tf.Variable(0.2), tf.Variable(0.2)
    with tf.GradientTape() as tape:
        term = CONTROL(soft, hard, START)
    d_soft, d_hard = tape.gradient(term, [soft, hard])
    assert d_soft.numpy() == 2.0
    assert d_hard is None


@pytest.mark.parametrize("step, factor", [(0, 2.0), (9, 2.0), (10, 1.0), (10**6, 1.0)])
def test_schedule_changes_at_its_boundary(step, factor):
    schedule = Schedule((2.0, 1.0), (10,))
    assert schedule(tf.constant(step, tf.int64)).numpy() == factor


def test_schedule_with_two_boundaries():
    schedule = Schedule((3.0, 2.0, 1.0), (1, 2))
    assert [schedule(i).numpy() for i in range(4)] == [3.0, 2.0, 1.0, 1.0]


def test_schedules_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="separate 2 factors"):
        Schedule((1.0,), (10,))
    with pytest.raises(ValueError, match="must increase"):
        Schedule((1.0, 2.0, 3.0), (10, 10))


def test_weights_the_wrong_way_round_are_refused():
    with pytest.raises(ValueError, match=r"weight_above \(=0.1\) must exceed"):
        RateControl(target_bpp=0.14, weight_above=0.1, weight_below=1.0)


@pytest.mark.parametrize("weight", [0.0, -1.0, float("nan")])
def test_a_fixed_weight_that_is_not_positive_is_refused(weight):
    with pytest.raises(ValueError, match="weight must be positive"):
        FixedRate(weight)


# One row per preset, step and rounded rate: the multiplier of HiFiC's released code.
MULTIPLIERS = [
    ("lo", 0, 0.10, 2.0**-7),
    ("lo", 0, 0.14, 2.0**-7),
    ("lo", 49_999, 0.16, 2.0**-7),
    ("lo", 49_999, 0.199, 2.0**-7),
    ("lo", 0, 0.25, 1.0),
    ("lo", 50_000, 0.10, 2.0**-6),
    ("lo", 50_000, 0.14, 2.0**-6),
    ("lo", 50_000, 0.16, 2.0),
    ("lo", 50_000, 0.25, 2.0),
    ("mi", 0, 0.31, 2.0**-7),
    ("mi", 0, 0.44, 0.5),
    ("mi", 50_000, 0.25, 2.0**-6),
    ("mi", 50_000, 0.31, 1.0),
    ("hi", 0, 0.46, 2.0**-7),
    ("hi", 0, 0.65, 0.25),
    ("hi", 50_000, 0.44, 2.0**-6),
    ("hi", 50_000, 0.46, 0.5),
]


@pytest.mark.parametrize("point, step, hard_bpp, weight", MULTIPLIERS)
def test_multipliers_of_the_presets(point, step, hard_bpp, weight):
    control = rate_control.rate_term(PRESETS[f"hific-{point}"].rate)
    step = tf.constant(step, tf.int64)
    assert control.weight(tf.constant(hard_bpp), step).numpy() == weight


@pytest.mark.parametrize("step, total", [(60_000, 0.81625), (10_000, 0.477578125)])
def test_total_loss_of_the_low_rate_preset(step, total):
    config = get_config("hific-lo")
    rate = rate_control.rate_term(config.rate)(0.17, 0.16, step)
    loss = (
        rate
        + config.distortion_weight * 120.0
        + config.perceptual_weight * 0.06
        + config.adversarial_weight * 0.9
    )
    assert loss.numpy() == pytest.approx(total)


def test_a_fixed_rate_ignores_target_and_step():
    term = rate_control.rate_term(RateConfig(kind="fixed", weight=0.5))
    assert term(tf.constant(0.2), tf.constant(9.0), START).numpy() == pytest.approx(0.1)


def test_an_unknown_kind_is_answered_with_the_known_ones():
    with pytest.raises(ValueError, match="No rate term 'pid'; there are fixed, target"):
        rate_control.rate_term(RateConfig(kind="pid"))


def test_bits_of_z_cost_what_the_schedule_says():
    price = rate_control.hyper_price(
        RateConfig(hyper_boundaries=(10, 20), hyper_factors=(0.1, 0.4, 1.0))
    )
    assert [float(price(step)) for step in (0, 9, 10, 19, 20)] == pytest.approx(
        [0.1, 0.1, 0.4, 0.4, 1.0]
    )
