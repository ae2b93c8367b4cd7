"""What makes rows of a picture: a codec at its alphas, a baseline, a sweep of one."""

import dataclasses
import functools
import pathlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from hific.evaluation.baselines import Files, at_matched_bits
from hific.evaluation.metrics import bits_per_pixel
from hific.evaluation.store import fingerprint
from hific.files import write_atomically


class Found(Protocol):
    """What compressing one picture found."""

    @property
    def ideal_z_bits(self) -> float:
        """What the hyper-latent cost, which comes first in the payload."""

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


@dataclasses.dataclass(frozen=True)
class Coded:
    """A row of a picture before it is judged.

    Attributes:
        codec: What the row is called.
        curve: Shared by rows that differ in their rate alone.
        setting: In words.
        data: The whole file.
        image: What it decodes to, [H, W, 3] uint8.
        encode_seconds, decode_seconds: Wall clock.
        columns: More of `hific.evaluation.report.Result`.
        note: What went less than well, or nothing.
    """

    codec: str
    curve: str
    setting: str
    data: bytes
    image: np.ndarray
    encode_seconds: float
    decode_seconds: float
    columns: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    note: str = ""


class Subject(Protocol):
    """What makes one or more rows of a picture.

    Attributes:
        name: Of rows and folders.
        fingerprint: Of everything that decides what `code` gives.
        suffix: Of its files.
        limited_by: The subject whose file it may not exceed, by name, or none.
        shown: Whether the gallery shows its rows.
    """

    @property
    def name(self) -> str: ...

    @property
    def fingerprint(self) -> str: ...

    @property
    def suffix(self) -> str: ...

    @property
    def limited_by(self) -> str: ...

    @property
    def shown(self) -> bool: ...

    def code(
        self, image: np.ndarray, path: pathlib.Path, limit: int | None
    ) -> Iterator[Coded]:
        """Compresses a picture and decodes it.

        Args:
            image: [H, W, 3] uint8.
            path: Where the file may be kept.
            limit: Bytes of the file of `limited_by`.

        Raises:
            hific.errors.CodecError: It refuses the picture, or its own file.
        """
        ...


@dataclasses.dataclass(frozen=True)
class Learned:
    """A model at one or more alphas, which are rows of one file.

    Attributes:
        name: Of its rows, with " alpha=A" where there are several.
        fingerprint: Of the model, of `alphas`, and of how its files are written.
        load: Returns the codec; called when first needed, once.
        payload_bytes: File -> bytes in it that carry the picture, the fixed header and
            checksums left out.
        alphas: Realism, passed to the decoder.
        family: Models of one family are points of one curve; by default the name.
    """

    name: str
    fingerprint: str
    load: Callable[[], Codec]
    payload_bytes: Callable[[bytes], int]
    alphas: Sequence[float] = (1.0,)
    family: str = ""
    suffix: str = ".egic"
    limited_by: str = ""
    shown: bool = True

    @functools.cached_property
    def _codec(self) -> Codec:
        return self.load()

    def code(self, image, path, limit):
        """See `Subject`. What is decoded is what lies on the disk."""
        codec = self._codec
        (data, found), encode_seconds = timed(codec.compress_with_report, image)
        write_atomically(path, data)
        columns = self._columns(image, data, found)
        for alpha in self.alphas:
            reconstruction, decode_seconds = timed(
                codec.decompress, path.read_bytes(), alpha
            )
            at = f" alpha={alpha:g}" if len(self.alphas) > 1 else ""
            yield Coded(
                self.name + at,
                (self.family or self.name) + at,
                f"alpha={alpha:g}",
                data,
                reconstruction,
                encode_seconds,
                decode_seconds,
                columns,
            )

    def _columns(self, image, data, found) -> dict[str, Any]:
        height, width = image.shape[:2]
        payload = self.payload_bytes(data)
        estimate = float(self._codec.estimate(image))
        bits = {
            "header_bpp": 8 * (len(data) - payload),
            "z_bpp": found.ideal_z_bits,
            "y_bpp": 8 * payload - found.ideal_z_bits,
            "estimated_bpp": estimate,
        }
        return {
            "padded_bpp": bits_per_pixel(
                8 * len(data), height, width, self._codec.stride
            ),
            **{name: bits_per_pixel(of, height, width) for name, of in bits.items()},
            "gap_percent": _gap_percent(len(data), estimate),
            "payload_gap_percent": _gap_percent(payload, estimate),
            "clipped": found.clipped,
        }


@dataclasses.dataclass(frozen=True)
class Matched:
    """A baseline at the bytes of a learned subject's file.

    Attributes:
        name: Of its rows.
        family: Rows of one baseline at several models are a curve of this name.
        files: Of the baseline; several subjects may share them.
        fingerprint: Of the baseline, and of what limits it.
        limited_by: That subject's name.
    """

    name: str
    family: str
    files: Files
    fingerprint: str
    limited_by: str
    shown: bool = True

    @property
    def suffix(self) -> str:
        """See `Subject`."""
        return self.files.codec.suffix

    def code(self, image, path, limit):
        """See `Subject`."""
        match = at_matched_bits(image, self.files, limit)
        note = ""
        if not match.fits:
            note = (
                f"{self.name} needs at least {len(match.data)} bytes, more than the "
                f"{limit} it is compared at."
            )
        yield _through(
            self.files,
            image,
            match.quality,
            path,
            codec=self.name,
            curve=self.family,
            columns={"target_bytes": limit},
            note=note,
        )


@dataclasses.dataclass(frozen=True)
class Sweep:
    """A baseline at several qualities, the same for every picture: its curve."""

    family: str
    files: Files
    qualities: Sequence[float]
    limited_by: str = ""
    shown: bool = False

    @property
    def name(self) -> str:
        """See `Subject`."""
        return f"{self.family} curve"

    @property
    def fingerprint(self) -> str:
        """See `Subject`."""
        return fingerprint(self.files.codec.fingerprint, list(self.qualities))

    @property
    def suffix(self) -> str:
        """See `Subject`."""
        return self.files.codec.suffix

    def code(self, image, path, limit):
        """See `Subject`; no file is kept."""
        for quality in self.qualities:
            yield _through(
                self.files,
                image,
                quality,
                None,
                codec=f"{self.family} q={quality:g}",
                curve=self.family,
            )


def timed(function: Callable[..., Any], *args: Any) -> tuple[Any, float]:
    """Returns what a call returns, and its seconds."""
    start = time.perf_counter()
    value = function(*args)
    return value, time.perf_counter() - start


def _through(files: Files, image, quality, path, **fields) -> Coded:
    data, encode_seconds = files.timed(image, quality)
    if path is not None:
        write_atomically(path, data)
    decoded, decode_seconds = timed(files.codec.decode, data, image.shape)
    return Coded(
        setting=f"quality={quality:g}",
        data=data,
        image=decoded,
        encode_seconds=encode_seconds,
        decode_seconds=decode_seconds,
        **fields,
    )


def _gap_percent(num_bytes: int, estimated_bits: float) -> float | None:
    """Returns by how much the real bits exceed the estimate, in percent of it."""
    return 100 * (8 * num_bytes / estimated_bits - 1) if estimated_bits else None
