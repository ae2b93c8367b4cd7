"""Who executes E, G and its head when coding. The entropy path is never an engine's."""

from collections.abc import Callable, Mapping
from typing import Protocol

import tensorflow as tf

from hific.ahead import Ahead
from hific.heads import Head, Synthesis


class Transforms(Protocol):
    """The networks an engine executes; see `hific.codec.CodecModel`."""

    analysis: Callable[[tf.Tensor], tf.Tensor]
    synthesis: Synthesis
    head: Head | None


class TensorFlowEngine:
    """One traced function for each network, for every height and width.

    A function is traced when it is first called, so what is not asked for costs
    nothing.

    Attributes:
        analysis: image [1, H, W, 3] float32 in [0, 255] -> y [1, H/16, W/16, C].
        synthesis: y_hat [1, h, w, C] -> image [1, 16h, 16w, 3], not clipped.
        ends: G in parts, where the model has a head.
    """

    def __init__(self, transforms: Transforms, channels: int):
        self.analysis = self._analysis = _traced(transforms.analysis, 3)
        self.synthesis = _ahead(transforms.synthesis, channels)
        self.ends = None
        if transforms.head is not None:
            self.ends = Ends(transforms.synthesis, transforms.head, channels)
        self._first = self.synthesis if self.ends is None else self.ends.features

    def trace_analysis(self) -> None:
        """Traces E, if that was not done before."""
        self._analysis.get_concrete_function()

    def prepare_drawing(self) -> None:
        """Begins to make ready what any picture needs first; see `hific.ahead`."""
        self._first.prepare()


class Ends:
    """G up to where its head begins, and the two ways on from there.

    Attributes:
        features: y_hat [1, h, w, C] -> what both ends are made of, [1, ., ., .].
        realistic: features -> G's image, as `synthesis` gives it.
        faithful: features -> the head's image.
    """

    def __init__(self, synthesis: Synthesis, head: Head, channels: int):
        self.features = _ahead(lambda y: synthesis.features(y, head.depth), channels)
        self.realistic = _traced(
            lambda features: synthesis.render(features, head.depth), head.channels
        )
        self.faithful = _traced(head, head.channels)


def _traced(network: Callable[[tf.Tensor], tf.Tensor], channels: int):
    return tf.function(network, input_signature=_one(channels), autograph=False)


def _ahead(network: Callable[[tf.Tensor], tf.Tensor], channels: int) -> Ahead:
    """A network of latents; the least of them are those of 64 x 64 pixels."""
    return Ahead(network, _one(channels), lambda: [tf.zeros((1, 4, 4, channels))])


def _one(channels: int) -> list[tf.TensorSpec]:
    return [tf.TensorSpec((1, None, None, channels), tf.float32)]


# Name -> how to make one from the transforms and the number of latent channels.
ENGINES: Mapping[str, Callable[[Transforms, int], TensorFlowEngine]] = {
    "tensorflow": TensorFlowEngine,
}
