"""From the streams of a file to its latents, whether it is one stream or many tiles."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from hific import bitstream
from hific.border import border
from hific.coding import Coded, EntropyCoder
from hific.errors import CorruptError, DecodeMismatchError
from hific.tile_table import Stream
from hific.tiles import Box, Grid, Progress, whole

LATENT_STRIDE = 16  # Pixels per position of y, each way.


class Part(NamedTuple):
    """A stream of a file, and the positions of y that it holds."""

    box: Box
    stream: Stream


def parts_of(
    packet: bitstream.Packet, grid: Grid, stride: int, least_bits: float
) -> list[Part]:
    """Returns the streams of a packet, row by row, and refuses those too short.

    A range decoder reads zeros beyond the end, for ever; so a file of 40 bytes could
    ask for the largest picture. The cheapest symbols cost little, but not nothing; half
    of that leaves room for the coder's rounding.

    Args:
        packet: Of the file.
        grid: See `hific.tiles`.
        stride: What the codec pads pictures to multiples of.
        least_bits: The cheapest that one position of y can be.

    Raises:
        CorruptError: No encoder writes this.
    """
    size = packet.height, packet.width, stride
    # A file without the flag is one stream, however large: earlier encoders wrote such.
    tiled = packet.flags == bitstream.TILED
    tiles = grid.tiles(*size) if tiled else [whole(*size)]
    boxes = [tile.core.over(LATENT_STRIDE) for tile in tiles]
    streams = bitstream.streams_of(packet, grid)
    for box, stream in zip(boxes, streams, strict=True):
        bits = 8 * len(stream.data) + 64
        if box.height * box.width * least_bits / 2 > bits:
            raise CorruptError(
                f"A payload of {len(stream.data):,} bytes cannot hold a picture of "
                f"{LATENT_STRIDE * box.width} x {LATENT_STRIDE * box.height}; no "
                "encoder writes that."
            )
    return list(map(Part, boxes, streams))


def decoded(
    coder: EntropyCoder,
    packet: bitstream.Packet,
    parts: Sequence[Part],
    progress: Progress | None = None,
) -> Iterator[Coded]:
    """Decodes the parts of a packet one after the other.

    Raises:
        DecodeMismatchError: This machine does not reproduce its latents. One other
            scale index misleads the range decoder, which then most often does not end
            where the stream does. The stream's own checksum was right, so that says
            more of this machine than of the file.
        LimitExceededError: Its memory does not suffice.
    """
    for i, (box, stream) in enumerate(parts):
        where = f" in tile {i + 1} of {len(parts)}" if len(parts) > 1 else ""
        try:
            with border(packet.height, packet.width, CorruptError):
                coded = coder.decode(stream.data, box.height, box.width)
                crc = coded.crc()
        except CorruptError as error:
            raise DecodeMismatchError(
                f"The file arrived as it was written, but does not decode here{where}. "
                f"{error} No image is shown."
            ) from error
        if crc != stream.latents_crc:
            raise DecodeMismatchError(
                "The file is intact, but this machine decodes other latents than were "
                f"encoded{where}: fingerprint {crc:08x}, expected "
                f"{stream.latents_crc:08x}. No image is shown, for it would be wrong."
            )
        if progress is not None:
            progress(i + 1, len(parts))
        yield coded


def joined(parts: Sequence[Part], latents: Iterable[Coded]) -> np.ndarray:
    """Returns y_hat of a whole picture, [1, h, w, C] float32."""
    y_hat = np.empty(0, np.float32)
    for (box, _), coded in zip(parts, latents, strict=True):
        if len(parts) == 1:
            return coded.y_hat
        if not y_hat.size:
            last = parts[-1].box
            channels = coded.y_hat.shape[-1]
            y_hat = np.empty((1, last.bottom, last.right, channels), np.float32)
        rows, columns = box.slices
        y_hat[:, rows, columns] = coded.y_hat
    return y_hat
