"""One self-contained HTML page of an evaluation.

It opens from the disk without a network: style, script, figures and pictures are in it.
It knows nothing of codecs or of the folder where results are kept.
"""

import base64
import dataclasses
import hashlib
import importlib.resources
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from hific.evaluation import columns
from hific.evaluation.markup import Element, add, data_url, document, element
from hific.evaluation.page_tables import Table, draw
from hific.files import write_atomically


@dataclasses.dataclass(frozen=True)
class Figure:
    """A plot. `svg` is a whole SVG file; `alt` says in words what is to be seen."""

    title: str
    svg: bytes
    alt: str
    caption: str = ""


@dataclasses.dataclass(frozen=True)
class Crop:
    """A piece of a picture as one row of the table gives it back.

    Attributes:
        label: Which row; "original" for the picture itself.
        png: A whole PNG file.
        detail: Rate and score, as "0.212 bpp, LPIPS 0.13".
    """

    label: str
    png: bytes
    detail: str = ""


@dataclasses.dataclass(frozen=True)
class Exhibit:
    """The same crop of several versions of one picture, the original first.

    Attributes:
        picture: Its name.
        why: Why it is shown, as "worst of 24 by LPIPS".
        crops: From left to right.
        overview: PNG file of the whole picture, small, with the crop outlined.
    """

    picture: str
    why: str
    crops: Sequence[Crop]
    overview: bytes | None = None


@dataclasses.dataclass(frozen=True)
class Page:
    """All that the page says; what is empty is left out.

    Attributes:
        title: Heading of the page.
        lead: Paragraphs below it: what was measured, and when.
        settings: Name -> value (text, number, list, or a mapping of these): models and
            their ids, pictures, extractors with hash and resize rule, versions.
        summary: A row per codec.
        comparisons: BD-rate and BD-PSNR, a table per anchor.
        figures: Plots.
        points: Of curves in them that `summary` does not have; may be long.
        gallery: Crops of chosen pictures.
        pictures: A row per picture and codec; may be long.
        missing: What was left out -> why, and what would bring it.
    """

    title: str
    summary: Table
    lead: Sequence[str] = ()
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    comparisons: Sequence[Table] = ()
    figures: Sequence[Figure] = ()
    points: Table | None = None
    gallery: Sequence[Exhibit] = ()
    pictures: Table | None = None
    missing: Mapping[str, str] = dataclasses.field(default_factory=dict)


def write(page: Page, path: pathlib.Path) -> None:
    """Writes the page as one HTML file; a reader finds the old one or the new one.

    Args:
        page: What it says.
        path: Of the file, as `report.html`.
    """
    write_atomically(path, render(page))


def render(page: Page) -> bytes:
    """Returns the page as an HTML file."""
    lead = [element("p", text) for text in page.lead]
    return shell(page.title, lead, _sections(page))


def shell(
    title: str,
    lead: Sequence[Element],
    sections: Mapping[str, Sequence[Element]],
    styles: Sequence[str] = (),
    scripts: Sequence[str] = (),
) -> bytes:
    """Returns a page of sections as an HTML file, with a list of them at its top.

    Args:
        title: Heading of the page.
        lead: What stands below it.
        sections: Heading -> what stands below it; empty ones are left out.
        styles, scripts: Texts of more than page.css and page.js, and after them.
    """
    sections = {title: nodes for title, nodes in sections.items() if nodes}
    names = {title: title.lower().replace(" ", "-") for title in sections}
    links = [
        element("li", element("a", title, href=f"#{names[title]}"))
        for title in sections
    ]
    scripts = [_asset("page.js"), *scripts]
    body = element(
        "body",
        element(
            "header",
            element("h1", title),
            *lead,
            element("nav", element("ul", *links), aria_label="Contents"),
        ),
        element(
            "main",
            *(
                element("section", element("h2", title), *nodes, id=names[title])
                for title, nodes in sections.items()
            ),
        ),
        *(element("script", script) for script in scripts),
    )
    head = _head(title, [_asset("page.css"), *styles], scripts)
    return document(element("html", head, body, lang="en"))


def _sections(page: Page) -> dict[str, list[Element]]:
    """Heading -> what stands below it; empty where there is nothing."""
    compared = [
        drawn
        for i, table in enumerate(page.comparisons, 1)
        for drawn in draw(table, f"compared-{i}")
    ]
    exhibits = [draw_exhibit(exhibit) for exhibit in page.gallery]
    return {
        "Results": draw(page.summary, "summary"),
        "Left out": [_facts(page.missing)] if page.missing else [],
        "Curves": _curves(page),
        "Compared along curves": compared,
        "Pictures to look at": [element("p", _LOOKING, class_="note"), *exhibits]
        if exhibits
        else [],
        "Every picture": _folded(page.pictures, "pictures", "one a picture and codec")
        if page.pictures
        else [],
        "How it was measured": [_facts(page.settings)] if page.settings else [],
    }


_LOOKING = (
    "The same square of every version, pixel by pixel: where the row that was measured "
    "first is furthest from the original. "
    "Click to enlarge; then the arrow keys change the version in place, and O switches "
    "to the original and back."
)


def _head(title: str, styles: Sequence[str], scripts: Sequence[str]) -> Element:
    """Forbids the page whatever is not in it, and any script but its own."""
    digests = [hashlib.sha256(script.encode()).digest() for script in scripts]
    allowed = [f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests]
    policy = (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src {' '.join(allowed)}; "
        "base-uri 'none'; form-action 'none'"
    )
    forbid = {"http-equiv": "Content-Security-Policy", "content": policy}
    return element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", **forbid),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        element("link", rel="icon", href="data:,"),
        *(element("style", style) for style in styles),
    )


def _asset(name: str) -> str:
    return importlib.resources.files("hific.evaluation").joinpath(name).read_text()


def _figure(figure: Figure) -> Element:
    # As an image, not as part of the page: ids of several plots would clash.
    image = element("img", src=data_url("image/svg+xml", figure.svg), alt=figure.alt)
    caption = element("figcaption", element("b", figure.title))
    if figure.caption:
        add(caption, " ", figure.caption)
    return element("figure", image, caption, class_="plot")


def draw_exhibit(exhibit: Exhibit) -> Element:
    """Returns crops side by side, each of which a click enlarges."""
    crops = []
    for crop in exhibit.crops:
        alt = f"{exhibit.picture}, crop: {crop.label}"
        image = element("img", src=data_url("image/png", crop.png), alt=alt)
        caption = element("figcaption", element("b", crop.label))
        if crop.detail:
            add(caption, element("span", crop.detail))
        crops.append(element("figure", image, caption, class_="crop"))
    about = element("div", element("h3", exhibit.picture), element("p", exhibit.why))
    if exhibit.overview is not None:
        where = f"{exhibit.picture}, whole, with the crop outlined"
        source = data_url("image/png", exhibit.overview)
        add(about, element("img", src=source, alt=where))
    about.set("class", "about")
    return element(
        "article", about, element("div", *crops, class_="crops"), class_="exhibit"
    )


def _curves(page: Page) -> list[Element]:
    drawn = []
    if page.figures:
        drawn.append(element("div", *map(_figure, page.figures), class_="figures"))
    if page.points:
        drawn += _folded(page.points, "points", "points of baselines' curves")
    return drawn


def _folded(table: Table, name: str, what: str) -> list[Element]:
    summary = element("summary", f"{len(table.rows):,} rows, {what}")
    inside = element("div", *draw(table, name), class_="long")
    return [element("details", summary, inside)]


def _facts(facts: Mapping[str, Any]) -> Element:
    """Draws names and their values, which may be mappings and lists again."""
    rows = [
        element(
            "tr", element("th", str(name), scope="row"), element("td", _fact(value))
        )
        for name, value in facts.items()
    ]
    return element("table", element("tbody", *rows), class_="facts")


def _fact(value: Any) -> Element | str:
    if isinstance(value, Mapping):
        return _facts(value) if value else "none"
    if isinstance(value, list | tuple):
        if not any(isinstance(one, Mapping | list | tuple) for one in value):
            return ", ".join(str(_fact(one)) for one in value) or "none"
        return element("ul", *(element("li", _fact(one)) for one in value))
    if value is None or value == "":
        return "none"
    return columns.shown(value, columns.Column(""))
