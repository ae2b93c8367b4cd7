import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

from deeplab2_tf import autoaugment
from deeplab2_tf.autoaugment import OPERATIONS, POLICIES, Draws, augment
from tests.in_tf_data import both_ways

SMALL = "simple_classification_policy_magnitude_scale_0.2"
FULL = "simple_classification_policy"
GOLDEN = [
    *["Sharpness_0.352", "Sharpness_0.424", "Sharpness_0.136", "Sharpness_1.36"],
    *["Sharpness_1.72", "Sharpness_0.28", "Brightness_0.46", "Brightness_1.9"],
    *["Contrast_0.46", "Contrast_1.9", "Color_0.424", "Color_1.72"],
    *["Solarize_35", "Solarize_179", "Equalize_"],
]


def plain(height, width, pixel=(51, 29, 58)):
    return np.tile(np.uint8(pixel), (height, width, 1))


def draws(row, first, second):
    return Draws(
        row=tf.constant(row, tf.float32),
        steps=tf.constant([first, second], tf.float32),
    )


@both_ways
@pytest.mark.parametrize("case", GOLDEN)
@pytest.mark.parametrize("size", ["", "_big"])
def test_operations_are_deeplab2s_exactly(shared, run, case, size):
    golden = np.load(shared / "golden/deeplab2/autoaugment_ops.npz")
    name, argument = case.lower().split("_")
    result = run(
        lambda image: OPERATIONS[name](image, float(argument or 0)),
        golden[f"image{size}"],
    )
    assert result.dtype == np.uint8
    np.testing.assert_array_equal(result, golden[f"{case}{size}"])


@both_ways
@pytest.mark.parametrize(
    "name, argument, expected",
    [
        ("solarize", 35, (204, 29, 197)),
        ("brightness", 0.46, (23, 13, 26)),
        ("brightness", 1.9, (96, 55, 110)),
        ("color", 0.424, (43, 34, 46)),
        ("contrast", 0.46, (23, 13, 26)),  # 7 * 6 / 256 is 0: away from black.
    ],
)
def test_operations_on_one_colour(run, name, argument, expected):
    result = run(lambda image: OPERATIONS[name](image, argument), plain(7, 6))
    np.testing.assert_array_equal(result, plain(7, 6, expected))


# H * W / 256 is 255 from 65280 pixels on: nearly every picture moves towards white.
@pytest.mark.parametrize("side, expected", [(256, 161), (255, 160), (100, 44)])
def test_contrast_is_relative_to_a_grey_that_depends_on_the_size(side, expected):
    result = autoaugment.contrast(tf.constant(plain(side, side)), 0.46)
    assert result[0, 0, 0] == expected


def test_sharpness_blurs_all_but_the_border():
    image = np.zeros((4, 4, 3), np.uint8)
    image[1, 1] = 130
    result = autoaugment.sharpness(tf.constant(image), 0.0)[..., 0]
    # 130 / 13 is just below 10 in float32 where a neighbour's weight is rounded down.
    assert result[1, 1] in (49, 50) and result[2, 2] in (9, 10)
    np.testing.assert_array_equal(result[0], image[0, :, 0])
    np.testing.assert_array_equal(result[:, 3], image[:, 3, 0])


@both_ways
def test_equalize_flattens_each_channel_as_pillow_does(run):
    image = np.random.default_rng(3).normal(90, 25, (40, 50, 3))
    image = np.clip(image, 0, 255).astype(np.uint8)
    image[..., 2] = 7  # One value: Pillow leaves the channel alone.
    expected = np.asarray(ImageOps.equalize(Image.fromarray(image)))
    result = run(autoaugment.equalize, image)
    np.testing.assert_array_equal(result, expected)
    assert (result[..., 2] == 7).all()


@pytest.mark.parametrize(
    "policy, expected",
    [
        (SMALL, [0.352, 0.46, 0, 0.46, 0.424, 0.424, 35, 0, 0.136, 0]),
        (FULL, [1.36, 1.9, 0, 1.9, 1.72, 1.72, 179, 0, 0.28, 0]),
    ],
)
def test_policies_have_the_published_magnitudes(policy, expected):
    arguments = [step.argument for row in POLICIES[policy] for step in row]
    np.testing.assert_allclose(arguments, expected, rtol=1e-12)


def test_policies_have_the_published_steps():
    assert set(POLICIES) == {FULL, SMALL}
    for policy in POLICIES.values():
        assert [
            [(step.operation, step.probability) for step in row] for row in policy
        ] == [
            [("sharpness", 0.4), ("brightness", 0.2)],
            [("equalize", 0.0), ("contrast", 0.2)],
            [("sharpness", 0.2), ("color", 0.2)],
            [("solarize", 0.2), ("equalize", 0.6)],
            [("sharpness", 0.2), ("equalize", 0.2)],
        ]


@both_ways
@pytest.mark.parametrize(
    "row, steps, expected",
    [
        (0.0, (0.39, 0.19), (23, 13, 26)),  # Blurring one colour changes it by 1.
        (0.0, (0.4, 0.2), (51, 29, 58)),
        (0.2, (0.0, 0.19), (23, 13, 26)),  # A probability of 0 never happens.
        (0.5, (0.2, 0.19), (43, 34, 46)),
        (0.799, (0.19, 0.6), (204, 29, 197)),
        (0.999, (0.2, 0.19), (51, 29, 58)),
    ],
)
def test_the_drawn_row_and_its_drawn_steps_happen(run, row, steps, expected):
    result = run(
        lambda image: augment(image, POLICIES[SMALL], draws(row, *steps)), plain(7, 6)
    )
    error = np.abs(result.astype(int) - expected)
    assert error.max() <= 1
    assert error[0, 0].max() == 0


def test_only_what_was_drawn_runs(monkeypatch):
    ran = []

    def recorded(name):
        def operation(image, argument):
            tf.py_function(lambda: ran.append((name, argument)), [], [])
            return image

        return operation

    monkeypatch.setattr(
        autoaugment, "OPERATIONS", {name: recorded(name) for name in OPERATIONS}
    )

    @tf.function
    def compiled(image, drawn):
        return augment(image, POLICIES[FULL], drawn)

    compiled(tf.constant(plain(4, 4)), draws(0.7, 0.1, 0.9))
    assert ran == [("solarize", 179)]


def test_draws_have_the_policys_frequencies():
    seeds = tf.stack([tf.zeros(2000, tf.int32), tf.range(2000)], axis=1)
    drawn = tf.vectorized_map(autoaugment.draw, seeds)
    rows = np.bincount((drawn.row * 5).numpy().astype(int), minlength=5) / 2000
    np.testing.assert_allclose(rows, 0.2, atol=0.05)
    steps = drawn.steps.numpy()
    np.testing.assert_allclose((steps < 0.4).mean(axis=0), 0.4, atol=0.05)
    assert abs(np.corrcoef(steps.T)[0, 1]) < 0.1
