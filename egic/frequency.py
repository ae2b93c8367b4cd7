"""The focal frequency loss."""

import tensorflow as tf


def focal_frequency_loss(
    reconstruction: tf.Tensor,
    original: tf.Tensor,
    *,
    alpha: float = 1.0,
    patch_factor: int = 1,
    average_spectrum: bool = False,
    log_matrix: bool = False,
    batch_matrix: bool = False,
) -> tf.Tensor:
    """Mean of m * |F' - F|^2 over frequencies, m = (|F' - F| / max |F' - F|)^alpha.

    F is the orthonormal 2-D Fourier transform of a channel. The weight m, in [0, 1]
    and without gradient, looks at the frequencies that are worst: without it the loss
    would be the mean squared error, by Parseval. Grows with the square of the images'
    scale; EGIC's study does not say which it used, ours is [0, 1].

    Source: Jiang et al. 2021, arXiv:2012.12821, and EndlessSora/focal-frequency-loss.

    Args:
        reconstruction: [B, H, W, C] float.
        original: [B, H, W, C] float, on the same scale.
        alpha: Exponent of the weight; 0 weighs every frequency alike.
        patch_factor: p; each image is cut into p x p patches with a spectrum each.
        average_spectrum: Whether to average the spectra of the batch first.
        log_matrix: Whether ln(1 + m) takes the place of m before the division.
        batch_matrix: Whether the maximum is over the batch and not over a spectrum.

    Returns:
        [] float32.

    Raises:
        ValueError: H or W is not a multiple of `patch_factor`.
    """
    error = tf.cast(reconstruction, tf.float32) - tf.cast(original, tf.float32)
    # Both the transform and the average are linear: one transform of the difference.
    spectra = tf.signal.fft2d(tf.cast(_patches(error, patch_factor), tf.complex64))
    if average_spectrum:
        spectra = tf.reduce_mean(spectra, axis=0, keepdims=True)
    points = spectra.shape[-2] * spectra.shape[-1]
    squared = (tf.math.real(spectra) ** 2 + tf.math.imag(spectra) ** 2) / points
    # From the square, as a square root has no gradient at 0.
    weight = tf.stop_gradient(squared) ** (alpha / 2.0)
    if log_matrix:
        weight = tf.math.log1p(weight)
    of_a_spectrum = None if batch_matrix else (-2, -1)
    largest = tf.reduce_max(weight, of_a_spectrum, keepdims=True)
    weight = tf.clip_by_value(tf.math.divide_no_nan(weight, largest), 0.0, 1.0)
    return tf.reduce_mean(weight * squared)


def _patches(images: tf.Tensor, factor: int) -> tf.Tensor:
    """[B, H, W, C] -> [B, factor, factor, C, H / factor, W / factor]."""
    height, width, channels = images.shape[1:]
    if height % factor or width % factor:
        raise ValueError(
            f"images {tuple(images.shape)} cannot be cut into {factor} x {factor} "
            f"patches: patch_factor (={factor}) must divide height and width."
        )
    cut = (-1, factor, height // factor, factor, width // factor, channels)
    return tf.transpose(tf.reshape(images, cut), (0, 1, 3, 5, 2, 4))
