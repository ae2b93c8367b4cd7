"""Functions that are made ready in another thread, while something else runs.

TensorFlow traces a function when it is first called, and optimises the graph when that
first runs. For each network of a codec both take half a second of one core, which is
most of what a picture takes that is coded alone. Tracing is Python and holds up what
else is, so one function is traced after the other, the next while the last one runs.
"""

from collections.abc import Callable, Sequence
from concurrent import futures
from typing import Any

import tensorflow as tf


class Ahead:
    """A function as one graph, which may be made ready before it is called."""

    def __init__(
        self,
        function: Callable[..., Any],
        signature: Sequence[tf.TensorSpec],
        example: Callable[[], Sequence[tf.Tensor]],
    ):
        """Creates it.

        Args:
            function: Of tensors, without side effects.
            signature: Theirs.
            example: Returns arguments for it that cost next to nothing.
        """
        self._function = tf.function(
            function, input_signature=signature, autograph=False
        )
        self._example = example
        self._coming: futures.Future | None = None
        self._called = False

    def prepare(self) -> None:
        """Begins to make it ready where that was not done before; does not wait.

        What goes wrong is left to the call to come, which will find it too.
        """
        if self._called or self._coming is not None:
            return
        thread = futures.ThreadPoolExecutor(1, "ahead")
        try:
            self._coming = thread.submit(lambda: self._function(*self._example()))
        except RuntimeError:
            return  # There is no thread to be had, where memory is limited say.
        thread.shutdown(wait=False)

    def __call__(self, *args: Any) -> Any:
        """Calls the function, once it is ready if that was begun."""
        self._called = True
        coming = self._coming  # Another thread may call at the same time.
        if coming is not None:
            futures.wait([coming])
            self._coming = None
        return self._function(*args)
