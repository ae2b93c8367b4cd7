import io
import math
import random

import numpy as np
import pytest
from PIL import Image

from hific.evaluation import gallery


def _results(scores, column="lpips", codec="model"):
    return [
        {"image": f"p{i:02d}", "codec": codec, "bpp": 0.25, column: score}
        for i, score in enumerate(scores)
    ]


def _chosen(results, **options):
    return [choice.image for choice in gallery.choose(results, "model", **options)]


def test_the_worst_have_the_highest_lpips_and_the_median_lies_in_the_middle():
    results = _results([i / 10 for i in range(12)])
    assert _chosen(results) == ["p11", "p10", "p09", "p08", "p07", "p06", "p05", "p04"]
    assert _chosen(results, count=2) == ["p11", "p10", "p06", "p05"]


def test_without_lpips_the_worst_have_the_lowest_psnr():
    results = _results([31.0, math.inf, 29.0, None, 30.0], "psnr")
    assert _chosen(results, count=1) == ["p02", "p04"]
    assert gallery.choose(results, "model")[0].why == (
        "worst by PSNR of model (rank 1 of 4)"
    )


def test_the_order_of_the_results_and_of_equal_ones_does_not_matter():
    results = _results([0.5, 0.5, 0.1, 0.5, 0.2, 0.1, 0.3, 0.5])
    expected = _chosen(results, count=2)
    assert expected[:2] == ["p00", "p01"]
    random.shuffle(results)
    assert _chosen(results, count=2) == expected


@pytest.mark.parametrize("pictures", range(1, 30))
def test_no_picture_is_chosen_twice(pictures):
    chosen = _chosen(_results([1 / (i + 1) for i in range(pictures)]))
    assert len(chosen) == len(set(chosen)) == min(pictures, -(-pictures // 3) + 4, 8)


def test_other_codecs_do_not_decide():
    others = _results([0.9, 0.1, 0.1], codec="jpeg")
    assert _chosen(others + _results([0.1, 0.2, 0.3]), count=1) == ["p02", "p01"]


def test_a_codec_without_results_is_named():
    with pytest.raises(ValueError, match="No results of 'webp'; there are model."):
        gallery.choose(_results([0.1]), "webp")


def test_the_crop_lies_where_the_error_is_largest():
    original = np.full((20, 30, 3), 100, np.uint8)
    decoded = original.copy()
    decoded[2, 3] = 130  # One strong error, and three weaker that are more together.
    decoded[12:15, 20] = 80
    where = gallery.worst_crop(original, decoded, side=4)
    assert where == (slice(11, 15), slice(17, 21))


def test_the_crop_is_where_looking_at_every_square_finds_it():
    generator = np.random.default_rng(1)
    original, decoded = generator.integers(0, 256, (2, 9, 11, 3), np.uint8)
    error = np.sum((original.astype(int) - decoded) ** 2, -1)
    sums = {
        (top, left): error[top : top + 4, left : left + 4].sum()
        for top in range(6)
        for left in range(8)
    }
    rows, columns = gallery.worst_crop(original, decoded, side=4)
    assert sums[rows.start, columns.start] == max(sums.values())


def test_an_unchanged_or_a_small_picture_has_a_crop():
    image = np.zeros((5, 300, 3), np.uint8)
    assert gallery.worst_crop(image, image) == (slice(0, 5), slice(0, 192))


def test_pictures_of_different_size_are_refused():
    image = np.zeros((5, 6, 3), np.uint8)
    with pytest.raises(ValueError, match="differ in shape"):
        gallery.worst_crop(image, image[:4])


def test_an_exhibit_shows_the_original_then_the_rows_that_have_a_crop():
    results = _results([0.5], codec="model") + _results([0.25], codec="jpeg")
    results += _results([None], codec="webp") + _results([0.1], codec="curve q=5")
    choice = gallery.choose(results, "model")[0]
    crops = {"jpeg": b"j", "original": b"o", "webp": b"w", "model": b"m"}
    exhibit = gallery.exhibit(choice, results, crops, b"whole")
    assert [(crop.label, crop.png, crop.detail) for crop in exhibit.crops] == [
        ("original", b"o", ""),
        ("model", b"m", "0.2500 bpp, LPIPS 0.5000"),
        ("jpeg", b"j", "0.2500 bpp, LPIPS 0.2500"),
        ("webp", b"w", "0.2500 bpp, LPIPS –"),
    ]
    assert (exhibit.picture, exhibit.overview) == ("p00", b"whole")


def _decode(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)))


def test_png_gives_back_the_pixels():
    image = np.random.default_rng(0).integers(0, 256, (7, 5, 3), np.uint8)
    np.testing.assert_array_equal(_decode(gallery.png(image)), image)


@pytest.mark.parametrize("size", [(384, 768), (5, 300), (1, 1)])
def test_the_overview_outlines_the_crop(size):
    image = np.full((*size, 3), 255, np.uint8)
    drawn = _decode(gallery.overview(image, gallery.worst_crop(image, image)))
    assert max(drawn.shape) <= 192
    np.testing.assert_array_equal(drawn[0, 0], [255, 0, 0])
    if size == (384, 768):  # A quarter of the size: the crop is 48 pixels wide.
        np.testing.assert_array_equal(drawn[20, 47], [255, 0, 0])
        np.testing.assert_array_equal(drawn[20, 20], [255, 255, 255])
        np.testing.assert_array_equal(drawn[20, 48], [255, 255, 255])
