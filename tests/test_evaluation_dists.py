"""DISTS against DISTS_pytorch, and by hand with toy widths."""

import numpy as np
import pytest

from hific.evaluation import dists, metrics
from tests import inception_weights, pth_files


def _toy(**changed):
    """Returns weights of VGG-16 with one channel everywhere, which copies the mean."""
    arrays, width = {}, 3
    for name in dists._NAMES:
        kernel = np.zeros((3, 3, width, 1), np.float32)
        kernel[1, 1] = 1 / width
        arrays |= {f"{name}/kernel": kernel, f"{name}/bias": np.zeros(1, np.float32)}
        width = 1
    arrays |= {"alpha": np.zeros(8, np.float32), "beta": np.zeros(8, np.float32)}
    return arrays | changed


def _load(tmp_path, arrays):
    np.savez(tmp_path / "dists.npz", **arrays)
    return dists.Dists(tmp_path / "dists.npz")


def _one(index):
    return np.eye(8, dtype=np.float32)[index]


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """Returns the file that the converter makes of drawn weights."""
    folder = tmp_path_factory.mktemp("dists")
    for name in ("vgg16", "alpha_beta"):
        state = getattr(inception_weights, name)()
        pth_files.write_zip(folder / f"{name}.pth", *pth_files.whole(state))
    dists.main(
        [
            f"--vgg16={folder}/vgg16.pth",
            f"--weights={folder}/alpha_beta.pth",
            f"--out={folder}/dists.npz",
        ]
    )
    return folder / "dists.npz"


def _three():
    waves, noise = inception_weights.patches()
    grain = np.random.default_rng(8).integers(-20, 21, waves.shape)
    return waves, noise, np.clip(waves + grain, 0, 255).astype(np.uint8)


# `DISTS` of DISTS_pytorch 0.1 in float64, torch 2.13, with the weights drawn in
# tests/inception_weights.py: noise, waves with grain, and the same with odd sides.
@pytest.mark.parametrize(
    "name, expected",
    [("noise", 0.2639885110), ("grain", 0.0059487928), ("odd", 0.0052791496)],
)
def test_it_is_the_number_of_dists_pytorch(published, name, expected):
    waves, noise, grain = _three()
    pairs = {
        "noise": (noise, waves),
        "grain": (grain, waves),
        "odd": (grain[:63, :77], waves[:63, :77]),
    }
    assert dists.Dists(published)(*pairs[name]) == pytest.approx(expected, abs=2e-6)


def test_equal_pictures_are_at_distance_0(published):
    distance = dists.Dists(published)
    for image in _three():
        assert distance(image, image) == pytest.approx(0.0, abs=1e-6)


def test_the_means_of_the_picture_by_hand(tmp_path):
    distance = _load(tmp_path, _toy(alpha=_one(1)))  # Green counts, nothing else.
    x, y = (np.full((4, 6, 3), 51 * value, np.uint8) for value in (1, 3))
    # 0.2 and 0.6: 1 - 2 * 0.12 / (0.04 + 0.36).
    assert distance(x, y) == pytest.approx(1 - 0.24 / 0.4, abs=1e-5)
    x[..., 1] = y[..., 1]
    assert distance(x, y) == pytest.approx(0.0, abs=1e-6)


def test_the_structure_of_the_picture_by_hand(tmp_path):
    distance = _load(tmp_path, _toy(beta=_one(0)))
    x, y = np.zeros((2, 2, 2, 3), np.uint8)
    x[0, :, 0] = 255  # Rows 1, 0: variance 1/4.
    y[0, 0, 0] = 255  # One pixel: variance 3/16; covariance 1/4 - 1/8.
    expected = 1 - 2 * (1 / 8) / (1 / 4 + 3 / 16)
    assert distance(x, y) == pytest.approx(expected, abs=1e-5)


def test_alpha_and_beta_are_divided_by_their_sum(tmp_path):
    x, y = (np.full((4, 6, 3), 51 * value, np.uint8) for value in (1, 3))
    # Flat pictures have equal structure, which is half of the similarity here.
    distance = _load(tmp_path, _toy(alpha=5 * _one(0), beta=5 * _one(0)))
    assert distance(x, y) == pytest.approx((1 - 0.24 / 0.4) / 2, abs=1e-5)


@pytest.mark.parametrize("stage", range(1, 6))
def test_every_stage_is_seen_through_the_poolings_before(tmp_path, stage):
    distance = _load(tmp_path, _toy(alpha=_one(2 + stage)))
    x, y = np.zeros((2, 8, 8, 3), np.uint8)
    x[0, 0], y[:] = 255, 51

    def mean(image):
        scaled = (image / 255 - dists._MEAN) / dists._DEVIATION
        channel = np.maximum(scaled.mean(-1), 0)
        for _ in range(stage - 1):
            padded = np.pad(channel**2, 1)
            taps = np.outer((1, 2, 1), (1, 2, 1)) / 16
            rows = range(0, channel.shape[0], 2)
            channel = np.array(
                [
                    [
                        np.sqrt((padded[i : i + 3, j : j + 3] * taps).sum() + 1e-12)
                        for j in rows
                    ]
                    for i in rows
                ]
            )
        return channel.mean()

    a, b = mean(x), mean(y)
    expected = 1 - (2 * a * b + 1e-6) / (a**2 + b**2 + 1e-6)
    assert distance(x, y) == pytest.approx(expected, abs=1e-4)


def test_pooling_by_hand():
    x = np.zeros((1, 3, 4, 2), np.float32)
    x[0, 0, 0] = 4.0, 8.0
    x[0, 1, 1, 0] = 4.0
    found = dists.l2_pool(x).numpy()
    assert found.shape == (1, 2, 2, 2)
    # 16 * 4 / 16 of the pixel itself, 16 * 1 / 16 of its diagonal neighbour.
    assert found[0, 0, 0, 0] == pytest.approx(np.sqrt(4 + 1))
    assert found[0, 0, 0, 1] == pytest.approx(np.sqrt(64 * 4 / 16))
    assert found[0, 1, 1, 0] == pytest.approx(1.0)


def test_pictures_of_one_pixel_have_a_distance(published):
    measure: metrics.Metric = dists.Dists(published)
    dot = np.full((1, 1, 3), 7, np.uint8)
    assert measure(dot, dot) == pytest.approx(0.0, abs=1e-6)


def test_pictures_of_two_sizes_are_refused(tmp_path):
    distance = _load(tmp_path, _toy(alpha=_one(0)))
    with pytest.raises(ValueError, match="differ in shape; was the padding"):
        distance(np.zeros((4, 4, 3), np.uint8), np.zeros((4, 5, 3), np.uint8))


def test_files_that_do_not_fit_are_refused_by_name(tmp_path):
    arrays = _toy()
    del arrays["conv3_2/bias"]
    with pytest.raises(ValueError, match="lacks conv3_2/bias; is it of DISTS"):
        _load(tmp_path, arrays)
    with pytest.raises(ValueError, match=r"should hold conv2_1/kernel \(3, 3, 1, 1\)"):
        _load(tmp_path, _toy(**{"conv2_1/kernel": np.zeros((3, 3, 2, 1), "f4")}))
    with pytest.raises(ValueError, match=r"should hold beta \(8,\), it holds \(7,\)"):
        _load(tmp_path, _toy(beta=np.zeros(7, "f4")))


def test_files_the_wrong_way_round_are_refused():
    vgg16, weights = inception_weights.vgg16(), inception_weights.alpha_beta()
    with pytest.raises(ValueError, match="no 'alpha'; are the two files the right way"):
        dists.from_state_dicts(weights, vgg16)


def test_another_network_than_vgg16_is_refused(tmp_path, capsys):
    vgg16, weights = inception_weights.vgg16(), inception_weights.alpha_beta()
    vgg16["features.0.weight"] = vgg16["features.0.weight"][:7]
    vgg16["features.0.bias"] = vgg16["features.0.bias"][:7]
    with pytest.raises(ValueError, match=r"--vgg16 \(7, 64,"):
        dists.from_state_dicts(vgg16, weights)
    with pytest.raises(SystemExit):
        dists.main([f"--vgg16={tmp_path}/a", f"--weights={tmp_path}/b", "--out=c"])
    assert "No such file" in capsys.readouterr().err
