"""Pictures to look at: several versions of one, side by side, with labels."""

from collections.abc import Mapping

import numpy as np
from PIL import Image, ImageDraw, ImageFont

_GAP = 4
_FONT_SIZE = 14
_LABEL_HEIGHT = 22


def side_by_side(labelled: Mapping[str, np.ndarray]) -> np.ndarray:
    """Sets pictures in a row, each under its label.

    Args:
        labelled: Label -> [H, W, 3] uint8, from left to right; all of one size.

    Returns:
        [H + label, sum of widths, 3] uint8 on white. Pixels are not resampled; a
        column is wider than its picture where the label is.

    Raises:
        ValueError: The sizes differ.
    """
    shapes = {label: image.shape for label, image in labelled.items()}
    if len(set(shapes.values())) != 1:
        raise ValueError(f"side_by_side needs pictures of one size, got {shapes}.")
    height, width, _ = next(iter(shapes.values()))
    font = ImageFont.load_default(_FONT_SIZE)
    columns = [max(width, round(font.getlength(label)) + 1) for label in labelled]
    size = (sum(columns) + _GAP * (len(columns) - 1), height + _LABEL_HEIGHT)
    canvas = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(canvas)
    left = 0
    for (label, image), column in zip(labelled.items(), columns, strict=True):
        draw.text((left, 2), label, fill="black", font=font)
        canvas.paste(Image.fromarray(image), (left, _LABEL_HEIGHT))
        left += column + _GAP
    return np.asarray(canvas)
