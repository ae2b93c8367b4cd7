import dataclasses
import io
import pickle

import numpy as np
import pytest
from PIL import Image
from skimage import data

from hific.evaluation import baselines, metrics
from hific.evaluation.baselines import BASELINES


@pytest.fixture(scope="module")
def image():
    return data.chelsea()[100:196, 100:228]


@dataclasses.dataclass(frozen=True)
class Stub:
    """Files of ten bytes a step; counts what is encoded."""

    qualities: tuple = tuple(range(20))
    curve: tuple = (2, 10)
    encoded: list = dataclasses.field(default_factory=list)

    def encode(self, image, quality):
        self.encoded.append(quality)
        return b"." * (10 + 10 * quality)


@pytest.mark.parametrize("name", BASELINES)
def test_a_high_quality_gives_nearly_the_picture_back(name, image):
    codec = BASELINES[name]
    decoded = codec.decode(codec.encode(image, codec.qualities[-1]), image.shape)
    assert decoded.shape == image.shape
    assert decoded.dtype == np.uint8
    assert metrics.psnr(decoded, image) > 36


@pytest.mark.parametrize("name", BASELINES)
def test_equal_pictures_make_equal_files(name, image):
    codec = BASELINES[name]
    middle = codec.curve[len(codec.curve) // 2]
    assert codec.encode(image, middle) == codec.encode(image.copy(), middle)


@pytest.mark.parametrize("name", BASELINES)
def test_a_picture_of_one_pixel_passes(name):
    codec = BASELINES[name]
    dot = np.full((1, 1, 3), 90, np.uint8)
    assert codec.decode(codec.encode(dot, codec.curve[-1])).shape == (1, 1, 3)


@pytest.mark.parametrize("name", BASELINES)
def test_the_qualities_of_a_curve_make_ever_larger_files(name, image):
    codec = BASELINES[name]
    assert set(codec.curve) <= set(codec.qualities)
    assert list(codec.qualities) == sorted(codec.qualities)
    sizes = [len(codec.encode(image, quality)) for quality in codec.curve]
    assert len(sizes) == 8
    assert sizes == sorted(sizes) and sizes[-1] > 3 * sizes[0]


@pytest.mark.slow
@pytest.mark.parametrize("name", BASELINES)
def test_the_curve_reaches_from_low_to_high_rates_on_kodak(name, shared):
    with Image.open(shared / "data/kodak/kodim23.png") as file:
        image = np.asarray(file.convert("RGB"))
    codec = BASELINES[name]
    rates = [
        8 * len(codec.encode(image, quality)) / (image.shape[0] * image.shape[1])
        for quality in (codec.curve[0], codec.curve[-1])
    ]
    # JPEG and JPEG XL do not go lower.
    lowest = {"jpeg": 0.1, "jpeg444": 0.3, "webp": 0.1, "jxl": 0.12}.get(name, 0.08)
    assert rates[0] < lowest and 0.7 < rates[1] < 1.4


@pytest.mark.parametrize("name, sampling", [("jpeg", 2), ("jpeg444", 1)])
def test_jpeg_subsamples_colour_as_named(name, sampling, image):
    file = io.BytesIO(BASELINES[name].encode(image, 50))
    with Image.open(file) as jpeg:
        assert jpeg.layer[0][1:3] == (sampling, sampling)


def test_jpeg_2000_reaches_the_psnr_that_is_its_quality(image):
    codec = BASELINES["jp2"]
    decoded = codec.decode(codec.encode(image, 32))
    assert metrics.psnr(decoded, image) == pytest.approx(32, abs=0.3)


@pytest.mark.parametrize("target_bytes", [1200, 2000, 5000])
def test_the_match_is_the_largest_file_that_fits(target_bytes, image):
    codec = BASELINES["jpeg"]
    match = baselines.at_matched_bits(image, codec, target_bytes)
    sizes = [len(codec.encode(image, quality)) for quality in codec.qualities]
    assert match.fits
    assert len(match.data) == max(size for size in sizes if size <= target_bytes)
    assert match.data == codec.encode(image, match.quality)


def test_an_ample_target_gives_the_highest_quality(image):
    match = baselines.at_matched_bits(image, BASELINES["webp"], 10**6)
    assert (match.quality, match.fits) == (100, True)


def test_an_impossible_target_gives_the_smallest_file_and_says_so(image):
    match = baselines.at_matched_bits(image, BASELINES["jpeg"], 10)
    assert (match.quality, match.fits) == (0, False)
    assert len(match.data) > 10


@pytest.mark.parametrize("target", range(0, 240, 7))
def test_every_target_is_met_as_closely_as_the_steps_allow(target, image):
    codec = Stub()
    found = baselines.at_matched_bits(image, codec, target)
    fitting = [q for q in codec.qualities if 10 + 10 * q <= target]
    assert found.quality == max(fitting, default=0)
    assert found.fits == bool(fitting)
    assert len(codec.encoded) == len(set(codec.encoded))


def test_no_file_of_a_picture_is_made_twice(image):
    codec = Stub()
    files = baselines.Files(codec)
    for target in (55, 60, 105, 3):
        baselines.at_matched_bits(image, files, target)
    first = [files.timed(image, quality) for quality in (1, 2, 3)]
    assert first == [files.timed(image, quality) for quality in (1, 2, 3)]
    assert len(codec.encoded) == len(set(codec.encoded))
    assert first[0][0] == codec.encode(image, 1) and first[0][1] > 0


def test_files_of_one_picture_are_not_those_of_another(image):
    files = baselines.Files(BASELINES["jpeg"])
    made = [files.encode(each, 50) for each in (image, image[::-1], image)]
    assert made[0] == made[2] == BASELINES["jpeg"].encode(image, 50)
    assert made[1] != made[0]


class Trading(Stub):
    """Where neighbours trade places: the file of 12 is smaller than that of 11."""

    def encode(self, image, quality):
        return super().encode(image, {11: 12, 12: 11}.get(quality, quality))


@pytest.mark.parametrize("target", range(100, 150, 10))
def test_what_was_made_before_does_not_change_the_match(target, image):
    files = baselines.Files(Trading())
    for quality in (11, 12, 2, 17):
        files.encode(image, quality)
    found = baselines.at_matched_bits(image, files, target)
    assert found == baselines.at_matched_bits(image, Trading(), target)


def test_a_fingerprint_has_the_version_and_every_setting():
    for codec in BASELINES.values():
        assert codec.version in codec.fingerprint
        assert "Pillow " in codec.version
    assert "speed=6" in BASELINES["avif"].fingerprint
    assert BASELINES["jpeg"].fingerprint != BASELINES["jpeg444"].fingerprint
    assert "pillow-jxl-plugin " in BASELINES["jxl"].version


def test_a_codec_reaches_other_processes(image):
    for codec in BASELINES.values():
        copy = pickle.loads(pickle.dumps(codec))
        assert copy.encode(image, codec.curve[3]) == codec.encode(image, codec.curve[3])


def test_an_unknown_baseline_is_refused_by_name():
    with pytest.raises(ValueError, match="No baseline flif; there are jpeg, jpeg444"):
        baselines.choose(["jpeg", "flif"])


def test_all_are_those_of_this_machine(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert list(baselines.choose(["webp", "all"])) == [
        "webp",
        *(name for name in BASELINES if name != "webp"),
    ]


def test_a_library_that_is_absent_is_named_with_what_brings_it(monkeypatch):
    lacking = dataclasses.replace(
        BASELINES["jxl"], library="no_such_module", plugin="no-such-plugin"
    )
    assert lacking.version.endswith("no-such-plugin absent")
    monkeypatch.setattr(baselines, "BASELINES", {"jxl": lacking})
    with pytest.raises(ValueError, match=r'jxl cannot be run.*pip install "egic'):
        baselines.choose(["jxl"])
    with pytest.raises(ValueError, match="JXL: no-such-plugin is not installed"):
        lacking.encode(np.zeros((4, 4, 3), np.uint8), 50)


def test_a_pillow_without_the_format_is_named(monkeypatch):
    monkeypatch.setattr(baselines.features, "check", lambda name: False)
    with pytest.raises(ValueError, match=r'avif.*built without avif: .*"pillow>=11.3"'):
        baselines.choose(["avif"])
