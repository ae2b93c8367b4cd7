"""`egic.decoder_process` on a machine that predicts one scale index wrongly.

FLIP=decode does so wherever indexes are predicted, so that the range decoder is misled;
FLIP=predict only in `EntropyCoder.predict`. Each call of either flips another index.
"""

import contextlib
import os
import sys
from collections.abc import Iterator

import tensorflow as tf

from egic import decoder_process
from hific import entropy
from hific.coding import EntropyCoder

SLICES = 2  # Of the micro codec.


@contextlib.contextmanager
def flipping(position: tf.Variable | None = None) -> Iterator[tf.Variable]:
    """While this lasts, one index of one slice is wrong: that of the variable's number.

    What is traced now stays wrong for ever, at the number the variable has then.
    """
    if position is None:
        position = tf.Variable(0, dtype=tf.int64)
    right, calls = entropy.round_index, [0]

    def wrong(index):
        indexes = right(index)
        here = tf.equal(position % SLICES, calls[0] % SLICES)
        calls[0] += 1
        size = tf.size(indexes, tf.int64)
        # A prime far from the sizes of slices: neighbours in number are none in place.
        hot = tf.one_hot(position // SLICES * 7919 % size, tf.cast(size, tf.int32))
        chosen = tf.reshape(hot > 0, tf.shape(indexes)) & here
        other = tf.where(indexes < 32, indexes + 1, indexes - 1)
        return tf.where(chosen, other, indexes)

    entropy.round_index = wrong
    try:
        yield position
    finally:
        entropy.round_index = right


def _flip_when_called(name: str, position: tf.Variable) -> None:
    method = getattr(EntropyCoder, name)

    def called(*args):
        position.assign_add(1)
        return method(*args)

    setattr(EntropyCoder, name, called)


def _flip_in_predict_only() -> None:
    predict, position = EntropyCoder.predict, tf.Variable(0, dtype=tf.int64)

    def called(*args):
        with flipping(position):
            return predict(*args)

    EntropyCoder.predict = called


if __name__ == "__main__":
    if os.environ["FLIP"] == "decode":
        stack = contextlib.ExitStack()
        _flip_when_called("decode", stack.enter_context(flipping()))
    else:
        _flip_in_predict_only()
    decoder_process.main(*sys.argv[1:])
