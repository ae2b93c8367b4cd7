"""Where a decoder made things up: realistic against faithful image, as a heat map.

The faithful image is the best guess in squared error, blurred where the file does not
say what was there. Where the realistic one departs from it, it was invented.
"""

import numpy as np

# Grey levels that are shown as the end of the scale; fixed, so that maps compare.
SCALE = 64
# Black, violet, red, orange, pale yellow: lightness grows all the way, so the order is
# seen without colour vision and on paper. Source: eighths of matplotlib's "inferno".
_COLOURS = np.array(
    [
        (0, 0, 4),
        (31, 12, 72),
        (85, 15, 109),
        (136, 34, 106),
        (186, 54, 85),
        (227, 89, 51),
        (249, 140, 10),
        (249, 201, 50),
        (252, 255, 164),
    ],
    np.float64,
)


def residual(realistic: np.ndarray, faithful: np.ndarray) -> np.ndarray:
    """By how many grey levels two pictures differ, the largest of the three channels.

    Args:
        realistic, faithful: [H, W, 3] uint8, as they are shown.

    Returns:
        [H, W] uint8.
    """
    difference = np.abs(realistic.astype(np.int16) - faithful.astype(np.int16))
    return difference.max(axis=-1).astype(np.uint8)


def share_above(residual: np.ndarray, threshold: float) -> float:
    """The share of pixels, 0 to 1, that differ by more than `threshold` grey levels."""
    return float((residual > threshold).mean())


def heat_map(residual: np.ndarray) -> np.ndarray:
    """Colours a residual [H, W]: black for 0 to pale yellow for `SCALE` and more.

    Returns:
        [H, W, 3] uint8.
    """
    place = np.arange(256) / SCALE * (len(_COLOURS) - 1)
    levels = np.arange(len(_COLOURS))
    table = np.stack(
        [np.interp(place, levels, channel) for channel in _COLOURS.T], axis=-1
    )
    return np.rint(table).astype(np.uint8)[residual]
