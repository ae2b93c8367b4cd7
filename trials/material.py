"""What is damaged: the files that have to decode for ever, and those of small models.

Needs no TensorFlow but for what says so.
"""

import functools
import pathlib
import random
from typing import TYPE_CHECKING, NamedTuple

from hific import bitstream
from hific.tile_table import Stream

if TYPE_CHECKING:
    import numpy as np

    from hific.codec import Codec
    from hific.coding import Coded

ROOT = pathlib.Path(__file__).resolve().parents[1]
GOLDEN = ROOT / "tests" / "golden"

# Sizes of pictures whose files are decoded: one block of padding, ragged, several.
_SIZES = ((1, 1), (50, 70), (64, 64), (65, 33))
_TILED_SIZES = ((65, 130), (100, 200))


@functools.cache
def containers() -> tuple[bytes, ...]:
    """Files of every form there is, to be parsed; not all of them can be decoded."""
    rng = random.Random(0)
    files = [path.read_bytes() for path in sorted(GOLDEN.glob("*.egic"))]
    for width, height in ((2049, 2048), (65_535, 80)):
        streams = [
            Stream(rng.randbytes(rng.randrange(40)), rng.randrange(2**32))
            for _ in range(bitstream.GRID.count(height, width))
        ]
        packet = bitstream.packet_of(b"abcd", width, height, streams)
        files.append(bitstream.pack(packet))
    return tuple(files)


class File(NamedTuple):
    """A compressed picture, and what it has to decode to.

    Attributes:
        data: All of the file.
        packet: Its container.
        latents: Of each tile.
        picture: [H, W, 3] uint8.
    """

    data: bytes
    packet: bitstream.Packet
    latents: "list[Coded]"
    picture: "np.ndarray"


def codec(tiled: bool = False) -> "Codec":
    """The micro codec of the golden file; loads TensorFlow.

    Args:
        tiled: Cut all but the smallest pictures, so that there are tiled files that
            decode within milliseconds.
    """
    return _codec(tiled)


def files(tiled: bool = False) -> tuple[File, ...]:
    """Files of the micro codec, each at least 300 bytes; loads TensorFlow."""
    return _files(tiled)


@functools.cache
def _codec(tiled: bool) -> "Codec":
    import numpy as np

    from hific import tables, tiles
    from tests import micro_codec

    with np.load(GOLDEN / "codec_v1_micro_tables.npz") as arrays:
        cdf = np.cumsum([tables.PRECISION, *arrays["cdf_steps"]]).astype(np.int32)
        stored = tables.Tables(cdf, arrays["offset"], arrays["length"])
    made = micro_codec.codec(stored)
    if tiled:
        made.grid = tiles.Grid(core=64, margin=64, largest_whole=64 * 64)
    return made


@functools.cache
def _files(tiled: bool) -> tuple[File, ...]:
    from tests import micro_codec

    model = codec(tiled)
    made = []
    for height, width in _TILED_SIZES if tiled else _SIZES:
        data = model.compress(micro_codec.picture(height, width))
        packet, latents = model.decode_latents(data)
        made.append(File(data, packet, latents, model.decompress(data)))
    return tuple(made)
