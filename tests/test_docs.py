"""The documents: their links, and what the site asks of other hosts."""

import functools
import os
import pathlib
import re
import subprocess
import sys

import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]


@functools.cache
def text_of(path):
    return path.read_text()


def without_code(text):
    text = re.sub(r"^```.*?^```$", "", text, flags=re.S | re.M)
    return re.sub(r"`[^`\n]*`", "", text)


def anchors(path):
    """Anchors of headings, as git hosts make them of their words."""
    found = set()
    for heading in re.findall(r"^#+ (.+)$", text_of(path), re.M):
        words = re.sub(r"[^\w\- ]", "", heading.lower())
        found.add(words.replace(" ", "-"))
    return found


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_link_leads_to_a_file_and_a_heading(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", without_code(text_of(page))):
        if re.match(r"https?:", target):
            continue
        name, _, anchor = target.partition("#")
        path = (page.parent / name).resolve() if name else page
        assert path.exists(), f"{page.name}: {target}"
        if anchor:
            assert anchor in anchors(path), f"{page.name}: {target}"


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_lists_are_lists_in_the_site_as_well(page):
    """Python's Markdown wants an empty line before a list, git hosts do not."""
    before = ""
    text = re.sub(r"^```.*?^```$|^<!--[^>]*-->$", "", text_of(page), flags=re.S | re.M)
    for line in text.split("\n"):
        if re.match(r"([-*]|\d+\.) ", line) and before:
            assert re.match(r"([-*]|\d+\.) |  ", before), f"{page.name}: {line}"
        if line.startswith("|") and before:
            assert before.startswith("|"), f"{page.name}: {line}"
        before = line.rstrip()


def test_the_readme_is_one_screen():
    assert len(text_of(ROOT / "README.md").splitlines()) <= 70


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site, built as `make docs` builds it."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", f"--site-dir={folder}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_the_site_asks_nothing_of_another_host(site):
    loads = re.compile(
        r"<(?:script|img|iframe|source|video|audio)\b[^>]*\bsrc=\"(?:https?:)?//[^\"]+"
        r"|<link\b[^>]*\brel=\"(?:stylesheet|preload|preconnect|icon)[^>]*"
        r"href=\"(?:https?:)?//[^\"]+"
    )
    for page in site.rglob("*.html"):
        assert not loads.findall(page.read_text()), page
    for style in site.rglob("*.css"):
        assert not re.findall(
            r"@import[^;]*//[^;]*|url\([\"']?(?:https?:)?//[^)]*", style.read_text()
        ), style


def test_every_page_is_in_the_site_and_has_a_heading(site):
    pages = [page for page in site.rglob("*.html") if page.name != "404.html"]
    assert len(pages) >= len(list((ROOT / "docs").glob("*.md")))
    for page in pages:
        assert "<h1" in page.read_text(), page


def test_the_citation_is_of_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    version = re.search(r"^version = (\S+)$", text_of(ROOT / "setup.cfg"), re.M)
    assert citation["version"] == version.group(1)
    assert citation["license"] in text_of(ROOT / "setup.cfg")
    assert "2309.03244" in str(citation["preferred-citation"])
