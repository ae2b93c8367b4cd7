"""Decoding the same file once more, in another way of computing.

A file decodes elsewhere only if the networks that predict distributions give the same
scale indexes there. What changes floating-point results are threads, instruction sets
and libraries, which an environment sets, and how TensorFlow executes, which these modes
set:

    graph      As the codec decodes: one traced function, one picture.
    eager      The same decoder, operation by operation (`tf.config.
               run_functions_eagerly`). Compared are all indexes and symbols that come
               out of the range coder, y_hat, and the pictures.
    clusters   The same decoder, traced, its networks compiled by XLA wherever that can
               ("autoclustering"); the range coder's operations cannot be compiled and
               stay as they are. Compared: the same.
    xla        The stream is decoded as in `graph`. Then h_s and the whole slice walk
               are compiled by XLA as one function (`jit_compile=True`) that is given
               the decoded symbols in place of the range coder. Compared are the indexes
               it predicts and the y_hat it ends with; symbols are those it was given.
               As the range coder is integers, equal indexes for every slice imply that
               decoding with this function would give equal symbols.
    batch4     Likewise, with the walk run eagerly on four pictures at once: in slot 0
               the file's latents, in the others the same mirrored left to right, top to
               bottom, and both. Compared are indexes and y_hat of slot 0.

In `xla` and `batch4` pictures are those of `graph` and prove nothing.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping

import numpy as np
import tensorflow as tf

from hific import conformance
from hific.codec import Codec
from hific.coding import Coded


@dataclasses.dataclass(frozen=True)
class Mode:
    """A way of computing.

    Attributes:
        prepare: Called once in a process, after the model is loaded and before it is
            used; what it sets holds for the process.
        again: (codec, latents) -> the latents as this mode gives them, where decoding
            alone does not.
    """

    prepare: Callable[[], None] = lambda: None
    again: Callable[[Codec, Coded], Coded] | None = None


def latents_of(codec: Codec, data: bytes, mode: Mode) -> conformance.Digest:
    """Decodes a file in a mode that has been prepared for.

    Raises:
        CodecError: It does not decode; `DecodeMismatchError` where this way of
            computing gives other latents than the encoder's.
    """
    _, tiles = codec.decode_latents(data)
    if mode.again is not None:
        tiles = [mode.again(codec, coded) for coded in tiles]
    return conformance.digest(tiles)


@functools.cache  # It is compiled once for every size, not for every file.
def _compiled_walk(codec: Codec):
    return tf.function(codec.coder.predict, jit_compile=True, autograph=False)


def _compiled(codec: Codec, coded: Coded) -> Coded:
    return _predicted(_compiled_walk(codec), coded, lambda array: [array])


def _mirrored(array: np.ndarray) -> list[np.ndarray]:
    """[h, w, C] four times: itself, and its mirror images."""
    return [array, array[:, ::-1], array[::-1], array[::-1, ::-1]]


def _in_batch(codec: Codec, coded: Coded) -> Coded:
    return _predicted(codec.coder.predict, coded, _mirrored)


def _predicted(walk, coded: Coded, batch) -> Coded:
    z_symbols = np.stack(batch(coded.z_symbols[0]))
    y_symbols = np.stack([np.stack(batch(each)) for each in coded.y_symbols])
    indexes, y_hat = walk(tf.constant(z_symbols), tf.constant(y_symbols))
    return coded._replace(y_indexes=indexes.numpy(), y_hat=y_hat.numpy())


# Name -> mode, see above.
MODES: Mapping[str, Mode] = {
    "graph": Mode(),
    "eager": Mode(lambda: tf.config.run_functions_eagerly(True)),
    "clusters": Mode(lambda: tf.config.optimizer.set_jit("autoclustering")),
    "xla": Mode(again=_compiled),
    "batch4": Mode(again=_in_batch),
}
