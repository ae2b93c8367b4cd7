"""HTML pages taken apart, for tests that say what is in them."""

import dataclasses
import html.parser

_VOID = {"br", "hr", "img", "input", "link", "meta"}


@dataclasses.dataclass
class Node:
    """An element: its texts and elements in order, and its attributes."""

    tag: str
    attributes: dict[str, str]
    children: list["Node | str"] = dataclasses.field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(
            child if isinstance(child, str) else child.text for child in self.children
        )

    def all(self, tag: str, **attributes: str) -> list["Node"]:
        """Returns the elements inside that have this tag and these attributes."""
        found = []
        for child in self.children:
            if isinstance(child, str):
                continue
            given = {name.rstrip("_"): text for name, text in attributes.items()}
            if tag in (child.tag, "*") and given.items() <= child.attributes.items():
                found.append(child)
            found += child.all(tag, **attributes)
        return found

    def one(self, tag: str, **attributes: str) -> "Node":
        (found,) = self.all(tag, **attributes)
        return found


class _Reader(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.open = [Node("document", {})]

    def handle_starttag(self, tag, attrs):
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"{tag} repeats an attribute: {names}"
        node = Node(tag, {name: value or "" for name, value in attrs})
        self.open[-1].children.append(node)
        if tag not in _VOID:
            self.open.append(node)

    def handle_endtag(self, tag):
        assert self.open[-1].tag == tag, f"</{tag}> closes <{self.open[-1].tag}>"
        self.open.pop()

    def handle_data(self, data):
        self.open[-1].children.append(data)


def read(page: str) -> Node:
    """Returns the document; fails where elements are not closed in order."""
    reader = _Reader()
    reader.feed(page)
    reader.close()
    assert len(reader.open) == 1, [node.tag for node in reader.open]
    return reader.open[0]


def rows(table: Node) -> list[list[str]]:
    """Returns the texts of a table's body."""
    lines = table.one("tbody").all("tr")
    return [
        [cell.text for cell in line.children if isinstance(cell, Node)]
        for line in lines
    ]
