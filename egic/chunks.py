"""Windows a few at a time, for the memory of a few.

A Swin block lets no window see another, so that its largest tensors, queries, keys,
logits and the hidden layer, need not exist for all windows at once.
"""

from collections.abc import Callable

import tensorflow as tf

# Tokens that a block takes at a time when coding.
TOKENS_AT_ONCE = 2**14


def in_chunks(
    block: Callable[[tf.Tensor, tf.Tensor | None], tf.Tensor],
    x: tf.Tensor,
    mask: tf.Tensor | None,
    area: int,
    tokens: int,
) -> tf.Tensor:
    """Returns block(x, mask), computed from some windows after the other.

    Equal to rounding: the order of a sum may depend on how many rows are multiplied.

    Args:
        block: See `egic.swin.SwinBlock`.
        x: [B*N, C], in window order.
        mask: [windows, 1, w*w, w*w] of one picture, or None.
        area: w*w.
        tokens: At a time, about.
    """
    windows = tf.shape(x)[0] // area
    at_once = max(tokens // area, 1)
    steps = -(-windows // at_once)
    parts = tf.TensorArray(
        x.dtype, size=steps, infer_shape=False, element_shape=(None, x.shape[1])
    )

    def step(i, parts):
        start = i * at_once
        end = tf.minimum(start + at_once, windows)
        here = None
        if mask is not None:
            here = tf.gather(mask, tf.range(start, end) % tf.shape(mask)[0])
        return i + 1, parts.write(i, block(x[start * area : end * area], here))

    _, parts = tf.while_loop(
        lambda i, _: i < steps, step, (0, parts), parallel_iterations=1
    )
    return tf.ensure_shape(parts.concat(), x.shape)
