"""What files weigh and how near they come, as a table of the page."""

import html
import math

import numpy as np

from egic.page.opening import Opened
from egic.page.views import CODECS, View
from hific.evaluation import metrics

_HEADINGS = ("", "bytes", "bpp", "ratio", "PSNR")
_NOTE = (
    "The others have at most our bytes. Ratio is to raw pixels. PSNR, in dB, is "
    "nearness, not looks."
)
_UNKNOWN = "…"


def caption(opened: Opened) -> str:
    """One line about a picture; about its file too where there is no table."""
    height, width = opened.rendering.height, opened.rendering.width
    text = f"{opened.name}, {width} × {height} pixels"
    if opened.shrunk_from is not None:
        text += f", shrunk from {opened.shrunk_from[1]} × {opened.shrunk_from[0]}"
    if opened.original is not None:
        return text
    weight = f"{len(opened.data):,} bytes, {_bpp(opened.data, height, width)} bpp"
    return f"{text}, {weight}, {_ratio(opened.data, height, width)} to raw"


def table(opened: Opened, shown: View) -> str:
    """The table in HTML: our file as it is shown, and what was compared so far.

    Without an original there is nothing to compare with, and no table.
    """
    if opened.original is None:
        return ""
    original = opened.original
    rows = [[shown.ours_label, *_weight(original, opened.data, shown.ours)]]
    for label, name in CODECS.items():
        rival = opened.found(name)
        if rival is None:
            rows.append([label, *[_UNKNOWN] * (len(_HEADINGS) - 1)])
        else:
            too_large = "" if rival.fits else " (its smallest)"
            rows.append(
                [label + too_large, *_weight(original, rival.data, rival.image)]
            )
    head = "".join(f'<th scope="col">{heading}</th>' for heading in _HEADINGS)
    body = "".join(
        f'<tr><th scope="row">{html.escape(row[0])}</th>'
        + "".join(f"<td>{cell}</td>" for cell in row[1:])
        + "</tr>"
        for row in rows
    )
    return (
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead>'
        f'<tbody>{body}</tbody></table></div><p class="note">{_NOTE}</p>'
    )


def _weight(original: np.ndarray, data: bytes, image: np.ndarray) -> list[str]:
    decibels = metrics.psnr(image, original)
    height, width, _ = original.shape
    return [
        f"{len(data):,}",
        _bpp(data, height, width),
        _ratio(data, height, width),
        f"{decibels:.2f}" if math.isfinite(decibels) else "exact",
    ]


def _bpp(data: bytes, height: int, width: int) -> str:
    return f"{metrics.bits_per_pixel(8 * len(data), height, width):.3f}"


def _ratio(data: bytes, height: int, width: int) -> str:
    return f"{3 * height * width / len(data):.3g} : 1"
