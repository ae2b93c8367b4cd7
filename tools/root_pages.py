"""Pages of the site that lie beside docs/, where a git host looks for them.

mkdocs calls the functions named on_ (`hooks` in mkdocs.yml). Links are written for the
file they stand in, so that both work: `docs/data.md` in a root file and
`../MODEL_CARD.md` in a page become links between pages.
"""

import pathlib
import re

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

# Root file -> page.
ROOT_PAGES = {
    "CONTRIBUTING.md": "contributing.md",
    "MODEL_CARD.md": "model_card.md",
}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Leaves root files that there are none of out of the menu."""
    root = pathlib.Path(config.config_file_path).parent
    absent = {page for name, page in ROOT_PAGES.items() if not (root / name).exists()}
    for section in config.nav:
        for title, entries in section.items():
            section[title] = [e for e in entries if not absent & set(e.values())]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds those root files that there are."""
    root = pathlib.Path(config.config_file_path).parent
    for name, page in ROOT_PAGES.items():
        if (root / name).exists():
            content = from_root((root / name).read_text())
            files.append(File.generated(config, page, content=content))
    return files


def on_page_markdown(markdown: str, **_) -> str:
    """Leads links to root files to their pages."""
    for name, page in ROOT_PAGES.items():
        markdown = markdown.replace(f"](../{name}", f"]({page}")
    return markdown


def from_root(markdown: str) -> str:
    """Returns a root file's text with its links as seen from docs/."""
    for name, page in ROOT_PAGES.items():
        markdown = re.sub(rf"\]\({re.escape(name)}", f"]({page}", markdown)
    return markdown.replace("](docs/", "](")
