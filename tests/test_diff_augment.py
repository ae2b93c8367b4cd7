import numpy as np
import pytest
import tensorflow as tf

from egic import diff_augment

IMAGE = tf.reshape(tf.range(1.0, 13.0), (1, 3, 4, 1))


@pytest.fixture(scope="module")
def golden(shared):
    with np.load(shared / "golden" / "gan" / "projected_blocks.npz") as data:
        return dict(data)


@pytest.mark.parametrize("name", ["brightness", "saturation", "contrast"])
def test_colors_equal_the_reference_for_the_same_draws(golden, name):
    u = golden["aug_u"].ravel()
    changed = getattr(diff_augment, name)(golden["aug_x"], u)
    np.testing.assert_allclose(changed, golden[name], atol=1e-6)


def test_moves_and_holes_equal_the_reference_for_the_same_draws(golden):
    def pair(*names):
        return tuple(golden[name].astype(np.int32) for name in names)

    moved = diff_augment.translate(golden["aug_x"], pair("trans_h", "trans_w"))
    np.testing.assert_array_equal(moved, golden["translation"])
    cut = diff_augment.cut_out(golden["aug_x"], pair("cut_off_h", "cut_off_w"))
    np.testing.assert_array_equal(cut, golden["cutout"])


def test_colors_by_hand():
    pixel = tf.reshape((0.0, 0.5, 1.0), (1, 1, 1, 3))
    u = tf.constant((0.75,))
    changed = diff_augment.brightness(pixel, u)
    np.testing.assert_allclose(changed[0, 0, 0], (0.25, 0.75, 1.25))
    changed = diff_augment.saturation(pixel, u)
    np.testing.assert_allclose(changed[0, 0, 0], (-0.25, 0.5, 1.25))
    changed = diff_augment.contrast(pixel, u)
    np.testing.assert_allclose(changed[0, 0, 0], (-0.125, 0.5, 1.125))


def test_a_move_brings_in_zeros():
    moved = diff_augment.translate(IMAGE, (tf.constant([1]), tf.constant([-1])))
    expected = [[0, 5, 6, 7], [0, 9, 10, 11], [0, 0, 0, 0]]
    np.testing.assert_array_equal(moved[0, ..., 0], expected)


def test_a_hole_is_a_fifth_of_each_side_and_cut_off_at_the_border():
    # A fifth of 256 is 51 pixels; 25 of them before the centre.
    ones = tf.ones((2, 256, 256, 1))
    cut = diff_augment.cut_out(ones, (tf.constant((100, 0)), tf.constant((100, 255))))
    holes = 1.0 - cut.numpy()[..., 0]
    assert holes[0].sum() == 51 * 51 and holes[0, 75:126, 75:126].all()
    assert holes[1].sum() == 26 * 26 and holes[1, :26, -26:].all()


def test_draws_reach_both_ends_of_their_ranges(golden):
    draws = diff_augment.draw((0, 1), 2000, 10, 12)
    ranges = golden["trans_ranges"]
    for values, (low, high) in zip(draws.shift, ranges, strict=True):
        assert set(values.numpy()) == set(range(low, high))
    for values, (low, high) in zip(draws.hole, golden["cut_ranges"], strict=True):
        assert set(values.numpy()) == set(range(low, high))
    for values in draws[:3]:
        assert 0.0 <= values.numpy().min() < 0.01 < 0.99 < values.numpy().max() < 1.0
    pairs = np.corrcoef([*draws[:3], *draws.shift, *draws.hole])[np.triu_indices(7, 1)]
    assert np.abs(pairs).max() < 0.1


def test_a_policy_applies_its_operations_in_order():
    images = tf.random.stateless_uniform((2, 16, 16, 3), (0, 0), -1.0, 1.0)
    draws = diff_augment.draw((1, 2), 2, 16, 16)
    expected = images
    for name in ("color", "translation", "cutout"):
        expected = diff_augment.OPERATIONS[name](expected, draws)
    np.testing.assert_array_equal(diff_augment.augment(images, (1, 2)), expected)
    still = diff_augment.augment(images, (1, 2), ("cutout",))
    np.testing.assert_array_equal(still, diff_augment.cut_out(images, draws.hole))
    with pytest.raises(ValueError, match="No augmentation 'blur'; there are color"):
        diff_augment.augment(images, (1, 2), ("blur",))


def test_a_gradient_comes_back_through_every_operation():
    images = tf.random.stateless_uniform((1, 16, 16, 3), (0, 0), -1.0, 1.0)
    draws = diff_augment.draw((1, 2), 1, 16, 16)
    for name, operation in diff_augment.OPERATIONS.items():
        with tf.GradientTape() as tape:
            tape.watch(images)
            changed = operation(images, draws)
        assert np.any(tape.gradient(changed, images)), name


def test_draws_are_the_same_in_a_graph_of_unknown_batch():
    images = tf.random.stateless_uniform((3, 16, 16, 3), (0, 0), -1.0, 1.0)
    compiled = tf.function(
        diff_augment.augment,
        input_signature=[
            tf.TensorSpec((None, 16, 16, 3), tf.float32),
            tf.TensorSpec((2,), tf.int32),
        ],
    )
    eager = diff_augment.augment(images, (5, 6))
    np.testing.assert_allclose(compiled(images, (5, 6)), eager, atol=1e-6)
    assert np.any(diff_augment.augment(images, (5, 7)) != eager)
