"""Which squares of a photograph are shown large, and a strip of them as a picture."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from deeplab2_tf.pictures import stacked
from egic.demonstration.photographs import ALPHAS, ORIGINAL, Photograph
from hific.evaluation.gallery import worst_crop
from hific.evaluation.pictures import side_by_side

SIDE = 96
_ENLARGED = 3
_STRIP_LEAVES_OUT = ("JPEG 4:4:4",)


class Square(NamedTuple):
    """A square of a picture; `why` it was chosen, in a sentence."""

    why: str
    rows: slice
    columns: slice


def squares(photograph: Photograph, side: int = SIDE) -> list[Square]:
    """Chooses two squares by numbers, so that nobody's taste does.

    Returns:
        Where ours at alpha 1 departs most from ours at alpha 0, and where it is
        furthest from the original elsewhere.
    """
    comparison = photograph.comparison
    realistic, faithful = (comparison.drawn[alpha] for alpha in (ALPHAS[-1], ALPHAS[0]))
    rows, columns = worst_crop(faithful, realistic, side)
    elsewhere = realistic.copy()
    elsewhere[rows, columns] = comparison.original[rows, columns]
    return [
        Square("Where alpha 1 invents the most.", rows, columns),
        Square(
            "Where alpha 1 is furthest from the original, elsewhere.",
            *worst_crop(comparison.original, elsewhere, side),
        ),
    ]


def of(photograph: Photograph) -> dict[str, np.ndarray]:
    """Label -> picture: the original and all its versions."""
    versions = {version.label: version.image for version in photograph.versions}
    return {ORIGINAL: photograph.comparison.original, **versions}


def enlarged(image: np.ndarray, square: Square, times: int = 1) -> np.ndarray:
    """Returns a square of a picture, each pixel `times` wide and high."""
    cut = image[square.rows, square.columns]
    return cut.repeat(times, 0).repeat(times, 1)


def strip(photographs: Sequence[Photograph]) -> np.ndarray:
    """Returns a row for each photograph: the first of its squares, in all versions.

    Every pixel of a version is a square of 3 by 3. [H, W, 3] uint8 on white.
    """
    rows = []
    for photograph in photographs:
        square = squares(photograph)[0]
        shown = {
            _label(photograph, label): enlarged(image, square, _ENLARGED)
            for label, image in of(photograph).items()
            if not label.startswith(_STRIP_LEAVES_OUT)
        }
        rows.append(side_by_side(shown))
    return stacked(rows)


def _label(photograph: Photograph, label: str) -> str:
    """A version's name, and what a reader of the strip wants to know of it."""
    numbers: Mapping[str, Mapping[str, float | None]] = {
        version.label: version.numbers for version in photograph.versions
    }
    if label not in numbers:
        return f"{photograph.name}, {label}"
    return f"{label.partition(',')[0] if 'JPEG' in label else label}: " + (
        f"{numbers[label]['bytes']:,} B, {numbers[label]['psnr']:.1f} dB"
    )
