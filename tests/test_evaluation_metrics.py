import math

import numpy as np
import pytest
from skimage import data

from hific.evaluation import metrics


def _flat(value, side=8):
    return np.full((side, side, 3), value, np.uint8)


def test_psnr_of_mse_100():
    assert metrics.psnr(_flat(10), _flat(20)) == pytest.approx(28.1308036, abs=1e-6)


def test_psnr_does_not_wrap_around_in_8_bits():
    assert metrics.psnr(_flat(0), _flat(255)) == 0.0
    assert metrics.psnr(_flat(255), _flat(0)) == 0.0


def test_psnr_of_equal_pictures_is_infinite():
    assert metrics.psnr(_flat(7), _flat(7)) == math.inf


def test_ms_ssim_of_flat_pictures_by_hand():
    # Structure and contrast are 1 at every scale, so only the luminance of the last
    # counts: ((2 a b + c) / (a^2 + b^2 + c)) ^ 0.1333, c = (0.01 * 255)^2.
    a, b, c = 100.0, 120.0, 2.55**2
    expected = ((2 * a * b + c) / (a**2 + b**2 + c)) ** 0.1333
    measured = metrics.ms_ssim(_flat(100, 161), _flat(120, 161))
    # Contrast is a difference of squares, which float32 does not resolve better here.
    assert measured == pytest.approx(expected, abs=5e-4)


def test_ms_ssim_is_defined_from_161_pixels_on():
    assert metrics.ms_ssim(_flat(1, 160), _flat(1, 160)) is None
    assert metrics.ms_ssim(_flat(1, 161), _flat(1, 161)) == pytest.approx(1.0)


def test_more_noise_has_a_lower_ms_ssim():
    original = data.chelsea()[:200, :200]
    noise = np.random.default_rng(0).normal(size=original.shape)
    values = [
        metrics.ms_ssim(np.uint8(np.clip(original + s * noise, 0, 255)), original)
        for s in (5, 20, 60)
    ]
    assert values == sorted(values, reverse=True)


def test_every_metric_takes_a_picture_of_one_pixel():
    for metric in metrics.METRICS.values():
        value = metric(_flat(1, 1), _flat(2, 1))
        assert value is None or math.isfinite(value)


def test_lpips_is_left_out_below_its_smallest_side():
    measure = metrics.lpips_of(lambda reconstruction, original: [0.25])
    assert measure(_flat(1, 31), _flat(2, 31)) == 0.25
    assert measure(_flat(1, 30), _flat(2, 30)) is None


@pytest.mark.parametrize(
    "height, width, stride, expected",
    [(10, 20, 1, 0.5), (64, 64, 64, 100 / 4096), (65, 64, 64, 100 / 8192)],
)
def test_bits_per_pixel(height, width, stride, expected):
    assert metrics.bits_per_pixel(100, height, width, stride) == expected
