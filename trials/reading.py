"""Fuzz targets of pictures coming in: read to pixels, or refused by a `CodecError`."""

import functools
import io
import pathlib
import tempfile
import warnings
from typing import Any
from unittest import mock

import numpy as np
from PIL import Image

from hific import bitstream, images, memory
from hific.errors import CodecError
from trials import material, pictures
from trials.cases import Target, check, generator

# What reading may take: the bytes of 256 x 256 pixels beside the process' own.
_PIXELS = 256 * 256
_ALLOWED: dict[str, Any] = {
    "flatten_alpha": "white",
    "allow_16bit": True,
    "allow_cmyk": True,
}


@functools.cache
def prepare() -> None:
    """Loads Pillow's plug-ins, and what they load."""
    for data in pictures.originals():
        read(data)


def read_pictures(seed: int, case: int) -> str:
    """Pictures of all kinds, with and without what allows the odd ones."""
    rng = generator("pictures", seed, case)
    data = pictures.any_picture(rng)
    return read(data, _ALLOWED if rng.random() < 0.5 else {})


def read(data: bytes, options: dict | None = None) -> str:
    """Reads any bytes as a picture, within a budget of memory."""
    budget = memory._resident() + memory.BYTES_PER_PIXEL_READ * _PIXELS
    with tempfile.TemporaryDirectory() as name, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = pathlib.Path(name, "in.png")
        path.write_bytes(data)
        try:
            with mock.patch.object(memory, "available", lambda: budget):
                image = images.read_image(path, **(options or {}))
        except CodecError as error:
            return type(error).__name__
    _is_right(data, image)
    return "read"


def _is_right(data: bytes, image: np.ndarray) -> None:
    check(image.dtype == np.uint8 and image.ndim == 3, f"{image.dtype} {image.shape}")
    check(image.shape[2] == 3 and image.size > 0, f"shape {image.shape}")
    if data.startswith(b"\x89PNG") and data not in pictures.originals():
        # PNG has a checksum over everything: what was read must be all right.
        with Image.open(io.BytesIO(data)) as opened:
            opened.verify()


def compressed(seed: int, case: int) -> str:
    """Pictures through `egic compress`: exit code, outputs and messages."""
    from trials.whole_files import command, within_budget

    rng = generator("compress_command", seed, case)
    data = pictures.any_picture(rng)
    flags = ["--flatten_alpha=white", "--allow_16bit", "--allow_cmyk"]
    with tempfile.TemporaryDirectory() as name, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        folder = pathlib.Path(name)
        (folder / "in.png").write_bytes(data)
        with within_budget():
            chosen = rng.sample(flags, rng.randrange(4))
            run = command(["compress", f"{folder}/in.png", *chosen])
        left = {path.name for path in folder.rglob("*")} - {"in.png"}
        if run.code:
            check(not left, f"left behind: {left}")
            return f"code {run.code}"
        check(left == {"in.egic"}, f"written: {left}")
        packet = bitstream.unpack((folder / "in.egic").read_bytes())
        image = images.read_image(folder / "in.png", **_ALLOWED)
        check(image.shape == (packet.height, packet.width, 3), "of another size")
    return "compressed"


@functools.cache
def compress_prepare() -> None:
    """Traces what the cases call."""
    from trials import whole_files

    whole_files.prepare()
    prepare()


def arrays(seed: int, case: int) -> str:
    """Arrays that are pictures, and arrays that are none, through `compress`."""
    rng = generator("arrays", seed, case)
    numbers = np.random.default_rng(rng.randrange(2**32))
    shape = [numbers.integers(0, 70), numbers.integers(0, 70), 3]
    match rng.randrange(6):
        case 0:
            shape[rng.randrange(3)] = rng.randrange(5)
        case 1:
            del shape[rng.randrange(3)]
        case 2:
            shape.insert(rng.randrange(4), rng.randrange(3))
    image = numbers.integers(0, 256, shape).astype(rng.choice(("u1", "u1", "f4", "i8")))
    image = rng.choice((image, image[::-1], image.T.copy().T, image[::2]))
    codec = material.codec()
    try:
        data = codec.compress(image)
    except CodecError as error:
        return type(error).__name__
    check(image.dtype == np.uint8 and image.size > 0, "coded, though no picture")
    check(codec.decompress(data).shape == image.shape, "of another size")
    return "compressed"


# Of few colour profiles Pillow's library makes tables of 60 MB, whatever the size of
# the picture.
TARGETS = {
    "pictures": Target(read_pictures, prepare, megabytes=100.0),
    "compress_command": Target(compressed, compress_prepare, megabytes=100.0),
    "arrays": Target(arrays, compress_prepare),
}
