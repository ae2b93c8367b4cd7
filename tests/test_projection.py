"""What a softmax sees of the latent: docs/projection.md, in numbers."""

import zlib
from typing import NamedTuple

import numpy as np
import pytest
import tensorflow as tf

from egic import labelmix, losses
from egic.discriminators import oasis
from hific.conditioning import CONDITIONINGS, Projection, Widths
from hific.names import named_variables
from hific.weight_norms import WEIGHT_NORMS

PLAIN = WEIGHT_NORMS["none"]
CLASSES, SIDE = 4, 16
VOID = 255

SHAPE = (2, SIDE, SIDE, 3)
REAL = tf.random.stateless_uniform(SHAPE, (0, 1), maxval=255.0)
FAKE = REAL + 20.0 * tf.random.stateless_normal(SHAPE, (0, 2))
LABELS = tf.random.stateless_uniform(SHAPE[:3], (0, 3), 0, CLASSES, tf.int32)
WEIGHTS = 1.0 + 2.0 * tf.cast(LABELS == 0, tf.float32)
LATENT = tf.random.stateless_normal((2, 4, 4, 6), (0, 4))
OTHER_LATENT = tf.random.stateless_normal((2, 4, 4, 6), (0, 5))


def critic(name: str, embedding: float = 0.0) -> oasis.OasisDiscriminator:
    """A small U-Net whose body is the same whatever the conditioning.

    Args:
        name: Of the conditioning.
        embedding: Standard deviation of the embedding where there is one.
    """
    widths = Widths(latent=6, entering=2, trunk=4, logits=CLASSES + 1)
    made = oasis.OasisDiscriminator(
        CONDITIONINGS[name](widths, PLAIN), CLASSES + 1, (4, 6), (6, 4), PLAIN
    )
    for path, variable in named_variables(made).items():
        seed = (1, zlib.crc32(path.encode()))
        noise = tf.random.stateless_normal(variable.shape, seed)
        spread = embedding if path.endswith("embedding") else 0.3
        variable.assign(spread * noise)
    return made


class Seen(NamedTuple):
    """Loss terms, and gradients of their sum.

    Attributes:
        terms: Eq. 4's adversarial term and both of Eq. 5.
        image: Gradient with respect to the reconstruction.
        body, conditioning: Name -> gradient.
    """

    terms: np.ndarray
    image: np.ndarray
    body: dict[str, np.ndarray]
    conditioning: dict[str, np.ndarray]


def cross_entropies(made, latent=LATENT) -> Seen:
    variables = named_variables(made)
    with tf.GradientTape() as tape:
        tape.watch(FAKE)
        real_logits, fake_logits = made(REAL, latent), made(FAKE, latent)
        semantic = losses.semantic_cross_entropy(
            fake_logits, LABELS, WEIGHTS, ignore_label=VOID
        )
        terms = tf.stack(
            [
                semantic,
                *losses.semantic_discriminator_loss(
                    real_logits, fake_logits, LABELS, WEIGHTS, ignore_label=VOID
                ),
            ]
        )
        # The generator's term twice, or "fake" would cancel most of it.
        total = tf.reduce_sum(terms * (2.0, 1.0, 1.0))
    image, gradients = tape.gradient(total, (FAKE, variables))
    split = {
        new: {
            name: gradient.numpy()
            for name, gradient in gradients.items()
            if gradient is not None and name.startswith("conditioning.") == new
        }
        for new in (False, True)
    }
    return Seen(terms.numpy(), image.numpy(), split[False], split[True])


def consistency(made, latent=LATENT):
    """Eq. 6, and its gradients to the conditioning."""
    mask = labelmix.class_mask(LABELS, (0, 6))
    with tf.GradientTape() as tape:
        loss = labelmix.consistency_loss(
            made(labelmix.mix(mask, REAL, FAKE), latent),
            made(REAL, latent),
            made(FAKE, latent),
            mask,
        )
    return float(loss), tape.gradient(loss, named_variables(made.conditioning))


def largest(array) -> float:
    return float(np.abs(array).max())


def test_bodies_are_the_same_whatever_the_condition():
    free, ours = critic("none"), critic("projection_classwise", 0.3)
    body = named_variables(free)
    for name, variable in named_variables(ours).items():
        if name in body:
            np.testing.assert_array_equal(variable, body[name])


def test_the_published_form_moves_logits_but_no_cross_entropy_and_no_gradient():
    free, projected = critic("none"), critic("projection")
    assert largest(projected(FAKE, LATENT) - free(FAKE, LATENT)) > 1.0
    without, seen = cross_entropies(free), cross_entropies(projected)
    np.testing.assert_allclose(seen.terms, without.terms, rtol=1e-5)
    scale = largest(without.image)
    np.testing.assert_allclose(seen.image, without.image, atol=1e-4 * scale)
    for name, gradient in without.body.items():
        np.testing.assert_allclose(
            seen.body[name], gradient, atol=1e-4 * max(largest(gradient), 1e-3)
        )
    for gradient in seen.conditioning.values():
        assert largest(gradient) < 1e-4


def test_labelmix_sees_the_published_form():
    (without, _), (with_it, gradients) = (
        consistency(critic(name)) for name in ("none", "projection")
    )
    assert with_it > 1.01 * without
    assert all(largest(gradient) > 1e-3 for gradient in gradients.values())


def test_what_labelmix_can_teach_the_published_form_is_to_hide_the_common_part():
    # Logits of the mixed picture are 1 and 3 too high. Shifted by -2, the mean, the
    # loss is the variance between logits, and no shift makes it less.
    inconsistency = tf.reshape((1.0, 3.0), (1, 1, 1, 2))
    zero, mask = tf.zeros((1, 1, 1, 2)), tf.ones((1, 1, 1, 1))
    loss = {
        shift: float(labelmix.consistency_loss(inconsistency + shift, zero, zero, mask))
        for shift in (-3.0, -2.0, 0.0)
    }
    assert loss == {-3.0: 2.0, -2.0: 1.0, 0.0: 5.0}


def test_the_classwise_form_reaches_cross_entropy_and_its_gradients():
    without = cross_entropies(critic("none"))
    seen = cross_entropies(critic("projection_classwise", 0.3))
    assert (np.abs(seen.terms - without.terms) > 1e-3).all()
    assert largest(seen.image - without.image) > 0.1 * largest(without.image)
    assert all(largest(gradient) > 1e-3 for gradient in seen.conditioning.values())


@pytest.mark.parametrize(
    "name, depends", [("projection", False), ("projection_classwise", True)]
)
def test_only_the_classwise_forms_gradient_to_the_picture_depends_on_the_latent(
    name, depends
):
    made = critic(name, 0.3)
    one, other = (cross_entropies(made, y).image for y in (LATENT, OTHER_LATENT))
    apart = largest(one - other) / largest(one)
    assert apart > 0.1 if depends else apart < 1e-4


def test_the_classwise_form_starts_as_the_unconditional_network():
    free, ours = critic("none"), critic("projection_classwise")
    np.testing.assert_array_equal(ours(FAKE, LATENT), free(FAKE))
    gradients = cross_entropies(ours).conditioning
    assert largest(gradients["conditioning.embedding"]) > 1e-3
    assert largest(gradients["conditioning.conv.kernel"]) == 0.0


def test_equal_rows_of_ones_are_the_published_form():
    published, ours = critic("projection"), critic("projection_classwise")
    ours.conditioning.embedding.assign(tf.ones((CLASSES + 1, 4)))
    np.testing.assert_allclose(
        ours(FAKE, LATENT), published(FAKE, LATENT), rtol=1e-5, atol=1e-4
    )


def test_classwise_logits_by_hand():
    widths = Widths(latent=2, entering=0, trunk=2, logits=3)
    door = CONDITIONINGS["projection_classwise"](widths, PLAIN)
    assert isinstance(door, Projection)
    kernel = np.zeros((3, 3, 2, 2), np.float32)
    kernel[1, 1] = np.eye(2)
    door.conv.kernel.assign(kernel)
    door.embedding.assign([[0.0, 0.0], [1.0, 0.0], [1.0, -1.0]])
    logits = tf.reshape((1.0, 2.0, 3.0), (1, 1, 1, 3))
    features = tf.reshape((4.0, -3.0), (1, 1, 1, 2))
    latent = tf.reshape((2.0, -5.0), (1, 1, 1, 2))  # Leaky ReLU: (2, -1).
    y = door.leave(logits, features, latent)  # u * p = (8, 3).
    np.testing.assert_allclose(y[0, 0, 0], (1.0, 10.0, 8.0), rtol=1e-6)
