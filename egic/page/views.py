"""What is shown for what a visitor chose: two pictures, and what to call them."""

import io
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from PIL import Image

from egic.page import painting
from egic.page.opening import Opened
from hific.evaluation.baselines import BASELINES

ORIGINAL = "Original"
FAITHFUL, REALISTIC = "alpha 0", "alpha 1"
# What is written on the page -> name of a baseline.
CODECS: Mapping[str, str] = {
    shown: name
    for shown, name in (("JPEG", "jpeg"), ("WebP", "webp"), ("AVIF", "avif"))
    if not BASELINES[name].missing
}
# What the brush paints -> alpha there.
BRUSHES: Mapping[str, float] = {"faithful": 0.0, "realistic": 1.0}


class Wishes(NamedTuple):
    """What a visitor chose.

    Attributes:
        alpha: Of what is not painted.
        brush: A key of `BRUSHES`.
        painted: [h, w] float32 in [0, 1], or None; see `painting.read`.
        beside: One of `choices`.
    """

    alpha: float = 1.0
    brush: str = "faithful"
    painted: np.ndarray | None = None
    beside: str = ORIGINAL


class View(NamedTuple):
    """Two pictures of one size, [H, W, 3] uint8, and their labels.

    Attributes:
        ours: What the file shows.
        beside: What it is compared with.
        ours_label, beside_label: What is written on them.
    """

    ours: np.ndarray
    beside: np.ndarray
    ours_label: str
    beside_label: str


def choices(opened: Opened) -> list[str]:
    """What a file can be compared with, in the order of the page."""
    own = [FAITHFUL, REALISTIC] if opened.has_alpha else [REALISTIC]
    return own if opened.original is None else [ORIGINAL, *CODECS, *own]


def view(opened: Opened, wishes: Wishes) -> View:
    """Draws the file as it was asked for, and finds what it is compared with."""
    height, width = opened.rendering.height, opened.rendering.width
    alpha = wishes.alpha if opened.has_alpha else 1.0
    label = f"EGIC, alpha {alpha:g}"
    chosen: float | np.ndarray = alpha
    if opened.has_alpha:
        inside = BRUSHES[wishes.brush]
        chosen = painting.alpha_map(wishes.painted, inside, alpha, height, width)
        if isinstance(chosen, np.ndarray):
            label += f", {inside:g} where painted"
    beside, beside_label = _beside(opened, wishes.beside)
    return View(opened.rendering.image(chosen), beside, label, beside_label)


def _beside(opened: Opened, name: str) -> tuple[np.ndarray, str]:
    """The picture of a choice, and its label; one that is gone is the first."""
    if name not in choices(opened):
        name = choices(opened)[0]
    if name == ORIGINAL and opened.original is not None:
        return opened.original, name
    if name in CODECS:
        rival = opened.rival(CODECS[name])
        return rival.image, rival.label
    alpha = 0.0 if name == FAITHFUL else 1.0
    return opened.rendering.image(alpha), f"EGIC, alpha {alpha:g}"


def png(image: np.ndarray) -> bytes:
    """A picture as a PNG file, written fast rather than small."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
