"""The comparison of a picture's versions, with a codec whose answers are known."""

import io

import numpy as np
import pytest
from PIL import Image

from egic.demonstration import comparison
from egic.demonstration.comparison import compare
from hific.evaluation import baselines

RAMP = np.broadcast_to(
    np.arange(0, 192, 2, dtype=np.uint8)[np.newaxis, :, np.newaxis], (64, 96, 3)
)
NOISE = np.random.default_rng(0).integers(0, 256, (64, 96, 3)).astype(np.uint8)


class Darkening:
    """Files of a fixed size; the picture is too dark by 10 (1 - alpha) everywhere."""

    def __init__(self, image, size):
        self.image, self.size = image, size

    def compress(self, image):
        return bytes(self.size)

    def decompress_all(self, data, alphas):
        brighter = np.maximum(self.image, 10).astype(np.float64)
        return [(brighter - 10 * (1 - alpha)).astype(np.uint8) for alpha in alphas]


def test_numbers_are_those_of_the_whole_file_and_of_true_pixels():
    image = np.maximum(RAMP, 10)
    found = compare(Darkening(image, 768), image, [0.0, 1.0], codecs=())
    assert found.bpp(found.data) == 1.0
    assert found.psnr(found.drawn[0.0]) == pytest.approx(28.1308, abs=1e-4)
    assert found.psnr(found.drawn[1.0]) == np.inf


def test_rivals_spend_as_many_bytes_as_they_can_but_no_more():
    names = ("jpeg", "jpeg444", "webp", "avif")
    found = compare(Darkening(RAMP, 1500), RAMP, [1.0], names)
    assert tuple(rival.name for rival in found.rivals) == names
    for rival in found.rivals:
        assert rival.fits
        assert len(rival.data) <= 1500
        with Image.open(io.BytesIO(rival.data)) as shown:
            np.testing.assert_array_equal(np.asarray(shown), rival.image)


def test_a_rival_that_cannot_be_so_small_says_so():
    (rival,) = compare(Darkening(NOISE, 100), NOISE, [1.0], ("jpeg",)).rivals
    assert not rival.fits
    assert rival.quality == 0
    assert rival.label == "JPEG 4:2:0, optimised (its smallest)"


def test_what_this_machine_lacks_is_left_out(monkeypatch):
    without = {**baselines.BASELINES, "avif": baselines.BASELINES["jxl"]}
    monkeypatch.setattr(comparison, "BASELINES", without)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    found = compare(Darkening(RAMP, 1500), RAMP, [1.0], ("avif", "webp"))
    assert [rival.name for rival in found.rivals] == ["webp"]


def test_every_baseline_in_memory_has_a_name_for_readers():
    assert set(comparison.LABELS) == set(baselines.BASELINES)
