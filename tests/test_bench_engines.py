import itertools

import numpy as np

from egic.bench import engines


class Instant:
    """A codec whose steps take one tick of a clock each."""

    def __init__(self):
        self._engine = self
        self.analysis = self.synthesis = lambda batch: batch

    def compress(self, image):
        return bytes(image.shape)

    def decompress(self, data):
        return data


def test_the_least_of_the_repeats_counts_and_the_first_two_times_do_not():
    ticks = iter([0, 0] * 4 + [0, 0] * 4 + [0, 5, 0, 2, 0, 3, 0, 4] + [0, 1] * 4)
    found = engines.seconds({"a": Instant()}, (8, 8), 2, lambda: next(ticks))
    assert found == {"a": [1, 1, 1, 1]}


def test_engines_take_turns():
    clock = itertools.count()
    found = engines.seconds(
        {"a": Instant(), "b": Instant()}, (8, 8), 3, lambda: next(clock)
    )
    assert found == {"a": [1] * 4, "b": [1] * 4}
    assert next(clock) == 2 * 4 * 2 * (3 + 2)
    assert len(engines.COLUMNS) == len(np.asarray(found["a"]))
