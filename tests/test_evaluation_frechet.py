"""FD-alex against closed forms of Gaussians."""

import numpy as np
import pytest
from skimage import data

from hific import lpips, lpips_weights
from hific.evaluation import frechet
from hific.evaluation.frechet import Moments, cut_patches, frechet_distance


def moments(samples, batches=1):
    found = Moments(samples.shape[1])
    for part in np.array_split(samples, batches):
        found.add(part)
    return found


def samples(count, dimension, seed=0):
    return np.random.default_rng(seed).normal(size=(count, dimension))


def with_covariance(diagonal, mean=0.0):
    """Two samples for each axis, whose covariance is exactly this diagonal."""
    axes = np.diag(np.sqrt(diagonal))
    number = 2 * len(diagonal)
    return np.concatenate([axes, -axes]) * np.sqrt((number - 1) / 2) + mean


def test_moments_in_batches_are_numpys_of_all():
    x = 1e4 + samples(50, 3) * (1.0, 2.0, 3.0)
    for batches in (1, 7, 50):
        found = moments(x, batches)
        assert found.count == 50
        np.testing.assert_allclose(found.mean, x.mean(0), rtol=1e-14)
        np.testing.assert_allclose(found.covariance(), np.cov(x.T), rtol=1e-9)


def test_equal_sets_are_at_distance_0():
    a = moments(samples(40, 5))
    assert frechet_distance(a, a) == pytest.approx(0.0, abs=1e-12)
    few = moments(samples(3, 20))  # A covariance of rank 2.
    assert frechet_distance(few, few) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("count", [40, 3])
def test_shifted_sets_are_at_the_square_of_the_shift(count):
    x, shift = samples(count, 4), np.array([3.0, 0.0, -4.0, 0.0])
    distance = frechet_distance(moments(x), moments(x + shift))
    assert distance == pytest.approx(25.0, rel=1e-12)


def test_diagonal_gaussians_by_hand():
    # sum (sqrt(a) - sqrt(b))^2 = (1 - 3)^2 + (2 - 2)^2 + (0 - 5)^2, and 3 * 2^2.
    a = moments(with_covariance([1.0, 4.0, 0.0]))
    b = moments(with_covariance([9.0, 4.0, 25.0], mean=2.0))
    assert frechet_distance(a, b) == pytest.approx(4.0 + 0.0 + 25.0 + 12.0, rel=1e-12)


def test_covariances_that_do_not_commute_by_hand():
    # S_a = diag(4, 0), S_b = [[1, 1], [1, 1]]: S_a S_b has eigenvalues 4 and 0, so the
    # trace of its root is 2.
    a = moments(np.array([[2.0, 0.0], [-2.0, 0.0]]) / np.sqrt(2))
    b = moments(np.array([[1.0, 1.0], [-1.0, -1.0]]) / np.sqrt(2))
    assert frechet_distance(a, b) == pytest.approx(4.0 + 2.0 - 2 * 2.0, rel=1e-12)


def test_it_is_that_of_the_matrix_root():
    linalg = pytest.importorskip("scipy.linalg")
    x, y = samples(30, 6), samples(25, 6, seed=1) @ samples(6, 6, seed=2) + 1.0
    s, t = np.cov(x.T), np.cov(y.T)
    expected = np.sum((x.mean(0) - y.mean(0)) ** 2) + np.trace(
        s + t - 2 * linalg.sqrtm(s @ t).real
    )
    assert frechet_distance(moments(x), moments(y)) == pytest.approx(expected)


# Of clean-fid 0.1.35, `cleanfid.fid.frechet_distance` of mean and numpy.cov of X and Y;
# torch-fidelity 0.4.0, `fid_statistics_to_metric`, has 3.9807573951356794.
X, Y = samples(60, 16), samples(50, 16, seed=1) + 0.3


def test_it_is_the_number_of_clean_fid_and_of_torch_fidelity():
    distance = frechet_distance(moments(X), moments(Y))
    assert distance == pytest.approx(3.98075739513569, rel=1e-12)
    # With singular covariances theirs is of a root that has lost half its digits.
    few = frechet_distance(moments(X[:10]), moments(Y[:10]))
    assert few == pytest.approx(12.864445691205173, rel=1e-6)


@pytest.mark.filterwarnings("ignore:The `disp` argument:DeprecationWarning")
@pytest.mark.parametrize("seed", range(3))
def test_clean_fid_where_it_is_installed_agrees(clean_fid, seed):
    x, y = samples(40, 8, seed), samples(30, 8, seed + 10) * 1.5 + 0.2
    theirs = clean_fid.frechet_distance(x.mean(0), np.cov(x.T), y.mean(0), np.cov(y.T))
    assert frechet_distance(moments(x), moments(y)) == pytest.approx(theirs, rel=1e-9)


def test_the_order_of_sets_and_of_samples_does_not_matter():
    x, y = samples(30, 6), samples(20, 6, seed=1) * 3.0
    a, b = moments(x), moments(y)
    there = frechet_distance(a, b)
    assert there == pytest.approx(frechet_distance(b, a), rel=1e-12)
    assert there == pytest.approx(frechet_distance(moments(x[::-1], 4), b), rel=1e-12)


def test_one_sample_has_no_covariance():
    with pytest.raises(ValueError, match="needs 2 samples, there are 1"):
        frechet_distance(moments(samples(1, 2)), moments(samples(5, 2)))


@pytest.mark.parametrize(
    "height, width, number",
    [
        (512, 768, 6 + 2),  # Kodak: 24 * 8 = 192.
        (1365, 2048, 40 + 28),
        (1400, 2000, 35 + 28),
        (400, 700, 2 + 2),
        (300, 1000, 3),
        (256, 256, 1),
        (255, 999, 0),
    ],
)
def test_as_many_patches_as_published(height, width, number):
    patches = cut_patches(np.zeros((height, width, 3), np.uint8), 256)
    assert patches.shape == (number, 256, 256, 3) and patches.dtype == np.uint8


def test_the_second_grid_is_half_a_patch_away():
    image = np.arange(36, dtype=np.uint8).reshape(6, 6, 1)
    corners = [int(patch[0, 0, 0]) for patch in cut_patches(image, 4)]
    assert corners == [0, 2 * 6 + 2]
    corners = [int(patch[0, 0, 0]) for patch in cut_patches(image, 2)]
    assert corners == [0, 2, 4, 12, 14, 16, 24, 26, 28, 7, 9, 19, 21]


def test_features_are_conv5_averaged_over_the_patch(tmp_path):
    arrays = {
        name: np.zeros(shape, "f4") for name, shape in lpips_weights.SHAPES.items()
    }
    arrays["conv5/bias"][:3] = 2.0, -1.0, 5.0
    lpips_weights.write_npz(tmp_path / "w.npz", arrays)
    measure = frechet.alexnet_features(lpips.Lpips(tmp_path / "w.npz"))
    found = measure(np.zeros((2, 40, 40, 3), np.uint8))
    expected = np.zeros((2, frechet.NUM_FEATURES))
    expected[:, 0], expected[:, 2] = 2.0, 5.0
    np.testing.assert_array_equal(found, expected)


def _brightness(patches):
    features = np.zeros((len(patches), frechet.NUM_FEATURES))
    features[:, 0] = patches.mean((1, 2, 3))
    return features


def test_codecs_are_compared_with_the_originals():
    sets = frechet.FrechetAlex(_brightness, 32)
    for value in (10, 20):
        sets.add(frechet.ORIGINAL, np.full((64, 32, 3), value, np.uint8))
        sets.add("shifted", np.full((64, 32, 3), value + 3, np.uint8))
        sets.add("same", np.full((64, 32, 3), value, np.uint8))
    summary = sets.summary()
    assert list(summary) == ["shifted", "same"]
    assert summary["shifted"] == {
        "fd_alex": pytest.approx(9.0),
        "fd_alex_patches": 4,
    }
    assert summary["same"]["fd_alex"] == pytest.approx(0.0, abs=1e-12)


def test_too_few_patches_are_said_so():
    sets = frechet.FrechetAlex(_brightness, 32)
    sets.add(frechet.ORIGINAL, np.zeros((32, 32, 3), np.uint8))
    sets.add("model", np.zeros((32, 32, 3), np.uint8))
    assert sets.summary() == {"model": {"fd_alex": None, "fd_alex_patches": 1}}
    assert "of 1 patches of 32 pixels; below 257" in sets.shortage
    sets.add(frechet.ORIGINAL, np.zeros((32 * 16, 32 * 16, 3), np.uint8))
    assert sets.shortage is None


def test_worse_pictures_are_further_away(shared):
    features = frechet.alexnet_features(
        lpips.Lpips(shared / "data/lpips/alex_v0.1.npz")
    )
    image = data.chelsea()
    sets = frechet.FrechetAlex(features, 64)
    sets.add(frechet.ORIGINAL, image)
    for bits in (3, 5):
        sets.add(f"without {bits} bits", (image >> bits) << bits)
    three, five = (found["fd_alex"] for found in sets.summary().values())
    assert 0 < three < five
