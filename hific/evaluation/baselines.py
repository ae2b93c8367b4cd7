"""Conventional codecs to compare with, through Pillow, in memory."""

import dataclasses
import io
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from PIL import Image


@dataclasses.dataclass(frozen=True)
class Baseline:
    """A codec with one knob.

    Attributes:
        format: Pillow's name of it.
        qualities: What the knob can be set to, ascending; files grow with it.
        options: The other settings of Pillow's writer.
    """

    format: str
    qualities: Sequence[float]
    options: Mapping[str, Any]

    def encode(self, image: np.ndarray, quality: float) -> bytes:
        """[H, W, 3] uint8 -> the whole file."""
        file = io.BytesIO()
        Image.fromarray(image).save(file, self.format, quality=quality, **self.options)
        return file.getvalue()

    def decode(self, data: bytes) -> np.ndarray:
        """A whole file -> [H, W, 3] uint8."""
        with Image.open(io.BytesIO(data), formats=[self.format]) as image:
            return np.asarray(image.convert("RGB"))


# Name in --baselines -> codec. `jpeg` halves the colour's resolution and fits its
# Huffman codes to the picture; `jpeg444` does neither, it is EGIC's baseline. Above 95,
# JPEG files grow and pictures hardly improve.
BASELINES: Mapping[str, Baseline] = {
    "jpeg": Baseline("JPEG", range(96), {"subsampling": "4:2:0", "optimize": True}),
    "jpeg444": Baseline("JPEG", range(96), {"subsampling": "4:4:4"}),
    "webp": Baseline("WEBP", [q / 4 for q in range(401)], {"method": 6}),
}


def choose(names: Sequence[str]) -> dict[str, Baseline]:
    """Returns the baselines of these names; ValueError for an unknown one."""
    unknown = [name for name in names if name not in BASELINES]
    if unknown:
        raise ValueError(
            f"No baseline {', '.join(unknown)}; there are {', '.join(BASELINES)}."
        )
    return {name: BASELINES[name] for name in names}


class Match(NamedTuple):
    """A file of about the wanted size.

    Attributes:
        data: The file.
        quality: That gave it.
        fits: False where even the smallest file is larger than was wanted.
    """

    data: bytes
    quality: float
    fits: bool


def at_matched_bits(image: np.ndarray, codec: Baseline, target_bytes: int) -> Match:
    """Finds the best picture that costs no more than another codec's.

    Bisects the quality. A knob has steps, so the file is usually a little smaller
    than the target: a disadvantage for the baseline of at most one step.

    Args:
        image: [H, W, 3] uint8.
        codec: Which baseline.
        target_bytes: The largest file allowed, headers included.

    Returns:
        The largest file not above the target; where there is none, the smallest
        file, with `fits` False.
    """
    low, high = 0, len(codec.qualities) - 1
    best = codec.encode(image, codec.qualities[low])
    if len(best) > target_bytes:
        return Match(best, codec.qualities[low], fits=False)
    while low < high:  # `low` fits, `high + 1` does not or does not exist.
        middle = (low + high + 1) // 2
        data = codec.encode(image, codec.qualities[middle])
        if len(data) <= target_bytes:
            low, best = middle, data
        else:
            high = middle - 1
    return Match(best, codec.qualities[low], fits=True)
