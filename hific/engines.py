"""Who executes E, G and its head when coding. The entropy path is never an engine's.

E decides the latents and G only draws: they may compute approximately, and a file made
with one engine is decoded with any other.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

import tensorflow as tf

from hific.ahead import Ahead
from hific.choices import choose
from hific.engine_names import TENSORFLOW, has_bfloat16
from hific.heads import Head, Synthesis

Network = Callable[[Any], Any]  # An array or tensor to what can be made an array.


class Transforms(Protocol):
    """The networks an engine executes; see `hific.codec.CodecModel`."""

    @property
    def analysis(self) -> Callable[[tf.Tensor], tf.Tensor]:
        """E."""

    @property
    def synthesis(self) -> Synthesis:
        """G."""

    @property
    def head(self) -> Head | None:
        """A second end of G, or None."""


class Ends(Protocol):
    """G up to where its head begins, and the two ways on from there."""

    @property
    def features(self) -> Network:
        """y_hat [1, h, w, C] -> what both ends are made of, the engine's own."""

    @property
    def realistic(self) -> Network:
        """Features -> G's image, as `Engine.synthesis` gives it."""

    @property
    def faithful(self) -> Network:
        """Features -> the head's image."""


class Engine(Protocol):
    """Executes the networks of one model, from any thread."""

    @property
    def name(self) -> str:
        """A key of ENGINES."""

    @property
    def analysis(self) -> Network:
        """Image [1, H, W, 3] float32 in [0, 255] -> y [1, H/16, W/16, C]."""

    @property
    def synthesis(self) -> Network:
        """y_hat [1, h, w, C] -> image [1, 16h, 16w, 3], not clipped."""

    @property
    def ends(self) -> Ends | None:
        """G in parts, where the model has a head."""

    def trace_analysis(self) -> None:
        """Makes E ready, if that was not done before."""

    def prepare_drawing(self) -> None:
        """Begins to make ready what any picture needs first; does not wait."""

    def release(self) -> None:
        """Gives back the memory that was kept for the next picture."""


class Source(NamedTuple):
    """What an engine is made from.

    Attributes:
        transforms: For TensorFlow. Asking for one of them may take as long as building
            all, so that is left until one is executed.
        channels: C, of y.
        headed: Whether there is a head.
        portable: Makes the same networks, with the same weights, of operations that
            every engine knows. It may take seconds.
        key: Names the weights and what computes with them, for what is kept on the
            disk; "" keeps nothing.
    """

    transforms: Transforms
    channels: int
    headed: bool
    portable: Callable[[], Transforms]
    key: str = ""


class TensorFlowEngine:
    """One traced function for each network, for every height and width.

    A function is traced when it is first called, so what is not asked for costs
    nothing. See `Engine`.
    """

    name = TENSORFLOW

    def __init__(self, transforms: Transforms, channels: int, headed: bool):
        self.analysis = self._analysis = _traced(
            lambda image: transforms.analysis(image), 3
        )
        self.synthesis = _ahead(lambda y: transforms.synthesis(y), channels)
        self.ends = TensorFlowEnds(transforms, channels) if headed else None
        self._first = self.synthesis if self.ends is None else self.ends.features

    def trace_analysis(self) -> None:
        """Traces E, if that was not done before."""
        self._analysis.get_concrete_function()

    def prepare_drawing(self) -> None:
        """Begins to make ready what any picture needs first; see `hific.ahead`."""
        self._first.prepare()

    def release(self) -> None:
        """Has nothing to give back: TensorFlow keeps no memory for a network."""


class TensorFlowEnds:
    """See `Ends`; features are [1, ., ., .] float32."""

    def __init__(self, transforms: Transforms, channels: int):
        def head() -> Head:
            assert transforms.head is not None
            return transforms.head

        self.features = _ahead(
            lambda y: transforms.synthesis.features(y, head().depth), channels
        )

        def seen(features: tf.Tensor) -> tf.Tensor:
            return tf.ensure_shape(features, (1, None, None, head().channels))

        self.realistic = _traced(
            lambda features: transforms.synthesis.render(seen(features), head().depth)
        )
        self.faithful = _traced(lambda features: head()(seen(features)))


def _traced(network: Callable[[tf.Tensor], tf.Tensor], channels: int | None = None):
    return tf.function(network, input_signature=_one(channels), autograph=False)


def _ahead(network: Callable[[tf.Tensor], tf.Tensor], channels: int) -> Ahead:
    """A network of latents; the least of them are those of 64 x 64 pixels."""
    return Ahead(network, _one(channels), lambda: [tf.zeros((1, 4, 4, channels))])


def _one(channels: int | None) -> list[tf.TensorSpec]:
    return [tf.TensorSpec((1, None, None, channels), tf.float32)]


def _tensorflow(source: Source) -> Engine:
    return TensorFlowEngine(source.transforms, source.channels, source.headed)


def _openvino(name: str, bfloat16: bool) -> Callable[[Source], Engine]:
    def make(source: Source) -> Engine:
        from hific.openvino_engine import OpenVinoEngine  # May not be installed.

        return OpenVinoEngine(name, source, bfloat16 and has_bfloat16())

    return make


# Name -> how to make one; the keys of `hific.engine_names.NEEDS`.
ENGINES: Mapping[str, Callable[[Source], Engine]] = {
    TENSORFLOW: _tensorflow,
    "openvino": _openvino("openvino", bfloat16=True),
    "openvino-float32": _openvino("openvino-float32", bfloat16=False),
}


def engine_of(name: str, transforms: Transforms, channels: int) -> Engine:
    """An engine for networks that are of public operations already; keeps nothing."""
    headed = transforms.head is not None
    source = Source(transforms, channels, headed, lambda: transforms)
    return choose(ENGINES, name, "engine")(source)
