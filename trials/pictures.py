"""Pictures of every kind a person may hand over, good, odd and hostile, as bytes."""

import functools
import io
import random
import struct
import zlib
from collections.abc import Callable, Mapping

import numpy as np
from PIL import Image, ImageCms

from trials import damage

# Pillow's mode -> the formats that hold it.
_MODES = {
    "RGB": ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "PPM"),
    "L": ("PNG", "JPEG", "TIFF", "BMP", "GIF"),
    "1": ("PNG", "TIFF", "BMP"),
    "P": ("PNG", "TIFF", "BMP", "GIF"),
    "RGBA": ("PNG", "WEBP", "TIFF", "BMP", "ICO"),
    "LA": ("PNG", "TIFF"),
    "CMYK": ("JPEG", "TIFF"),
    "YCbCr": ("JPEG", "TIFF"),
    "LAB": ("TIFF",),
    "I;16": ("PNG", "TIFF"),
    "I": ("TIFF",),
    "F": ("TIFF",),
}
# Read by all means: width and height cross where PNG, BMP and TIFF keep them.
_PNG_SIDES, _BMP_SIDES = 16, 18


def any_picture(rng: random.Random) -> bytes:
    """Returns a picture of a kind, or damaged in a way, that chance chooses."""
    return KINDS[rng.choice(list(KINDS))](rng)


def _good(rng: random.Random) -> bytes:
    return rng.choice(originals())


def _damaged(rng: random.Random) -> bytes:
    files = originals()
    return damage.mutate(rng.choice(files), rng.choice(files), rng)


def _cut(rng: random.Random) -> bytes:
    data = rng.choice(originals())
    return data[: rng.randrange(len(data))]


def _bomb(rng: random.Random) -> bytes:
    """A few bytes that claim a huge picture, some of them with its pixels in fact."""
    width, height = damage.side(rng), damage.side(rng)
    match rng.randrange(4):
        case 0:
            rows = zlib.compress(bytes(rng.randrange(2_000_000)))
            return png(width, height, rows, depth=rng.choice((8, 16)))
        case 1:
            data = bytearray(rng.choice(_of_format(b"BM")))
            struct.pack_into("<ii", data, _BMP_SIDES, width, height)
            return bytes(data)
        case 2:
            data = bytearray(rng.choice(_of_format(b"II*")))
            for at in range(8, len(data) - 12, 2):  # Entries of width and length.
                tag, kind, count = struct.unpack_from("<HHI", data, at)
                if tag in (256, 257) and kind in (3, 4) and count == 1:
                    sides = {256: width, 257: height}
                    struct.pack_into("<HIi", data, at + 2, 4, 1, sides[tag])
            return bytes(data)
        case _:
            data = bytearray(rng.choice(_of_format(b"\xff\xd8")))
            at = max(data.find(b"\xff\xc0"), data.find(b"\xff\xc2"))
            struct.pack_into(">HH", data, at + 5, height % 2**16, width % 2**16)
            return bytes(data)


def _empty(rng: random.Random) -> bytes:
    return png(rng.randrange(2), 0, zlib.compress(b""))


def _random_body(rng: random.Random) -> bytes:
    """Random bytes after the start of a picture."""
    start = rng.choice(originals())[: rng.randrange(64)]
    return start + rng.randbytes(rng.randrange(2000))


def _animated(rng: random.Random) -> bytes:
    frames = [_image("RGB", rng) for _ in range(3)]
    frames = [frame.resize(frames[0].size) for frame in frames]
    kind = rng.choice(("GIF", "WEBP", "PNG", "TIFF"))
    return _saved(frames[0], kind, save_all=True, append_images=frames[1:])


def _deep(rng: random.Random) -> bytes:
    """16 bits a channel, of each colour type of PNG that has them."""
    width, height = rng.randrange(1, 40), rng.randrange(1, 40)
    channels, colour = rng.choice(((1, 0), (3, 2), (2, 4), (4, 6)))
    row = 1 + 2 * channels * width
    pixels = bytearray(rng.randbytes(row * height))
    pixels[::row] = bytes(height)  # No filter.
    return png(width, height, zlib.compress(pixels), depth=16, colour=colour)


def _with_metadata(rng: random.Random) -> bytes:
    """Profiles and EXIF data, right, damaged and random."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[0x0112] = rng.randrange(10)
    options = {
        "icc_profile": rng.choice(
            (profile, damage.mutate(profile, profile, rng), rng.randbytes(200))
        ),
        "exif": damage.mutate(exif.tobytes(), exif.tobytes(), rng),
    }
    mode = rng.choice(("RGB", "L"))
    return _saved(_image(mode, rng), rng.choice(("PNG", "JPEG", "WEBP")), **options)


KINDS: Mapping[str, Callable[[random.Random], bytes]] = {
    "good": _good,
    "damaged": _damaged,
    "cut": _cut,
    "bomb": _bomb,
    "empty": _empty,
    "random": _random_body,
    "animated": _animated,
    "deep": _deep,
    "metadata": _with_metadata,
}


@functools.cache
def originals() -> tuple[bytes, ...]:
    """A small picture of each mode in each format that has it."""
    rng = random.Random(0)
    return tuple(
        _saved(_image(mode, rng), kind)
        for mode, kinds in _MODES.items()
        for kind in kinds
    )


@functools.cache
def _of_format(start: bytes) -> list[bytes]:
    return [data for data in originals() if data.startswith(start)]


def png(width: int, height: int, rows: bytes, depth: int = 8, colour: int = 2) -> bytes:
    """Returns a PNG of compressed rows; it may lie."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", rows), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body))
        + kind
        + body
        + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in parts
    )


def _image(mode: str, rng: random.Random) -> Image.Image:
    width, height = rng.randrange(1, 40), rng.randrange(1, 40)
    if mode == "I;16":
        numbers = np.frombuffer(rng.randbytes(2 * width * height), "<u2")
        return Image.fromarray(numbers.reshape(height, width))
    image = Image.frombytes("RGB", (width, height), rng.randbytes(3 * width * height))
    if mode == "LAB":
        return Image.frombytes("LAB", (width, height), image.tobytes())
    return image.convert("L" if mode in ("I", "F") else mode).convert(mode)


def _saved(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()
