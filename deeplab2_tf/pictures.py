"""Label maps as pictures to look at."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from deeplab2_tf.labels import LabelSet

_GAP = 4
_FONT_SIZE = 14
_PATCH = 16
_LINE_HEIGHT = 22


def coloured(labels: np.ndarray, label_set: LabelSet) -> np.ndarray:
    """Paints semantic ids in their classes' colours; void and "fake" are black.

    Args:
        labels: Semantic ids in [0, 256), any shape, integer.
        label_set: Has the colours.

    Returns:
        [..., 3] uint8, a colour for each id.
    """
    return label_set.colours()[labels]


def stacked(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Sets pictures below each other, on white, from the left.

    Args:
        pictures: [H, W, 3] uint8 each, from the top; sizes may differ.

    Returns:
        [sum of H and the gaps, largest W, 3] uint8; pixels are not resampled.
    """
    width = max(picture.shape[1] for picture in pictures)
    height = sum(picture.shape[0] + _GAP for picture in pictures) - _GAP
    canvas = np.full((height, width, 3), 255, np.uint8)
    top = 0
    for picture in pictures:
        canvas[top : top + picture.shape[0], : picture.shape[1]] = picture
        top += picture.shape[0] + _GAP
    return canvas


def legend(label_set: LabelSet, width: int) -> np.ndarray:
    """Names the colours: a patch and a name for every class, in lines.

    Args:
        label_set: Has colours and names.
        width: Of the picture, pixels; a line that would be longer is broken.

    Returns:
        [22 * lines, width, 3] uint8 on white.
    """
    font = ImageFont.load_default(_FONT_SIZE)
    places, left, line = [], 0, 0
    for one in label_set.classes:
        needed = _PATCH + _GAP + round(font.getlength(one.name)) + 1
        if left and left + needed > width:
            left, line = 0, line + 1
        places.append((one, left, line * _LINE_HEIGHT))
        left += needed + 4 * _GAP
    canvas = Image.new("RGB", (width, (line + 1) * _LINE_HEIGHT), "white")
    draw = ImageDraw.Draw(canvas)
    for one, x, y in places:
        corner = (x + _PATCH - 1, y + 2 + _PATCH)
        draw.rectangle((x, y + 3, *corner), fill=tuple(one.colour))
        draw.text((x + _PATCH + _GAP, y + 2), one.name, fill="black", font=font)
    return np.asarray(canvas)
