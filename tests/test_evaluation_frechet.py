"""The Fréchet distance against closed forms of Gaussians, and against other tools."""

import numpy as np
import pytest

from hific.evaluation.frechet import frechet_distance, gaussian_of


def samples(count, dimension, seed=0):
    return np.random.default_rng(seed).normal(size=(count, dimension))


def with_covariance(diagonal, mean=0.0):
    """Two samples for each axis, whose covariance is exactly this diagonal."""
    axes = np.diag(np.sqrt(diagonal))
    number = 2 * len(diagonal)
    return np.concatenate([axes, -axes]) * np.sqrt((number - 1) / 2) + mean


@pytest.mark.parametrize("count", [50, 4, 3, 2])
def test_mean_and_covariance_are_numpys(count):
    x = 1e4 + samples(count, 3) * (1.0, 2.0, 3.0)
    found = gaussian_of(x)
    np.testing.assert_allclose(found.mean, x.mean(0), rtol=1e-14)
    assert found.factor.shape == (min(count, 3), 3)
    covariance = found.factor.T @ found.factor
    np.testing.assert_allclose(covariance, np.cov(x.T), rtol=1e-9)


def test_float32_features_are_summed_in_float64():
    x = (1e3 + samples(5000, 2)).astype("f4")
    found = gaussian_of(x)
    assert found.mean.dtype == found.factor.dtype == np.float64
    np.testing.assert_allclose(found.mean, x.astype("f8").mean(0), rtol=1e-14)


def test_equal_sets_are_at_distance_0():
    a = gaussian_of(samples(40, 5))
    assert frechet_distance(a, a) == pytest.approx(0.0, abs=1e-12)
    few = gaussian_of(samples(3, 20))  # A covariance of rank 2.
    assert frechet_distance(few, few) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("count", [40, 3])
def test_shifted_sets_are_at_the_square_of_the_shift(count):
    x, shift = samples(count, 4), np.array([3.0, 0.0, -4.0, 0.0])
    distance = frechet_distance(gaussian_of(x), gaussian_of(x + shift))
    assert distance == pytest.approx(25.0, rel=1e-12)


def test_diagonal_gaussians_by_hand():
    # sum (sqrt(a) - sqrt(b))^2 = (1 - 3)^2 + (2 - 2)^2 + (0 - 5)^2, and 3 * 2^2.
    a = gaussian_of(with_covariance([1.0, 4.0, 0.0]))
    b = gaussian_of(with_covariance([9.0, 4.0, 25.0], mean=2.0))
    assert frechet_distance(a, b) == pytest.approx(4.0 + 0.0 + 25.0 + 12.0, rel=1e-12)


def test_covariances_that_do_not_commute_by_hand():
    # S_a = diag(4, 0), S_b = [[1, 1], [1, 1]]: S_a S_b has eigenvalues 4 and 0, so the
    # trace of its root is 2.
    a = gaussian_of(np.array([[2.0, 0.0], [-2.0, 0.0]]) / np.sqrt(2))
    b = gaussian_of(np.array([[1.0, 1.0], [-1.0, -1.0]]) / np.sqrt(2))
    assert frechet_distance(a, b) == pytest.approx(4.0 + 2.0 - 2 * 2.0, rel=1e-12)


def test_it_is_that_of_the_matrix_root():
    linalg = pytest.importorskip("scipy.linalg")
    x, y = samples(30, 6), samples(25, 6, seed=1) @ samples(6, 6, seed=2) + 1.0
    s, t = np.cov(x.T), np.cov(y.T)
    expected = np.sum((x.mean(0) - y.mean(0)) ** 2) + np.trace(
        s + t - 2 * linalg.sqrtm(s @ t).real
    )
    assert frechet_distance(gaussian_of(x), gaussian_of(y)) == pytest.approx(expected)


# Of clean-fid 0.1.35, `cleanfid.fid.frechet_distance` of mean and numpy.cov of X and Y;
# torch-fidelity 0.4.0, `fid_statistics_to_metric`, has 3.9807573951356794.
X, Y = samples(60, 16), samples(50, 16, seed=1) + 0.3


def test_it_is_the_number_of_clean_fid_and_of_torch_fidelity():
    distance = frechet_distance(gaussian_of(X), gaussian_of(Y))
    assert distance == pytest.approx(3.98075739513569, rel=1e-12)
    # With singular covariances theirs is of a root that has lost half its digits.
    few = frechet_distance(gaussian_of(X[:10]), gaussian_of(Y[:10]))
    assert few == pytest.approx(12.864445691205173, rel=1e-6)


@pytest.mark.filterwarnings("ignore:The `disp` argument:DeprecationWarning")
@pytest.mark.parametrize("seed", range(3))
def test_clean_fid_where_it_is_installed_agrees(clean_fid, seed):
    x, y = samples(40, 8, seed), samples(30, 8, seed + 10) * 1.5 + 0.2
    theirs = clean_fid.frechet_distance(x.mean(0), np.cov(x.T), y.mean(0), np.cov(y.T))
    assert frechet_distance(gaussian_of(x), gaussian_of(y)) == pytest.approx(
        theirs, rel=1e-9
    )


def test_the_order_of_sets_and_of_samples_does_not_matter():
    x, y = samples(30, 6), samples(20, 6, seed=1) * 3.0
    a, b = gaussian_of(x), gaussian_of(y)
    there = frechet_distance(a, b)
    assert there == pytest.approx(frechet_distance(b, a), rel=1e-12)
    assert there == pytest.approx(frechet_distance(gaussian_of(x[::-1]), b), rel=1e-12)


def test_one_sample_has_no_covariance():
    with pytest.raises(ValueError, match="needs 2 samples, there are 1"):
        frechet_distance(gaussian_of(samples(1, 2)), gaussian_of(samples(5, 2)))
