import math

import numpy as np
import pytest
import tensorflow as tf

from egic import labelmix, losses

# Pixels whose logits are the logs of probabilities: -log p by hand.
PROBABILITIES = tf.constant([[0.5, 0.25, 0.25], [0.1, 0.8, 0.1]])
LOGITS = tf.math.log(PROBABILITIES)[tf.newaxis, tf.newaxis]


@pytest.fixture(scope="module")
def golden(shared):
    with np.load(shared / "golden" / "gan" / "oasis_losses.npz") as data:
        return dict(data)


def ours(golden, name):
    return losses.fake_last(golden[f"logits_{name}"])


# Suffix of the reference -> its weights. Without balancing every class counts, the
# first too.
OASIS = {
    "": "weight_map",
    "_unbalanced": None,
    "_dontcare0": "weight_map_dontcare0",
    "_dontcare0_unbalanced": None,
}


@pytest.mark.parametrize("suffix", OASIS)
def test_means_over_all_pixels_equal_oasis(golden, suffix):
    labels = golden["label"]
    key = OASIS[suffix]
    weights = np.ones(labels.shape, np.float32) if key is None else golden[key]
    options = {"ignore_label": losses.NOTHING, "reduction": "all_pixels"}
    terms = losses.semantic_discriminator_loss(
        ours(golden, "real"), ours(golden, "fake"), labels, weights, **options
    )
    expected = golden[f"L_D_real{suffix}"], golden[f"L_D_fake{suffix}"]
    np.testing.assert_allclose(terms, expected, rtol=1e-5)
    generator = losses.semantic_cross_entropy(
        ours(golden, "fake"), labels, weights, **options
    )
    np.testing.assert_allclose(generator, golden[f"L_G_adv{suffix}"], rtol=1e-5)


@pytest.mark.parametrize("suffix, ignored", [("", 255), ("_ignore0", 0)])
def test_means_over_counted_pixels_equal_egic(golden, suffix, ignored):
    labels, weights = golden["label"], golden["instance_weight"]
    terms = losses.semantic_discriminator_loss(
        ours(golden, "real"),
        ours(golden, "fake"),
        labels,
        weights,
        ignore_label=ignored,
    )
    expected = golden[f"EGIC_L_D_real{suffix}"], golden[f"EGIC_L_D_fake{suffix}"]
    np.testing.assert_allclose(terms, expected, rtol=1e-5)
    generator = losses.semantic_cross_entropy(
        ours(golden, "fake"), labels, weights, ignore_label=ignored
    )
    np.testing.assert_allclose(generator, golden[f"EGIC_L_G{suffix}"], rtol=1e-5)


@pytest.mark.parametrize("coefficient", [5, 10])
def test_the_discriminators_total_equals_oasis(golden, coefficient):
    total = total_of(golden, *_all(golden), coefficient)
    expected = golden[f"L_D_total_x{coefficient}"]
    np.testing.assert_allclose(total, expected, rtol=1e-5)


def test_the_gradient_of_the_total_equals_oasis(golden):
    logits = [tf.constant(golden[f"logits_{name}"]) for name in NAMES]
    with tf.GradientTape() as tape:
        tape.watch(logits)
        total = total_of(golden, *(losses.fake_last(one) for one in logits), 10)
    for name, gradient in zip(NAMES, tape.gradient(total, logits), strict=True):
        expected = golden[f"grad_D_logits_{name}"]
        np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-6)


NAMES = ("mixed", "real", "fake")


def _all(golden):
    return (ours(golden, name) for name in NAMES)


def total_of(golden, mixed, real, fake, coefficient):
    terms = losses.semantic_discriminator_loss(
        real,
        fake,
        golden["label"],
        golden["weight_map"],
        ignore_label=losses.NOTHING,
        reduction="all_pixels",
    )
    consistency = labelmix.consistency_loss(mixed, real, fake, golden["mask"])
    return terms.real + terms.fake + coefficient * consistency


def test_the_orders_of_classes_differ_by_where_fake_is(golden):
    # Class c is at c + 1 there, and fake at 0.
    outputs = golden["logits_real"].shape[-1]
    there = tf.one_hot(golden["n1_target_real"], outputs)
    here = tf.one_hot(golden["label"], outputs)
    np.testing.assert_array_equal(losses.fake_last(there), here)
    np.testing.assert_array_equal(losses.fake_first(here), there)
    fake = losses.fake_last(tf.one_hot(golden["n1_target_fake"], outputs))
    np.testing.assert_array_equal(fake[..., -1], np.ones(golden["label"].shape))


def test_fake_moves_from_the_first_place_to_the_last():
    np.testing.assert_array_equal(losses.fake_last([9, 0, 1, 2]), [0, 1, 2, 9])
    np.testing.assert_array_equal(losses.fake_first([0, 1, 2, 9]), [9, 0, 1, 2])


def test_cross_entropies_by_hand():
    labels, weights = tf.constant([[[0, 1]]]), tf.constant([[[3.0, 1.0]]])
    value = losses.semantic_cross_entropy(LOGITS, labels, weights, ignore_label=255)
    expected = (3 * math.log(2) + math.log(1.25)) / 2
    assert value.numpy() == pytest.approx(expected)
    fake = losses.fake_cross_entropy(LOGITS)
    assert fake.numpy() == pytest.approx((math.log(4) + math.log(10)) / 2)


@pytest.mark.parametrize("void", [0, 255])
@pytest.mark.parametrize("reduction, pixels", [("nonzero", 1), ("all_pixels", 2)])
def test_void_pixels_are_fake_but_of_no_class(void, reduction, pixels):
    labels, weights = tf.constant([[[void, 1]]]), tf.ones((1, 1, 2))
    terms = losses.semantic_discriminator_loss(
        LOGITS, LOGITS, labels, weights, ignore_label=void, reduction=reduction
    )
    assert terms.real.numpy() == pytest.approx(math.log(1.25) / pixels)
    assert terms.fake.numpy() == pytest.approx((math.log(4) + math.log(10)) / 2)


@pytest.mark.parametrize("reduction", ["nonzero", "all_pixels"])
def test_an_image_of_nothing_but_void_scores_0_for_its_classes(reduction):
    labels, weights = tf.fill((1, 1, 2), 255), tf.ones((1, 1, 2))
    with tf.GradientTape() as tape:
        tape.watch(LOGITS)
        value = losses.semantic_cross_entropy(
            LOGITS, labels, weights, ignore_label=255, reduction=reduction
        )
    assert value.numpy() == 0.0
    gradient = tape.gradient(value, LOGITS)
    np.testing.assert_array_equal(gradient, np.zeros(LOGITS.shape))


def test_the_undecided_score_twice_ln_135_on_coco():
    zero = tf.zeros((2, 4, 4, 135))
    terms = losses.semantic_discriminator_loss(
        zero, zero, tf.ones((2, 4, 4), tf.int32), tf.ones((2, 4, 4)), ignore_label=0
    )
    assert sum(terms).numpy() == pytest.approx(9.8105, abs=1e-4)


def test_coarser_logits_are_compared_with_every_nth_pixel():
    fine = tf.constant([[[0, 2, 1, 2], [2, 2, 2, 2]]])
    value = losses.semantic_cross_entropy(
        LOGITS, fine, tf.ones((1, 2, 4)), ignore_label=255
    )
    assert value.numpy() == pytest.approx((math.log(2) + math.log(1.25)) / 2)
    with pytest.raises(ValueError, match=r"not multiples of theirs"):
        losses.semantic_cross_entropy(
            LOGITS, fine[:, :, :3], tf.ones((1, 2, 3)), ignore_label=255
        )
