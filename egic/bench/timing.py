"""Clocks: the least of some repeats, and the rate that shares are taken of."""

import time
from collections.abc import Callable
from typing import Any

import tensorflow as tf

PEAK_SIZE = 3072  # Side of the square product that defines the peak.

Clock = Callable[[], float]  # Seconds since some moment.


def least(
    function: Callable[[], Any], repeats: int, clock: Clock = time.perf_counter
) -> tuple[float, float]:
    """Seconds of the first call, and the least of `repeats` calls after it."""
    times = []
    for _ in range(repeats + 1):
        start = clock()
        function()
        times.append(clock() - start)
    return times[0], min(times[1:])


def peak(dtype: str, repeats: int, clock: Clock = time.perf_counter) -> float:
    """GFLOP/s of a large matrix product in `dtype`."""
    a = tf.cast(tf.random.stateless_normal((PEAK_SIZE, PEAK_SIZE), (0, 0)), dtype)
    product = tf.function(lambda: tf.matmul(a, a))
    return 2e-9 * PEAK_SIZE**3 / least(product, repeats, clock)[1]
