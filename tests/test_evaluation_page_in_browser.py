"""The page in headless Chromium; skipped where there is none."""

import re

import numpy as np
import pytest

from hific.evaluation import columns, gallery, page
from hific.evaluation.page_tables import Noted, Row, Table
from tests import browser, page_reading

EVIL = "<img src=x onerror=alert(1)>.png"
PSNR = [
    Noted("doubtful", 31.5),
    None,
    float("inf"),
    -2.25,
    Noted("too small"),
    1234.0,
]
SVG = b"""<svg xmlns="http://www.w3.org/2000/svg" width="20" height="10">
<style>path { stroke: #1f77b4 }</style><path d="M0 10 L20 0"/></svg>"""


def _write(path, pictures=5):
    rows = [
        Row({"codec": f"codec {i}", "psnr": psnr}, "all") for i, psnr in enumerate(PSNR)
    ]
    many = [
        Row({"image": EVIL if i == 7 else f"picture {i}", "psnr": i % 10 + i / 1000})
        for i in range(pictures)
    ]
    png = gallery.png(np.zeros((8, 8, 3), np.uint8))
    crops = [page.Crop("original", png), page.Crop("jpeg", png, "0.2 bpp")]
    shown = page.Page(
        "Report",
        Table([columns.of("codec"), columns.of("psnr")], rows),
        figures=[page.Figure("plot", SVG, "a rising line")],
        gallery=[page.Exhibit(EVIL, "worst", crops, png)],
        pictures=Table([columns.of("image"), columns.of("psnr")], many),
    )
    page.write(shown, path)


@pytest.fixture
def loaded(tmp_path):
    """Returns the page after its script has run, at an address with a fragment."""

    def load(fragment="", **options):
        path = tmp_path / "report.html"
        _write(path, **options)
        found = browser.load(f"{path.as_uri()}{fragment}", tmp_path / "profile")
        assert found.console == []
        document = page_reading.read(found.dom)
        assert document.one("html").attributes["data-ready"] == "yes"
        return document

    return load


def test_an_address_sorts_a_table_and_missing_values_stay_below(loaded):
    table = loaded("#sort=summary,psnr,descending").one("table", id="summary")
    names = [row[0] for row in page_reading.rows(table)]
    assert names == ["codec 2", "codec 5", "codec 0", "codec 3", "codec 1", "codec 4"]
    heading = table.one("th", **{"data-column": "psnr"})
    assert heading.attributes["aria-sort"] == "descending"
    assert heading.one("button").text == "PSNR dB ↑"


def test_a_long_table_shows_a_part_of_itself_after_sorting_too(loaded):
    place = loaded("#sort=pictures,psnr,ascending", pictures=250).one(
        "div", class_="long"
    )
    assert place.one("span", role="status").text == "1 to 100 of 250 rows"
    lines = place.one("tbody").all("tr")
    shown = [line for line in lines if "hidden" not in line.attributes]
    assert len(lines) == 250
    assert shown == lines[:100]
    assert [line.all("th")[0].text for line in shown[:2]] == ["picture 0", "picture 10"]


def test_an_address_enlarges_a_picture(loaded):
    viewer = loaded("#view=1,1").one("dialog")
    assert "open" in viewer.attributes
    assert viewer.one("p").text == "jpeg: 0.2 bpp"
    assert viewer.one("img").attributes["src"].startswith("data:image/png")


def test_a_picture_named_like_html_is_only_a_name(loaded):
    document = loaded(pictures=8)
    assert not document.all("img", src="x")
    assert document.one("h3").text == EVIL
    assert page_reading.rows(document.one("table", id="pictures"))[7][0] == EVIL
    for image in document.one("main").all("img"):
        assert image.attributes["src"].startswith("data:image/")
        assert len(image.attributes["alt"]) > 5


_PRESS = """<script>
const seen = [];
const one = (wanted) => document.querySelector(wanted);
const note = (wanted) => seen.push(one(wanted).textContent);
const heading = one('#summary [data-column="psnr"]');
for (const times of [1, 2]) {
  heading.querySelector("button").click();
  seen.push(heading.getAttribute("aria-sort"));
  note("#summary tbody th");
}
const filter = one(".browse input");
for (const words of ["PICTURE 12", "none of these", ""]) {
  filter.value = words;
  filter.dispatchEvent(new Event("input"));
  note(".browse [role=status]");
}
one(".browse button:last-of-type").click();
note(".browse [role=status]");
one(".crops .enlarge").click();
for (const key of ["ArrowRight", "o", "o", "ArrowLeft", "ArrowLeft"]) {
  one("dialog").dispatchEvent(new KeyboardEvent("keydown", { key }));
  note("dialog p");
}
one("dialog button:last-of-type").click();
seen.push(String(one("dialog").open));
document.title = seen.join("; ");
</script></body>"""


def test_buttons_and_keys_do_what_they_say(tmp_path):
    path = tmp_path / "report.html"
    _write(path, pictures=250)
    text = path.read_text().replace("</body>", _PRESS)
    path.write_text(re.sub("<meta http-equiv[^>]*>", "", text))
    found = browser.load(path.as_uri(), tmp_path / "profile")
    assert found.console == []
    assert page_reading.read(found.dom).one("title").text.split("; ") == [
        *("descending", "codec 2", "ascending", "codec 3"),
        *("1 to 13 of 13 rows", "no such rows", "1 to 100 of 250 rows"),
        "101 to 200 of 250 rows",
        *("jpeg: 0.2 bpp", "original", "jpeg: 0.2 bpp", "original", "jpeg: 0.2 bpp"),
        "false",
    ]


def test_a_script_that_is_not_the_pages_own_does_not_run(tmp_path):
    path = tmp_path / "report.html"
    _write(path)
    path.write_text(path.read_text().replace("</body>", _PRESS))
    found = browser.load(path.as_uri(), tmp_path / "profile")
    assert page_reading.read(found.dom).one("title").text == "Report"
    assert "Content Security Policy" in found.console[0]


def test_the_browser_tells_what_goes_wrong(tmp_path):
    path = tmp_path / "broken.html"
    path.write_text("<!DOCTYPE html><title>x</title><script>nothing()</script>")
    console = browser.load(path.as_uri(), tmp_path / "profile").console
    assert "nothing is not defined" in " ".join(console)
