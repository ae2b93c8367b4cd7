"""One picture through a codec, and through conventional ones for the same bytes."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from hific.evaluation import metrics
from hific.evaluation.baselines import BASELINES, at_matched_bits

# Name of a baseline -> what readers call it.
LABELS: Mapping[str, str] = {
    "jpeg": "JPEG 4:2:0, optimised",
    "jpeg444": "JPEG 4:4:4",
    "webp": "WebP",
    "avif": "AVIF",
    "jxl": "JPEG XL",
    "jp2": "JPEG 2000",
}


class ImageCodec(Protocol):
    """What is compared: a `hific.codec.Codec`, say."""

    def compress(self, image: np.ndarray) -> bytes:
        """[H, W, 3] uint8 -> the whole file."""

    def decompress_all(
        self, data: bytes, alphas: Sequence[float]
    ) -> Sequence[np.ndarray]:
        """A whole file -> its picture at each alpha, [H, W, 3] uint8."""


@dataclasses.dataclass(frozen=True)
class Rival:
    """A conventional codec's file of a picture.

    Attributes:
        name: A key of `hific.evaluation.baselines.BASELINES`.
        quality: Of that codec's scale.
        data: The whole file, the largest that is not above the bytes allowed.
        image: What it shows, [H, W, 3] uint8.
        fits: False where even the codec's smallest file is larger; `data` is that one.
    """

    name: str
    quality: float
    data: bytes
    image: np.ndarray
    fits: bool = True

    @property
    def label(self) -> str:
        """What readers call it; says so where the file is too large."""
        label = LABELS[self.name]
        return label if self.fits else f"{label} (its smallest)"


@dataclasses.dataclass(frozen=True)
class Comparison:
    """One picture, our file of it, and those of others of no more bytes.

    Attributes:
        original: [H, W, 3] uint8.
        data: Our whole file.
        drawn: Alpha -> what the file shows at it, [H, W, 3] uint8.
        rivals: In the order asked for, without those that this machine lacks.
    """

    original: np.ndarray
    data: bytes
    drawn: Mapping[float, np.ndarray]
    rivals: tuple[Rival, ...]

    def bpp(self, data: bytes) -> float:
        """Returns the bits of a file over the pixels of the picture."""
        height, width, _ = self.original.shape
        return metrics.bits_per_pixel(8 * len(data), height, width)

    def psnr(self, image: np.ndarray) -> float:
        """Returns how near a version is to the original, in dB of 8-bit RGB."""
        return metrics.psnr(image, self.original)


def compare(
    codec: ImageCodec,
    image: np.ndarray,
    alphas: Sequence[float],
    codecs: Sequence[str] = ("jpeg", "webp", "avif"),
) -> Comparison:
    """Compresses a picture and has the others spend no more bytes on it.

    Args:
        codec: Ours.
        image: [H, W, 3] uint8.
        alphas: At which our file is drawn; it is decoded once.
        codecs: Keys of `hific.evaluation.baselines.BASELINES`.

    Raises:
        CodecError, UnsupportedAlphaError: See `hific.codec.Codec`.
        KeyError: There is no such baseline.
    """
    data = codec.compress(image)
    drawn = codec.decompress_all(data, alphas)
    return Comparison(
        image,
        data,
        dict(zip(alphas, drawn, strict=True)),
        rivals(image, len(data), codecs),
    )


def rivals(
    image: np.ndarray,
    size: int,
    codecs: Sequence[str] = ("jpeg", "webp", "avif"),
) -> tuple[Rival, ...]:
    """Returns the best that each codec makes of a picture in so many bytes.

    Args:
        image: [H, W, 3] uint8.
        size: Bytes of the largest file allowed.
        codecs: Keys of `hific.evaluation.baselines.BASELINES`; those whose library this
            machine lacks are left out.
    """
    made = []
    for name in codecs:
        baseline = BASELINES[name]
        if baseline.missing:
            continue
        match = at_matched_bits(image, baseline, size)
        shown = baseline.decode(match.data)
        made.append(Rival(name, match.quality, match.data, shown, match.fits))
    return tuple(made)
