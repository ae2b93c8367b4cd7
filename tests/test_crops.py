import threading

import numpy as np
import pytest
from PIL import Image

from hific import crops
from hific.config import DataConfig
from hific.errors import InvalidImageError
from hific.images import write_png
from hific.pictures import find_pictures
from tests.toy_codec import ToyPictures

PLAIN = DataConfig(crop=32, scale_min=1.0, scale_max=1.0, scale_probability=0.0)


class Numbered:
    """Pictures whose every pixel is their number; chosen ones are damaged."""

    def __init__(self, count, bad=()):
        self.count, self.bad, self.reads = count, bad, []

    def __len__(self):
        return self.count

    def name(self, index):
        return f"picture {index}"

    def read(self, index):
        self.reads.append(index)
        if index in self.bad:
            raise InvalidImageError(f"{self.name(index)}: damaged.")
        return np.full((32, 32, 3), index, np.uint8)


def numbers(batch):
    return batch[:, 0, 0, 0].astype(int).tolist()


# Rows of the table in HiFiC's specification: 0.75 to 0.95 for crops of 256.
@pytest.mark.parametrize(
    "height, width, low, high",
    [
        (300, 400, 0.853333, 0.95),
        (512, 768, 0.75, 0.95),
        (200, 500, 1.28, 1.28),
        (256, 256, 1.0, 1.0),
        (1000, 1500, 0.75, 0.95),
    ],
)
def test_scales_are_drawn_from_the_published_range(height, width, low, high):
    result = crops.scale_range(height, width, 256, 0.75, 0.95)
    assert result == pytest.approx((low, high), abs=1e-6)


def test_batch_k_depends_on_seed_and_k_only():
    data = DataConfig(crop=32, scale_min=0.6, flip=True, colour_probability=0.5)
    with crops.TrainingCrops(ToyPictures(), 3, data, seed=5) as first:
        batches = [next(first) for _ in range(4)]
    with crops.TrainingCrops(
        ToyPictures(), 3, data, seed=5, start_step=2, threads=2, cache_bytes=0
    ) as later:
        for expected in batches[2:]:
            np.testing.assert_array_equal(next(later), expected)
    with crops.TrainingCrops(ToyPictures(), 3, data, seed=6) as other:
        assert not np.array_equal(next(other), batches[0])


def test_an_epoch_shows_every_picture_once_in_an_order_of_its_own():
    with crops.TrainingCrops(Numbered(6), 3, PLAIN) as batches:
        epochs = [numbers(next(batches)) + numbers(next(batches)) for _ in range(4)]
    assert all(sorted(epoch) == list(range(6)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 1


def test_cached_pictures_are_read_once_and_the_rest_again():
    one = 32 * 32 * 3
    pictures = Numbered(4)
    with crops.TrainingCrops(pictures, 4, PLAIN, cache_bytes=2 * one) as batches:
        for _ in range(5):
            next(batches)
    times = sorted(pictures.reads.count(i) for i in range(4))
    assert times[:2] == [1, 1]
    assert min(times[2:]) >= 5


def test_a_damaged_picture_is_replaced_by_the_next_and_named():
    pictures = Numbered(1000, bad=(200,))
    with crops.TrainingCrops(pictures, 1000, PLAIN) as batches:
        for _ in range(2):
            found = [number % 256 for number in numbers(next(batches))]
            # Of 0 to 999, four are 200 modulo 256 and four are 201.
            assert (found.count(200), found.count(201)) == (3, 5)
        assert batches.bad == ("picture 200: damaged.",)


def test_more_than_one_in_a_thousand_damaged_pictures_stop_the_run():
    with (
        crops.TrainingCrops(Numbered(1999, bad=(2, 5)), 1999, PLAIN) as batches,
        pytest.raises(InvalidImageError, match="2 of 1999.*picture 2.*"),
    ):
        next(batches)


def test_one_damaged_picture_of_a_few_is_too_many():
    with (
        crops.TrainingCrops(Numbered(8, bad=(5,)), 8, PLAIN) as batches,
        pytest.raises(InvalidImageError, match="1 of 8.*picture 5"),
    ):
        next(batches)


def test_one_in_a_thousand_damaged_pictures_are_tolerated():
    pictures = Numbered(2000, bad=(3, 4))
    with crops.TrainingCrops(pictures, 1000, PLAIN) as batches:
        next(batches)
        next(batches)
        assert len(batches.bad) == 2


def test_closing_ends_the_threads():
    before = threading.active_count()
    batches = crops.TrainingCrops(ToyPictures(), 2, PLAIN, threads=2)
    next(batches)
    assert threading.active_count() > before
    batches.close()
    assert threading.active_count() == before


def test_a_resized_crop_equals_the_crop_of_the_resized_picture():
    image = ToyPictures().read(4)
    height, width = 29, 41
    whole = Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR)
    for top, left in [(0, 0), (13, 25), (5, 9)]:
        crop = crops._resized_crop(image, height, width, top, left, 16)
        expected = np.asarray(whole)[top : top + 16, left : left + 16]
        assert np.abs(crop.astype(int) - expected).max() <= 1


def test_a_picture_smaller_than_the_crop_is_enlarged_to_it():
    image = np.full((10, 20, 3), 77, np.uint8)
    crop = crops.draw_crop(image, PLAIN, np.random.default_rng(0))
    assert crop.shape == (32, 32, 3)
    assert crop.dtype == np.float32
    assert (crop == 77).all()


def test_colours_keep_grey_grey_and_stay_in_range():
    grey = np.full((4, 4, 3), 100, np.float32)
    for seed in range(20):
        changed = crops.change_colours(grey, np.random.default_rng(seed))
        assert np.ptp(changed) < 1e-3
        assert 70 - 1e-3 <= changed.mean() <= 130 + 1e-3
    loud = np.random.default_rng(0).uniform(0, 255, (8, 8, 3)).astype(np.float32)
    changed = crops.change_colours(loud, np.random.default_rng(1))
    assert changed.min() >= 0
    assert changed.max() <= 255


def test_pictures_are_found_in_folders_globs_and_lists(tmp_path):
    picture = np.zeros((2, 2, 3), np.uint8)
    for name in ("a/1.png", "a/deep/2.png", "b/3.png"):
        write_png(tmp_path / name, picture)
    (tmp_path / "a" / "notes.txt").write_text("no picture")

    def found(source):
        pictures = find_pictures(source)
        return [pictures.name(i)[-5:-4] for i in range(len(pictures))]

    assert found(f"{tmp_path}/a") == ["1", "2"]
    assert found(f"{tmp_path}/*/*.png") == ["1", "3"]
    assert found(f"{tmp_path}/b, {tmp_path}/a, {tmp_path}/a/1.png") == ["1", "2", "3"]
    with pytest.raises(ValueError, match="No pictures at .*c"):
        find_pictures(f"{tmp_path}/a,{tmp_path}/c")
