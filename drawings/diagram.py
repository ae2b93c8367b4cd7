"""Boxes and arrows as SVG text, legible on light and dark pages."""

from collections.abc import Sequence
from html import escape

# A card of its own: the page behind may be light or dark, whatever the system says.
_STYLE = """<style>
svg{--paper:#fff;--ink:#1f2a33;--quiet:#62717c;--rule:#e3e8ec;--back:#f4f6f8;
--a:#00796b;--b:#5b4bb5;--c:#b8500f;--d:#1766b5;--e:#97175e;--f:#62717c}
@media (prefers-color-scheme:dark){svg{--paper:#1d2329;--ink:#e8edf1;--quiet:#a3b0ba;
--rule:#333d46;--back:#262e36;--a:#4cc3b0;--b:#a99df2;--c:#f2985f;--d:#6fb1ee;
--e:#ec82bd;--f:#a3b0ba}}
text{font:13px system-ui,"Segoe UI",Roboto,sans-serif;fill:var(--ink)}
.quiet{fill:var(--quiet);font-size:12px}.strong{font-weight:600}
.box{stroke-width:1.5}.arrow{fill:none;stroke:var(--quiet);stroke-width:1.5}
.rule{stroke:var(--rule)}
</style>"""
_HEAD = (
    '<marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
    'markerHeight="7" orient="auto-start-reverse">'
    '<path d="M0 0 8 4 0 8z" style="fill:var(--quiet)"/></marker>'
)


class Diagram:
    """Collects shapes, then writes them; the colours are "a" to "f"."""

    def __init__(self, width: int, height: int, title: str):
        self._size = width, height
        self._title = title
        self._parts: list[str] = []

    def box(self, x, y, width, height, colour: str, lines: Sequence[str]) -> None:
        """A box with centred lines, the first of them bold."""
        self._parts.append(
            f'<rect class="box" x="{x}" y="{y}" width="{width}" height="{height}" '
            f'rx="6" style="fill:var(--back);stroke:var(--{colour})"/>'
        )
        top = y + height / 2 - 8.5 * (len(lines) - 1) + 4.5
        for i, line in enumerate(lines):
            kind = "quiet" if i else "strong"
            self.text(x + width / 2, top + 17 * i, line, kind, "middle")

    def text(self, x, y, line: str, kind: str = "", anchor: str = "start") -> None:
        """One line; `kind` is "", "quiet" or "strong"."""
        self._parts.append(
            f'<text class="{kind}" x="{x:g}" y="{y:g}" text-anchor="{anchor}">'
            f"{escape(line)}</text>"
        )

    def arrow(self, *points: tuple[float, float], dashed: bool = False) -> None:
        """A line through the points with a head at the last."""
        path = " ".join(f"{x:g} {y:g}" for x, y in points)
        dash = ' stroke-dasharray="4 4"' if dashed else ""
        self._parts.append(
            f'<path class="arrow" d="M{path}"{dash} marker-end="url(#head)"/>'
        )

    def rule(self, y: float) -> None:
        """A faint line from side to side."""
        self._parts.append(
            f'<line class="rule" x1="0" x2="{self._size[0]}" y1="{y}" y2="{y}"/>'
        )

    def svg(self) -> str:
        """Returns the picture."""
        width, height = self._size
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" '
                f'height="{height}" viewBox="0 0 {width} {height}" role="img">',
                _STYLE,
                f"<title>{escape(self._title)}</title><defs>{_HEAD}</defs>",
                f'<rect width="{width}" height="{height}" rx="8" '
                'style="fill:var(--paper)"/>',
                *self._parts,
                "</svg>\n",
            ]
        )
