import numpy as np
import pytest
import tensorflow as tf

from egic import labelmix

LABELS = tf.constant([[[0, 1], [2, 255]], [[1, 1], [0, 0]]])


@pytest.fixture(scope="module")
def golden(shared):
    with np.load(shared / "golden" / "gan" / "labelmix_mask.npz") as data:
        return dict(data)


@pytest.fixture(scope="module")
def oasis(shared):
    with np.load(shared / "golden" / "gan" / "oasis_losses.npz") as data:
        return dict(data)


def coins_of(zero, one, two, void):
    coins = np.zeros(256, np.int32)
    coins[[0, 1, 2, 255]] = (zero, one, two, void)
    return coins


def test_a_class_is_taken_from_where_its_coin_says():
    coins = np.stack([coins_of(1, 0, 0, 1), coins_of(0, 1, 0, 0)])
    mask = labelmix.mask_from_coins(LABELS, coins)
    np.testing.assert_array_equal(mask[..., 0], [[[1, 0], [0, 1]], [[1, 1], [0, 0]]])
    assert mask.dtype == tf.float32


def test_masks_equal_the_reference_of_a_table(golden):
    coins = np.broadcast_to(golden["lut"].astype(np.int32), (2, 6))
    mask = labelmix.mask_from_coins(golden["label"], coins)
    np.testing.assert_array_equal(mask, golden["clean_mask_from_lut"])


@pytest.mark.parametrize("scope", labelmix.SCOPES)
def test_each_class_is_real_in_half_of_the_draws_and_alone(scope):
    classes, draws = 5, 4096
    # One pixel for each class, and a "draw" for each seed.
    labels = tf.constant([[[0, 1, 2, 3, 255]]])
    seeds = tf.stack([tf.range(draws), tf.fill((draws,), 7)], axis=1)

    @tf.function
    def masks_of(seeds):
        return tf.map_fn(
            lambda seed: labelmix.class_mask(labels, seed, scope)[0, 0, :, 0],
            seeds,
            fn_output_signature=tf.float32,
        )

    masks = masks_of(seeds).numpy()
    three_sigma = 3 * 0.5 / np.sqrt(draws)
    np.testing.assert_allclose(masks.mean(axis=0), 0.5, atol=three_sigma)
    share = 2.0**-classes
    three_sigma = 3 * np.sqrt(share * (1 - share) / draws)
    assert np.all(masks == 1, axis=1).mean() == pytest.approx(share, abs=three_sigma)
    correlation = np.corrcoef(masks.T)[np.triu_indices(classes, 1)]
    # Ten of them, each of deviation 1 / sqrt(draws).
    np.testing.assert_allclose(correlation, 0.0, atol=4 / np.sqrt(draws))


def test_the_scope_says_who_shares_a_coin():
    labels = tf.zeros((64, 1, 1), tf.int32)
    alike = {
        scope: len(np.unique(labelmix.class_mask(labels, (1, 2), scope)))
        for scope in labelmix.SCOPES
    }
    assert alike == {"image": 2, "batch": 1}
    with pytest.raises(ValueError, match="No LabelMix scope 'pixel'; there are image"):
        labelmix.class_mask(labels, (1, 2), "pixel")


def test_masks_are_of_their_seed_and_the_same_in_a_graph():
    labels = tf.reshape(tf.range(240), (1, 12, 20))
    mask = labelmix.class_mask(labels, (3, 4))
    compiled = tf.function(labelmix.class_mask)
    np.testing.assert_array_equal(mask, compiled(labels, tf.constant((3, 4))))
    assert np.any(mask != labelmix.class_mask(labels, (3, 5)))
    traced = compiled.get_concrete_function(
        tf.TensorSpec((None, None, None), tf.int32), tf.TensorSpec((2,), tf.int32)
    )
    operations = {operation.type for operation in traced.graph.get_operations()}
    assert not operations & {"PyFunc", "EagerPyFunc"}


def test_a_mix_takes_each_pixel_from_one_of_both(oasis):
    mixed = labelmix.mix(oasis["mask"], oasis["img_real"], oasis["img_fake"])
    np.testing.assert_array_equal(mixed, oasis["img_mixed"])


def test_consistency_is_a_mean_over_pixels_and_logits():
    mask = tf.reshape((1.0, 0.0), (1, 1, 2, 1))
    real = tf.fill((1, 1, 2, 2), 3.0)
    fake = tf.fill((1, 1, 2, 2), -1.0)
    mixed = tf.constant([[[[3.0, 4.0], [-1.0, 1.0]]]])
    # 0, 1, 0 and 4.
    loss = labelmix.consistency_loss(mixed, real, fake, mask)
    assert loss.numpy() == pytest.approx(1.25)


def test_consistency_equals_the_reference(oasis):
    # Channels are in another order there, which a mean does not see.
    logits = (oasis[f"logits_{name}"] for name in ("mixed", "real", "fake"))
    loss = labelmix.consistency_loss(*logits, oasis["mask"])
    expected = oasis["L_labelmix_unweighted"]
    np.testing.assert_allclose(loss, expected, rtol=1e-5)
    np.testing.assert_allclose(10.0 * loss, oasis["L_labelmix_x10"], rtol=1e-5)


def test_consistency_trains_through_all_three_passes():
    real, fake, mixed = (tf.Variable(tf.fill((1, 1, 2, 1), v)) for v in (2.0, 1.0, 0.0))
    mask = tf.reshape((1.0, 0.0), (1, 1, 2, 1))
    with tf.GradientTape() as tape:
        loss = labelmix.consistency_loss(mixed, real, fake, mask)
    d_real, d_fake, d_mixed = tape.gradient(loss, [real, fake, mixed])
    np.testing.assert_allclose(tf.squeeze(d_real), [2.0, 0.0])
    np.testing.assert_allclose(tf.squeeze(d_fake), [0.0, 1.0])
    np.testing.assert_allclose(tf.squeeze(d_mixed), [-2.0, -1.0])


def test_a_mask_is_read_where_coarser_logits_are():
    mask = tf.reshape(tf.range(16.0), (1, 4, 4, 1))
    coarse = labelmix.strided_to(mask, tf.zeros((1, 2, 2, 7)))
    np.testing.assert_array_equal(coarse[0, ..., 0], [[0, 2], [8, 10]])
    with pytest.raises(ValueError, match=r"\(1, 4, 4, 1\) .* \(1, 3, 2, 7\)"):
        labelmix.strided_to(mask, tf.zeros((1, 3, 2, 7)))
