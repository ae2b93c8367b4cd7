"""The entropy path: latents to one range-coder stream and back.

Everything that decides what a symbol's distribution is runs in float64 on the CPU, and
predicted means are rounded to a grid before anything depends on them: between machines,
thread counts and compilers such values differ by about 1e-14, which then disappears.
In float32 the same networks differ by 1e-5, and two files of three at 768x512 would not
decode elsewhere.
"""

import zlib
from typing import NamedTuple

import numpy as np
import tensorflow as tf
import tensorflow_compression as tfc

from hific import entropy
from hific.ahead import Ahead
from hific.errors import CorruptError, NonFiniteError
from hific.tables import Tables

MEAN_GRID = 2.0**-12  # Means are multiples of this; exact in float32 up to 2^12.
_CPU = "/device:CPU:0"


class Coded(NamedTuple):
    """Latents as symbols and as values.

    Attributes:
        z_symbols: [1, h/4, w/4, C_z] int32, positions in the tables of z.
        y_indexes, y_symbols: [slices, h, w, C / slices] int32: scale index, 0 to 63,
            and position in its table.
        y_hat: [1, h, w, C] float32, what the decoder's synthesis sees.
        clipped: How many symbols were outside of their table and moved to its end; 0
            when decoding.
    """

    z_symbols: np.ndarray
    y_indexes: np.ndarray
    y_symbols: np.ndarray
    y_hat: np.ndarray
    clipped: int

    def crc(self) -> int:
        """CRC-32 of every index and symbol, which proves that latents are the same."""
        value = zlib.crc32(self.z_symbols.astype("<i4").tobytes())
        for indexes, symbols in zip(self.y_indexes, self.y_symbols, strict=True):
            value = zlib.crc32(indexes.astype("<i4").tobytes(), value)
            value = zlib.crc32(symbols.astype("<i4").tobytes(), value)
        return value


class IdealBits(NamedTuple):
    """What symbols cost by the stored tables, -log2 of their probabilities."""

    z: float
    y: float


class EntropyCoder:
    """Codes one picture's latents with a prior in float64 and stored tables.

    Attributes:
        channels: C, of y.
    """

    def __init__(self, prior: entropy.Prior, tables: Tables, channels: int):
        """Creates the coder.

        Args:
            prior: Whose hyper_synthesis and walk compute in float64, and whose
                hyper_analysis computes in float32.
            tables: Built from the same prior.
            channels: C, of y.
        """
        self.channels = channels
        self._prior = prior
        self._tables = tables
        with tf.device(_CPU):
            self._offset = tf.constant(tables.offset)
            self._length = tf.constant(tables.length)
            self._cdf = tf.constant(tables.cdf)
        self._z_channels = prior.density.channels
        y = tf.TensorSpec((1, None, None, channels), tf.float32)
        z = tf.TensorSpec((1, None, None, self._z_channels), tf.float32)
        least = (1, 4, 4, channels), (1, 1, 1, self._z_channels)
        # A graph of its own: in float32 another graph gives another z, now and then.
        self._hyper_analysis = Ahead(
            self._hyper_analysis_graph, [y], lambda: [tf.zeros(least[0])]
        )
        self._quantise = Ahead(
            self._quantise_graph,
            [y, z],
            lambda: [tf.zeros(shape) for shape in least],
            first_without=True,
        )
        self._decode = Ahead(
            self._decode_graph,
            [
                tf.TensorSpec((), tf.string),
                tf.TensorSpec((), tf.int32),
                tf.TensorSpec((), tf.int32),
            ],
            first_without=True,
        )

    def prepare_encoding(self) -> None:
        """Begins to make `encode` ready, see `hific.ahead`."""
        self._hyper_analysis.prepare()
        self._quantise.prepare()

    def trace_decoding(self) -> None:
        """Traces what `decode` runs, where that is needed and was not done before."""
        self._decode.trace()

    def encode(self, y: tf.Tensor) -> tuple[bytes, Coded]:
        """Codes y.

        Args:
            y: [1, h, w, C] float32, h and w multiples of 4.

        Returns:
            The stream, and what a decoder will find in it.

        Raises:
            NonFiniteError: y, or what is predicted from it, is NaN or infinite. The
                range coder never sees such values: it would not come back.
        """
        coded, finite = self.quantise(y)
        if not finite:
            raise NonFiniteError(
                "Latents, means or scales of this picture are NaN or infinite; nothing "
                "was coded. Was the model trained to the end?"
            )
        z_rows = np.broadcast_to(self._z_rows(), coded.z_symbols.shape)
        rows = np.concatenate([z_rows.ravel(), coded.y_indexes.ravel()])
        symbols = np.concatenate([coded.z_symbols.ravel(), coded.y_symbols.ravel()])
        with tf.device(_CPU):
            handle = tfc.create_range_encoder([], self._cdf)
            handle = tfc.entropy_encode_index(handle, rows.astype(np.int32), symbols)
            return tfc.entropy_encode_finalize(handle).numpy(), coded

    def decode(self, stream: bytes, height: int, width: int) -> Coded:
        """Decodes what `encode` wrote for a y of [1, height, width, C].

        Raises:
            CorruptError: The stream is not one an encoder writes.
        """
        try:
            *arrays, sane = self._decode(stream, height, width)
        except tf.errors.InvalidArgumentError as error:
            raise CorruptError(
                "The payload is no stream of the range coder."
            ) from error
        if not sane:
            raise CorruptError(
                "The payload does not end where its last symbol does: no encoder wrote "
                "it, or this machine predicts other distributions than the encoder's, "
                "which `egic selftest` would show."
            )
        z_symbols, y_indexes, y_symbols, y_hat = (array.numpy() for array in arrays)
        return Coded(z_symbols, y_indexes, y_symbols, y_hat, 0)

    def quantise(self, y: tf.Tensor) -> tuple[Coded, bool]:
        """What `encode` codes, and whether every value behind it is finite."""
        *arrays, clipped, finite = self._quantise(y, self._hyper_analysis(y))
        z_symbols, y_indexes, y_symbols, y_hat = (array.numpy() for array in arrays)
        coded = Coded(z_symbols, y_indexes, y_symbols, y_hat, int(clipped))
        return coded, bool(finite)

    def predict(
        self, z_symbols: tf.Tensor, y_symbols: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """What a decoder predicts where it is given the symbols: no range coder.

        Not traced, and for any number of pictures, so that it can be executed in other
        ways than `decode` is.

        Args:
            z_symbols: [B, h/4, w/4, C_z] int32.
            y_symbols: [slices, B, h, w, C / slices] int32.

        Returns:
            Of the first picture, [slices, h, w, C / slices] int32 scale indexes, and
            y_hat [1, h, w, C] float32.
        """
        with tf.device(_CPU):
            slices, y_hat, _ = self._walk(z_symbols, lambda i, mean, rows: y_symbols[i])
            return slices[0], y_hat[:1]

    def ideal_bits(self, coded: Coded) -> IdealBits:
        """The cost of the symbols by the stored tables, without a coder's rounding."""
        z_rows = np.broadcast_to(self._z_rows(), coded.z_symbols.shape)
        return IdealBits(
            self._cost(z_rows, coded.z_symbols),
            self._cost(coded.y_indexes, coded.y_symbols),
        )

    def _cost(self, rows: np.ndarray, symbols: np.ndarray) -> float:
        cdf, length = self._tables.cdf, self._tables.length
        starts = np.concatenate([[0], np.cumsum(length[:-1] + 2)]) + 1
        at = starts[rows] + symbols
        counts = cdf[at + 1] - cdf[at]
        return -float(np.log2(counts / 2.0**16).sum())

    def _z_rows(self) -> np.ndarray:
        return entropy.NUM_SCALES + np.arange(self._z_channels, dtype=np.int32)

    def _hyper_analysis_graph(self, y):
        with tf.device(_CPU):
            return self._prior.hyper_analysis(y)

    def _quantise_graph(self, y, z):
        with tf.device(_CPU):
            z_symbols, z_moved = self._to_symbols(z, self._z_rows())
            y64 = tf.cast(y, tf.float64)
            finite = [tf.reduce_all(tf.math.is_finite(y))]
            finite.append(tf.reduce_all(tf.math.is_finite(z)))
            moved = [z_moved]

            def code_slice(i, mean, indexes):
                size = mean.shape[-1]
                finite.append(tf.reduce_all(tf.math.is_finite(mean)))
                residual = y64[..., i * size : (i + 1) * size] - mean
                symbols, here = self._to_symbols(residual, indexes)
                moved.append(here)
                return symbols

            slices, y_hat, index_finite = self._walk(z_symbols, code_slice)
            finite.append(index_finite)
            return (z_symbols, *slices, y_hat, tf.add_n(moved), tf.reduce_all(finite))

    def _decode_graph(self, stream, height, width):
        with tf.device(_CPU):
            handle = tfc.create_range_decoder(stream, self._cdf)

            def read(rows):
                nonlocal handle
                handle, symbols = tfc.entropy_decode_index(
                    handle, rows, tf.shape(rows), tf.int32
                )
                return tf.ensure_shape(symbols, rows.shape)

            shape = (1, height // 4, width // 4, self._z_channels)
            z_symbols = read(tf.broadcast_to(self._z_rows(), shape))
            slices, y_hat, _ = self._walk(z_symbols, lambda i, mean, rows: read(rows))
            sane = tfc.entropy_decode_finalize(handle)
            return z_symbols, *slices, y_hat, sane

    def _walk(self, z_symbols, code_slice):
        """Runs h_s and the slice walk in float64.

        Args:
            z_symbols: [1, h/4, w/4, C_z] int32, positions in the tables.
            code_slice: (i, mean, indexes) -> the symbols of slice i, all [1, h, w, c].

        Returns:
            ([slices, h, w, c] indexes, the same of symbols), y_hat [1, h, w, C]
            float32, and whether all scale indexes were finite.
        """
        z_hat = tf.cast(z_symbols + self._rows_offset(self._z_rows()), tf.float64)
        all_indexes, all_symbols, finite = [], [], []

        def known_slice(i, mean, index):
            finite.append(tf.reduce_all(tf.math.is_finite(index)))
            indexes = tf.cast(entropy.round_index(index), tf.int32)
            indexes = tf.clip_by_value(indexes, 0, entropy.NUM_SCALES - 1)
            mean = tf.round(mean * (1.0 / MEAN_GRID)) * MEAN_GRID
            symbols = code_slice(i, mean, indexes)
            all_indexes.append(indexes[0])
            all_symbols.append(symbols[0])
            residual = symbols + self._rows_offset(indexes)
            return tf.cast(residual, tf.float64) + mean

        y_hat = self._prior.walk(self._prior.hyper_synthesis(z_hat), known_slice)
        slices = tf.stack(all_indexes), tf.stack(all_symbols)
        return slices, tf.cast(y_hat, tf.float32), tf.reduce_all(finite)

    def _rows_offset(self, rows):
        return tf.gather(self._offset, rows)

    def _to_symbols(self, values, rows):
        """Rounds to positions in the tables; also returns how many had to be moved."""
        bound = tf.cast(2**30, values.dtype)
        values = tf.cast(tf.round(tf.clip_by_value(values, -bound, bound)), tf.int32)
        symbols = values - self._rows_offset(rows)
        inside = tf.clip_by_value(symbols, 0, tf.gather(self._length, rows) - 1)
        moved = tf.reduce_sum(tf.cast(tf.not_equal(symbols, inside), tf.int32))
        return inside, moved
