import json

import numpy as np
import pytest
import tensorflow as tf

from deeplab2_tf import geometry
from tests.in_tf_data import both_ways, eagerly

MAP = np.arange(20, dtype=np.int32).reshape(4, 5)
SETTINGS = {
    "min640max640": (640, 640),
    "min641max641": (641, 641),
    "min256max256": (256, 256),
    "min641max641f32": (641, 641, 32),
    "min0max0": (0, 0),
    "max641only": (0, 641),
}
COCO_SIZES = [
    *[(213, 320), (260, 391), (308, 462), (355, 533), (403, 604)],
    *[(450, 675), (498, 746), (545, 817), (593, 888), (640, 960)],
]


@both_ways
@pytest.mark.parametrize(
    "size, arguments, expected",
    [
        ((427, 640), (640, 640), (427, 640)),
        ((333, 500), (640, 640), (426, 640)),
        ((500, 375), (641, 641), (641, 481)),
        ((240, 320), (256, 256), (192, 256)),
        ((100, 640), (641, 641, 32), (129, 641)),
        ((1024, 2048), (641, 641), (320, 641)),  # Not 321: floors are of float32.
        ((1024, 2048), (0, 0), (1024, 2048)),
        ((240, 320), (0, 641), (240, 320)),
        ((240, 320), (480, 0), (480, 640)),
        ((100, 200), (0, (100, 100)), (50, 100)),
        ((1, 1000), (0, 640), (1, 640)),
    ],
)
def test_sizes_in_a_range(run, size, arguments, expected):
    result = run(
        lambda one: geometry.size_in_range(one, *arguments), np.array(size, np.int32)
    )
    assert tuple(result) == expected


def test_sizes_in_a_range_are_deeplab2s(shared):
    rows = json.loads(
        (shared / "golden/deeplab2/resize_to_range_sizes.json").read_text()
    )
    assert len(rows) == 10
    for size, expected in rows:
        for setting, arguments in SETTINGS.items():
            result = geometry.size_in_range(tf.constant(size), *arguments)
            assert result.numpy().tolist() == expected[setting], (size, setting)


@pytest.mark.parametrize("max_scale, count", [(1.5, 10), (2.0, 15)])
def test_a_step_of_a_tenth_gives_ten_scales_to_coco_and_fifteen_to_cityscapes(
    max_scale, count
):
    factors = geometry.scale_factors(0.5, max_scale, 0.1)
    expected = [0.5 + i * (max_scale - 0.5) / (count - 1) for i in range(count)]
    assert factors.dtype == np.float32
    np.testing.assert_allclose(factors, expected, rtol=2e-7)
    assert 1 not in factors


def test_scales_are_deeplab2s_exactly(shared):
    golden = np.load(shared / "golden/deeplab2/preprocessing_primitives.npz")
    for max_scale, key in [(1.5, "coco_scales"), (2.0, "city_scales")]:
        factors = geometry.scale_factors(0.5, max_scale, 0.1)
        np.testing.assert_array_equal(factors, golden[key])


def test_equal_ends_or_a_step_beyond_the_range_leave_one_scale():
    assert geometry.scale_factors(0.75, 0.75, 0.1).tolist() == [0.75]
    assert geometry.scale_factors(0.75, 1.0, 0.5).tolist() == [0.75]


def test_scales_in_the_wrong_order_are_refused():
    with pytest.raises(ValueError, match=r"min_scale \(=2.0\) must be positive"):
        geometry.scale_factors(2.0, 0.5, 0.1)
    with pytest.raises(ValueError, match="scale_step must be positive, got -0.1"):
        geometry.scale_factors(0.5, 2.0, -0.1)


@both_ways
def test_scaled_sides_are_rounded_down(run):
    for scale, expected in zip(
        geometry.scale_factors(0.5, 1.5, 0.1), COCO_SIZES, strict=True
    ):
        size = np.array([427, 640], np.int32)
        assert tuple(run(geometry.scaled_size, size, scale)) == expected


def test_scaled_sides_do_not_vanish():
    assert geometry.scaled_size(tf.constant([1, 9]), 0.5).numpy().tolist() == [1, 4]


@both_ways
@pytest.mark.parametrize(
    "size, expected",
    [((2, 2), [[0, 4], [15, 19]]), ((2, 3), [[0, 2, 4], [15, 17, 19]])],
)
def test_labels_keep_their_corners(run, size, expected):
    result = run(lambda x: geometry.resize_labels(x, size), MAP)
    assert result.dtype == np.int32
    np.testing.assert_array_equal(result, expected)


def test_labels_half_way_go_to_the_larger_index():
    result = geometry.resize_labels(tf.constant(MAP), (6, 7)).numpy()
    assert result[0].tolist() == [0, 1, 1, 2, 3, 3, 4]
    assert (result[:, 0] // 5).tolist() == [0, 1, 1, 2, 2, 3]


@both_ways
def test_images_are_interpolated_between_aligned_corners(run):
    ramp = np.array([[[0], [10], [20]], [[40], [50], [60]]], np.uint8)
    result = run(lambda x: geometry.resize_image(x, (3, 5)), ramp)
    expected = [[0, 5, 10, 15, 20], [20, 25, 30, 35, 40], [40, 45, 50, 55, 60]]
    assert result.dtype == np.float32
    np.testing.assert_allclose(result[..., 0], expected, atol=1e-5)


@both_ways
@pytest.mark.parametrize(
    "case", ["resize_min7max9", *(f"scale_{s}" for s in (0.5, 0.6111, 1.3889, 1.5))]
)
def test_resizing_is_deeplab2s(shared, run, case):
    golden = np.load(shared / "golden/deeplab2/preprocessing_primitives.npz")
    name = f"{case[:6]}{float(case[6:]):.4f}" if case.startswith("scale") else case

    def resize(image, labels):
        size = tf.shape(labels)
        if case.startswith("scale"):
            scales = geometry.scale_factors(0.5, 1.5, 0.1)
            scale = scales[np.argmin(np.abs(scales - float(case[6:])))]
            size = geometry.scaled_size(size, scale)
        else:
            size = geometry.size_in_range(size, 7, 9)
        return geometry.resize_image(image, size), geometry.resize_labels(labels, size)

    image, labels = run(
        resize, golden["resize_in_img"], golden["resize_in_lab"][..., 0]
    )
    np.testing.assert_allclose(image, golden[f"{name}_img"], atol=1e-3)
    np.testing.assert_array_equal(labels, golden[f"{name}_lab"][..., 0])


@both_ways
def test_padding_surrounds_the_picture(run):
    labels = run(lambda x: geometry.pad(x, (1, 2), (6, 8), 65280), MAP)
    assert labels.shape == (6, 8)
    np.testing.assert_array_equal(labels[1:5, 2:7], MAP)
    assert (labels == 65280).sum() == 48 - 20
    image = run(
        lambda x: geometry.pad(x, (1, 2), (6, 8), 127.5),
        np.zeros((4, 5, 3), np.float32),
    )
    assert image.shape == (6, 8, 3)
    assert image[0, 0].tolist() == [127.5, 127.5, 127.5]
    assert (image == 0).sum() == 60


def test_padding_is_deeplab2s(shared):
    golden = np.load(shared / "golden/deeplab2/preprocessing_primitives.npz")
    image = geometry.pad(tf.constant(golden["resize_in_img"]), (1, 2), (6, 8), 127.5)
    np.testing.assert_allclose(image, golden["pad_img"], atol=1e-3)
    labels = golden["resize_in_lab"]
    labels = geometry.pad(tf.constant(labels), (1, 2), (6, 8), 65280)
    np.testing.assert_array_equal(labels, golden["pad_lab"])


def test_sides_that_reach_the_size_are_not_padded():
    padded = geometry.pad(tf.constant(MAP), (1, 0), (6, 3), -1)
    assert padded.shape == (6, 5)
    np.testing.assert_array_equal(padded[1:5], MAP)


@both_ways
def test_a_crop_is_cut_where_it_was_asked_for(run):
    result = run(lambda x: geometry.crop(x, (1, 3), (2, 2)), MAP)
    assert result.tolist() == [[8, 9], [13, 14]]


def test_the_shape_of_a_crop_is_known_before_the_picture_is():
    @tf.function(input_signature=[tf.TensorSpec((None, None, 3))])
    def cut(image):
        result = geometry.crop(image, (0, 0), (2, 5))
        assert result.shape == (2, 5, 3)
        return result

    cut(tf.zeros((4, 6, 3)))


@both_ways
@pytest.mark.parametrize("wanted", [True, False])
def test_flipping_mirrors_left_and_right(run, wanted):
    result = run(geometry.flip, MAP, np.array(wanted))
    np.testing.assert_array_equal(result, MAP[:, ::-1] if wanted else MAP)


@pytest.mark.parametrize(
    "size, pad_bound, crop_bound",
    [
        ((213, 320), (43, 1), (1, 65)),
        ((256, 256), (1, 1), (1, 1)),
        ((450, 675), (1, 1), (195, 420)),
    ],
)
def test_bounds_of_the_offsets(size, pad_bound, crop_bound):
    size = tf.constant(size)
    assert tuple(geometry.pad_bound(size, 256).numpy()) == pad_bound
    assert tuple(geometry.crop_bound(size, (256, 256)).numpy()) == crop_bound


@both_ways
def test_offsets_are_shares_of_an_exclusive_bound(run):
    largest = np.nextafter(np.float32(1), np.float32(0))
    fractions = np.array([0, 0.5, 0.99, largest, largest, largest], np.float32)
    bounds = np.array([43, 43, 195, 43, 1, 2**23 - 1], np.int32)
    result = run(geometry.offset, fractions, bounds)
    assert result.tolist() == [0, 21, 193, 42, 0, 2**23 - 2]


def test_every_offset_is_equally_likely():
    draws = tf.random.stateless_uniform((20_000,), seed=(1, 2))
    counts = np.bincount(eagerly(lambda u: geometry.offset(u, 43), draws))
    assert len(counts) == 43  # A side of 213 in a crop of 256: 0 to 42, never 43.
    assert abs(counts - 20_000 / 43).max() < 5 * np.sqrt(20_000 / 43)
