"""How far one huge picture is: a bar of its tiles, on a terminal."""

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from hific.tiles import Progress, halves


class TileBar:
    """Draws a bar on stderr once it is told of a picture of several tiles.

    Gone when the last tile is done.
    """

    def __init__(self, verb: str):
        """Draws nothing yet; `verb` will be the label."""
        self._verb = verb
        self._bar: Any = None
        self._task: Any = None

    def __call__(self, done: int, total: int) -> None:
        """Takes that `done` of `total` tiles are done."""
        if total < 2:
            return
        if self._bar is None:
            self._begin(total)
        self._bar.update(self._task, completed=done)
        if done == total:
            self.close()

    def _begin(self, total: int) -> None:
        from rich import console, progress

        self._bar = progress.Progress(
            progress.TextColumn("{task.description}"),
            progress.BarColumn(),
            progress.TaskProgressColumn(),
            progress.TimeRemainingColumn(),
            console=console.Console(stderr=True),
            redirect_stdout=False,
            transient=True,
        )
        self._task = self._bar.add_task(self._verb, total=total)
        self._bar.start()

    def close(self) -> None:
        """Takes the bar away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


@contextlib.contextmanager
def tiles(verb: str, files: Sequence[Any]) -> Iterator[Progress | None]:
    """Yields what to tell of each tile.

    None where nobody would see it: stderr is no terminal, or there are several files,
    which have a bar of their own.
    """
    if len(files) != 1 or not sys.stderr.isatty():
        yield None
        return
    bar = TileBar(verb)
    try:
        yield bar
    finally:
        bar.close()


class Telling:
    """A codec that tells of each tile: the face that the commands use."""

    def __init__(self, codec: Any, tell: Progress):
        self._codec = codec
        self._tell = tell

    def analyse(self, image) -> Any:
        """See `hific.codec.Codec.analyse`."""
        first, _ = halves(self._tell)
        return self._codec.analyse(image, first)

    def encode_latents(self, analysed) -> bytes:
        """See `hific.codec.Codec.encode_latents`."""
        _, second = halves(self._tell)
        return self._codec.encode_latents(analysed, second)

    def decode(self, data: bytes) -> "TellingRendering":
        """See `hific.codec.Codec.decode`."""
        first, second = halves(self._tell)
        return TellingRendering(self._codec.decode(data, first), second)


class TellingRendering:
    """What such a codec decodes; the first drawing is told.

    Attributes:
        height, width: Of the picture, pixels.
    """

    def __init__(self, rendering: Any, tell: Progress | None):
        self.height, self.width = rendering.height, rendering.width
        self._rendering = rendering
        self._tell = tell

    def images(self, alphas: Sequence[Any]) -> list[Any]:
        """See `hific.rendering.Rendering.images`."""
        return self._rendering.images(alphas, self._tell)


def telling(codec: Callable[..., Any], tell: Progress | None) -> Callable[..., Any]:
    """What loads a codec, which then tells; the same loader for a `tell` of None."""
    if tell is None:
        return codec
    return lambda *args: Telling(codec(*args), tell)
