"""KID against sums by hand, and against the two tools that publish it."""

import time

import numpy as np
import pytest

from hific.evaluation.kernel import kernel_distance, squared_mmd


def samples(count, dimension, seed, shift=0.0):
    return np.random.default_rng(seed).normal(shift, size=(count, dimension))


def test_the_toy_by_hand():
    # k between the two of x: (0 + 1)^3, of y: 1; across: twice 1.5^3 and twice 1.
    x, y = np.eye(2), np.array([[1.0, 1.0], [0.0, 0.0]])
    assert squared_mmd(x, y) == pytest.approx(1 + 1 - 2 * 2.1875, rel=1e-15)


def test_it_is_the_double_sum():
    x, y = samples(5, 3, 0), samples(4, 3, 1, shift=1.0)

    def k(a, b):
        return (sum(a * b) / 3 + 1) ** 3

    within_x = sum(k(a, b) for i, a in enumerate(x) for j, b in enumerate(x) if i != j)
    within_y = sum(k(a, b) for i, a in enumerate(y) for j, b in enumerate(y) if i != j)
    across = sum(k(a, b) for a in x for b in y)
    expected = within_x / 20 + within_y / 12 - 2 * across / 20
    assert squared_mmd(x, y) == pytest.approx(expected, rel=1e-12)


def test_it_is_unbiased_where_a_distance_of_few_samples_is_not():
    values = [
        squared_mmd(samples(5, 2, seed), samples(5, 2, seed + 1000))
        for seed in range(400)
    ]
    error = np.std(values) / np.sqrt(len(values))
    assert abs(np.mean(values)) < 3 * error
    assert min(values) < 0


def test_pairs_make_it_too_low_by_what_it_says():
    x = samples(6, 3, 0)
    y = x + 0.1 * samples(6, 3, 1)

    def k(a, b):
        return (sum(a * b) / 3 + 1) ** 3

    own = np.mean([k(a, b) for a, b in zip(x, y, strict=True)])
    others = np.mean(
        [k(a, b) for i, a in enumerate(x) for j, b in enumerate(y) if i != j]
    )
    bias = squared_mmd(x, y) - squared_mmd(x, y, paired=True)
    assert bias == pytest.approx(-2 / 6 * (own - others), rel=1e-12)
    assert bias < 0


def test_without_own_pairs_equal_sets_are_at_0_and_noise_is_on_average():
    x = samples(5, 2, 0)
    assert squared_mmd(x, x, paired=True) == pytest.approx(0.0, abs=1e-15)
    assert squared_mmd(x, x) < -0.1
    values = []
    for seed in range(400):  # y is x again with probability 1/2: the same law.
        x, fresh = samples(5, 2, seed), samples(5, 2, seed + 1000)
        y = np.where(np.random.default_rng(seed + 2000).random((5, 1)) < 0.5, x, fresh)
        values.append(squared_mmd(x, y, paired=True))
    assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(len(values))


def test_pairs_stay_together_in_subsets():
    x = samples(60, 3, 0)
    found = kernel_distance(x, x, subset_size=20, paired=True)
    assert found.mean == pytest.approx(0.0, abs=1e-14)
    assert found.deviation == pytest.approx(0.0, abs=1e-14)
    with pytest.raises(ValueError, match="5 samples are no pairs with 6"):
        squared_mmd(x[:5], x[:6], paired=True)


def test_whole_sets_make_one_value_without_deviation():
    x, y = samples(20, 3, 0), samples(20, 3, 1)
    found = kernel_distance(x, y)
    assert found == (squared_mmd(x, y), None, 20)


def test_subsets_scatter_around_the_whole_and_are_the_same_again():
    x, y = samples(60, 3, 0), samples(50, 3, 1, shift=0.5)
    found = kernel_distance(x, y, subset_size=20)
    assert found.subset_size == 20
    assert found.deviation > 0
    assert found.mean == pytest.approx(squared_mmd(x, y), abs=found.deviation)
    assert found == kernel_distance(x, y, subset_size=20)
    assert found.mean != kernel_distance(x, y, subset_size=20, seed=1).mean


@pytest.mark.parametrize("paired", [False, True])
@pytest.mark.parametrize("counts", [(21, 21), (44, 44), (45, 45), (1001, 1001)])
def test_subsets_at_once_are_the_subsets_one_by_one(counts, paired):
    x = samples(counts[0], 3, 0)
    y = x + samples(counts[1], 3, 1)
    found = kernel_distance(x, y, subsets=5, subset_size=20, paired=paired)
    random = np.random.RandomState(0)
    values = []
    for _ in range(5):
        of_y = random.choice(len(y), 20, replace=False)
        of_x = of_y if paired else random.choice(len(x), 20, replace=False)
        values.append(squared_mmd(x[of_x], y[of_y], paired))
    assert found.mean == pytest.approx(np.mean(values), rel=1e-11)
    assert found.deviation == pytest.approx(np.std(values), rel=1e-11)


def test_a_thousand_patches_and_a_few_are_compared_in_no_time():
    x, y = samples(1200, 256, 0), samples(1200, 256, 1)
    began = time.process_time()
    kernel_distance(x, y)
    assert time.process_time() - began < 4  # 100 subsets one by one: 6 to 12.


def test_a_larger_set_is_drawn_from_where_the_other_is_whole():
    x, y = samples(30, 3, 0), samples(10, 3, 1)
    found = kernel_distance(x, y)
    assert found.subset_size == 10 and found.deviation > 0


def test_float32_features_are_summed_in_float64():
    x, y = (1e3 + samples(50, 4, seed) for seed in (0, 1))
    found = squared_mmd(x.astype("f4"), y.astype("f4"))
    expected = squared_mmd(x.astype("f4").astype("f8"), y.astype("f4").astype("f8"))
    assert found == expected


@pytest.mark.parametrize("shapes", [((1, 3), (5, 3)), ((5, 3), (5, 2))])
def test_sets_that_cannot_be_compared_are_refused(shapes):
    with pytest.raises(ValueError, match="two sets of at least 2 samples"):
        squared_mmd(*(np.zeros(shape) for shape in shapes))


# Of clean-fid 0.1.35, `cleanfid.fid.kernel_distance(X, Y, 10, 20)` after
# `numpy.random.seed(7)`; torch-fidelity 0.4.0, `kid_features_to_metric(Y, X,
# kid_subsets=10, kid_subset_size=20, rng_seed=7)`, has the same mean, and a deviation.
X, Y = samples(60, 16, 0), samples(50, 16, 1, shift=0.3)


def test_it_is_the_number_of_clean_fid_and_of_torch_fidelity():
    found = kernel_distance(X, Y, subsets=10, subset_size=20, seed=7)
    assert found.mean == pytest.approx(0.30024965994952957, rel=1e-12)
    assert found.deviation == pytest.approx(0.17543562237633586, rel=1e-12)
    assert kernel_distance(X[:50], Y).mean == pytest.approx(0.19037819054160837)


@pytest.mark.parametrize("seed", range(3))
def test_clean_fid_where_it_is_installed_agrees(clean_fid, seed):
    x, y = samples(40, 8, seed), samples(30, 8, seed + 10, shift=0.2)
    np.random.seed(seed)
    theirs = clean_fid.kernel_distance(x, y, num_subsets=5, max_subset_size=20)
    found = kernel_distance(x, y, subsets=5, subset_size=20, seed=seed)
    assert found.mean == pytest.approx(theirs, rel=1e-9)
