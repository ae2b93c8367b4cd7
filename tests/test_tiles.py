"""Where pictures are cut, by hand."""

import numpy as np
import pytest

from hific.padding import pad, window
from hific.tiles import GRID, Box, Grid, halves, whole

SMALL = Grid(core=4, margin=2, largest_whole=20)


def test_the_grid_of_files_is_fixed():
    """Another would be another format, with another flag."""
    assert Grid(core=1024, margin=128, largest_whole=4_194_304) == GRID


@pytest.mark.parametrize(
    "size, cut", [((2048, 2048), False), ((2049, 2048), True), ((65_535, 64), False)]
)
def test_pictures_are_cut_from_one_row_above_four_mebipixels(size, cut):
    assert GRID.cuts(*size) is cut
    assert len(GRID.tiles(*size, stride=64)) == (GRID.count(*size) if cut else 1)


def test_tiles_of_a_small_picture_by_hand():
    # 5 rows and 9 columns, padded to 6 and 10: two rows of three tiles.
    tiles = SMALL.tiles(5, 9, stride=2)
    assert SMALL.count(5, 9) == 6
    assert [tuple(tile.core) for tile in tiles] == [
        *((0, 0, 4, 4), (0, 4, 4, 8), (0, 8, 4, 10)),
        *((4, 0, 6, 4), (4, 4, 6, 8), (4, 8, 6, 10)),
    ]
    assert [tuple(tile.window) for tile in tiles] == [
        *((0, 0, 6, 6), (0, 2, 6, 10), (0, 6, 6, 10)),
        *((2, 0, 6, 6), (2, 2, 6, 10), (2, 6, 6, 10)),
    ]


def test_a_picture_that_is_not_cut_is_one_tile_of_its_padded_size():
    (tile,) = SMALL.tiles(4, 5, stride=8)
    assert tile.core == tile.window == Box(0, 0, 8, 8)
    assert whole(5, 100, 64).core == Box(0, 0, 64, 128)


def test_a_24_megapixel_photograph_has_24_tiles():
    tiles = GRID.tiles(4000, 6000, stride=64)
    assert len(tiles) == GRID.count(4000, 6000) == 24
    assert tiles[0].window == Box(0, 0, 1152, 1152)
    assert tiles[7] == (Box(1024, 1024, 2048, 2048), Box(896, 896, 2176, 2176))
    assert tiles[-1] == (Box(3072, 5120, 4032, 6016), Box(2944, 4992, 4032, 6016))


@pytest.mark.parametrize("stride", [64, 256])
@pytest.mark.parametrize(
    "size", [(2049, 2048), (65_535, 65), (65, 65_535), (4097, 1025), (16_384, 16_384)]
)
def test_cores_cover_every_position_once_and_windows_suit_the_networks(size, stride):
    bottom, right = (-(-side // stride) * stride for side in size)
    covered = np.zeros((bottom // 64, right // 64), int)
    for core, seen in GRID.tiles(*size, stride):
        assert all(side % 64 == 0 for side in (*core, *seen))
        assert seen.height <= 1280 and seen.width <= 1280
        assert core.cut(*size).height > 0 and core.cut(*size).width > 0
        covered[core.over(64).slices] += 1
        inside = core.inside(seen)
        assert inside.top in (0, 128) and inside.left in (0, 128)
        assert inside.bottom <= seen.height and inside.right <= seen.width
    assert (covered == 1).all()


def test_boxes_scale_and_move():
    box = Box(64, 128, 192, 320)
    assert (box.height, box.width) == (128, 192)
    assert box.over(16) == Box(4, 8, 12, 20)
    assert box.inside(Box(32, 128, 999, 999)) == Box(32, 0, 160, 192)
    assert box.cut(100, 1000) == Box(64, 128, 100, 320)
    assert np.arange(400).reshape(20, 20)[Box(1, 2, 3, 5).slices].tolist() == [
        [22, 23, 24],
        [42, 43, 44],
    ]


@pytest.mark.parametrize("size", [(1, 1), (2, 9), (5, 3), (17, 30)])
def test_a_window_is_a_part_of_the_padded_picture(size):
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    padded = np.pad(
        image, ((0, 32 - size[0]), (0, 32 - size[1]), (0, 0)), mode="reflect"
    )
    np.testing.assert_array_equal(pad(image, 32), padded)
    box = Box(1, 7, 30, 32)
    np.testing.assert_array_equal(window(image, box), padded[box.slices])


def test_two_passes_count_as_one():
    told = []
    first, second = halves(lambda done, total: told.append((done, total)))
    first(1, 2), first(2, 2), second(1, 2), second(2, 2)
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert halves(None) == (None, None)
