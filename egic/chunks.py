"""Windows a few at a time, for the memory of a few.

A Swin block lets no window see another, so that its largest tensors, queries, keys,
logits and the hidden layer, need not exist for all windows at once.
"""

from collections.abc import Callable

import tensorflow as tf

from egic.windows import Mask

# Tokens that a block takes at a time when coding.
TOKENS_AT_ONCE = 2**14


def in_chunks(
    block: Callable[[tf.Tensor, tf.Tensor | None], tf.Tensor],
    x: tf.Tensor,
    mask: Mask | None,
    area: int,
    tokens: int,
) -> tf.Tensor:
    """Returns block(x, mask), computed from some windows after the other.

    Equal to rounding: the order of a sum may depend on how many rows are multiplied.

    Args:
        block: (tokens [n*w*w, C], masks [n, 1, w*w, w*w] or None) -> tokens; see
            `egic.swin.SwinBlock`.
        x: [B*N, C], in window order.
        mask: Of one picture, or None.
        area: w*w.
        tokens: At a time, about.
    """
    windows, dim = tf.shape(x)[0] // area, x.shape[1]
    at_once = max(tokens // area, 1)

    def step(start, x):
        here = tf.range(start, tf.minimum(start + at_once, windows))
        part = tf.reshape(tf.gather(x, here), (-1, dim))
        y = block(part, None if mask is None else mask.of(here))
        y = tf.reshape(y, (-1, area, dim))
        # In place in a graph, where nothing else holds x by now.
        return start + at_once, tf.tensor_scatter_nd_update(x, here[:, tf.newaxis], y)

    x = tf.reshape(x, (-1, area, dim))
    _, x = tf.while_loop(
        lambda start, _: start < windows, step, (0, x), parallel_iterations=1
    )
    return tf.reshape(x, (-1, dim))
