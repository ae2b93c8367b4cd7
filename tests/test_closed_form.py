import numpy as np
import pytest

from egic import closed_form, linear_maps
from egic.codec import build_model
from egic.config import PRESETS
from hific.config import HificConfig

TINY = PRESETS["egic-tiny"]


def test_a_frame_is_orthonormal_and_its_columns_sum_to_zero():
    columns = linear_maps.frame(32, 13, np.random.default_rng(0))
    np.testing.assert_allclose(columns.T @ columns, np.eye(13), atol=1e-12)
    np.testing.assert_allclose(columns.sum(0), 0.0, atol=1e-12)


def test_a_frame_leaves_no_column_for_the_mean():
    with pytest.raises(ValueError, match="4 channels have room for 3 columns, not 4"):
        linear_maps.frame(4, 4, np.random.default_rng(0))


def test_principal_directions_come_largest_first_and_point_up():
    directions, energies = linear_maps.principal_directions(np.diag([1.0, 9.0, 4.0]))
    np.testing.assert_allclose(energies, [9.0, 4.0, 1.0])
    np.testing.assert_allclose(directions, np.eye(3)[:, [1, 2, 0]], atol=1e-12)


def test_a_small_ridge_finds_the_map_that_made_the_data():
    rng = np.random.default_rng(0)
    x, matrix = rng.standard_normal((500, 4)), rng.standard_normal((4, 3))
    np.testing.assert_allclose(
        linear_maps.ridge_map(x, x @ matrix, 1e-9), matrix, atol=1e-6
    )


def test_a_ridge_shrinks_by_its_share_whatever_the_scale_of_the_input():
    # White x of power p: p w = p m - r p w, so w = m / (1 + r).
    x = 7.0 * np.array([[1.0, 1.0], [1.0, -1.0]])
    matrix = np.array([[2.0], [-3.0]])
    np.testing.assert_allclose(
        linear_maps.ridge_map(x, x @ matrix, 0.25), matrix / 1.25
    )


def test_second_moments_do_not_depend_on_the_chunks(monkeypatch):
    x = np.arange(21.0).reshape(7, 3)
    monkeypatch.setattr(linear_maps, "_ROWS", 2)
    np.testing.assert_allclose(linear_maps.second_moment(x), x.T @ x / 7)


def test_the_embedding_keeps_distances_and_hides_nothing_in_the_mean():
    rng = np.random.default_rng(0)
    blocks = rng.uniform(size=(200, 12)).astype(np.float32)
    recipe = closed_form.Recipe(constant=2.0)
    kernel, bias = closed_form.embedding(blocks, 32, recipe, rng)
    tokens = blocks @ kernel + bias
    np.testing.assert_allclose(tokens.sum(1), 0.0, atol=1e-5)
    np.testing.assert_allclose(
        np.linalg.norm(tokens[0] - tokens[1]), np.linalg.norm(blocks[0] - blocks[1])
    )
    # What all tokens share is K = 2 times the root mean square of what differs.
    signal = tokens - tokens.mean(0)
    rms = np.sqrt((signal**2).sum(1).mean())
    assert np.linalg.norm(tokens.mean(0)) == pytest.approx(2.0 * rms)


def test_a_merging_carries_the_constant_of_a_token_on():
    rng = np.random.default_rng(0)
    mean = np.array([3.0, -3.0, 1.0, -1.0, 0.0, 0.0])
    seen = mean + 0.1 * rng.standard_normal((4000, 6))
    kernel = closed_form.merging(seen, 16, closed_form.Recipe(constant=2.0), rng)
    tokens = seen @ kernel
    np.testing.assert_allclose(tokens.sum(1), 0.0, atol=1e-9)
    # 5 directions of power 0.1^2 are left beside the mean.
    constant = np.linalg.norm(tokens.mean(0))
    assert constant == pytest.approx(2.0 * np.sqrt(5 * 0.01), rel=0.05)


def test_latent_components_have_the_energy_of_the_pixels_in_quantiser_steps():
    rng = np.random.default_rng(0)
    mean = np.array([3.0, -3.0, 1.0, -1.0])
    seen = mean + rng.standard_normal((4000, 4)) * [0.1, 0.2, 0.3, 0.4]
    recipe = closed_form.Recipe(constant=2.0, quantiser_step=51.0)
    y = seen @ closed_form.latent_merging(seen, 8, energy=10.0, recipe=recipe)
    # 51 grey levels are 0.2 of [0, 1], so 10 units of energy are 10 / 0.2^2 = 250.
    assert y[:, :3].var(0).sum() == pytest.approx(250.0, rel=0.01)
    np.testing.assert_array_equal(y[:, 3:7], 0.0)
    assert y[:, 7].mean() == pytest.approx(2.0 * np.sqrt(250.0), rel=0.01)


def test_a_merging_takes_tokens_by_columns_and_a_splitting_by_rows():
    by_columns = np.array([[0, 1, 20, 21, 2, 3, 22, 23]])  # (row)(column) tokens of 2.
    by_rows = [[0, 1, 2, 3, 20, 21, 22, 23]]
    np.testing.assert_array_equal(closed_form._raster_order(by_columns), by_rows)


def test_only_crops_and_configs_that_fit_are_taken():
    model = build_model(TINY)
    with pytest.raises(ValueError, match=r"multiple of 64, got shape \(2, 100, 100, 3"):
        closed_form.initialise(model, np.zeros((2, 100, 100, 3)), TINY)
    with pytest.raises(ValueError, match="for SwinT-ChARM, got a HificConfig"):
        closed_form.initialise(model, np.zeros((2, 64, 64, 3)), HificConfig())


@pytest.fixture(scope="module")
def started():
    """egic-tiny with the start that 48 crops of three pictures give it."""
    data = pytest.importorskip("skimage.data")
    rng = np.random.default_rng(0)
    crops = []
    for picture in (data.coffee(), data.rocket(), data.astronaut()):
        for _ in range(16):
            top = rng.integers(picture.shape[0] - 128)
            left = rng.integers(picture.shape[1] - 128)
            crops.append(picture[top : top + 128, left : left + 128])
    model = build_model(TINY)
    closed_form.initialise(model, np.stack(crops), TINY)
    return model


def test_the_start_alone_reconstructs_a_picture_it_has_not_seen(started):
    chelsea = pytest.importorskip("skimage.data").chelsea()[:256, 64:448]
    rate = started.prior.rate(started.analysis(chelsea[np.newaxis].astype(np.float32)))
    image = np.clip(np.round(started.synthesis(rate.y_hat)[0]), 0, 255)
    psnr = 10 * np.log10(255**2 / np.mean((image - chelsea) ** 2))
    bpp = float(rate.hard_y_bits[0] + rate.hard_z_bits[0]) / (256 * 384)
    assert psnr > 26.0
    assert bpp < 0.8


def test_the_start_lets_z_vary(started):
    chelsea = pytest.importorskip("skimage.data").chelsea()[:256, 64:448]
    y = started.analysis(chelsea[np.newaxis].astype(np.float32))
    z = started.prior.hyper_analysis(y).numpy()
    assert np.median(z.std((0, 1, 2))) > 0.5
