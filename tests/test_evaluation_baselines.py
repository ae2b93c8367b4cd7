import io

import numpy as np
import pytest
from PIL import Image
from skimage import data

from hific.evaluation import baselines, metrics


@pytest.fixture(scope="module")
def image():
    return data.chelsea()[100:196, 100:228]


@pytest.mark.parametrize("name", baselines.BASELINES)
def test_a_high_quality_gives_nearly_the_picture_back(name, image):
    codec = baselines.BASELINES[name]
    decoded = codec.decode(codec.encode(image, codec.qualities[-1]))
    assert decoded.shape == image.shape
    assert decoded.dtype == np.uint8
    assert metrics.psnr(decoded, image) > 36


@pytest.mark.parametrize("name, sampling", [("jpeg", 2), ("jpeg444", 1)])
def test_jpeg_subsamples_colour_as_named(name, sampling, image):
    file = io.BytesIO(baselines.BASELINES[name].encode(image, 50))
    with Image.open(file) as jpeg:
        assert jpeg.layer[0][1:3] == (sampling, sampling)


@pytest.mark.parametrize("target_bytes", [1200, 2000, 5000])
def test_the_match_is_the_largest_file_that_fits(target_bytes, image):
    codec = baselines.BASELINES["jpeg"]
    match = baselines.at_matched_bits(image, codec, target_bytes)
    sizes = [len(codec.encode(image, quality)) for quality in codec.qualities]
    assert match.fits
    assert len(match.data) == max(size for size in sizes if size <= target_bytes)
    assert match.data == codec.encode(image, match.quality)


def test_an_ample_target_gives_the_highest_quality(image):
    match = baselines.at_matched_bits(image, baselines.BASELINES["webp"], 10**6)
    assert (match.quality, match.fits) == (100, True)


def test_an_impossible_target_gives_the_smallest_file_and_says_so(image):
    match = baselines.at_matched_bits(image, baselines.BASELINES["jpeg"], 10)
    assert (match.quality, match.fits) == (0, False)
    assert len(match.data) > 10


def test_an_unknown_baseline_is_refused_by_name():
    with pytest.raises(ValueError, match="No baseline flif; there are jpeg, jpeg444"):
        baselines.choose(["jpeg", "flif"])
