"""The output-residual head: a second end of G, for the most faithful image.

G ends in an image that looks real and invents what the latents do not say. A head takes
the same features and ends in the image of least squared error. Between the two runs
alpha, at the decoder's choice; the file knows nothing of it.

Source: Sect. 3.3 of EGIC, arXiv:2309.03244.
"""

from typing import Any, Protocol

import tensorflow as tf

from hific.choices import choose
from hific.layers import NORMALISATIONS, built
from hific.names import copy_variables
from hific.network_config import DecoderConfig
from hific.networks import upsample


class Synthesis(Protocol):
    """G, which can be run in two parts.

    `render(features(y_hat, depth), depth)` is the same as calling it.
    """

    def __call__(self, y_hat: tf.Tensor) -> tf.Tensor:
        """Returns the image [B, 16h, 16w, 3] on [0, 255] of y_hat [B, h, w, C]."""

    def features(self, y_hat: tf.Tensor, depth: int = 1) -> tf.Tensor:
        """Returns the input of the last `depth` stages."""

    def render(self, features: tf.Tensor, depth: int = 1) -> tf.Tensor:
        """Returns the image of the last `depth` stages."""


class Head(Protocol):
    """A second end of G.

    Attributes:
        depth: Stages of G that it stands for.
        channels: Of the features it takes.
    """

    depth: int
    channels: int

    def __call__(self, features: tf.Tensor) -> tf.Tensor:
        """Returns an image [B, 16h, 16w, 3] on [0, 255], not clipped."""

    def start_from(self, synthesis: Any) -> None:
        """Copies the weights of the end of a G of the same sizes."""


class DecoderHead(tf.keras.layers.Layer):
    """A head for HiFiC's G: its last doublings of the size, and its last convolution.

    Not published; EGIC's head, on the other backbone of the paper.

    Attributes:
        depth: How many doublings.
        channels: Of the features, see `hific.networks.Decoder.features`.
    """

    def __init__(self, config: DecoderConfig, depth: int, **kwargs):
        """Creates the network; weights are yet to be copied from the decoder.

        Args:
            config: Of the decoder.
            depth: Of its `upsampling_filters` so many, at least 1.
            **kwargs: Passed to Keras (`dtype`, `name`).

        Raises:
            ValueError: The decoder has no so many.
        """
        super().__init__(autocast=False, **kwargs)
        count = len(config.upsampling_filters)
        if not 1 <= depth <= count:
            raise ValueError(
                f"head.stages (={depth}) must be 1 to {count}, the doublings of the "
                "size in HiFiC's G, or 0 for no head."
            )
        keras, policy = tf.keras.layers, self.dtype_policy
        norm = choose(NORMALISATIONS, config.normalisation, "normalisation")
        widths = (config.filters, *config.upsampling_filters)[-depth - 1 :]
        self.depth, self.channels = depth, widths[0]
        self.ups, self.norms = [], []
        for before, width in zip(widths, widths[1:], strict=False):
            up = keras.Conv2DTranspose(width, 3, 2, padding="same", dtype=policy)
            self.ups.append(built(up, before))
            self.norms.append(built(norm(dtype=policy), width))
        last = keras.Conv2D(3, 7, padding="same", dtype=self.variable_dtype)
        self.to_image = built(last, widths[-1])
        self.built = True

    def call(self, features):
        return 255.0 * self.to_image(upsample(features, self.ups, self.norms))

    def start_from(self, synthesis: Any) -> None:
        """Copies the weights of the decoder's last layers: the images are then equal.

        Args:
            synthesis: A `hific.networks.Decoder` of the same config.
        """
        ends = (*synthesis.ups[-self.depth :], *synthesis.norms[-self.depth :])
        theirs = (*ends, synthesis.to_image)
        ours = (*self.ups, *self.norms, self.to_image)
        for source, target in zip(theirs, ours, strict=True):
            copy_variables(source, target)
