"""What the page does for a visitor, without the page: state in, texts out."""

import dataclasses
import html
import json
import uuid
from typing import NamedTuple

import numpy as np

from egic.page import numbers, views
from egic.page.opening import Opened
from egic.page.shelf import Shelf
from egic.page.views import Wishes

KEPT = "kept"  # Addresses of what is on the shelf start with it.


@dataclasses.dataclass(eq=False)
class Session:
    """What one visitor has before them.

    Attributes:
        opened: The file.
        picture: A name for it that no other has; a painting belongs to one.
        painted: [h, w] float32 in [0, 1], or None; see `painting.read`.
        view: What was drawn last, or None.
    """

    opened: Opened
    picture: str = dataclasses.field(default_factory=lambda: uuid.uuid4().hex)
    painted: np.ndarray | None = None
    view: views.View | None = None


class Shown(NamedTuple):
    """What the page is told to show.

    Attributes:
        stage: JSON for stage.js.
        numbers: HTML.
    """

    stage: str
    numbers: str


def show(shelf: Shelf, current: Session, wishes: Wishes) -> Shown:
    """Draws a file as it was asked for.

    Args:
        shelf: Where the browser will find the pictures.
        current: The file; its painting is the one that counts.
        wishes: The rest.

    Raises:
        CodecError: See `hific.rendering.Rendering.image`.
    """
    opened = current.opened
    shown = views.view(opened, wishes._replace(painted=current.painted))
    current.view = shown
    stage = {
        "picture": current.picture,
        "width": opened.rendering.width,
        "height": opened.rendering.height,
        "paintable": opened.has_alpha,
        "ours": _url(shelf, views.png(shown.ours), "image/png"),
        "beside": _url(shelf, views.png(shown.beside), "image/png"),
        "ours_label": shown.ours_label,
        "beside_label": shown.beside_label,
    }
    return Shown(json.dumps(stage), describe(shelf, current))


def describe(shelf: Shelf, current: Session) -> str:
    """The numbers of what was drawn last, in HTML, and the link to the file."""
    opened = current.opened
    name = html.escape(f"{opened.name}.egic", quote=True)
    url = _url(shelf, opened.data, "application/octet-stream")
    return (
        f'<div class="above"><p>{html.escape(numbers.caption(opened))}</p>'
        f'<a class="download" href="{url}" download="{name}">Download {name}</a></div>'
        f"{numbers.table(opened, current.view) if current.view else ''}"
    )


def _url(shelf: Shelf, data: bytes, media_type: str) -> str:
    return f"{KEPT}/{shelf.put(data, media_type)}"
