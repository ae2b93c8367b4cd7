"""What a codec asks of a model, and a model that is built when it is asked.

Whoever has E and G compiled on the disk, see `hific.engine_cache`, codes without ever
building them in TensorFlow, which is half a second of a start, and their memory.
"""

import threading
from collections.abc import Callable
from typing import Protocol

import tensorflow as tf

from hific.engines import Transforms
from hific.entropy import Prior
from hific.heads import Head, Synthesis


class Model(Transforms, Protocol):
    """See `hific.codec.CodecModel`, which is one."""

    @property
    def prior(self) -> Prior:
        """P."""

    @property
    def channels(self) -> int:
        """C, of y."""


class LaterModel:
    """A `Model` that is built when one of its networks is asked for, by any thread."""

    def __init__(self, build: Callable[[], Model], channels: int):
        """Creates it.

        Args:
            build: Returns the model; not called again, and let go, unless it raised.
            channels: C, of y.
        """
        self.channels = channels
        self._build: Callable[[], Model] | None = build
        self._lock = threading.Lock()
        self._built: Model | None = None

    @property
    def analysis(self) -> Callable[[tf.Tensor], tf.Tensor]:
        """E."""
        return self._model().analysis

    @property
    def synthesis(self) -> Synthesis:
        """G."""
        return self._model().synthesis

    @property
    def prior(self) -> Prior:
        """P."""
        return self._model().prior

    @property
    def head(self) -> Head | None:
        """A second end of G, or None."""
        return self._model().head

    def _model(self) -> Model:
        with self._lock:
            if self._build is not None:
                with tf.init_scope():  # Not in the graph that is being traced.
                    self._built = self._build()
                self._build = None  # It may hold every weight once more.
            assert self._built is not None
            return self._built
