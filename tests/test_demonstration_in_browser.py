"""The demonstration's page in headless Chromium, as a hand would use it."""

import numpy as np
import pytest

from egic.demonstration import page, photographs
from hific.evaluation.metrics import psnr
from tests import devtools

HEIGHT, WIDTH = 120, 160
GREYS = {0.0: 60, 0.5: 120, 1.0: 180}
_FRAME = ".split .frame"
_TAGS = "Array.from(document.querySelectorAll('.frame .tag'), (tag) => tag.innerText)"


class Flat:
    """Shows one grey, which alpha decides."""

    def compress(self, image):
        return bytes(1200)

    def decompress_all(self, data, alphas):
        return [np.full((HEIGHT, WIDTH, 3), GREYS[alpha], np.uint8) for alpha in alphas]


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    white = np.full((HEIGHT, WIDTH, 3), 250, np.uint8)
    measured = {"psnr": psnr}
    shown = photographs.show(Flat(), "sheet", "White.", white, measured)
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_bytes(page.render([shown], "a model"))
    return path.as_uri()


@pytest.fixture
def opened(address, tmp_path):
    with devtools.opened(tmp_path / "profile") as found:
        found.resize(1280, 900)
        found.open(address)
        found.wait("document.documentElement?.dataset.demonstration === 'ready'")
        found.wait("Array.from(document.images).every((image) => image.complete)")
        found.value("document.documentElement.style.scrollBehavior = 'auto'")
        yield found
        assert found.problems == []


def greys(opened, *across):
    """What the split picture shows at shares of its width, in its upper quarter."""
    frame = opened.box(_FRAME)
    shown = opened.screenshot(frame)
    row = shown[round(0.2 * frame.height)]
    return [int(row[round(share * frame.width)][0]) for share in across]


def test_the_line_follows_the_hand(opened):
    assert greys(opened, 0.4, 0.6) == [250, 180]  # JPEG, which is white, and ours.
    frame = opened.box(_FRAME)
    assert (frame.width, frame.height) == (2 * WIDTH, 2 * HEIGHT)
    opened.drag(frame.at(0.5, 0.5), frame.at(0.4, 0.5), frame.at(0.25, 0.5))
    assert greys(opened, 0.2, 0.3, 0.6) == [250, 180, 180]


def test_alpha_goes_from_the_faithful_end_to_the_realistic_one(opened):
    slider = ".choices input[type=range]"
    box = opened.box(slider)
    opened.drag(box.at(0.97, 0.5), box.at(0.5, 0.5), box.at(0.0, 0.5))
    assert greys(opened, 0.6) == [GREYS[0.0]]
    assert opened.value(_TAGS)[1].startswith("EGIC, alpha 0\n1,200 bytes, ")
    for _ in range(25):
        opened.call("Input.dispatchKeyEvent", type="rawKeyDown", key="ArrowRight")
    value = float(opened.value(f"document.querySelector('{slider}').value"))
    expected = GREYS[0.0] + value * (GREYS[1.0] - GREYS[0.0])
    assert greys(opened, 0.6)[0] == pytest.approx(expected, abs=1)


def test_each_side_shows_what_is_chosen_for_it(opened):
    choose = "Array.from(document.querySelectorAll('.split .choices'))[{}]"
    button = choose + ".querySelectorAll('button')[{}].click()"
    opened.value(button.format(1, 1))  # Left: ours.
    opened.value(button.format(2, 0))  # Right: the original.
    assert greys(opened, 0.4, 0.6) == [180, 250]
    left, right = opened.value(_TAGS)
    assert left.startswith("EGIC, alpha 1\n")
    assert right.strip() == "original"
    opened.value(button.format(1, 3))
    assert not opened.value("!!document.querySelector('.split .choices').offsetParent")


@pytest.mark.parametrize("width", [320, 400, 700, 1280])
def test_nothing_is_wider_than_the_window(opened, width):
    opened.resize(width, 900)
    assert opened.value("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("dark", [False, True])
def test_colours_are_the_systems_until_the_reader_wants_others(opened, dark):
    opened.resize(1280, 900, dark)
    corner = opened.screenshot()[-5, 5]
    assert (corner.mean() < 60) == dark
    opened.click(".theme")
    assert (opened.screenshot()[-5, 5].mean() < 60) != dark


def test_crops_are_enlarged_without_smoothing(opened):
    rendering = "getComputedStyle(document.querySelector('.exhibit .crop img'))"
    assert opened.value(f"{rendering}.imageRendering") == "pixelated"
    opened.click(".exhibit .crop img")
    assert opened.value("document.querySelector('#viewer').open")
