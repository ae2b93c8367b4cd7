"""A slow, exact reference of the range decoder behind the payload.

Files are decoded by tensorflow-compression's ops; this is the same algorithm in the
open, to check them against and to read where they are not installed. It knows no escape
code, hence ends after one step per symbol whatever the bytes are.

A stream is one long number in base 2^16, highest digit first, with zeros after its
end. Decoder and encoder narrow the same interval [base, base + size) of 32 bits around
the number's current window; when size falls to 2^16 or less the interval is widened by
one digit. Where the interval then straddles 2^32, the encoder holds digits back until
it knows whether a carry reaches them ("undecided" below).

Source: G. N. N. Martin 1979, "Range encoding: an algorithm for removing redundancy from
a digitised message"; the details of digits and of the stream's end follow the behaviour
of `create_range_encoder` and its companions in tensorflow-compression 2.14.
"""

import bisect
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from hific.errors import CorruptError, TruncatedError

_MASK = 2**32 - 1
# An encoder leaves out the zeros of its last digits: at most the 4 bytes of the window,
# and 2 for every digit still undecided at the end, each of which has a chance of 2^-16.
_MAX_BYTES_PAST_END = 4 + 2 * 6


class Table(NamedTuple):
    """Cumulative counts of one distribution.

        0 = cdf[0] <= ... <= cdf[-1] = 2^precision

    Symbol s has probability (cdf[s + 1] - cdf[s]) / 2^precision.
    """

    precision: int
    cdf: tuple[int, ...]


def split_tables(lookup: Sequence[int]) -> list[Table]:
    """Splits what `create_range_encoder` takes as `lookup` into its tables.

    Args:
        lookup: 1-D integers: for every table its precision (1 to 16), then its
            cumulative counts from 0 to 2^precision, then optional repeats of the last.

    Raises:
        ValueError: A table is malformed, or has an escape code (negative precision).
    """
    values = [int(value) for value in lookup]
    tables: list[Table] = []
    start = 0
    while start < len(values):
        precision = values[start]
        if not 1 <= precision <= 16:
            raise ValueError(
                f"Table {len(tables)} has precision {precision}, not 1 to 16. Negative "
                "ones ask for an escape code, which can take for ever to decode."
            )
        total = 2**precision
        try:
            end = values.index(total, start + 1) + 1
        except ValueError:
            raise ValueError(
                f"Table {len(tables)} does not end in {total} = 2^{precision}."
            ) from None
        cdf = tuple(values[start + 1 : end])
        if cdf[0] != 0 or list(cdf) != sorted(cdf):
            raise ValueError(f"Table {len(tables)} does not rise from 0: {cdf}.")
        tables.append(Table(precision, cdf))
        while end < len(values) and values[end] == total:
            end += 1
        start = end
    return tables


class RangeDecoder:
    """Reads symbols from one stream, each with the table it was written with."""

    def __init__(self, data: bytes):
        self._data = data
        self._read = 0  # Bytes, counting the zeros after the end.
        self._base, self._size_minus_1, self._value = 0, _MASK, 0
        self._undecided = 0  # Digits that the encoder would not have written yet.
        self._next_digit()
        self._next_digit()

    def decode(self, table: Table) -> int:
        """Returns the next symbol, 0 <= symbol < len(table.cdf) - 1.

        Raises:
            TruncatedError: The stream is over; no encoder wrote this symbol to it.
        """
        precision, cdf = table
        size = self._size_minus_1 + 1
        position = (self._value - self._base) & _MASK
        # The first count c with position < size * c / 2^precision, all in integers.
        wanted = -(-((position + 1) << precision) // size)
        upper = bisect.bisect_left(cdf, wanted)
        low = size * cdf[upper - 1] >> precision
        high = (size * cdf[upper] >> precision) - 1
        self._base = (self._base + low) & _MASK
        self._size_minus_1 = high - low
        if not self._straddles():
            self._undecided = 0
        if self._size_minus_1 < 2**16:
            self._base = self._base << 16 & _MASK
            self._size_minus_1 = self._size_minus_1 << 16 | 0xFFFF
            self._next_digit()
            if self._straddles():
                self._undecided += 1
        self._check_not_past_end()
        return upper - 1

    def finish(self) -> None:
        """Checks that the stream is the one an encoder makes for these symbols.

        That is no integrity check: most damaged streams are right ones for other
        symbols. The container's checksums are.

        Raises:
            TruncatedError: The symbols need a longer stream.
            CorruptError: Bytes are left over, or the last ones are not an encoder's.
        """
        start = self._read - 4 - 2 * self._undecided
        if self._undecided:
            digit = self._data[start : start + 2].ljust(2, b"\0")
            ending, expected = (2 if digit[1] else 1), 0
        else:
            ending, expected = _shortest_ending(self._base, self._size_minus_1)
        length = start + ending
        if len(self._data) < length:
            raise TruncatedError(
                f"The range-coder stream has {len(self._data)} bytes; the symbols "
                f"decoded from it take {length}."
            )
        if len(self._data) > length or self._value != expected:
            raise CorruptError(
                f"The range-coder stream has {len(self._data)} bytes and does not end "
                f"as the symbols decoded from it do, after {length} bytes. Were fewer "
                "symbols decoded than encoded, or other tables used?"
            )

    def _straddles(self) -> bool:
        """Whether 2^32 lies strictly within the interval."""
        return self._base + self._size_minus_1 > _MASK

    def _next_digit(self) -> None:
        digit = self._data[self._read : self._read + 2].ljust(2, b"\0")
        self._value = (self._value << 16 & _MASK) | int.from_bytes(digit, "big")
        self._read += 2

    def _check_not_past_end(self) -> None:
        # Where no digit is undecided, all before the window have been written.
        allowed = _MAX_BYTES_PAST_END if self._undecided else 4
        if self._read - len(self._data) > allowed:
            raise TruncatedError(
                f"The range-coder stream ends after {len(self._data)} bytes, but its "
                "symbols do not."
            )


def _shortest_ending(base: int, size_minus_1: int) -> tuple[int, int]:
    """How an encoder ends: (bytes it writes, the 32-bit window they give).

    It takes the number in [base, base + size) with the most trailing zero bytes among
    0, the next multiple of 2^24 and the next multiple of 2^16, and leaves them out.
    """
    if base == 0:
        return 0, 0
    top = base + size_minus_1
    byte = ((base - 1) >> 24) + 1
    if byte <= top >> 24:
        return 1, byte << 24
    digit = ((base - 1) >> 16) + 1
    return (2 if digit & 0xFF else 1), digit << 16


def decode_index(
    decoder: RangeDecoder, tables: Sequence[Table], index: np.ndarray
) -> np.ndarray:
    """Decodes one symbol per element of `index`, as `entropy_decode_index` does.

    Args:
        decoder: Where to read on; call this once per array, in coding order.
        tables: As `split_tables` returns them.
        index: Integers of any shape, the number of each element's table; taken in
            row-major order.

    Returns:
        int32 of the shape of `index`.

    Raises:
        TruncatedError: The stream is over.
        ValueError: An index names no table.
    """
    index = np.asarray(index)
    flat = index.reshape(-1).tolist()
    if flat and not 0 <= min(flat) <= max(flat) < len(tables):
        raise ValueError(
            f"index ranges over [{min(flat)}, {max(flat)}], but there are "
            f"{len(tables)} tables."
        )
    symbols = [decoder.decode(tables[i]) for i in flat]
    return np.array(symbols, np.int32).reshape(index.shape)
