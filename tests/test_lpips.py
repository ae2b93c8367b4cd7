import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from hific import lpips, lpips_weights


@pytest.fixture(scope="module")
def weights(shared):
    return shared / "data/lpips/alex_v0.1.npz"


@pytest.fixture(scope="module")
def official(weights):
    return lpips.Lpips(weights)


def _picture(path):
    return np.asarray(Image.open(path).convert("RGB"), np.float32)[np.newaxis]


def _made_up_weights(path, **changes):
    """Zeros, but for what `changes` fills in; "__" stands for "/"."""
    arrays = {
        name: np.zeros(shape, "f4") for name, shape in lpips_weights.SHAPES.items()
    }
    for name, fill in changes.items():
        fill(arrays[name.replace("__", "/")])
    lpips_weights.write_npz(path, arrays)
    return path


@pytest.mark.parametrize("name, distance", [("ex_p0", 0.7219), ("ex_p1", 0.1376)])
def test_published_distances_are_reproduced(official, shared, name, distance):
    folder = shared / "data/lpips"
    original = _picture(folder / "ex_ref.png")
    measured = official(_picture(folder / f"{name}.png"), original)
    assert measured.shape == (1,)
    assert float(measured[0]) == pytest.approx(distance, abs=5e-4)
    assert official.official


def test_equal_pictures_have_distance_zero_and_no_gradient(official):
    image = tf.random.stateless_uniform((2, 40, 33, 3), (0, 1), 0, 255)
    with tf.GradientTape() as tape:
        tape.watch(image)
        distance = official(image, image)
    assert distance.numpy().tolist() == [0.0, 0.0]
    assert not tape.gradient(distance, image).numpy().any()


def test_the_gradient_is_the_slope_and_reaches_only_the_reconstruction(official):
    original = tf.random.stateless_uniform((1, 32, 32, 3), (0, 1), 0, 255)
    step = tf.random.stateless_normal(original.shape, (0, 2))
    reconstruction = original + 20 * step
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([original, reconstruction])
        distance = official(reconstruction, original)
    slope = tf.reduce_sum(step * tape.gradient(distance, reconstruction))
    ahead = official(reconstruction + 0.5 * step, original)
    behind = official(reconstruction - 0.5 * step, original)
    assert float(slope) == pytest.approx(float((ahead - behind)[0]), rel=0.02)
    assert tape.gradient(distance, original) is None


def test_black_pictures_have_a_finite_gradient(tmp_path):
    # Every feature is 0, so every length is.
    metric = lpips.Lpips(_made_up_weights(tmp_path / "w.npz"))
    image = tf.Variable(tf.zeros((1, 31, 31, 3)))
    with tf.GradientTape() as tape:
        distance = metric(image, image + 1.0)
    assert float(distance[0]) == 0.0
    assert not tape.gradient(distance, image).numpy().any()


def test_distance_of_flat_pictures_by_hand(tmp_path):
    # Only two features of conv1 live: the normalised red of one pixel, and 1. Red
    # 123.675 is normalised to 0 and 182.07 to 1, so the unit vectors are (0, 1) and
    # (r, r), r = sqrt(1/2): 2 * (r - 0)^2 + 3 * (r - 1)^2 with heads 2 and 3.
    def red_of_a_pixel(kernel):
        kernel[5, 5, 0, 0] = 1.0

    def one(bias):
        bias[1] = 1.0

    def two_and_three(head):
        head[:2] = 2.0, 3.0

    path = _made_up_weights(
        tmp_path / "w.npz",
        conv1__kernel=red_of_a_pixel,
        conv1__bias=one,
        lin1__kernel=two_and_three,
    )
    metric = lpips.Lpips(path)
    original = np.full((2, 31, 47, 3), 123.675, "f4")
    reconstruction = original.copy()
    reconstruction[0, :, :, 0] = 182.07
    r = 0.5**0.5
    expected = [2 * r**2 + 3 * (r - 1) ** 2, 0.0]
    np.testing.assert_allclose(metric(reconstruction, original), expected, atol=1e-5)
    assert not metric.official


def test_what_cannot_be_compared_is_refused(tmp_path):
    metric = lpips.Lpips(_made_up_weights(tmp_path / "w.npz"))
    with pytest.raises(ValueError, match="differ in shape"):
        metric(tf.zeros((1, 32, 32, 3)), tf.zeros((1, 32, 33, 3)))
    with pytest.raises(ValueError, match="at least 31 pixels"):
        metric(tf.zeros((1, 64, 30, 3)), tf.zeros((1, 64, 30, 3)))


def test_a_missing_file_names_both_ways_out(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for path in (tmp_path / "nowhere.npz", None):
        with pytest.raises(ValueError, match=r"not found: .*perceptual_weight=0") as e:
            lpips.load(path)
        assert "--lpips_weights" in str(e.value)


def test_the_cache_is_found_without_a_flag(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    _made_up_weights(lpips_weights.default_path())
    assert not lpips.load(None).official


def test_the_command_says_what_it_takes():
    command = [sys.executable, "-m", "hific.lpips", "--help"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "--frozen_graph" in shown.stdout
