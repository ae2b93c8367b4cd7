import math

import numpy as np
import pytest
from scipy import stats

from hific import entropy, tables


@pytest.fixture(scope="module")
def built():
    return tables.build(entropy.FactorizedDensity(3))


def rows(built):
    start = 0
    for offset, length in zip(built.offset, built.length, strict=True):
        yield offset, built.cdf[start : start + length + 2]
        start += length + 2
    assert start == len(built.cdf)


def test_every_row_is_a_cumulative_distribution_without_escape_code(built):
    for _, row in rows(built):
        assert row[0] == 16  # Positive: no escape code.
        assert row[1] == 0 and row[-1] == 2**16
        assert (np.diff(row[1:]) >= 1).all()


def test_gaussian_rows_hold_the_rounded_gaussian(built):
    for index, (offset, row) in enumerate(rows(built)):
        if index >= 64:
            break
        sigma = 0.11 * math.exp(index * entropy.LOG_STEP)
        symbols = offset + np.arange(len(row) - 2)
        normal = stats.norm(scale=sigma)
        expected = normal.cdf(symbols + 0.5) - normal.cdf(symbols - 0.5)
        # Integer counts that may not be 0 move the rest by a few in 65,536.
        np.testing.assert_allclose(
            np.diff(row[1:]) / 2**16, expected, atol=1e-3 * expected.max() + 2**-15
        )
        assert normal.cdf(symbols[0] - 0.5) < 2**-16
        assert symbols[0] == -symbols[-1]


def test_rows_of_z_hold_the_learned_density(built):
    density = entropy.FactorizedDensity(2)
    made = tables.build(density)
    for channel, (offset, row) in enumerate(list(rows(made))[64:]):
        symbols = np.repeat(offset + np.arange(len(row) - 2), 2).reshape(-1, 2)
        expected = density.distribution.prob(symbols.astype(np.float32)).numpy()
        np.testing.assert_allclose(
            np.diff(row[1:]) / 2**16, expected[:, channel], atol=2e-3
        )


def test_building_twice_gives_the_same_tables():
    density = entropy.FactorizedDensity(2)
    first, second = tables.build(density), tables.build(density)
    np.testing.assert_array_equal(first.cdf, second.cdf)
