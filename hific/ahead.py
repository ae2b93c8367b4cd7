"""Functions that are made ready in another thread, or not at all, before they run.

TensorFlow traces a function when it is first called, and optimises the graph when that
first runs. For each network of a codec both take half a second of one core, which is
most of what a picture takes that is coded alone. Tracing is Python and holds up what
else is, so one function is traced after the other, the next while the last one runs.
Where operations are few and large, the first call is better off without a graph: many
processes code one picture.
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
        example: Callable[[], Sequence[tf.Tensor]] | None = None,
        first_without: bool = False,
    ):
        """Creates it.

        Args:
            function: Of tensors, without side effects.
            signature: Theirs.
            example: Returns arguments for it that cost next to nothing; needed by
                `prepare`.
            first_without: Whether the first call is executed operation by operation,
                and only later ones as a graph.
        """
        self._function = tf.function(
            function, input_signature=signature, autograph=False
        )
        self._example = example
        self._coming: futures.Future | None = None
        self._called = False
        self._without = first_without  # A graph, the next call.

    def trace(self) -> None:
        """Traces it here and now, if the next call needs that."""
        if not self._without:
            self._function.get_concrete_function()

    def prepare(self) -> None:
        """Begins to make it ready where that was not done before; does not wait.

        What goes wrong is left to the call to come, which will find it too.
        """
        if self._called or self._without or self._coming is not None:
            return
        example = self._example
        assert example is not None
        thread = futures.ThreadPoolExecutor(1, "ahead")
        try:
            self._coming = thread.submit(lambda: self._function(*example()))
        except RuntimeError:
            return  # There is no thread to be had, where memory is limited say.
        thread.shutdown(wait=False)

    def __call__(self, *args: Any) -> Any:
        """Calls the function, once it is ready if that was begun."""
        if self._without:
            self._without = False
            return self._function.python_function(*args)
        self._called = True
        coming = self._coming  # Another thread may call at the same time.
        if coming is not None:
            futures.wait([coming])
            self._coming = None
        return self._function(*args)
