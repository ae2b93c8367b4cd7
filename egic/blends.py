"""What lies between two generators that read the same latents: images, or weights.

    image    x' = (1 - alpha) G1(y) + alpha G2(y)
    weights  x' = G_theta(y),  theta = (1 - alpha) theta_G1 + alpha theta_G2

alpha = 0 is G1's image and alpha = 1 is G2's, bit for bit.

Source: Eq. 9 and 10 of EGIC (arXiv:2309.03244).
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from egic import codec
from egic.stored import Loaded
from hific.codec import CodecModel
from hific.engines import TensorFlowEngine
from hific.errors import ModelLoadError, UnsupportedAlphaError
from hific.names import named_variables
from hific.rendering import Alpha, check_alpha
from hific.tiled_rendering import show


class Shown(Protocol):
    """A decoded file, to be shown at any alpha."""

    def image(self, alpha: Alpha) -> np.ndarray:
        """Returns [H, W, 3] uint8."""


# (y_hat [1, h, w, C] float32, height, width) -> the picture at any alpha.
Renderer = Callable[[np.ndarray, int, int], Shown]


def check_shared(first: CodecModel, second: CodecModel) -> None:
    """Checks that two models have one E and one P, variable by variable.

    Raises:
        ModelLoadError: A variable of either differs, or is absent, in the other. Names
            them.
    """
    for part in ("analysis", "prior"):
        theirs, ours = (
            named_variables(getattr(model, part)) for model in (first, second)
        )
        differing = sorted(theirs.keys() ^ ours.keys()) + [
            name
            for name in sorted(theirs.keys() & ours.keys())
            if not np.array_equal(theirs[name].numpy(), ours[name].numpy())
        ]
        if differing:
            raise ModelLoadError(
                f"The models do not share {part}: {len(differing)} of "
                f"{len(theirs.keys() | ours.keys())} variables differ, the first is "
                f"{part}.{differing[0]}. Interpolation needs the same latents for "
                "both; was the second trained from the first with E and P frozen?"
            )


def blend_weights(
    target: tf.Module, first: tf.Module, second: tf.Module, alpha: float
) -> None:
    """Gives a network the weights (1 - alpha) theta_first + alpha theta_second.

    In float64, rounded once; alpha = 0 and alpha = 1 copy bit for bit.

    Source: EGIC, arXiv:2309.03244, Eq. 10.

    Raises:
        ModelLoadError: The networks are not of the same structure and sizes.
    """
    parts = [named_variables(module) for module in (target, first, second)]
    shapes = [
        {name: tuple(variable.shape) for name, variable in part.items()}
        for part in parts
    ]
    if not shapes[0] == shapes[1] == shapes[2]:
        odd = sorted(set(shapes[1].items()) ^ set(shapes[2].items()))
        raise ModelLoadError(
            "Weights of generators of different sizes cannot be interpolated: "
            f"{', '.join(f'{name} {shape}' for name, shape in odd[:2])}. Images can "
            "(--mode=image)."
        )
    for name, variable in parts[0].items():
        start, end = (part[name].numpy().astype(np.float64) for part in parts[1:])
        variable.assign(((1.0 - alpha) * start + alpha * end).astype(np.float32))


class _Whole:
    """A generator whose features are the latents: nothing of it is shared."""

    def __init__(self, generator: Callable[[tf.Tensor], tf.Tensor]):
        self._generator = generator

    def __call__(self, y_hat: tf.Tensor) -> tf.Tensor:
        return self._generator(y_hat)

    def features(self, y_hat: tf.Tensor, depth: int = 1) -> tf.Tensor:
        return y_hat

    def render(self, features: tf.Tensor, depth: int = 1) -> tf.Tensor:
        return self._generator(features)


class _WholeHead:
    """A generator in the place of a head: it starts from the latents."""

    depth = 0

    def __init__(self, generator: Callable[[tf.Tensor], tf.Tensor], channels: int):
        self.channels = channels
        self._generator = generator

    def __call__(self, features: tf.Tensor) -> tf.Tensor:
        return self._generator(features)

    def start_from(self, synthesis: Any) -> None:
        """Does nothing: the generator is trained."""


def image_renderer(first: Loaded, second: Loaded) -> Renderer:
    """Eq. 9. The first generator stands for the head, so R = G1(y) - G2(y).

    Each generator runs once for a file, whatever the number of alphas; an array [H, W]
    as alpha chooses for each pixel.
    """
    ours, channels = second.model, second.model.channels
    model = CodecModel(
        ours.analysis,
        _Whole(ours.synthesis),
        ours.prior,
        channels,
        _WholeHead(first.model.synthesis, channels),
    )
    engine = TensorFlowEngine(model, channels, headed=True)
    return lambda y_hat, height, width: show(engine, y_hat, height, width)


def weights_renderer(first: Loaded, second: Loaded) -> Renderer:
    """Eq. 10. A generator of its own takes the weights of each alpha in turn.

    Raises:
        ModelLoadError: The generators differ in size.
    """
    config = second.config
    model = codec.SYSTEMS[type(config)].infer(config).without_head()
    ends = first.model.synthesis, second.model.synthesis
    blend_weights(model.synthesis, *ends, 1.0)
    engine = TensorFlowEngine(model, model.channels, headed=False)

    @dataclasses.dataclass(frozen=True)
    class Reweighted:
        y_hat: np.ndarray
        height: int
        width: int

        def image(self, alpha: Alpha) -> np.ndarray:
            weight = check_alpha(alpha, self.height, self.width)
            if weight.ndim:
                raise UnsupportedAlphaError(
                    "Interpolated weights have one alpha for the whole picture; a map "
                    "needs --mode=image."
                )
            blend_weights(model.synthesis, *ends, float(weight))
            return show(engine, self.y_hat, self.height, self.width).image()

    return Reweighted


# `--mode` -> (first, second) -> what shows decoded files.
MODES: Mapping[str, Callable[[Loaded, Loaded], Renderer]] = {
    "image": image_renderer,
    "weights": weights_renderer,
}
