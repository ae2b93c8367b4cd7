"""HTML as a tree, so that whatever a text holds is escaped when it is written."""

import base64
import xml.etree.ElementTree as ET

Element = ET.Element


def element(tag: str, *children: Element | str, **attributes: str) -> Element:
    """Returns an element.

    Args:
        tag: Its name.
        *children: In order; texts as they shall be read, not escaped.
        **attributes: `class_` stands for class, `aria_sort` for aria-sort.
    """
    names = {name.rstrip("_").replace("_", "-"): v for name, v in attributes.items()}
    node = Element(tag, names)
    add(node, *children)
    return node


def add(node: Element, *children: Element | str) -> None:
    """Appends elements and texts to an element."""
    for child in children:
        if not isinstance(child, str):
            node.append(child)
        elif len(node):
            node[-1].tail = (node[-1].tail or "") + child
        else:
            node.text = (node.text or "") + child


def data_url(kind: str, data: bytes) -> str:
    """Returns a file as an address that holds it; `kind` as "image/png"."""
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def document(root: Element) -> bytes:
    """Returns a tree as an HTML file.

    Texts of `script` and `style` are written as they are; nothing that came from
    outside belongs in them. What UTF-8 cannot write (parts of undecodable file names)
    becomes a question mark, and so do NUL characters, which HTML forbids.
    """
    text = ET.tostring(root, encoding="unicode", method="html")
    text = text.replace("\0", "?")
    return f"<!DOCTYPE html>\n{text}\n".encode("utf-8", "replace")
