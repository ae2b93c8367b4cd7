"""The demonstration's page: what is in it, read without a browser and with one."""

import base64
import dataclasses
import io
import re

import numpy as np
import pytest
from PIL import Image

from egic.demonstration import charts, crops, page, photographs, stages, trained
from hific.evaluation.metrics import psnr
from tests import browser, page_reading

HEIGHT, WIDTH = 120, 160


def original():
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    return np.stack([x + 40, y + 60, (x + y) // 2 + 30], -1).astype(np.uint8)


class Inventing:
    """At alpha 1 the lower right corner is 40 too bright; else all is 1 too dark."""

    def compress(self, image):
        return bytes(1200)

    def decompress_all(self, data, alphas):
        faithful = original().astype(np.float64) - 1
        invented = np.zeros_like(faithful)
        invented[-40:, -40:] = 40
        return [(faithful + alpha * invented).astype(np.uint8) for alpha in alphas]


@pytest.fixture(scope="module")
def photograph():
    measured = {"psnr": psnr}
    return photographs.show(Inventing(), "ramp", "Drawn.", original(), measured)


def outcome(stage):
    values = {measure.key: [3.0, 2.0, 1.5] for measure in stage.measures}
    return stages.Outcome(stage, "python x --y", 12.3, [1, 2, 3], values, {})


@pytest.fixture(scope="module")
def html(photograph):
    return page.render([photograph], "a model").decode()


def test_every_version_is_in_the_page_pixel_by_pixel(photograph, html):
    figures = page_reading.read(html).one("div", class_="crops versions").all("figure")
    for figure, (label, image) in zip(
        figures, crops.of(photograph).items(), strict=True
    ):
        assert figure.one("b").text == label
        source = figure.one("img").attributes["src"]
        data = base64.b64decode(source.removeprefix("data:image/png;base64,"))
        with Image.open(io.BytesIO(data)) as shown:
            np.testing.assert_array_equal(np.asarray(shown), image)


def test_the_page_has_all_it_needs_in_it_and_forbids_itself_the_rest(html):
    document = page_reading.read(html)
    for node in document.all("*"):
        for name in ("src", "href", "srcset", "data", "action", "poster"):
            assert node.attributes.get(name, "#").startswith(("data:", "#"))
    assert all("http" not in script.text for script in document.all("script"))
    assert all("url(" not in style.text for style in document.all("style"))
    policy = document.one("meta", **{"http-equiv": "Content-Security-Policy"})
    assert "default-src 'none'" in policy.attributes["content"]
    assert len(re.findall(r"'sha256-", policy.attributes["content"])) == 2


def test_what_is_invented_is_said_and_shown_first(photograph, html):
    first, second = crops.squares(photograph, 40)
    assert first.rows.stop == HEIGHT and first.columns.stop == WIDTH
    assert second != first
    share = 40 * 40 / (HEIGHT * WIDTH)
    assert f"{share:.1%} of the pixels differ by more than 8" in html


def test_squares_do_not_show_the_same_twice(photograph):
    first, second = crops.squares(photograph, 40)
    apart = (
        first.rows.start >= second.rows.stop
        or second.rows.start >= first.rows.stop
        or first.columns.start >= second.columns.stop
        or second.columns.start >= first.columns.stop
    )
    assert apart


def test_the_strip_enlarges_without_smoothing(photograph):
    square = crops.Square("", slice(2, 4), slice(3, 5))
    large = crops.enlarged(photograph.comparison.original, square, 3)
    assert large.shape == (6, 6, 3)
    np.testing.assert_array_equal(large[:3, 3:], np.tile(original()[2, 4], (3, 3, 1)))


def test_a_chart_goes_from_the_first_value_to_the_last():
    drawn = charts.line([0, 10, 20], [5.0, 1.0, 3.0], "falls")
    path = drawn.find("path").get("d")
    assert path == "M8.0 8.0 L150.0 112.0 L292.0 60.0"
    assert drawn.get("aria-label") == "falls"


def test_a_chart_of_one_value_is_in_the_middle():
    assert charts.line([7], [5.0], "").find("path").get("d") == "M150.0 60.0"


def test_the_printed_table_has_a_line_for_each_version(photograph):
    first, heading, *lines = photographs.table(photograph).splitlines()
    assert first == "ramp, 160x120"
    assert heading.split() == ["bytes", "bpp", "PSNR", "dB"]
    assert lines[0].split() == ["EGIC,", "alpha", "0", "1,200", "0.5000", "48.13"]
    assert len(lines) == 3 + 4


def test_stages_print_what_moved():
    said = stages.moved(outcome(stages.STAGES[0]))
    assert said[0] == "3 steps in 12 s; at first, and at last:"
    assert said[1].split() == ["cross-entropy,", "nats", "3", "1.5"]


def test_training_is_shown_with_its_commands_and_ends(photograph):
    scores = {"validation/mean_iou": 0.25, "validation/majority_mean_iou": 0.02}
    outcomes = [
        dataclasses.replace(outcome(stage), validation=scores)
        for stage in stages.STAGES
    ]
    image = original()
    shown = trained.Trained(image, photograph.comparison)
    html = page.render([photograph], "a model", page.Training(outcomes, shown)).decode()
    document = page_reading.read(html)
    cards = document.all("article", class_="stage")
    assert [card.one("h3").text for card in cards] == [
        stage.title for stage in stages.STAGES
    ]
    assert all("python x \\\n  --y" in card.one("pre").text for card in cards)
    assert document.one("svg", **{"aria-label": "loss: 3 at first, 1.5 at last"})
    rows = page_reading.rows(document.one("table", id="moved"))
    assert rows[0] == ["Stage 0", "cross-entropy, nats (lower is better)", "3", "1.5"]
    assert "Mean IoU of such scenes: 0.25;" in html
    assert "score 0.02." in html


def test_it_works_in_a_browser(photograph, tmp_path):
    path = tmp_path / "report.html"
    path.write_bytes(page.render([photograph], "a model"))
    loaded = browser.load(path.as_uri(), tmp_path / "profile")
    assert loaded.console == []
    document = page_reading.read(loaded.dom.partition("\n")[2] or loaded.dom)
    root = document.one("html")
    assert root.attributes["data-demonstration"] == "ready"
    split = document.one("div", class_="split")
    pressed = split.all("button", **{"aria-pressed": "true"})
    assert [button.text for button in pressed] == ["JPEG 4:2:0, optimised", "EGIC"]
    tags = [tag.text for tag in split.all("p") if "tag" in tag.attributes["class"]]
    assert tags[1].startswith("EGIC, alpha 11,200 bytes, ")
