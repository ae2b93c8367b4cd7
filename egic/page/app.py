"""The page itself: Gradio's components, and what happens when they are used."""

import html
import pathlib
from typing import Any

import gradio as gr

from egic.page import desk, opening, painting, photographs, views
from egic.page.shelf import Shelf
from hific.codec import Codec
from hific.errors import CodecError

_HERE = pathlib.Path(__file__).parent
CSS = (_HERE / "page.css").read_text()
_CODING = "coding"  # One picture at a time, for the sake of memory.

_PLAIN: dict[str, Any] = {"apply_default_css": False}

_TITLE = """<h1>EGIC</h1>
<p>Drop a picture. It becomes a small file, which is drawn again faithfully,
realistically, or between. Nothing leaves this machine.</p>"""
_PICK = """
element.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button) trigger("picked", { name: button.dataset.name });
});
"""


def theme() -> gr.themes.Base:
    """Gradio's plainest, with fonts that every machine has: none is fetched."""
    return gr.themes.Base(
        primary_hue="blue",
        neutral_hue="slate",
        font=["system-ui", "sans-serif"],
        font_mono=["ui-monospace", "monospace"],
    )


def build(codec: Codec, shelf: Shelf) -> gr.Blocks:
    """The page for one model.

    Args:
        codec: Compresses and decodes; one picture at a time.
        shelf: Where the page puts what the browser fetches.
    """
    with gr.Blocks(title="EGIC", analytics_enabled=False) as blocks:
        Page(codec, shelf).lay_out()
    return blocks.queue(api_open=False, max_size=64)


class Page:
    """Components, and the functions that they call."""

    def __init__(self, codec: Codec, shelf: Shelf):
        self._codec = codec
        self._shelf = shelf

    def lay_out(self) -> None:
        """Creates the components of the page, inside `gr.Blocks`."""
        self.session = gr.State(None)
        gr.HTML(_TITLE, elem_id="title", **_PLAIN)
        with gr.Row(elem_id="open"):
            self.file = gr.File(show_label=False, height=96, elem_id="drop")
            self.examples = gr.HTML(
                html_template=_thumbnails(),
                js_on_load=_PICK,
                elem_id="examples",
                visible=bool(photographs.names()),
                **_PLAIN,
            )
        self.message = gr.HTML("", elem_id="message", **_PLAIN)
        with gr.Row(visible=False, elem_id="work") as self.work:
            self._lay_out_work()
        self._connect()

    def _lay_out_work(self) -> None:
        with gr.Column(scale=2, min_width=320):
            self.stage = gr.HTML(
                html_template=(_HERE / "stage.html").read_text(),
                js_on_load=(_HERE / "stage.js").read_text(),
                elem_id="stage",
                **_PLAIN,
            )
        with gr.Column(scale=1, min_width=320):
            self.beside = gr.Radio(
                [views.ORIGINAL, *views.CODECS],
                value=views.ORIGINAL,
                label="Left of the split",
                elem_id="beside",
            )
            self.alpha = gr.Slider(
                0.0,
                1.0,
                value=1.0,
                step=0.05,
                label="alpha: 0 is faithful, 1 realistic",
                buttons=[],
                elem_id="alpha",
            )
            self.brush = gr.Radio(
                list(views.BRUSHES),
                value="faithful",
                label="The brush paints",
                elem_id="brush",
            )
            self.numbers = gr.HTML("", elem_id="numbers", **_PLAIN)

    def _connect(self) -> None:
        wishes = [self.session, self.alpha, self.brush, self.beside]
        shown = [self.message, self.stage, self.numbers]
        everything = [
            *(self.session, self.file, self.work, self.alpha, self.brush, self.beside),
            *shown,
        ]
        quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
        opens: dict[str, Any] = {
            "outputs": everything,
            "api_visibility": "private",
            "concurrency_id": _CODING,
            "concurrency_limit": 1,
            "show_progress_on": self.file,
        }
        opened = [
            self.file.upload(self.open_file, [self.file, *wishes[1:]], **opens),
            self.examples.picked(self.open_photograph, wishes[1:], **opens),
        ]
        for event in opened:
            event.then(self.compare, [self.session], [self.numbers], **quiet)
        for component in (self.alpha, self.brush, self.beside):
            component.input(
                self.redraw,
                wishes,
                shown,
                trigger_mode="always_last",
                concurrency_id=_CODING,
                **quiet,
            )
        self.stage.painted(
            self.paint,
            wishes,
            shown,
            trigger_mode="always_last",
            concurrency_id=_CODING,
            **quiet,
        )

    def open_file(self, path: str | None, alpha: float, brush: str, beside: str):
        """A visitor dropped a file."""
        if path is None:
            return self._refuse("The file did not arrive.")
        try:
            opened = opening.open_path(self._codec, path)
            return self._present(opened, views.Wishes(alpha, brush, None, beside))
        except opening.RefusedError as error:
            return self._refuse(str(error))
        finally:
            pathlib.Path(path).unlink(missing_ok=True)

    def open_photograph(
        self, alpha: float, brush: str, beside: str, event: gr.EventData
    ):
        """A visitor chose one of the photographs."""
        name = event._data["name"]
        if name not in photographs.names():
            return self._refuse(f"There is no photograph {name!r}.")
        image = photographs.read(name)
        try:
            opened = opening.open_image(self._codec, image, name)
            return self._present(opened, views.Wishes(alpha, brush, None, beside))
        except (CodecError, MemoryError) as error:
            return self._refuse(str(error))

    def _present(self, opened: opening.Opened, wishes: views.Wishes):
        choices = views.choices(opened)
        if wishes.beside not in choices:
            wishes = wishes._replace(beside=choices[0])
        current = desk.Session(opened)
        shown = desk.show(self._shelf, current, wishes)
        return (
            current,
            None,
            gr.update(visible=True),
            gr.update(visible=opened.has_alpha),
            gr.update(visible=opened.has_alpha),
            gr.update(choices=choices, value=wishes.beside),
            *("", *shown),
        )

    def _refuse(self, sentence: str):
        untouched = [gr.skip()] * 4
        return (gr.skip(), None, *untouched, _message(sentence), gr.skip(), gr.skip())

    def redraw(
        self, session: desk.Session | None, alpha: float, brush: str, beside: str
    ):
        """A visitor moved something."""
        if session is None:
            return gr.skip(), gr.skip(), gr.skip()
        wishes = views.Wishes(alpha, brush, None, beside)
        try:
            return "", *desk.show(self._shelf, session, wishes)
        except (CodecError, MemoryError) as error:
            return _message(str(error)), gr.skip(), gr.skip()

    def paint(
        self,
        session: desk.Session | None,
        alpha: float,
        brush: str,
        beside: str,
        event: gr.EventData,
    ):
        """A visitor lifted the brush."""
        if session is None or event._data["picture"] != session.picture:
            return gr.skip(), gr.skip(), gr.skip()
        session.painted = painting.read(event._data["url"])
        return self.redraw(session, alpha, brush, beside)

    def compare(self, session: desk.Session | None):
        """Finds what the others make of the picture, one after the other."""
        if session is None or session.opened.original is None:
            yield gr.skip()
            return
        for name in views.CODECS.values():
            session.opened.rival(name)
            yield desk.describe(self._shelf, session)


def _message(sentence: str) -> str:
    return f'<p role="alert">{html.escape(sentence)}</p>'


def _thumbnails() -> str:
    buttons = "".join(
        f'<button type="button" data-name="{name}" title="{name}">'
        f'<img src="{photographs.thumbnail(name)}" alt="{name}"></button>'
        for name in photographs.names()
    )
    return f'<p>or one of these:</p><div class="thumbnails">{buttons}</div>'
