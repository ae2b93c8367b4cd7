"""One picture through one codec and its baselines, with real files."""

import dataclasses
import pathlib
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np
from absl import logging

from hific.evaluation.baselines import Baseline, at_matched_bits
from hific.evaluation.frechet import ORIGINAL
from hific.evaluation.metrics import Metric, bits_per_pixel
from hific.evaluation.pictures import side_by_side
from hific.evaluation.report import Result
from hific.files import write_atomically
from hific.images import write_png


class Found(Protocol):
    """What compressing one picture found."""

    @property
    def clipped(self) -> int:
        """Symbols outside of their table, which were moved to its end."""


class Codec(Protocol):
    """What is measured. Images are [H, W, 3] uint8."""

    stride: int  # Sides are padded to its multiples inside.

    def compress_with_report(self, image: np.ndarray) -> tuple[bytes, Found]: ...

    def decompress(self, data: bytes, alpha: float) -> np.ndarray: ...

    def estimate(self, image: np.ndarray) -> float:
        """Returns the bits that the probability model predicts for the payload."""
        ...


def ignore(name: str, image: np.ndarray) -> None:
    """Collects nothing."""


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """How pictures are coded and judged.

    Attributes:
        codec: Which codec.
        out: Folder for the compressed files, in `files/`, and the pictures to look
            at, in `side_by_side/`.
        metrics: Column -> metric.
        baselines: Name -> codec, compared at the bytes each picture took here.
        payload_bytes: Compressed file -> bytes in it that carry the picture, the
            fixed header and checksums left out.
        alphas: Realism, passed to the decoder; of several, each makes a row, whose
            codec is called "model alpha=A".
        save_images: Also write a side-by-side PNG of every picture.
        collect: Is shown every picture, (`frechet.ORIGINAL` or the codec, [H, W, 3]
            uint8), for what is said of all together.
    """

    codec: Codec
    out: pathlib.Path
    metrics: Mapping[str, Metric]
    baselines: Mapping[str, Baseline]
    payload_bytes: Callable[[bytes], int]
    alphas: Sequence[float] = (1.0,)
    save_images: bool = False
    collect: Callable[[str, np.ndarray], None] = ignore

    def measure(self, name: str, image: np.ndarray) -> list[Result]:
        """Codes one picture with every codec.

        Args:
            name: Of the files that are written, without suffix.
            image: [H, W, 3] uint8.

        Returns:
            The codec's result at each alpha, then one per baseline.

        Raises:
            hific.errors.CodecError: The codec refuses the picture, or its own file.
            ValueError: The reconstruction has another size than the picture.
        """
        self.collect(ORIGINAL, image)
        results: list[Result] = []
        shown = {"original": image}
        for result, reconstruction in self._measure_codec(name, image):
            results.append(result)
            shown[_label(result)] = reconstruction
        ours = results[0]
        for baseline in self.baselines:
            result, decoded = self._measure_baseline(baseline, image, ours)
            results.append(result)
            shown[_label(result)] = decoded
        if self.save_images:
            write_png(self.out / "side_by_side" / f"{name}.png", side_by_side(shown))
        return results

    def _measure_codec(self, name, image):
        """Codes a picture once; yields the result and the image of every alpha."""
        path = self.out / "files" / f"{name}.egic"
        coded, encode_seconds = _timed(self.codec.compress_with_report, image)
        data, found = coded
        write_atomically(path, data)
        estimate = float(self.codec.estimate(image))
        height, width = image.shape[:2]
        for alpha in self.alphas:
            reconstruction, decode_seconds = _timed(
                self.codec.decompress, path.read_bytes(), alpha
            )
            if reconstruction.shape != image.shape:
                raise ValueError(
                    f"{name}: the reconstruction is {reconstruction.shape}, the "
                    f"picture {image.shape}."
                )
            result = self._result(
                f"model alpha={alpha:g}" if len(self.alphas) > 1 else "model",
                name,
                image,
                reconstruction,
                data,
                setting=f"alpha={alpha:g}",
                padded_bpp=bits_per_pixel(
                    8 * len(data), height, width, self.codec.stride
                ),
                estimated_bpp=bits_per_pixel(estimate, height, width),
                gap_percent=_gap_percent(len(data), estimate),
                payload_gap_percent=_gap_percent(self.payload_bytes(data), estimate),
                clipped=found.clipped,
                encode_seconds=encode_seconds,
                decode_seconds=decode_seconds,
            )
            yield result, reconstruction

    def _measure_baseline(self, baseline, image, ours):
        codec = self.baselines[baseline]
        match = at_matched_bits(image, codec, ours.bytes)
        if not match.fits:
            logging.warning(
                "%s: %s needs at least %d bytes, more than the %d it is compared at.",
                ours.image,
                baseline,
                len(match.data),
                ours.bytes,
            )
        _, encode_seconds = _timed(codec.encode, image, match.quality)
        decoded, decode_seconds = _timed(codec.decode, match.data)
        result = self._result(
            baseline,
            ours.image,
            image,
            decoded,
            match.data,
            setting=f"quality={match.quality:g}",
            target_bytes=ours.bytes,
            encode_seconds=encode_seconds,
            decode_seconds=decode_seconds,
        )
        return result, decoded

    def _result(self, codec, name, image, reconstruction, data, **fields):
        height, width = image.shape[:2]
        self.collect(codec, reconstruction)
        return Result(
            image=name,
            codec=codec,
            width=width,
            height=height,
            bytes=len(data),
            bpp=bits_per_pixel(8 * len(data), height, width),
            metrics={
                column: metric(reconstruction, image)
                for column, metric in self.metrics.items()
            },
            **fields,
        )


def unique_names(paths: Sequence[str]) -> list[str]:
    """Names pictures by their files' stems, numbered where two have the same."""
    names: list[str] = []
    for path in paths:
        stem = name = pathlib.PurePath(path).stem
        number = 1
        while name in names:
            number += 1
            name = f"{stem}-{number}"
        names.append(name)
    return names


def _timed(function, *args):
    start = time.perf_counter()
    value = function(*args)
    return value, time.perf_counter() - start


def _gap_percent(num_bytes: int, estimated_bits: float) -> float | None:
    """Returns by how much the real bits exceed the estimate, in percent of it."""
    return 100 * (8 * num_bytes / estimated_bits - 1) if estimated_bits else None


def _label(result: Result) -> str:
    psnr = result.metrics.get("psnr")
    quality = "" if psnr is None else f", {psnr:.2f} dB"
    return f"{result.codec}, {result.bpp:.3f} bpp{quality}"
