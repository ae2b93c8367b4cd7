"""One self-contained HTML page of an evaluation.

It opens from the disk without a network: style, script, figures and pictures are in it.
It knows nothing of codecs or of the folder where results are kept.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from hific.evaluation.page_tables import Table


@dataclasses.dataclass(frozen=True)
class Figure:
    """A plot. `svg` is a whole SVG file; `alt` says in words what is to be seen."""

    title: str
    svg: bytes
    alt: str
    caption: str = ""


@dataclasses.dataclass(frozen=True)
class Crop:
    """A piece of a picture as one row of the table gives it back.

    Attributes:
        label: Which row; "original" for the picture itself.
        png: A whole PNG file.
        detail: Rate and score, as "0.212 bpp, LPIPS 0.13".
    """

    label: str
    png: bytes
    detail: str = ""


@dataclasses.dataclass(frozen=True)
class Exhibit:
    """The same crop of several versions of one picture, the original first.

    Attributes:
        picture: Its name.
        why: Why it is shown, as "worst of 24 by LPIPS".
        crops: From left to right.
        overview: PNG file of the whole picture, small, with the crop outlined.
    """

    picture: str
    why: str
    crops: Sequence[Crop]
    overview: bytes | None = None


@dataclasses.dataclass(frozen=True)
class Page:
    """All that the page says; what is empty is left out.

    Attributes:
        title: Heading of the page.
        lead: Paragraphs below it: what was measured, and when.
        settings: Name -> value (text, number, list, or a mapping of these): models and
            their ids, pictures, extractors with hash and resize rule, versions.
        summary: A row per codec.
        comparisons: BD-rate and BD-PSNR, a table per anchor.
        figures: Plots.
        gallery: Crops of chosen pictures.
        pictures: A row per picture and codec; may be long.
        missing: What was left out -> why, and what would bring it.
    """

    title: str
    summary: Table
    lead: Sequence[str] = ()
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    comparisons: Sequence[Table] = ()
    figures: Sequence[Figure] = ()
    gallery: Sequence[Exhibit] = ()
    pictures: Table | None = None
    missing: Mapping[str, str] = dataclasses.field(default_factory=dict)
