"""Who executes E and G when coding. The entropy path is never an engine's."""

from collections.abc import Callable, Mapping
from typing import Protocol

import tensorflow as tf


class Transforms(Protocol):
    """The two networks an engine executes; see `hific.codec.CodecModel`."""

    analysis: Callable[[tf.Tensor], tf.Tensor]
    synthesis: Callable[[tf.Tensor], tf.Tensor]


class TensorFlowEngine:
    """One traced function for each network, for every height and width.

    Attributes:
        analysis: image [1, H, W, 3] float32 in [0, 255] -> y [1, H/16, W/16, C].
        synthesis: y_hat [1, h, w, C] -> image [1, 16h, 16w, 3], not clipped.
    """

    def __init__(self, transforms: Transforms, channels: int):
        self.analysis = tf.function(
            transforms.analysis,
            input_signature=[tf.TensorSpec((1, None, None, 3), tf.float32)],
            autograph=False,
        )
        self.synthesis = tf.function(
            transforms.synthesis,
            input_signature=[tf.TensorSpec((1, None, None, channels), tf.float32)],
            autograph=False,
        )


# Name -> how to make one from the transforms and the number of latent channels.
ENGINES: Mapping[str, Callable[[Transforms, int], TensorFlowEngine]] = {
    "tensorflow": TensorFlowEngine,
}
