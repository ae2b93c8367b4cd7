"""From decoded latents to a picture, at any alpha.

    x' = x_gan + (1 - alpha) * (m - x_gan)

x_gan is G's image, which looks real, and m its head's, which is faithful. alpha = 1 is
x_gan and alpha = 0 is m, bit for bit, and then the other is not computed.

Source: Eq. 7 of EGIC (arXiv:2309.03244), with R = m - x_gan.
"""

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from hific.border import border
from hific.engines import Ends, Engine, Network
from hific.errors import NonFiniteError, UnsupportedAlphaError
from hific.tiles import Progress

Alpha = float | np.ndarray  # For all pixels, or [H, W] for each.


class Rendering:
    """One decoded file. Networks run when they are first needed, and once.

    Attributes:
        height, width: Of the picture, pixels.
    """

    def __init__(
        self,
        engine: Engine,
        y_hat: tf.Tensor,
        height: int,
        width: int,
        part_of: tuple[int, int] | None = None,
    ):
        """Keeps the latents, [1, h, w, C], of a picture of the given size.

        Args:
            engine: Executes G and its head.
            y_hat: The latents.
            height, width: Of the picture, pixels.
            part_of: Height and width to name in errors, where this is a part.
        """
        self.height, self.width = height, width
        self._border = functools.partial(border, *(part_of or (height, width)))
        self._engine = engine
        self._y_hat = y_hat

    def image(self, alpha: Alpha = 1.0) -> np.ndarray:
        """The picture, [H, W, 3] uint8.

        Args:
            alpha: From 0, faithful, to 1, realistic; a number, or float [H, W].

        Raises:
            UnsupportedAlphaError: It is not from 0 to 1, of another size than the
                picture, or other than 1 where the model has no head.
            NonFiniteError: The networks gave NaN or infinity.
            LimitExceededError: The memory of this machine does not suffice.
        """
        with self._border():
            return np.clip(np.rint(self.exact(alpha)), 0.0, 255.0).astype(np.uint8)

    def images(
        self, alphas: Sequence[Alpha], progress: Progress | None = None
    ) -> list[np.ndarray]:
        """The picture at several alphas.

        Args:
            alphas: See `image`.
            progress: Called with (tiles drawn, tiles in all); here 1 of 1 at the end.

        Raises:
            UnsupportedAlphaError, NonFiniteError, LimitExceededError: See `image`.
        """
        pictures = [self.image(alpha) for alpha in alphas]
        if progress is not None:
            progress(1, 1)
        return pictures

    def exact(self, alpha: Alpha = 1.0) -> np.ndarray:
        """`image` before rounding and clipping, [H, W, 3] float32 around [0, 255]."""
        weights = check_alpha(alpha, self.height, self.width)
        if (weights == 1.0).all():
            return self.realistic
        if (weights == 0.0).all():
            return self.faithful
        weights = weights.astype(np.float32)[..., np.newaxis]
        blend = self.realistic + (1.0 - weights) * (self.faithful - self.realistic)
        return np.where(weights == 0.0, self.faithful, blend)

    @functools.cached_property
    def realistic(self) -> np.ndarray:
        """G's image x_gan, [H, W, 3] float32, neither rounded nor clipped."""
        if self._engine.ends is None:
            return self._shown(self._engine.synthesis, self._y_hat)
        return self._shown(self._ends.realistic, self._features)

    @functools.cached_property
    def faithful(self) -> np.ndarray:
        """The head's image m, [H, W, 3] float32, neither rounded nor clipped.

        Raises:
            UnsupportedAlphaError: The model has no head.
        """
        return self._shown(self._ends.faithful, self._features)

    @functools.cached_property
    def _features(self) -> Any:
        with self._border():
            return self._ends.features(self._y_hat)

    @property
    def _ends(self) -> Ends:
        if self._engine.ends is None:
            raise UnsupportedAlphaError(
                "Any alpha but 1 needs a model with an output-residual head, which "
                "train_orp.py adds; this one has a single image, which is alpha=1."
            )
        return self._engine.ends

    def _shown(self, network: Network, tensor: Any) -> np.ndarray:
        with self._border():
            image = network(tensor).numpy()[0, : self.height, : self.width]
        if not np.isfinite(image).all():
            raise NonFiniteError("The decoded image holds NaN or infinite values.")
        return image


def check_alpha(alpha: Alpha, height: int, width: int) -> np.ndarray:
    """Returns alpha as an array, [] or [height, width] float64.

    Raises:
        UnsupportedAlphaError: It is NaN, not from 0 to 1, or of another shape.
    """
    array = np.asarray(alpha)
    if array.dtype.kind not in "fiub":
        raise UnsupportedAlphaError(f"alpha must be numbers, got {array.dtype}.")
    if array.shape not in ((), (height, width)):
        raise UnsupportedAlphaError(
            f"alpha must be a number, or an array of the picture's height and width "
            f"{(height, width)}, got shape {array.shape}."
        )
    array = array.astype(np.float64)
    inside = (array >= 0.0) & (array <= 1.0)  # False for NaN.
    if not inside.all():
        raise UnsupportedAlphaError(
            f"alpha must be from 0 (faithful) to 1 (realistic), got "
            f"{array[~inside].flat[0]:g}; is a map still on the scale of 0 to 255?"
        )
    return array
