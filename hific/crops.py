"""Random training crops, reproducible from (seed, batch number) alone.

Batch k is a pure function of the seed, k and the pictures: a run resumes by passing a
number, and no state is saved. Needs numpy and Pillow only; decoding runs in threads
beside the training step.
"""

import collections
import concurrent.futures
import functools
import logging
import math
import threading
from collections.abc import Sequence

import numpy as np
from PIL import Image

from hific.config import DataConfig
from hific.errors import CodecError, InvalidImageError
from hific.pictures import Pictures, find_pictures

_LOG = logging.getLogger("absl")
_BAD_SHARE = 1e-3


def scale_range(
    height: int, width: int, crop: int, scale_min: float, scale_max: float
) -> tuple[float, float]:
    """Range of scales from which a picture's is drawn, so that the crop fits.

        lo = max(scale_min, crop / min(H, W)),   hi = max(lo, scale_max)

    Source: `_finalize_dataset` in tensorflow/compression, models/hific/model.py.
    """
    low = max(scale_min, crop / min(height, width))
    return low, max(low, scale_max)


def draw_crop(
    image: np.ndarray, data: DataConfig, rng: np.random.Generator
) -> np.ndarray:
    """Cuts one training crop.

    The picture is resized bilinearly and *antialiased* (Pillow's filter widens with
    the factor) to ceil(scale * side); HiFiC's TF1 resize was not antialiased and kept
    fractions, here the resized crop is rounded to 8 bits, as the codec's real input
    is. Only the part of the picture under the crop is resized.

    Args:
        image: [H, W, 3] uint8.
        data: Crop, scales and augmentation.
        rng: Drawn from in a fixed order.

    Returns:
        [crop, crop, 3] float32 in [0, 255].
    """
    crop, (height, width) = data.crop, image.shape[:2]
    rescaled, scale_at, top_at, left_at, flipped, coloured = rng.random(6)
    low, high = scale_range(height, width, crop, data.scale_min, data.scale_max)
    if rescaled < data.scale_probability:
        scale = low + (high - low) * scale_at
    else:
        scale = max(1.0, crop / min(height, width))
    new_height, new_width = math.ceil(scale * height), math.ceil(scale * width)
    top = int(top_at * (new_height - crop + 1))
    left = int(left_at * (new_width - crop + 1))
    if (new_height, new_width) == (height, width):
        result = image[top : top + crop, left : left + crop]
    else:
        result = _resized_crop(image, new_height, new_width, top, left, crop)
    if data.flip and flipped < 0.5:
        result = result[:, ::-1]
    result = result.astype(np.float32)
    if coloured < data.colour_probability:
        result = change_colours(result, rng)
    return result


def change_colours(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Permutes the channels, changes saturation (0.5 to 2.5) and gain (0.7 to 1.3).

    Natural pictures have few saturated colours, and a codec trained on few pictures
    errs first in the block means of colourful ones.

    Args:
        image: [H, W, 3] float32 in [0, 255].
        rng: Source of permutation, saturation and gain.

    Returns:
        [H, W, 3] float32, clipped to [0, 255].
    """
    image = image[..., rng.permutation(3)]
    saturation, gain = rng.uniform(0.5, 2.5), rng.uniform(0.7, 1.3)
    grey = image.mean(axis=-1, keepdims=True)
    changed = gain * (grey + saturation * (image - grey))
    return np.clip(changed, 0.0, 255.0).astype(np.float32)


def _resized_crop(image, new_height, new_width, top, left, crop) -> np.ndarray:
    """Equals resizing all of the picture and then cutting, up to rounding."""
    height, width = image.shape[:2]
    step_y, step_x = height / new_height, width / new_width
    y0, x0, y1, x1 = (
        top * step_y,
        left * step_x,
        min(height, (top + crop) * step_y),
        min(width, (left + crop) * step_x),
    )
    # The filter reaches max(1, step) source pixels beyond the box.
    margin_y, margin_x = math.ceil(max(1, step_y)) + 1, math.ceil(max(1, step_x)) + 1
    row, column = max(0, int(y0) - margin_y), max(0, int(x0) - margin_x)
    part = image[row : math.ceil(y1) + margin_y, column : math.ceil(x1) + margin_x]
    box = (x0 - column, y0 - row, x1 - column, y1 - row)
    resized = Image.fromarray(np.ascontiguousarray(part)).resize(
        (crop, crop), Image.Resampling.BILINEAR, box=box
    )
    return np.asarray(resized)


class TrainingCrops:
    """Iterator over batches [B, crop, crop, 3] float32 in [0, 255], without end.

    Pictures come in a new order every epoch, each once per epoch. A damaged picture is
    named in the log and replaced by the next one in the collection that can be read,
    so the replacement is the same in every run. Once more than 0.1 % of the collection
    is damaged (below a thousand pictures: any), the iterator raises with their names.

    Decoded pictures are kept in memory until `cache_bytes` are used up; what does not
    fit is decoded each time it is needed.
    """

    def __init__(
        self,
        source: str | Pictures,
        batch_size: int,
        data: DataConfig,
        seed: int = 0,
        start_step: int = 0,
        threads: int = 1,
        prefetch: int = 3,
        cache_bytes: int = 2**30,
        rows: Sequence[int] | None = None,
    ):
        """Starts decoding.

        Args:
            source: As for `find_pictures`, or the pictures themselves.
            batch_size: B.
            data: Crop, scales and augmentation.
            seed: Of order, crops and augmentation.
            start_step: Number of the first batch.
            threads: Batches made at once.
            prefetch: Batches made ahead.
            cache_bytes: Memory for decoded pictures.
            rows: Which images of every batch to make, by default all; see
                `hific.devices.Devices.rows`.

        Raises:
            ValueError: There are no such pictures.
        """
        self._pictures = find_pictures(source) if isinstance(source, str) else source
        self._batch_size, self._data, self._seed = batch_size, data, seed
        self._rows = range(batch_size) if rows is None else rows
        self._cache: dict[int, np.ndarray] = {}
        self._cache_left = cache_bytes
        self._bad: dict[int, str] = {}
        self._lock = threading.Lock()
        self._order = functools.lru_cache(maxsize=4)(self._shuffled)
        self._next = start_step
        self._pool = concurrent.futures.ThreadPoolExecutor(threads, "crops")
        self._ahead: collections.deque = collections.deque()
        for _ in range(max(prefetch, threads)):
            self._submit()

    def __len__(self) -> int:
        """Number of pictures, damaged ones included."""
        return len(self._pictures)

    def __iter__(self) -> "TrainingCrops":
        return self

    def __next__(self) -> np.ndarray:
        batch = self._ahead.popleft().result()
        self._submit()
        return batch

    def __enter__(self) -> "TrainingCrops":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        """Stops the threads and forgets batches made ahead."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._ahead.clear()

    @property
    def bad(self) -> tuple[str, ...]:
        """Names of damaged pictures met so far, with the reason."""
        with self._lock:
            return tuple(self._bad.values())

    def _submit(self) -> None:
        self._ahead.append(self._pool.submit(self.batch, self._next))
        self._next += 1

    def batch(self, number: int) -> np.ndarray:
        """Returns batch `number`, a pure function of it."""
        first = number * self._batch_size
        return np.stack([self._crop(first + i) for i in self._rows])

    def _crop(self, sample: int) -> np.ndarray:
        epoch, position = divmod(sample, len(self._pictures))
        image = self._read(int(self._order(epoch)[position]))
        return draw_crop(
            image, self._data, np.random.default_rng((self._seed, 1, sample))
        )

    def _shuffled(self, epoch: int) -> np.ndarray:
        rng = np.random.default_rng((self._seed, 0, epoch))
        return rng.permutation(len(self._pictures))

    def _read(self, index: int) -> np.ndarray:
        for offset in range(len(self._pictures)):
            candidate = (index + offset) % len(self._pictures)
            if candidate in self._bad:
                continue
            image = self._cache.get(candidate)
            if image is not None:
                return image
            try:
                image = self._pictures.read(candidate)
            except CodecError as error:
                self._count_bad(candidate, error)
                continue
            self._keep(candidate, image)
            return image
        raise InvalidImageError("None of the training pictures can be read.")

    def _keep(self, index: int, image: np.ndarray) -> None:
        with self._lock:
            if index not in self._cache and image.nbytes <= self._cache_left:
                self._cache[index] = image
                self._cache_left -= image.nbytes

    def _count_bad(self, index: int, error: CodecError) -> None:
        with self._lock:
            if index not in self._bad:
                _LOG.warning("Skipping damaged picture: %s", error)
            self._bad[index] = str(error)
            bad = list(self._bad.values())
        if len(bad) > _BAD_SHARE * len(self._pictures):
            raise InvalidImageError(
                f"{len(bad)} of {len(self._pictures)} training pictures are damaged, "
                f"more than {_BAD_SHARE:.1%}: " + "; ".join(bad)
            )
