"""What a reproduction says: blocks of text and tables, shown, and written to files."""

import dataclasses
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import rich.box
import rich.console
import rich.markup
import rich.table

from hific.files import write_atomically


@dataclasses.dataclass(frozen=True)
class Block:
    """One table with words around it.

    Attributes:
        title: Above it.
        header: Titles of the columns; without, there is no table.
        rows: Cells, as many as titles.
        notes: Below it, a paragraph each.
        code: Lines to copy, below the notes.
    """

    title: str
    header: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    notes: Sequence[str] = ()
    code: Sequence[str] = ()


@dataclasses.dataclass
class Document:
    """Everything about one experiment.

    Attributes:
        name, title: Of the experiment.
        scale: "paper" or "smoke".
        blocks: In order.
        data: The same for programs.
        pictures: File name -> bytes; shown in the order given.
        differs: Whether a number that must be equal is not.
    """

    name: str
    title: str
    scale: str
    blocks: list[Block] = dataclasses.field(default_factory=list)
    data: dict[str, Any] = dataclasses.field(default_factory=dict)
    pictures: dict[str, bytes] = dataclasses.field(default_factory=dict)
    differs: bool = False


def show(document: Document, console: rich.console.Console | None = None) -> None:
    """Prints a document."""
    console = console or rich.console.Console()
    # A log file has no width of its own; rich takes 80 and would break numbers.
    console.width = max(console.width, 120)
    console.rule(f"{document.name}: {document.title}", align="left")
    for block in document.blocks:
        if block.title:
            console.print(f"\n[bold]{block.title}[/]")
        if block.header:
            console.print(_table(block))
        for note in block.notes:
            console.print(f"- {note}", highlight=False, markup=False)
        for line in block.code:
            console.print(line, highlight=False, markup=False, soft_wrap=True)


def _table(block: Block) -> rich.table.Table:
    table = rich.table.Table(box=rich.box.SIMPLE_HEAD, pad_edge=False)
    for i, title in enumerate(block.header):
        table.add_column(title, justify=_alignment(block, i))
    for row in block.rows:
        table.add_row(*map(rich.markup.escape, row))
    return table


def _alignment(block: Block, column: int) -> Any:
    """Numbers to the right."""
    cells = [row[column] for row in block.rows if row[column]]
    numeric = all(cell[0] in "+-0123456789" for cell in cells)
    return "right" if cells and numeric else "left"


def write(document: Document, out: pathlib.Path) -> list[pathlib.Path]:
    """Writes NAME.md, NAME.json and the pictures; returns where."""
    out.mkdir(parents=True, exist_ok=True)
    facts = {
        "experiment": document.name,
        "title": document.title,
        "scale": document.scale,
        **document.data,
        "pictures": list(document.pictures),
    }
    files: Mapping[str, bytes] = {
        f"{document.name}.md": markdown(document).encode(),
        f"{document.name}.json": (json.dumps(facts, indent=2) + "\n").encode(),
        **document.pictures,
    }
    for name, data in files.items():
        write_atomically(out / name, data)
    return [out / name for name in files]


def markdown(document: Document) -> str:
    """The document in Markdown, with links to its pictures."""
    parts = [f"# {document.name}: {document.title}"]
    parts += [f"![{name}]({name})" for name in document.pictures]
    for block in document.blocks:
        if block.title:
            parts.append(f"## {block.title}")
        if block.header:
            parts.append(_markdown_table(block))
        if block.notes:
            parts.append("\n".join(f"- {note}" for note in block.notes))
        if block.code:
            parts.append("\n".join(("```", *block.code, "```")))
    return "\n\n".join(parts) + "\n"


def _markdown_table(block: Block) -> str:
    lines = [block.header, ["---"] * len(block.header), *block.rows]
    escaped = [
        [cell.replace("|", "\\|").replace("\n", " ") for cell in line] for line in lines
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in escaped)
