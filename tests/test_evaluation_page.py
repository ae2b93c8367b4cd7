"""What is in the page, read without a browser."""

import base64
import re

import pytest

from hific.evaluation import columns, page
from hific.evaluation.page_tables import Row, Table
from tests import page_reading

EVIL = "<img src=x onerror=alert(1)>.png"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><path id="p" d="M0 0"/></svg>'
PNG = b"\x89PNG and more"
SUMMARY = Table(
    [columns.of("codec"), columns.of("psnr")],
    [Row({"codec": "model", "psnr": 30.0}), Row({"codec": EVIL, "psnr": None})],
)


def _document(**parts) -> page_reading.Node:
    shown = page.Page("Kodak", SUMMARY, **parts)
    return page_reading.read(page.render(shown).decode())


def _full_page() -> page.Page:
    """Every part of a page, each with a name that would like to be HTML."""
    crops = [page.Crop("original", PNG), page.Crop(EVIL, PNG, EVIL)]
    return page.Page(
        EVIL,
        SUMMARY,
        lead=[EVIL],
        settings={EVIL: {EVIL: [EVIL, 1]}},
        comparisons=[Table(SUMMARY.columns, SUMMARY.rows, EVIL, EVIL)],
        figures=[page.Figure(EVIL, SVG, EVIL, EVIL)],
        gallery=[page.Exhibit(EVIL, EVIL, crops, PNG)],
        pictures=SUMMARY,
        missing={EVIL: EVIL},
    )


def test_a_name_that_would_like_to_be_html_stays_a_name():
    document = page_reading.read(page.render(_full_page()).decode())
    assert document.one("h1").text == EVIL
    assert all(
        image.attributes["src"].startswith("data:image/")
        for image in document.all("img")
    )
    assert not any(
        name.startswith("on") for node in document.all("*") for name in node.attributes
    )
    assert document.one("h3").text == EVIL


def test_every_file_the_page_needs_is_in_it():
    text = page.render(_full_page()).decode()
    document = page_reading.read(text)
    for node in document.all("*"):
        for name in ("src", "href", "srcset", "data", "action", "poster"):
            assert node.attributes.get(name, "#").startswith(("data:", "#"))
    assert not document.all("iframe")
    style = document.one("style").text
    assert "url(" not in style and "@import" not in style
    assert "http" not in document.one("script").text


def test_the_page_forbids_itself_whatever_is_not_in_it():
    policy = _document().one("meta", **{"http-equiv": "Content-Security-Policy"})
    assert "default-src 'none'" in policy.attributes["content"]
    scripts = re.search(r"script-src ([^;]*)", policy.attributes["content"])[1]
    assert re.fullmatch(r"'sha256-[\w+/]{43}='", scripts)


def test_links_lead_to_parts_of_the_page():
    document = page_reading.read(page.render(_full_page()).decode())
    links = {link.attributes["href"] for link in document.one("nav").all("a")}
    sections = {f"#{part.attributes['id']}" for part in document.all("section")}
    assert links == sections
    names = [
        node.attributes["id"] for node in document.all("*") if "id" in node.attributes
    ]
    assert len(names) == len(set(names))


def test_what_there_is_nothing_of_is_left_out():
    titles = [heading.text for heading in _document().all("h2")]
    assert titles == ["Results"]


def test_pictures_are_the_bytes_given_and_say_what_they_show():
    exhibit = page.Exhibit(
        "kodim01", "worst of 24", [page.Crop("jpeg", PNG, "0.2 bpp")], PNG
    )
    article = _document(gallery=[exhibit]).one("article")
    image = article.one("figure").one("img")
    assert base64.b64decode(image.attributes["src"].partition(",")[2]) == PNG
    assert image.attributes["alt"] == "kodim01, crop: jpeg"
    assert article.one("figcaption").text == "jpeg0.2 bpp"
    assert all(image.attributes["alt"] for image in article.all("img"))


def test_plots_are_images_so_that_their_ids_do_not_clash():
    plots = [page.Figure(f"plot {i}", SVG, "a line") for i in range(2)]
    document = _document(figures=plots)
    images = document.one("div", class_="figures").all("img", alt="a line")
    sources = [image.attributes["src"].partition(",") for image in images]
    assert [base64.b64decode(data) for _, _, data in sources] == [SVG, SVG]
    assert {kind for kind, _, _ in sources} == {"data:image/svg+xml;base64"}


def test_settings_may_be_nested():
    settings = {"model": {"alphas": [0, 0.5], "runs": [{"id": 1}]}, "weights": None}
    facts = _document(settings=settings).one("section", id="how-it-was-measured")
    lines = facts.all("tbody")[0].children
    assert [line.children[0].text for line in lines] == ["model", "weights"]
    assert lines[0].all("tr")[0].text == "alphas0, 0.5"
    assert [item.text for item in facts.all("li")] == ["id1"]
    assert lines[1].children[1].text == "none"


def test_what_is_left_out_stands_with_its_reason():
    missing = {"FID/256": "no weights given"}
    section = _document(missing=missing).one("section", id="left-out")
    assert page_reading.rows(section) == [["FID/256", "no weights given"]]


@pytest.mark.parametrize("name", ["a\0b", "a\udcffb"])
def test_a_name_that_no_file_can_hold_does_not_stop_the_report(name):
    shown = page.Page(name, SUMMARY)
    document = page_reading.read(page.render(shown).decode())
    assert document.one("h1").text == "a?b"


def test_the_file_is_replaced_whole(tmp_path):
    path = tmp_path / "new" / "report.html"
    page.write(page.Page("first", SUMMARY), path)
    page.write(page.Page("second", SUMMARY), path)
    assert page_reading.read(path.read_text()).one("title").text == "second"
    assert [file.name for file in path.parent.iterdir()] == ["report.html"]
