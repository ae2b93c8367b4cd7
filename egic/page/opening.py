"""What a visitor drops on the page: a picture to compress, or a file of ours to read.

Whatever cannot be shown is refused in a sentence.
"""

import math
import pathlib
import re
import threading

import numpy as np
from PIL import Image

from egic.demonstration import comparison
from hific import bitstream, magic
from hific.codec import Codec
from hific.errors import CodecError, LimitExceededError, UnsupportedAlphaError
from hific.images import read_image
from hific.rendering import Rendering
from hific.tiled_rendering import TiledRendering

MAX_PIXELS = 2**22  # Above, pictures are cut into tiles, and a drag is no drag.
MAX_READ = 2**26  # Pixels of a picture that is shrunk first, as of a large camera.


class RefusedError(Exception):
    """What was dropped cannot be shown; the text says why, to its owner."""


class Opened:
    """One file of ours, decoded once, and what it is compared with.

    Attributes:
        name: Of the picture, without its suffix.
        data: The whole compressed file.
        rendering: Its latents, to be drawn at any alpha.
        original: [H, W, 3] uint8, or None where only the compressed file was dropped.
        shrunk_from: (height, width) of the picture that was dropped, if it was larger.
        has_alpha: Whether the model has more than one picture of a file.
    """

    def __init__(
        self,
        name: str,
        data: bytes,
        rendering: Rendering | TiledRendering,
        original: np.ndarray | None = None,
        shrunk_from: tuple[int, int] | None = None,
    ):
        self.name = name
        self.data = data
        self.rendering = rendering
        self.original = original
        self.shrunk_from = shrunk_from
        self.has_alpha = _has_alpha(rendering)
        self._rivals: dict[str, comparison.Rival] = {}
        self._lock = threading.Lock()

    def rival(self, name: str) -> comparison.Rival:
        """Another codec's picture in no more bytes; found when first asked for.

        Args:
            name: A key of `hific.evaluation.baselines.BASELINES`, of one that this
                machine has.

        Raises:
            ValueError: There is no original to compress.
        """
        if self.original is None:
            raise ValueError(f"{self.name} came without an original.")
        with self._lock:
            if name not in self._rivals:
                (rival,) = comparison.rivals(self.original, len(self.data), (name,))
                self._rivals[name] = rival
            return self._rivals[name]

    def found(self, name: str) -> comparison.Rival | None:
        """The same where it was asked for before, else None."""
        return self._rivals.get(name)


def _has_alpha(rendering: Rendering | TiledRendering) -> bool:
    try:
        rendering.image(0.0)
    except UnsupportedAlphaError:
        return False
    return True


def open_path(codec: Codec, path: str | pathlib.Path) -> Opened:
    """Compresses a picture and decodes it, or decodes a file of ours.

    Raises:
        RefusedError: It is neither, or too large.
    """
    path = pathlib.Path(path)
    try:
        with path.open("rb") as file:
            ours = file.read(len(magic.MAGIC)) == magic.MAGIC
        if ours or path.suffix.lower() == ".egic":
            return _open_compressed(codec, path)
        image = read_image(path, max_pixels=MAX_READ)
        return open_image(codec, image, path.stem)
    except (CodecError, OSError, MemoryError) as error:
        raise RefusedError(_sentence(path, error)) from error


def open_image(codec: Codec, image: np.ndarray, name: str) -> Opened:
    """Compresses a picture, [H, W, 3] uint8, and decodes it; a large one is shrunk.

    Raises:
        CodecError: See `hific.codec.Codec`.
    """
    height, width, _ = image.shape
    original = fitted(image)
    data = codec.compress(original)
    shrunk_from = None if original is image else (height, width)
    return Opened(name, data, codec.decode(data), original, shrunk_from)


def fitted(image: np.ndarray) -> np.ndarray:
    """A picture itself, or shrunk to `MAX_PIXELS`, [H, W, 3] uint8."""
    height, width, _ = image.shape
    scale = math.sqrt(MAX_PIXELS / (height * width))
    if scale >= 1:
        return image
    size = max(1, int(width * scale)), max(1, int(height * scale))
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.LANCZOS))


def _open_compressed(codec: Codec, path: pathlib.Path) -> Opened:
    bitstream.LIMITS.check_file(path.stat().st_size)
    data = path.read_bytes()
    packet = bitstream.unpack(data)
    if packet.width * packet.height > MAX_PIXELS:
        raise LimitExceededError(_too_large(packet.width, packet.height, MAX_PIXELS))
    return Opened(path.stem, data, codec.decode(data))


def _too_large(width: int, height: int, limit: int) -> str:
    return (
        f"{width} x {height} pixels are more than the {limit:,} that this page "
        "takes; `egic` on the command line takes larger ones."
    )


def _sentence(path: pathlib.Path, error: BaseException) -> str:
    """What is wrong with a file, without the folder that the page put it in."""
    if isinstance(error, MemoryError):
        text = "this machine has not enough memory for it."
    elif isinstance(error, OSError):
        text = f"cannot be read: {error.strerror or error}."
    else:
        text = str(error)
    text = text.replace(str(path), path.name).removeprefix(f"{path.name}: ")
    size = re.match(r"(\d+)x(\d+) is more than the limit", text)
    if size:
        text = _too_large(int(size[1]), int(size[2]), MAX_READ)
    if re.search(r"--\w", text):
        text += " The page has no such flag, `egic compress` has."
    return f"{path.name}: {text}"
