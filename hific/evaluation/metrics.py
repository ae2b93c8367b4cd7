"""What is said about a reconstruction, picture by picture."""

import math
from collections.abc import Callable, Mapping

import numpy as np
import tensorflow as tf

from hific import lpips

# (reconstruction, original), both [H, W, 3] uint8 -> value, or None where the metric
# is not defined for pictures of this size.
Metric = Callable[[np.ndarray, np.ndarray], float | None]

# Five scales, each half of the one before, under a window of 11 pixels.
_MS_SSIM_MIN_SIDE = 161


def psnr(reconstruction: np.ndarray, original: np.ndarray) -> float:
    """Peak signal-to-noise ratio on 8-bit RGB, in dB.

        20 log10(255) - 10 log10(MSE)

    MSE over pixels and channels; 100 gives 28.1308 dB, 0 gives infinity.
    """
    difference = reconstruction.astype(np.float64) - original.astype(np.float64)
    mse = float(np.mean(difference**2))
    return 20 * math.log10(255) - 10 * math.log10(mse) if mse else math.inf


def ms_ssim(reconstruction: np.ndarray, original: np.ndarray) -> float | None:
    """Multi-scale structural similarity on 8-bit RGB, at most 1.

    The five scales of the paper, mean over channels. With fewer scales the values are
    of another kind, so pictures with a side under 161 pixels have none.

    Source: Wang et al. 2003; `tf.image.ssim_multiscale`.
    """
    if min(original.shape[:2]) < _MS_SSIM_MIN_SIDE:
        return None
    return float(_ms_ssim(reconstruction, original))


@tf.function(input_signature=[tf.TensorSpec((None, None, 3), tf.uint8)] * 2)
def _ms_ssim(reconstruction, original):
    return tf.image.ssim_multiscale(reconstruction, original, max_val=255)


def lpips_of(distance: lpips.Lpips) -> Metric:
    """Returns LPIPS of whole pictures as a metric; None below 31 pixels a side."""

    def measure(reconstruction, original):
        if min(original.shape[:2]) < lpips.MIN_SIDE:
            return None
        return float(distance(reconstruction[np.newaxis], original[np.newaxis])[0])

    return measure


# Column of the report -> metric. A new one is a function and a line. LPIPS
# (`lpips_of`) and DISTS (`dists.Dists`) join them where their weights are at hand.
METRICS: Mapping[str, Metric] = {"psnr": psnr, "ms_ssim": ms_ssim}


def bits_per_pixel(bits: float, height: int, width: int, stride: int = 1) -> float:
    """Returns bits over the pixels of the picture.

    Args:
        bits: Of the whole file, eight times its bytes.
        height, width: Of the picture as it is given back.
        stride: 1 for true pixels. The codec's, for the padded figure some released
            code reports: sides are rounded up to its multiples first.
    """
    rows = -(-height // stride) * stride
    columns = -(-width // stride) * stride
    return bits / (rows * columns)
