import numpy as np
import pytest
import tensorflow as tf

from egic import cutmix, labelmix
from egic.cutmix import CutMixDraws, UNetLogits


@pytest.fixture(scope="module")
def golden(shared):
    with np.load(shared / "golden" / "gan" / "unet_losses.npz") as data:
        return dict(data)


def logits(golden, name):
    return UNetLogits(golden[f"local_{name}"], golden[f"global_{name}"])


def test_losses_of_a_plain_round_equal_the_reference(golden):
    real, fake = logits(golden, "real"), logits(golden, "fake")
    terms = cutmix.unet_discriminator_loss(real, fake)
    np.testing.assert_allclose(sum(terms), golden["D_plain"], rtol=1e-5)
    halves = golden["D_local_real"] + golden["D_global_real"]
    np.testing.assert_allclose(terms.real, 0.5 * halves, rtol=1e-5)
    halves = golden["D_local_fake"] + golden["D_global_fake"]
    np.testing.assert_allclose(terms.fake, 0.5 * halves, rtol=1e-5)
    np.testing.assert_allclose(cutmix.unet_generator_loss(fake), golden["G"], rtol=1e-5)


def test_losses_of_a_mixed_round_equal_the_reference(golden):
    terms = cutmix.cutmix_loss(
        logits(golden, "mixed"),
        logits(golden, "real"),
        logits(golden, "fake"),
        golden["mask"],
    )
    expected = [golden[f"mix_{part}_bce"] for part in ("local", "global")]
    np.testing.assert_allclose(terms[:2], expected, rtol=1e-5)
    np.testing.assert_allclose(terms.consistency, golden["consistency"], rtol=1e-5)
    np.testing.assert_allclose(sum(terms), golden["D_mix_round_total"], rtol=1e-5)


def test_the_unsure_score_ln_2_per_term():
    zero = UNetLogits(tf.zeros((2, 4, 4, 1)), tf.zeros((2, 1)))
    terms = cutmix.unet_discriminator_loss(zero, zero)
    np.testing.assert_allclose(terms, np.log((2.0, 2.0)), rtol=1e-6)
    mask = cutmix.cutmix_mask((0, 1), 2, 4, 4)
    terms = cutmix.cutmix_loss(zero, zero, zero, mask)
    np.testing.assert_allclose(terms, (np.log(2.0), np.log(2.0), 0.0), rtol=1e-6)


def test_masks_equal_the_reference_for_the_same_draws(golden):
    # In the reference x counts rows.
    share, x, y, side = golden["cutmix_draws_lam_x_y_flip"].T
    draws = CutMixDraws(share, x.astype(np.int32), y.astype(np.int32), side)
    masks = cutmix.mask_from_draws(draws, 16, 16)
    np.testing.assert_array_equal(masks[..., 0], golden["cutmix_masks"])


def test_a_rectangle_by_hand_is_cut_off_at_the_border():
    # sqrt(1 - 7 / 16) = 0.75: 3 of 4 rows and 6 of 8 columns, halves rounded down.
    draws = CutMixDraws(
        tf.fill((2,), 7.0 / 16.0),
        tf.constant((0, 2)),
        tf.constant((5, 4)),
        tf.constant((0.5, 0.6)),
    )
    masks = cutmix.mask_from_draws(draws, 4, 8)[..., 0].numpy()
    fake = np.zeros((4, 8))
    fake[0:1, 2:8] = 1.0
    np.testing.assert_array_equal(masks[0], 1.0 - fake)
    real = np.zeros((4, 8))
    real[1:3, 1:7] = 1.0
    np.testing.assert_array_equal(masks[1], real)


def test_masks_are_real_in_half_of_all_pixels():
    @tf.function
    def means_of(seed):
        return tf.reduce_mean(cutmix.cutmix_mask(seed, 256, 256, 256), (1, 2, 3))

    means = np.concatenate([means_of(tf.constant((5, i))) for i in range(16)])
    # The reference measured a deviation of 0.263 over 4000 masks.
    deviation = 0.263
    assert means.mean() == pytest.approx(0.5, abs=3 * deviation / 64)
    assert means.std() == pytest.approx(deviation, abs=0.01)


def test_masks_are_of_their_seed():
    masks = cutmix.cutmix_mask((1, 2), 3, 8, 8)
    np.testing.assert_array_equal(masks, cutmix.cutmix_mask((1, 2), 3, 8, 8))
    assert np.any(masks != cutmix.cutmix_mask((1, 3), 3, 8, 8))


def test_a_mixed_round_trains_on_all_three_passes():
    passes = [
        UNetLogits(tf.Variable(tf.fill((1, 2, 2, 1), v)), tf.Variable([[v]]))
        for v in (0.5, 1.0, -1.0)
    ]
    mask = cutmix.cutmix_mask((0, 3), 1, 2, 2)
    with tf.GradientTape() as tape:
        loss = tf.add_n(cutmix.cutmix_loss(*passes, mask))
    mixed, real, fake = tape.gradient(loss, passes)
    assert all(g is not None for g in (*mixed, real.local, fake.local))
    assert real.whole is None and fake.whole is None


@pytest.mark.parametrize(
    "step, warmup, expected", [(0, 10, 0.0), (5, 10, 0.25), (20, 10, 0.5), (0, 0, 0.5)]
)
def test_mixing_warms_up_in_a_straight_line(step, warmup, expected):
    share = cutmix.mixing_probability(tf.constant(step, tf.int64), warmup)
    assert share.numpy() == expected


def test_the_mix_shows_the_original_where_the_mask_is_1(golden):
    mask = golden["mask"]
    mixed = labelmix.mix(mask, tf.ones_like(mask), tf.zeros_like(mask))
    np.testing.assert_array_equal(mixed, mask)
