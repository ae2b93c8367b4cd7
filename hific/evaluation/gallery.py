"""Which pictures a report shows, and which part of them, side by side."""

import dataclasses
import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from hific.evaluation import columns
from hific.evaluation.page import Crop, Exhibit

# A row of results.csv: `image`, `codec`, `bpp`, and the metrics.
Result = Mapping[str, Any]

ORIGINAL = "original"

_OVERVIEW_SIDE = 192
_OUTLINE = (255, 0, 0)

# What pictures are ordered by: the first of these that the results have.
_SCORES = ("lpips", "psnr")


@dataclasses.dataclass(frozen=True)
class Choice:
    """A picture to show.

    Attributes:
        image: Its name.
        why: In words.
        score: The column by which it was chosen.
    """

    image: str
    why: str
    score: str


def choose(results: Sequence[Result], judged: str, count: int = 4) -> list[Choice]:
    """Chooses the worst pictures of one codec, and those in the middle.

    By LPIPS, or by PSNR where no picture has LPIPS; pictures without a value are passed
    over. Of fewer than 3 * count pictures, a third are the worst. No picture is chosen
    twice, and the order of `results` does not matter.

    Args:
        results: Of all pictures and codecs.
        judged: The codec that decides.
        count: Pictures of each kind.

    Returns:
        The worst first, then from the worse to the better side of the median.

    Raises:
        ValueError: There is no result of that codec.
    """
    own = [result for result in results if result["codec"] == judged]
    if not own:
        codecs = list(dict.fromkeys(result["codec"] for result in results))
        raise ValueError(f"No results of {judged!r}; there are {', '.join(codecs)}.")
    score = _score(own)
    sign = -1 if columns.of(score).better == "lower" else 1
    scored = [result for result in own if result.get(score) is not None]
    ranked = sorted(scored, key=lambda result: (sign * result[score], result["image"]))
    total = len(ranked)
    worst = min(count, -(-total // 3))
    middle = sorted(
        range(worst, total), key=lambda rank: (abs(rank - (total - 1) / 2), rank)
    )
    ranks = [*range(worst), *sorted(middle[:count])]
    return [
        Choice(
            ranked[rank]["image"],
            f"{'worst' if rank < worst else 'median'} by {columns.of(score).heading} "
            f"of {judged} (rank {rank + 1} of {total})",
            score,
        )
        for rank in ranks
    ]


def worst_crop(
    original: np.ndarray, reconstruction: np.ndarray, side: int = 192
) -> tuple[slice, slice]:
    """Finds the square with the largest sum of squared errors.

    Args:
        original, reconstruction: [H, W, 3] uint8.
        side: Of the square, pixels; cut to the picture where that is smaller.

    Returns:
        Rows and columns; of several equal squares the topmost, then leftmost. Exact
        integer sums, so the same everywhere.

    Raises:
        ValueError: The shapes differ.
    """
    if original.shape != reconstruction.shape:
        raise ValueError(
            f"original {original.shape} and reconstruction {reconstruction.shape} "
            "differ in shape."
        )
    height, width = (min(side, length) for length in original.shape[:2])
    difference = original.astype(np.int64) - reconstruction
    sums = np.pad(np.sum(difference**2, -1), ((1, 0), (1, 0))).cumsum(0).cumsum(1)
    boxes = (
        sums[height:, width:]
        - sums[:-height, width:]
        - sums[height:, :-width]
        + sums[:-height, :-width]
    )
    top, left = (int(i) for i in np.unravel_index(np.argmax(boxes), boxes.shape))
    return slice(top, top + height), slice(left, left + width)


def exhibit(
    choice: Choice,
    results: Sequence[Result],
    crops: Mapping[str, bytes],
    overview: bytes | None = None,
) -> Exhibit:
    """Sets the crops of a picture side by side, with their rate and score.

    Args:
        choice: Which picture.
        results: To be shown, in this order; those of other pictures are ignored, and
            those without a crop.
        crops: Codec, or "original" -> PNG file; all of the same square.
        overview: As `overview` draws it.
    """
    shown = [Crop(ORIGINAL, crops[ORIGINAL])] if ORIGINAL in crops else []
    shown += [
        Crop(result["codec"], crops[result["codec"]], _detail(result, choice.score))
        for result in results
        if result["image"] == choice.image and result["codec"] in crops
    ]
    return Exhibit(choice.image, choice.why, shown, overview)


def png(image: np.ndarray) -> bytes:
    """Returns [H, W, 3] uint8 as a PNG file."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG", optimize=True)
    return file.getvalue()


def overview(original: np.ndarray, where: tuple[slice, slice]) -> bytes:
    """Draws the whole picture small, with the square outlined, as a PNG file."""
    small = Image.fromarray(original)
    small.thumbnail((_OVERVIEW_SIDE, _OVERVIEW_SIDE))
    scale = small.width / original.shape[1]
    rows, cols = where
    box = [cols.start, rows.start, cols.stop - 1, rows.stop - 1]
    ImageDraw.Draw(small).rectangle(
        [math.floor(edge * scale) for edge in box], outline=_OUTLINE, width=2
    )
    return png(np.asarray(small))


def _score(results: Sequence[Result]) -> str:
    for score in _SCORES:
        if any(result.get(score) is not None for result in results):
            return score
    raise ValueError(f"No result has one of {', '.join(_SCORES)} to choose by.")


def _detail(result: Result, score: str) -> str:
    column = columns.of(score)
    value = columns.shown(result.get(score), column)
    rate = columns.shown(result["bpp"], columns.of("bpp"))
    return f"{rate} bpp, {column.heading} {value} {column.unit}".strip()
