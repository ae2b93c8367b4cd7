"""How huge pictures are cut: tiles that are coded one after the other.

A tile has a core, whose pixels and latents are its own, and a window, the core and a
margin of its neighbours around it, which the networks see. E makes latents of a window
and keeps the core's; G draws a window from the latents of all tiles it touches and
keeps the core's pixels. So tiles meet without a seam, nothing is coded twice, and the
networks' memory is that of one window whatever the picture's size.

Needs only the standard library.
"""

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

Progress = Callable[[int, int], None]  # (tiles done, tiles in all)


class Box(NamedTuple):
    """A rectangle of rows and columns; `bottom` and `right` lie outside."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def height(self) -> int:
        """Rows."""
        return self.bottom - self.top

    @property
    def width(self) -> int:
        """Columns."""
        return self.right - self.left

    @property
    def slices(self) -> tuple[slice, slice]:
        """Of an array whose first axes are rows and columns."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def over(self, stride: int) -> "Box":
        """The same box where one position stands for `stride` pixels each way."""
        return Box(*(side // stride for side in self))

    def inside(self, outer: "Box") -> "Box":
        """The same box, counted from the corner of another."""
        top, left = outer.top, outer.left
        return Box(
            self.top - top, self.left - left, self.bottom - top, self.right - left
        )

    def cut(self, height: int, width: int) -> "Box":
        """What of it lies in a picture of the given size."""
        return Box(
            self.top, self.left, min(self.bottom, height), min(self.right, width)
        )


class Tile(NamedTuple):
    """One tile of a padded picture, in pixels; see the top of this module."""

    core: Box
    window: Box


def whole(height: int, width: int, stride: int) -> Tile:
    """A picture that is not cut, padded to multiples of `stride`, as its one tile."""
    bottom, right = (-(-side // stride) * stride for side in (height, width))
    box = Box(0, 0, bottom, right)
    return Tile(box, box)


@dataclasses.dataclass(frozen=True)
class Grid:
    """Where pictures are cut. Files know one grid, `GRID`; tests have smaller ones.

    Attributes:
        core: Side of a core, pixels; a multiple of what codecs pad pictures to. The
            last row and column of tiles have what is left.
        margin: Pixels that a window adds on each side; a multiple of 64.
        largest_whole: Pictures of more pixels are cut, others never.
    """

    core: int = 1024
    margin: int = 128
    largest_whole: int = 2**22

    def cuts(self, height: int, width: int) -> bool:
        """Whether a picture of this many pixels is cut."""
        return height * width > self.largest_whole

    def count(self, height: int, width: int) -> int:
        """How many tiles a picture has, were it cut."""
        return -(-height // self.core) * -(-width // self.core)

    def tiles(self, height: int, width: int, stride: int) -> list[Tile]:
        """The tiles of a picture row by row; a single one where it is not cut.

        Args:
            height, width: Of the picture, pixels.
            stride: What both are padded to multiples of; tiles cover the padding too.
        """
        all_of_it = whole(height, width, stride)
        if self.cuts(height, width):
            return self.cut(all_of_it.core.bottom, all_of_it.core.right)
        return [all_of_it]

    def cut(self, bottom: int, right: int) -> list[Tile]:
        """The tiles row by row of a picture, its padding included, of any size."""
        found = []
        for top in range(0, bottom, self.core):
            for left in range(0, right, self.core):
                core = Box(top, left, top + self.core, left + self.core)
                window = self._window(core, bottom, right)
                found.append(Tile(core.cut(bottom, right), window))
        return found

    def _window(self, core: Box, bottom: int, right: int) -> Box:
        return Box(
            max(core.top - self.margin, 0),
            max(core.left - self.margin, 0),
            core.bottom + self.margin,
            core.right + self.margin,
        ).cut(bottom, right)


GRID = Grid()  # Of every file; another would be another format.


def halves(progress: Progress | None) -> tuple[Progress | None, Progress | None]:
    """Two that report as one, for work that passes over all tiles twice."""
    if progress is None:
        return None, None
    return (
        lambda done, total: progress(done, 2 * total),
        lambda done, total: progress(total + done, 2 * total),
    )
