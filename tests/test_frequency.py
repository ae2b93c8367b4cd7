import numpy as np
import pytest
import tensorflow as tf

from egic.frequency import focal_frequency_loss

COMBINED = {
    "alpha": 1.5,
    "patch_factor": 2,
    "log_matrix": True,
    "average_spectrum": True,
    "batch_matrix": True,
}
# Key of the reference -> options, and the weight that a system would multiply by.
CONFIGS = {
    "default": ({}, 1.0),
    "alpha05": ({"alpha": 0.5}, 1.0),
    "alpha2": ({"alpha": 2.0}, 1.0),
    "patch2": ({"patch_factor": 2}, 1.0),
    "patch4": ({"patch_factor": 4}, 1.0),
    "log": ({"log_matrix": True}, 1.0),
    "ave": ({"average_spectrum": True}, 1.0),
    "batch": ({"batch_matrix": True}, 1.0),
    "w10": ({}, 10.0),
    "combo": (COMBINED, 2.0),
}


@pytest.fixture(scope="module")
def golden(shared):
    with np.load(shared / "golden" / "gan" / "ffl.npz") as data:
        return dict(data)


@pytest.mark.parametrize("name", CONFIGS)
def test_it_equals_the_reference(golden, name):
    options, weight = CONFIGS[name]
    loss = weight * focal_frequency_loss(golden["pred"], golden["target"], **options)
    np.testing.assert_allclose(loss, golden[f"loss_{name}"], rtol=1e-5)


@pytest.mark.parametrize("name", ["default", "patch2", "combo"])
def test_its_gradient_equals_the_reference(golden, name):
    options, weight = CONFIGS[name]
    image = tf.constant(golden["pred"])
    with tf.GradientTape() as tape:
        tape.watch(image)
        loss = weight * focal_frequency_loss(image, golden["target"], **options)
    expected = golden[f"grad_{name}"]
    np.testing.assert_allclose(tape.gradient(loss, image), expected, atol=1e-7)


def test_equal_channels_cost_nothing_and_are_no_nan(golden):
    loss = focal_frequency_loss(golden["pred"], golden["target_eqch"])
    np.testing.assert_allclose(loss, golden["loss_eqch"], rtol=1e-5)
    same = tf.constant(golden["pred"])
    with tf.GradientTape() as tape:
        tape.watch(same)
        loss = focal_frequency_loss(same, golden["pred"])
    assert loss.numpy() == 0.0
    np.testing.assert_array_equal(tape.gradient(loss, same), np.zeros(same.shape))


def test_it_grows_with_the_square_of_the_scale(golden):
    loss = focal_frequency_loss(golden["pred"] * 255.0, golden["target"] * 255.0)
    np.testing.assert_allclose(loss, golden["loss_scale255"], rtol=1e-5)


def test_of_a_wave_and_a_constant_by_hand():
    # Orthonormal, 1 x 4 pixels: the constant 1 has F[0] = 2, and 0.5 cos(pi j) has
    # F[2] = 1. Weights are 1 and 1/2, so the loss is (1 * 4 + 0.5 * 1) / 4.
    image = tf.reshape((1.5, 0.5, 1.5, 0.5), (1, 1, 4, 1))
    loss = focal_frequency_loss(image, tf.zeros_like(image))
    assert loss.numpy() == pytest.approx(1.125)
    # Unweighted it is the mean squared error.
    loss = focal_frequency_loss(image, tf.zeros_like(image), alpha=0.0)
    assert loss.numpy() == pytest.approx(1.25)


def test_images_that_patches_do_not_divide_are_refused():
    image = tf.zeros((1, 8, 6, 3))
    with pytest.raises(ValueError, match=r"\(1, 8, 6, 3\) .* 4 x 4"):
        focal_frequency_loss(image, image, patch_factor=4)
