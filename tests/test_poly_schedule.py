import json

import numpy as np
import pytest
import tensorflow as tf

from deeplab2_tf.schedules import Poly

COCO = Poly(5e-4, 200_000, warmup_steps=2000)
COCO_LONG = Poly(5e-4, 1_000_000, warmup_steps=2000)
CITYSCAPES = Poly(2.5e-4, 320_000)


@pytest.mark.parametrize(
    "schedule, rates",
    [
        (
            COCO,
            {
                0: 0,
                1: 2.5e-7,
                1000: 2.5e-4,
                1999: 4.9975e-4,
                2000: 4.954978e-4,
                10_000: 4.774427e-4,
                50_000: 3.859448e-4,
                100_000: 2.679434e-4,
                150_000: 1.435873e-4,
                200_000: 0,
            },
        ),
        (
            COCO_LONG,
            {
                0: 0,
                1: 2.5e-7,
                1000: 2.5e-4,
                1999: 4.9975e-4,
                2000: 4.991e-4,
                10_000: 4.954978e-4,
                250_000: 3.859448e-4,
                500_000: 2.679434e-4,
                750_000: 1.435873e-4,
                1_000_000: 0,
            },
        ),
        (
            CITYSCAPES,
            {
                0: 2.5e-4,
                1: 2.499993e-4,
                1000: 2.492968e-4,
                1999: 2.485940e-4,
                2000: 2.485933e-4,
                10_000: 2.429576e-4,
                80_000: 1.929724e-4,
                160_000: 1.339717e-4,
                240_000: 7.179366e-5,
                320_000: 0,
            },
        ),
    ],
)
def test_rates_of_the_recipes(schedule, rates):
    found = [schedule(tf.constant(step, tf.int64)) for step in rates]
    np.testing.assert_allclose(found, list(rates.values()), rtol=1e-6)


def test_the_rate_stays_zero_after_the_end():
    assert COCO(tf.constant(201_000)).numpy() == 0.0
    assert CITYSCAPES(tf.constant(10**7)).numpy() == 0.0


def test_the_decay_does_not_wait_for_the_warm_up():
    before, after = COCO(tf.constant(1999)), COCO(tf.constant(2000))
    assert after < before
    assert after == Poly(5e-4, 200_000)(tf.constant(2000))


def test_power_one_decays_linearly():
    schedule = Poly(1.0, 4, power=1.0)
    assert [float(schedule(step)) for step in range(5)] == [1.0, 0.75, 0.5, 0.25, 0.0]


def test_an_optimizer_reads_it_and_restores_it():
    optimizer = tf.keras.optimizers.legacy.SGD(Poly(1.0, 2, power=1.0))
    weight = tf.Variable(0.0)
    for expected in (-1.0, -1.5, -1.5):
        optimizer.apply_gradients([(tf.constant(1.0), weight)])
        assert weight.numpy() == expected
    assert Poly.from_config(COCO.get_config())(tf.constant(10_000)) == COCO(10_000)


def test_a_warm_up_that_fills_the_run_is_refused():
    with pytest.raises(
        ValueError, match=r"warmup_steps \(=2000\) must lie in \[0, ste"
    ):
        Poly(5e-4, 2000, warmup_steps=2000)
    with pytest.raises(ValueError, match="steps above 0, got 0"):
        Poly(5e-4, 0)


def test_golden_rates(shared):
    golden = json.loads((shared / "golden/deeplab2/poly_lr.json").read_text())
    assert len(golden) >= 3
    for name, run in golden.items():
        schedule = Poly(run["base"], run["steps"], run["warmup"])
        found = {step: float(schedule(int(step))) for step in run["at"]}
        assert found == pytest.approx(run["at"], rel=2e-6), name
