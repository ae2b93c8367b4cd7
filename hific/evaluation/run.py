"""One picture through everything that is measured, and what is kept of it."""

import collections
import dataclasses
import functools
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from hific.evaluation import gallery
from hific.evaluation.metrics import Metric, bits_per_pixel
from hific.evaluation.pictures import side_by_side
from hific.evaluation.report import Result
from hific.evaluation.store import (
    ORIGINAL,
    Arrays,
    Described,
    Entry,
    Store,
    digest,
    fingerprint,
    original,
    place,
)
from hific.evaluation.subjects import Coded, Subject
from hific.images import read_image, write_png

CROP_SIDE = 192


@dataclasses.dataclass(frozen=True)
class Features:
    """What is kept of a picture to compare sets of pictures with.

    Attributes:
        description: Plain data that decides the numbers: extractor, its hash, resize
            rule, patches.
        measure: Image [H, W, 3] uint8 -> [n, D] float32, a row for each patch.
    """

    description: Mapping[str, Any]
    measure: Callable[[np.ndarray], np.ndarray]


@dataclasses.dataclass(frozen=True)
class Metrics:
    """What is said of each reconstruction.

    Attributes:
        description: Plain data that decides the numbers: names, hashes of weights.
        load: Returns column -> metric; called when first needed, once.
    """

    description: Mapping[str, Any]
    load: Callable[[], Mapping[str, Metric]]

    @functools.cached_property
    def measured(self) -> Mapping[str, Metric]:
        """Column -> metric."""
        return self.load()


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """How pictures are coded and judged, and where results go.

    Attributes:
        store: Keeps them.
        subjects: What is measured, in the order of the report; a subject comes after
            the one that limits it.
        metrics: Of each reconstruction.
        features: Name -> features for what is said of all pictures together.
        save_images: Also keep every reconstruction, and set them side by side.
    """

    store: Store
    subjects: Sequence[Subject]
    metrics: Metrics
    features: Mapping[str, Features] = dataclasses.field(default_factory=dict)
    save_images: bool = False

    def __post_init__(self):
        besides = [place().name, ORIGINAL]
        names = [*besides, *(subject.name for subject in self.subjects)]
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise ValueError(
                f"Two subjects are called {', '.join(sorted(twice))}, or one by a name "
                f"that is taken ({', '.join(besides)})."
            )

    def described(self) -> list[Described]:
        """The subjects, with fingerprints of all that decides their results."""
        return [
            Described(subject.name, self._fingerprint(subject))
            for subject in self.subjects
        ]

    def measure(self, name: str, image: np.ndarray) -> list[str]:
        """Measures what is not finished of one picture.

        Args:
            name: Of the picture, in results and of its files.
            image: [H, W, 3] uint8.

        Returns:
            What is to be told of it; nothing where all was finished before.

        Raises:
            hific.errors.CodecError: A codec refuses the picture, or its own file.
            ValueError: A reconstruction has another size than the picture.
        """
        pixels = digest(image)
        entries: dict[str, Entry] = {}
        told: list[str] = []
        self._measure_original(name, image, pixels)
        for subject in self.subjects:
            entry = self._finished(subject, name, pixels)
            if entry is None:
                limiting = entries.get(subject.limited_by)
                limit = limiting.rows[0].bytes if limiting else None
                blank = Entry(self._fingerprint(subject), pixels, [])
                entry = self._measure(subject, name, image, blank, limit)
                told += _told(subject, name, entry)
            entries[subject.name] = entry
        if self.save_images and (told or not self.store.side_by_side(name).exists()):
            self._show(name, image, list(entries.values()))
        return told

    def _fingerprint(self, subject: Subject) -> str:
        return fingerprint(
            subject.name,
            subject.fingerprint,
            dict(self.metrics.description),
            self.described_features,
        )

    @property
    def described_features(self) -> dict[str, Any]:
        """Name of a set of features -> what they are of."""
        return {name: dict(each.description) for name, each in self.features.items()}

    def _measure_original(self, name, image, pixels) -> None:
        """Keeps the picture's own features."""
        mark = original(self.described_features).fingerprint
        entry = self.store.read(name, ORIGINAL, mark)
        if self.features and not (entry and entry.pixels == pixels):
            arrays = self._features(ORIGINAL, image)
            self.store.write(name, ORIGINAL, Entry(mark, pixels, []), arrays)

    def _measure(self, subject, name, image, blank: Entry, limit) -> Entry:
        """Codes and judges a picture, and keeps what came of it."""
        path = self.store.file(name, subject.name, subject.suffix)
        entry = dataclasses.replace(blank, rows=[], notes=[])
        arrays: Arrays = {}
        for coded in subject.code(image, path, limit):
            if coded.image.shape != image.shape:
                raise ValueError(
                    f"{name}: the reconstruction is {coded.image.shape}, the picture "
                    f"{image.shape}."
                )
            entry.rows.append(self._judged(name, image, coded))
            entry.notes.extend([f"{name}: {coded.note}"] if coded.note else [])
            arrays |= self._features(coded.codec, coded.image)
            if subject.shown:
                arrays |= self._crop(name, image, entry.pixels, coded)
            if subject.shown and self.save_images:
                write_png(self.store.reconstruction(name, coded.codec), coded.image)
        self.store.write(name, subject.name, entry, arrays)
        return entry

    def _crop(self, name, image, pixels, coded: Coded) -> Arrays:
        """Cuts out what the gallery may show, for all rows at one place.

        It is where the first row that was ever measured is worst, and stays there:
        rows that are finished are not cut again when others come.
        """
        where, mark = place().name, place().fingerprint
        entry = self.store.read(name, where, mark)
        if entry is None or entry.pixels != pixels:
            rows, columns = gallery.worst_crop(image, coded.image, CROP_SIDE)
            square = [rows.start, rows.stop, columns.start, columns.stop]
            arrays = {
                "square": np.array(square),
                "overview": _as_array(gallery.overview(image, (rows, columns))),
                f"crop/{ORIGINAL}": _as_array(gallery.png(image[rows, columns])),
            }
            self.store.write(name, where, Entry(mark, pixels, []), arrays)
        top, bottom, left, right = self.store.arrays(name, where, "square")["square"]
        cut = coded.image[top:bottom, left:right]
        return {f"crop/{coded.codec}": _as_array(gallery.png(cut))}

    def _judged(self, name: str, image: np.ndarray, coded: Coded) -> Result:
        height, width = image.shape[:2]
        return Result(
            image=name,
            codec=coded.codec,
            curve=coded.curve,
            width=width,
            height=height,
            setting=coded.setting,
            bytes=len(coded.data),
            bpp=bits_per_pixel(8 * len(coded.data), height, width),
            encode_seconds=coded.encode_seconds,
            decode_seconds=coded.decode_seconds,
            metrics={
                column: metric(coded.image, image)
                for column, metric in self.metrics.measured.items()
            },
            **coded.columns,
        )

    def _features(self, row: str, image: np.ndarray) -> Arrays:
        return {
            f"features/{name}/{row}": each.measure(image)
            for name, each in self.features.items()
        }

    def _finished(self, subject: Subject, name: str, pixels: str) -> Entry | None:
        entry = self.store.read(name, subject.name, self._fingerprint(subject))
        if entry is None or entry.pixels != pixels:
            return None
        if self.save_images and subject.shown:
            paths = [self.store.reconstruction(name, row.codec) for row in entry.rows]
            return entry if all(path.exists() for path in paths) else None
        return entry

    def _show(self, name: str, image: np.ndarray, entries: Sequence[Entry]) -> None:
        """Sets the picture and what became of it side by side."""
        shown = {"original": image}
        for row in (row for entry in entries for row in entry.rows):
            path = self.store.reconstruction(name, row.codec)
            if path.exists():
                shown[_label(row)] = read_image(path)
        write_png(self.store.side_by_side(name), side_by_side(shown))


def unique_names(paths: Sequence[str]) -> list[str]:
    """Names pictures by their files' stems, numbered where two have the same."""
    names: dict[str, None] = {}
    more: collections.Counter[str] = collections.Counter()
    for path in paths:
        stem = name = pathlib.PurePath(path).stem
        while name in names:
            more[stem] += 1
            name = f"{stem}-{more[stem] + 1}"
        names[name] = None
    return list(names)


def _told(subject: Subject, name: str, entry: Entry) -> list[str]:
    """Lines about what was just measured; of a curve, only that it was."""
    if not subject.shown:
        return [f"{name}: {subject.name}, {len(entry.rows)} rows", *entry.notes]
    return [_line(row) for row in entry.rows] + entry.notes


def _line(row: Result) -> str:
    psnr = row.metrics.get("psnr")
    quality = "" if psnr is None else f", {psnr:.2f} dB"
    return f"{row.image}: {row.codec}, {row.bytes:,} bytes, {row.bpp:.4f} bpp{quality}"


def _label(row: Result) -> str:
    psnr = row.metrics.get("psnr")
    quality = "" if psnr is None else f", {psnr:.2f} dB"
    return f"{row.codec}, {row.bpp:.3f} bpp{quality}"


def _as_array(file: bytes) -> np.ndarray:
    return np.frombuffer(file, np.uint8)
