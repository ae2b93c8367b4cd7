"""Where the tokens of a grid lie when attention looks at windows of it."""

from typing import NamedTuple

import tensorflow as tf

MASKED = -100.0  # Added to the logits of tokens that must not see each other.


class Mask(NamedTuple):
    """Which tokens of a window see each other, of all windows of a grid.

    Two tokens do if they do along both axes; so two small tensors say it, and the
    masks of some windows are made when they are needed. MASKED is added once or twice.

    Attributes:
        rows: [H/w, w*w, w*w] of 0 and MASKED, for each row of windows.
        columns: [W/w, w*w, w*w], for each column.
    """

    rows: tf.Tensor
    columns: tf.Tensor

    def whole(self) -> tf.Tensor:
        """The masks of all windows, [windows, 1, w*w, w*w]."""
        area = self.rows.shape[-1]
        mask = self.rows[:, tf.newaxis] + self.columns
        return tf.reshape(mask, (-1, 1, area, area))

    def of(self, numbers: tf.Tensor) -> tf.Tensor:
        """The masks of windows [n] int32, [n, 1, w*w, w*w].

        Counted row by row, and from the start again in the next picture of a batch.
        """
        down, across = tf.shape(self.rows)[0], tf.shape(self.columns)[0]
        row, column = numbers // across % down, numbers % across
        mask = tf.gather(self.rows, row) + tf.gather(self.columns, column)
        return mask[:, tf.newaxis]


class Windows(NamedTuple):
    """How the tokens of a grid lie in windows.

    Attributes:
        order: [N] int32, the raster position of the token in each window slot.
        inverse: [N] int32, the slot of each raster position.
        mask: None where all tokens of a window may see each other.
    """

    order: tf.Tensor
    inverse: tf.Tensor
    mask: Mask | None


def windows(height, width, padding, window: int, shift: int, dtype) -> Windows:
    """Cuts a padded [height, width] grid into windows, after rolling it by `shift`.

    Args:
        height, width: Sides of the padded grid, multiples of `window`.
        padding: (bottom, right) rows and columns of it that are padding, or None where
            there can be none.
        window: w.
        shift: 0, or the roll of shifted-window attention.
        dtype: Of the mask.
    """
    raster = tf.reshape(tf.range(height * width), (height, width))
    rolled = tf.roll(raster, (-shift, -shift), (0, 1)) if shift else raster
    order = tf.reshape(
        tf.transpose(
            tf.reshape(rolled, (height // window, window, width // window, window)),
            (0, 2, 1, 3),
        ),
        [-1],
    )
    mask = None
    if shift or padding is not None:
        bottom, right = (0, 0) if padding is None else padding
        rows = _axis_mask(height, bottom, window, shift, dtype)
        columns = _axis_mask(width, right, window, shift, dtype)
        rows = tf.repeat(tf.repeat(rows, window, 1), window, 2)
        mask = Mask(rows, tf.tile(columns, (1, window, window)))
    return Windows(order, tf.math.invert_permutation(order), mask)


def _axis_mask(size, padding, window: int, shift: int, dtype) -> tf.Tensor:
    """Which of the `window` positions of each window along one axis see each other.

    After the roll, the last window holds tokens from both ends of the axis, and tokens
    of padding may lie anywhere: each is a region, and only equal regions see each
    other.

    Returns:
        [size / window, window, window] of 0 and MASKED.
    """
    position = tf.range(size)
    region = tf.cast(position >= size - shift, tf.int32)
    source = tf.math.floormod(position + shift, size)
    region = tf.where(source >= size - padding, 2, region)
    region = tf.reshape(region, (-1, window))
    same = tf.equal(region[:, :, tf.newaxis], region[:, tf.newaxis, :])
    return tf.where(same, tf.zeros([], dtype), tf.cast(MASKED, dtype))
