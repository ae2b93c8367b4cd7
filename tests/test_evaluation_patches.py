import numpy as np
import pytest

from hific.evaluation.patches import PATCH_GRIDS


@pytest.mark.parametrize(
    "height, width, first, hific, neuralcompression",
    [
        (512, 768, 6, 2, 2),  # Kodak: 24 * 8 = 192.
        (1365, 2048, 40, 28, 28),
        (1400, 2000, 35, 24, 28),
        (400, 700, 2, 0, 2),
        (300, 1000, 3, 0, 0),
        (256, 256, 1, 0, 0),
        (255, 999, 0, 0, 0),
        (100, 100, 0, 0, 0),
    ],
)
def test_as_many_patches_as_published(height, width, first, hific, neuralcompression):
    image = np.zeros((height, width, 3), np.uint8)
    for name, second in (("hific", hific), ("neuralcompression", neuralcompression)):
        patches = PATCH_GRIDS[name](image, 256)
        assert patches.shape == (first + second, 256, 256, 3)
        assert patches.dtype == np.uint8


def _corners(name, image, side):
    return [int(patch[0, 0, 0]) for patch in PATCH_GRIDS[name](image, side)]


@pytest.mark.parametrize("name", PATCH_GRIDS)
def test_the_second_grid_is_half_a_patch_away(name):
    image = np.arange(36, dtype=np.uint8).reshape(6, 6, 1)
    first = [0, 2, 4, 12, 14, 16, 24, 26, 28]
    assert _corners(name, image, 2) == [*first, 7, 9, 19, 21]


def test_the_second_grids_differ_where_half_a_patch_is_left_over():
    image = np.arange(36, dtype=np.uint8).reshape(6, 6, 1)
    assert _corners("hific", image, 4) == [0]
    assert _corners("neuralcompression", image, 4) == [0, 2 * 6 + 2]


@pytest.mark.parametrize("name", PATCH_GRIDS)
def test_a_patch_is_the_pixels_that_were_there(name):
    image = np.random.default_rng(0).integers(0, 256, (12, 9, 3)).astype(np.uint8)
    patches = PATCH_GRIDS[name](image, 4)
    np.testing.assert_array_equal(patches[3], image[4:8, 4:8])
    np.testing.assert_array_equal(patches[6], image[2:6, 2:6])
