"""From what E made of a picture to the streams of its file, one for each tile."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import tensorflow as tf

from hific.border import border
from hific.coding import Coded, EntropyCoder
from hific.tile_table import Stream
from hific.tiles import Progress


class Analysed(NamedTuple):
    """What E made of a picture: all that its file is coded from.

    Attributes:
        height, width: Of the picture, pixels.
        tiles: y of each tile's core before rounding, row by row: [1, h, w, C] float32.
            One where the picture is not cut.
        number: How many tiles.
    """

    height: int
    width: int
    tiles: Iterable[tf.Tensor]
    number: int


class Report(NamedTuple):
    """What compressing one picture found.

    Attributes:
        ideal_bits: What the symbols cost by the stored tables, before the range coder.
        ideal_z_bits: Those of z among them. z comes first in the stream, but where it
            ends and y begins lies within a byte.
        clipped: Symbols that were outside of their table and moved to its end.
    """

    ideal_bits: float
    ideal_z_bits: float
    clipped: int

    def plus(self, other: "Report") -> "Report":
        """Of both together."""
        return Report(
            self.ideal_bits + other.ideal_bits,
            self.ideal_z_bits + other.ideal_z_bits,
            self.clipped + other.clipped,
        )


def encoded(
    coder: EntropyCoder,
    analysed: Analysed,
    progress: Progress | None = None,
    note: Callable[[Coded], None] = lambda coded: None,
) -> Iterator[Stream]:
    """Codes the tiles of a picture one after the other.

    Args:
        coder: Of the latents.
        analysed: The picture's; tiles may be made while they are asked for.
        progress: Called after each tile.
        note: Called with the latents of each, as a decoder will find them.

    Raises:
        NonFiniteError: See `EntropyCoder.encode`.
        LimitExceededError: The memory of this machine does not suffice.
    """
    for i, y in enumerate(analysed.tiles):
        with border(analysed.height, analysed.width):
            stream, coded = coder.encode(y)
            note(coded)
        if progress is not None:
            progress(i + 1, analysed.number)
        yield Stream(stream, coded.crc())


def report_of(coder: EntropyCoder, coded: Coded) -> Report:
    """What coding one tile found."""
    ideal = coder.ideal_bits(coded)
    return Report(ideal.z + ideal.y, ideal.z, coded.clipped)
