"""Training batches without end, from any source of labelled pictures.

Batch k is a pure function of the seed and k, so a run resumes at a number. Pictures are
read by threads; everything after that is the graph of `preprocessing` in `tf.data`.
"""

import collections
import concurrent.futures
import functools
import itertools
import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from deeplab2_tf import preprocessing, targets
from deeplab2_tf.config import DataConfig
from deeplab2_tf.errors import DataError
from deeplab2_tf.examples import LabelledPicture
from deeplab2_tf.labels import LabelSet
from deeplab2_tf.sources import Source

_LOG = logging.getLogger("absl")
_BAD_SHARE = 0.001  # Of the pictures; one more stops the run.

_AHEAD = 3  # Batches that are ready, or being made, while a step runs.

# What a batch holds; the rest of a sample serves tests and evaluation.
KEYS = ("image", "semantic", "weights")


class Reader:
    """Reads pictures, and the next good one in place of one that cannot be used.

    Every bad picture is named in the log once, and counted. Once more than 0.1 % of the
    source is bad (below a thousand pictures: any), reading stops with their names.
    """

    def __init__(self, source: Source):
        self._source = source
        self._lock = threading.Lock()
        self._bad: dict[int, str] = {}

    @property
    def bad(self) -> tuple[str, ...]:
        """Name and reason of every bad picture met so far."""
        with self._lock:
            return tuple(self._bad.values())

    def read(self, index: int) -> LabelledPicture:
        """Returns picture `index`, or the first good one after it.

        Raises:
            DataError: Too many pictures are bad.
        """
        count = len(self._source)
        for candidate in range(index, index + count):
            candidate %= count
            if candidate in self._bad:
                continue
            try:
                return self._source.read(candidate)
            except DataError as error:
                self._count(candidate, error)
        raise DataError("labelled pictures", f"none of {count} can be used.")

    def _count(self, index: int, error: DataError) -> None:
        with self._lock:
            if index not in self._bad:
                _LOG.warning("Skipping labelled picture %s", error)
            self._bad[index] = str(error)
            bad = list(self._bad.values())
        count = len(self._source)
        if len(bad) > _BAD_SHARE * count:
            raise DataError(
                "labelled pictures",
                f"{len(bad)} of {count} cannot be used, more than {_BAD_SHARE:.1%}: "
                + "; ".join(bad),
            )


class LabelledBatches:
    """Iterator over batches, each a dictionary of arrays.

        "image"     [B, h, w, 3] float32 in [0, 255]
        "semantic"  [B, h, w] int32, classes and the ignore label
        "weights"   [B, h, w] float32, pixel weights

    Pictures come in a new order every epoch, each once per epoch.
    """

    def __init__(
        self,
        source: Source,
        config: DataConfig,
        batch_size: int,
        seed: int = 0,
        start_step: int = 0,
        threads: int = 2,
        rows: Sequence[int] | None = None,
    ):
        """Starts reading.

        Args:
            source: Where pictures come from.
            config: Sizes, augmentation and pixel weights.
            batch_size: B.
            seed: Of order and augmentation.
            start_step: Number of the first batch.
            threads: Pictures read at once, and the size of `tf.data`'s own pool.
            rows: Which images of every batch to return, by default all. Where weights
                depend on the whole batch, all are read nevertheless.

        Raises:
            DataError: There are no pictures.
        """
        if not len(source):
            raise DataError("labelled pictures", "there are none.")
        self._reader = Reader(source)
        self._count, self._seed, self._threads = len(source), seed, threads
        self._order = functools.lru_cache(maxsize=2)(self._shuffled)
        self._failure: DataError | None = None
        self._closed = False
        if rows is None or config.pixel_weights in BATCH_WEIGHTS:
            read: Sequence[int] = range(batch_size)
            self._returned = rows
        else:
            read, self._returned = rows, None
        steps = itertools.count(start_step)
        numbers = (batch_size * step + row for step in steps for row in read)
        samples = functools.partial(self._samples, numbers)
        self._batches = iter(
            _dataset(samples, config, source.label_set, len(read), seed, threads)
        )
        self._pool = concurrent.futures.ThreadPoolExecutor(1, "batches")
        self._ahead = collections.deque(
            self._pool.submit(self._fetch) for _ in range(_AHEAD)
        )

    def __iter__(self) -> "LabelledBatches":
        return self

    def __next__(self) -> dict[str, np.ndarray]:
        if self._closed:
            raise StopIteration
        try:
            batch = self._ahead[0].result()  # One that failed stays and fails again.
        except (tf.errors.OpError, StopIteration):
            if self._failure is not None:
                raise self._failure from None
            raise
        self._ahead.popleft()
        self._ahead.append(self._pool.submit(self._fetch))
        return batch

    def _fetch(self) -> dict[str, np.ndarray]:
        """The next batch of the dataset: in a thread, which waits while a step runs."""
        arrays = {key: value.numpy() for key, value in next(self._batches).items()}
        if self._returned is None:
            return arrays
        return {key: array[self._returned] for key, array in arrays.items()}

    def close(self) -> None:
        """Stops reading; the iterator ends."""
        self._closed = True
        self._pool.shutdown(wait=True, cancel_futures=True)
        del self._batches

    @property
    def bad(self) -> tuple[str, ...]:
        """Name and reason of every picture that could not be used so far."""
        return self._reader.bad

    def _samples(self, numbers: Iterator[int]) -> Iterator[tuple]:
        """Yields (image, panoptic, number) of every sample."""
        with concurrent.futures.ThreadPoolExecutor(self._threads, "labelled") as pool:
            ahead: collections.deque = collections.deque()

            def submit():
                number = next(numbers)
                ahead.append((number, pool.submit(self._read, number)))

            for _ in range(2 * self._threads):
                submit()
            while not self._closed:
                number, future = ahead.popleft()
                try:
                    picture = future.result()
                except DataError as error:
                    self._failure = error
                    return
                submit()
                yield picture.image, picture.panoptic, number

    def _read(self, sample: int) -> LabelledPicture:
        epoch, position = divmod(sample, self._count)
        return self._reader.read(int(self._order(epoch)[position]))

    def _shuffled(self, epoch: int) -> np.ndarray:
        return np.random.default_rng((self._seed, epoch)).permutation(self._count)


def _dataset(
    samples, config: DataConfig, label_set: LabelSet, batch_size, seed, threads
) -> tf.data.Dataset:
    def prepare(image, panoptic, number):
        sample_seed = tf.stack([tf.constant(seed, tf.int64), number])
        sample = preprocessing.train_sample(
            image, panoptic, config, label_set, sample_seed
        )
        return {key: sample[key] for key in KEYS}

    options = tf.data.Options()
    options.deterministic = True
    options.threading.private_threadpool_size = threads
    signature = (
        tf.TensorSpec((None, None, 3), tf.uint8),
        tf.TensorSpec((None, None), tf.int32),
        tf.TensorSpec((), tf.int64),
    )
    dataset = tf.data.Dataset.from_generator(samples, output_signature=signature)
    dataset = dataset.map(prepare, threads).batch(batch_size, drop_remainder=True)
    if config.pixel_weights in BATCH_WEIGHTS:
        weigh = BATCH_WEIGHTS[config.pixel_weights]
        dataset = dataset.map(functools.partial(weigh, label_set))
    return dataset.prefetch(2).with_options(options)


def _weigh_classes(label_set: LabelSet, batch):
    weights = targets.class_frequency_weights(
        batch["semantic"], label_set.num_classes, label_set.ignore_label
    )
    return batch | {"weights": weights}


# `DataConfig.pixel_weights` that depend on the whole batch -> (label_set, batch) ->
# the batch with its weights; the others are those of `preprocessing.PIXEL_WEIGHTS`.
BATCH_WEIGHTS: Mapping[str, Callable[[LabelSet, Any], dict[str, tf.Tensor]]] = {
    "class_frequency": _weigh_classes,
}
