"""Conventional codecs to compare with: at matched bits, and swept for their curves.

Those here run in memory, through Pillow; `hific.evaluation.external` runs programs.
"""

import dataclasses
import importlib
import importlib.metadata
import importlib.util
import io
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import PIL
from absl import logging
from PIL import Image, features

from hific.evaluation.external import EXTERNAL

ALL = "all"


class Baseline(Protocol):
    """A codec with one knob, in memory or as a program.

    Attributes:
        suffix: Of its files, with the dot.
        qualities: What the knob can be set to, ascending; files grow with it, though
            neighbours may trade places by a percent or two.
        curve: The few of `qualities` that draw its curve, of 0.05 to 1.5 bpp on
            natural pictures or as far down as the codec goes.
        version: Of the libraries or programs that make its files.
        fingerprint: All that decides its files besides the quality, as text.
        missing: What it lacks on this machine and where to get it, or None.
    """

    @property
    def suffix(self) -> str: ...

    @property
    def qualities(self) -> Sequence[float]: ...

    @property
    def curve(self) -> Sequence[float]: ...

    @property
    def version(self) -> str: ...

    @property
    def fingerprint(self) -> str: ...

    @property
    def missing(self) -> str | None: ...

    def encode(self, image: np.ndarray, quality: float) -> bytes:
        """[H, W, 3] uint8 -> the whole file."""

    def decode(self, data: bytes, shape: Sequence[int] | None = None) -> np.ndarray:
        """A whole file -> [H, W, 3] uint8.

        Args:
            data: The file.
            shape: (H, W, ...) of the picture. VTM needs it, others do not look.
        """


def _quality(quality: float) -> dict[str, Any]:
    return {"quality": quality}


def _decibels(quality: float) -> dict[str, Any]:
    return {"quality_mode": "dB", "quality_layers": [quality]}


@dataclasses.dataclass(frozen=True)
class PillowCodec:
    """A format that Pillow writes. See `Baseline`.

    Attributes:
        format: Pillow's name of it.
        library: Pillow's name of the feature that has to be built in, or the module of
            the plugin if `plugin` names one.
        options: The other settings of Pillow's writer.
        plugin: Distribution that adds the format, or empty.
        knob: Quality -> settings of the writer.
    """

    format: str
    suffix: str
    qualities: Sequence[float]
    curve: Sequence[float]
    library: str
    options: Mapping[str, Any]
    plugin: str = ""
    knob: Callable[[float], dict[str, Any]] = _quality

    @property
    def missing(self) -> str | None:
        if self.plugin:
            if importlib.util.find_spec(self.library):
                return None
            return f'{self.plugin} is not installed: pip install "egic[report]"'
        if features.check(self.library):
            return None
        return (
            f"Pillow {PIL.__version__} was built without {self.library}: "
            'pip install "pillow>=11.3", whose wheels have it'
        )

    @property
    def version(self) -> str:
        if self.plugin:
            library = f"{self.plugin} {_version(self.plugin)}"
        else:
            library = f"{self.library} {features.version(self.library)}"
        return f"Pillow {PIL.__version__}, {library}"

    @property
    def fingerprint(self) -> str:
        settings = [f"{name}={value}" for name, value in self.options.items()]
        return ", ".join([self.format, self.version, *settings])

    def encode(self, image: np.ndarray, quality: float) -> bytes:
        """[H, W, 3] uint8 -> the whole file."""
        self._load()
        file = io.BytesIO()
        settings = {**self.knob(quality), **self.options}
        Image.fromarray(image).save(file, self.format, **settings)
        return file.getvalue()

    def decode(self, data: bytes, shape: Sequence[int] | None = None) -> np.ndarray:
        """A whole file -> [H, W, 3] uint8."""
        self._load()
        with Image.open(io.BytesIO(data), formats=[self.format]) as image:
            return np.asarray(image.convert("RGB"))

    def _load(self) -> None:
        """Lets the plugin, if it is one, tell Pillow of its format."""
        if self.missing:
            raise ValueError(f"{self.format}: {self.missing}.")
        if self.plugin:
            importlib.import_module(self.library)


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "absent"


# Name in --baselines -> codec. `jpeg` halves the colour's resolution and fits its
# Huffman codes to the picture; `jpeg444` does neither, it is EGIC's baseline. Above 95,
# JPEG files grow and pictures hardly improve. Where threads can be chosen there is one,
# so that no byte depends on the machine.
BASELINES: Mapping[str, Baseline] = {
    "jpeg": PillowCodec(
        "JPEG",
        ".jpg",
        range(96),
        (2, 5, 8, 14, 25, 45, 65, 80),
        "libjpeg_turbo",
        {"subsampling": "4:2:0", "optimize": True},
    ),
    "jpeg444": PillowCodec(
        "JPEG",
        ".jpg",
        range(96),
        (3, 5, 10, 15, 25, 40, 60, 75),
        "libjpeg_turbo",
        {"subsampling": "4:4:4"},
    ),
    "webp": PillowCodec(
        "WEBP",
        ".webp",
        [q / 4 for q in range(401)],
        (0, 4, 12, 25, 45, 65, 80, 90),
        "webp",
        {"method": 6},
    ),
    "avif": PillowCodec(
        "AVIF",
        ".avif",
        range(101),
        (0, 8, 16, 27, 38, 50, 65, 80),
        "avif",
        {"subsampling": "4:4:4", "speed": 6, "max_threads": 1},
    ),
    # 100 would be without loss. Below 18, libjxl halves the resolution.
    "jxl": PillowCodec(
        "JXL",
        ".jxl",
        [q / 2 for q in range(200)],
        (0, 6, 12, 20, 35, 55, 75, 88),
        "pillow_jxl",
        {"effort": 7, "num_threads": 0},
        plugin="pillow-jxl-plugin",
    ),
    # The quality is the PSNR asked for, dB. A bare codestream: the box around it would
    # cost 85 bytes.
    "jp2": PillowCodec(
        "JPEG2000",
        ".j2k",
        [q / 5 for q in range(75, 276)],
        (22, 25, 27, 29, 32, 35, 38, 41),
        "jpg_2000",
        {"irreversible": True, "mct": 1, "no_jp2": True},
        knob=_decibels,
    ),
}


def choose(names: Sequence[str]) -> dict[str, Baseline]:
    """Returns the baselines of these names, those skipped whose programs are absent.

    Args:
        names: Of `BASELINES` and `hific.evaluation.external.EXTERNAL`; "all" stands for
            every one of both.

    Raises:
        ValueError: There is no such baseline, or a library that it needs is not
            installed. A missing program, which pip could not bring, is only logged.
    """
    known: dict[str, Baseline] = {**BASELINES, **EXTERNAL}
    wanted = [name for n in names for name in (known if n == ALL else [n])]
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise ValueError(
            f"No baseline {', '.join(unknown)}; there are {', '.join(known)}."
        )
    chosen = {}
    for name in wanted:
        missing = known[name].missing
        if missing is None:
            chosen[name] = known[name]
            remark = EXTERNAL[name].remark if name in EXTERNAL else None
            if remark:
                logging.warning("Baseline %s: %s.", name, remark)
        elif name in EXTERNAL:
            logging.warning("Baseline %s is skipped: %s.", name, missing)
        else:
            raise ValueError(f"Baseline {name} cannot be run: {missing}.")
    return chosen


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


class Files:
    """Files that a baseline makes of one picture after the other, each made once.

    The bytes of several models, and a curve, ask for the same qualities again. Files
    of one picture are kept until the next one comes.

    Attributes:
        codec: The baseline.
    """

    def __init__(self, codec: Baseline):
        self.codec = codec
        self._image: np.ndarray | None = None
        self._made: dict[float, tuple[bytes, float]] = {}

    @property
    def qualities(self) -> Sequence[float]:
        """Those of the baseline."""
        return self.codec.qualities

    def encode(self, image: np.ndarray, quality: float) -> bytes:
        """Returns what the baseline's `encode` does, or did."""
        return self.timed(image, quality)[0]

    def timed(self, image: np.ndarray, quality: float) -> tuple[bytes, float]:
        """Returns the same, and the seconds that it took, whenever that was."""
        if image is not self._image:
            self._image, self._made = image, {}
        if quality not in self._made:
            start = time.perf_counter()
            data = self.codec.encode(image, quality)
            self._made[quality] = data, time.perf_counter() - start
        return self._made[quality]


def at_matched_bits(
    image: np.ndarray, codec: Baseline | Files, target_bytes: int
) -> Match:
    """Finds the best picture that costs no more than another codec's.

    Bisects the quality. A knob has steps, so the file is usually a little smaller
    than the target: a disadvantage for the baseline of at most one step. Which
    qualities are tried does not depend on what was made before: neighbours may trade
    places, and another path would find another file.

    Args:
        image: [H, W, 3] uint8.
        codec: Which baseline.
        target_bytes: The largest file allowed, headers included.

    Returns:
        The largest file not above the target; where there is none, the smallest
        file, with `fits` False.
    """
    made: dict[int, bytes] = {}

    def fits(i: int) -> bool:
        made[i] = codec.encode(image, codec.qualities[i])
        return len(made[i]) <= target_bytes

    low, high = 0, len(codec.qualities) - 1
    if not fits(low):
        return Match(made[low], codec.qualities[low], fits=False)
    while low < high:  # `low` fits, `high + 1` does not or does not exist.
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return Match(made[low], codec.qualities[low], fits=True)
