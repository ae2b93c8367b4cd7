"""A huge picture from its latents, tile by tile.

Each tile is drawn from the latents of its window, its own and its neighbours', and only
the pixels of its core are kept, so that tiles meet without a seam and the networks'
memory is that of one window.
"""

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from hific.border import border
from hific.engines import Engine
from hific.rendering import Alpha, Rendering, check_alpha
from hific.tile_decoding import LATENT_STRIDE
from hific.tiles import GRID, Grid, Progress


class TiledRendering:
    """One decoded file, as `hific.rendering.Rendering` shows it.

    Nothing is kept but the latents: each call runs the networks, `images` once for all
    alphas.

    Attributes:
        height, width: Of the picture, pixels.
    """

    def __init__(
        self,
        engine: Engine,
        y_hat: np.ndarray,
        height: int,
        width: int,
        grid: Grid = GRID,
    ):
        """Keeps the latents, [1, h, w, C], of a picture of the given size."""
        self.height, self.width = height, width
        self._engine = engine
        self._y_hat = y_hat
        padded = (LATENT_STRIDE * side for side in y_hat.shape[1:3])
        self._tiles = grid.cut(*padded)

    def image(self, alpha: Alpha = 1.0, progress: Progress | None = None) -> np.ndarray:
        """See `hific.rendering.Rendering.image`."""
        return self.images([alpha], progress)[0]

    def images(
        self, alphas: Sequence[Alpha], progress: Progress | None = None
    ) -> list[np.ndarray]:
        """See `hific.rendering.Rendering.images`."""
        return self._drawn(alphas, Rendering.image, np.uint8, progress)

    def exact(self, alpha: Alpha = 1.0) -> np.ndarray:
        """See `hific.rendering.Rendering.exact`."""
        return self._drawn([alpha], Rendering.exact, np.float32)[0]

    @property
    def realistic(self) -> np.ndarray:
        """See `hific.rendering.Rendering.realistic`."""
        return self.exact(1.0)

    @property
    def faithful(self) -> np.ndarray:
        """See `hific.rendering.Rendering.faithful`."""
        return self.exact(0.0)

    def _drawn(
        self,
        alphas: Sequence[Alpha],
        draw: Callable[[Rendering, Alpha], np.ndarray],
        dtype: type,
        progress: Progress | None = None,
    ) -> list[np.ndarray]:
        size = self.height, self.width
        maps = [np.asarray(alpha) for alpha in alphas]
        for alpha in maps:
            check_alpha(alpha, *size)
        pictures: list[np.ndarray] = []
        with border(*size):
            pictures += [np.empty((*size, 3), dtype) for _ in maps]
        for i, tile in enumerate(self._tiles):
            window = tile.window.cut(*size)
            core = tile.core.cut(*size)
            rows, columns = tile.window.over(LATENT_STRIDE).slices
            y_hat = tf.constant(self._y_hat[:, rows, columns])
            drawn = Rendering(self._engine, y_hat, window.height, window.width, size)
            for picture, alpha in zip(pictures, maps, strict=True):
                here = alpha[window.slices] if alpha.ndim else alpha
                shown = draw(drawn, here)
                picture[core.slices] = shown[core.inside(window).slices]
            if progress is not None:
                progress(i + 1, len(self._tiles))
        return pictures


def show(
    engine: Engine,
    y_hat: np.ndarray,
    height: int,
    width: int,
    grid: Grid = GRID,
) -> Rendering | TiledRendering:
    """Returns the rendering of latents that belongs to the picture's size.

    A huge picture is drawn by tiles however it was coded.

    Args:
        engine: Executes G and its head.
        y_hat: [1, h, w, C] float32.
        height, width: Of the picture, pixels.
        grid: See `hific.tiles`.
    """
    if grid.cuts(height, width):
        return TiledRendering(engine, y_hat, height, width, grid)
    return Rendering(engine, tf.constant(y_hat), height, width)
