"""Which part of a player's batch a piece of code sees, and what follows from it.

A step may be done in shares: by several devices at once, or in several micro-batches
one after the other. Every share must compute what the whole batch would have computed
for its images, so whatever is drawn for images is drawn here, and whatever depends on
all images asks here for means over the others.
"""

import contextlib
import contextvars
import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Share:
    """One of equal parts of a batch, of images that follow each other.

    Attributes:
        index: Which, an int or a [] int32, from 0.
        count: How many there are.
    """

    index: Any = 0
    count: int = 1


_ALL = Share()
_SHARE = contextvars.ContextVar("share", default=_ALL)


def current() -> Share:
    """The share whose computation is being traced; by default all of the batch."""
    return _SHARE.get()


@contextlib.contextmanager
def of(index: Any, count: int) -> Iterator[None]:
    """Says that what is traced inside sees share `index` of `count`."""
    token = _SHARE.set(Share(index, count))
    try:
        yield
    finally:
        _SHARE.reset(token)


def stateless_uniform(
    shape: Any, seed: tf.Tensor, low: Any, high: Any, dtype: Any = tf.float32
) -> tf.Tensor:
    """U(low, high) for images: those rows of the whole batch's draw that are ours.

    The same image gets the same numbers whatever the number of shares. All of them are
    drawn in every share, for the generator cannot start in the middle.

    Args:
        shape: [B, ...] of this share, as a sequence or a [n] int32.
        seed: [2] int.
        low, high: As `tf.random.stateless_uniform` takes them.
        dtype: Of the result.
    """
    share = current()
    if share.count == 1:
        return tf.random.stateless_uniform(shape, seed, low, high, dtype)
    shape = tf.convert_to_tensor(shape, tf.int32)
    whole = tf.random.stateless_uniform(
        tf.concat([shape[:1] * share.count, shape[1:]], 0), seed, low, high, dtype
    )
    first = share.index * shape[0]
    return whole[first : first + shape[0]]


def mean_over_devices(value: tf.Tensor) -> tf.Tensor:
    """Mean of a number over the devices that compute the same step, without gradient.

    For what is decided by all of a batch. Of micro-batches only the one of this device
    is known, and `value` comes back: devices meet once in a step, when all have added
    up theirs. Not inside of `tf.cond` or `tf.while_loop`.
    """
    context = tf.distribute.get_replica_context()
    devices = 1 if context is None else context.num_replicas_in_sync
    if devices == 1 or current().count > devices:
        return value
    return context.all_reduce(tf.distribute.ReduceOp.MEAN, tf.stop_gradient(value))


def summed_over_devices(values: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """Sums of tensors over the devices that compute the same step."""
    context = tf.distribute.get_replica_context()
    if context.num_replicas_in_sync == 1:
        return list(values)
    dense = [tf.convert_to_tensor(value) for value in values]
    return list(context.all_reduce(tf.distribute.ReduceOp.SUM, dense))


def here(variable: tf.Variable) -> tf.Variable:
    """This device's own copy of a variable, to be changed without asking the others.

    All devices must change theirs alike.
    """
    context = tf.distribute.get_replica_context()
    if context.num_replicas_in_sync == 1:
        return variable
    copies = context.strategy.experimental_local_results(variable)
    return copies[context._replica_id]  # The public id is a tensor, and global.
