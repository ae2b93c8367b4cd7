"""The semantic loss of DeepLab2: weighted cross-entropy of the hardest pixels.

Numbers of each image first, [B]; `mean_over_images` makes one of them.
"""

from collections.abc import Callable, Mapping

import tensorflow as tf


def _count_nonzero(kept: tf.Tensor) -> tf.Tensor:
    return tf.math.count_nonzero(kept, axis=1, dtype=tf.float32)


def _count(kept: tf.Tensor) -> tf.Tensor:
    return tf.fill(tf.shape(kept)[:1], tf.cast(tf.shape(kept)[1], tf.float32))


# What the sum over the kept pixels, [B, m], is divided by, [B]. "nonzero" is
# DeepLab2's: neither void pixels count nor those that are exactly right. "all_pixels"
# is OASIS's, whose class weights add up to the number of pixels.
REDUCTIONS: Mapping[str, Callable[[tf.Tensor], tf.Tensor]] = {
    "nonzero": _count_nonzero,
    "all_pixels": _count,
}


def top_k_cross_entropy(
    logits: tf.Tensor,
    labels: tf.Tensor,
    weights: tf.Tensor,
    *,
    ignore_label: int,
    top_k: float = 1.0,
    reduction: str = "nonzero",
) -> tf.Tensor:
    """Softmax cross-entropy of each image over its pixels of largest loss.

        l = w * CE(logits, label),   m = round(top_k * H * W), half to even
        L = sum of the m largest l / how many of them count

    In nats. Logits that know nothing score ln C where all weights are 1: 4.905 for the
    135 of COCO. Weights are not normalised: weight 3 on every pixel triples the loss.
    Void pixels (`ignore_label`) and labels outside of [0, C) have l = 0; they count
    in H * W, so they may be among the m. An image without a single loss scores 0.

    With `top_k` 1 nothing is sorted.

    Source: DeepLab2's semantic loss; "all_pixels" is Sushko et al. 2021 (OASIS),
    arXiv:2012.04781.

    Args:
        logits: [B, H, W, C] float, unnormalised; computed in float32.
        labels: [B, H, W] int, semantic ids.
        weights: [B, H, W] float >= 0.
        ignore_label: Semantic id of void, in [0, C) or not.
        top_k: Share of the pixels that are kept, [0, 1].
        reduction: A key of `REDUCTIONS`.

    Returns:
        [B] float32.

    Raises:
        ValueError: `top_k` or `reduction` is none, or the shapes disagree.
    """
    _check(logits, labels, weights, top_k, reduction)
    num_classes = logits.shape[-1]
    counts = (labels != ignore_label) & (labels >= 0) & (labels < num_classes)
    # The sparse form is undefined outside of [0, C); the one-hot form, which would be
    # C times as large, has 0 there.
    cross_entropy = tf.nn.sparse_softmax_cross_entropy_with_logits(
        tf.where(counts, labels, 0), tf.cast(logits, tf.float32)
    )
    pixels = cross_entropy * tf.cast(weights, tf.float32) * tf.cast(counts, tf.float32)
    kept = tf.reshape(pixels, (tf.shape(pixels)[0], -1))
    if top_k < 1.0:
        size = tf.cast(tf.shape(kept)[1], tf.float32)
        number = tf.cast(tf.round(tf.constant(top_k, tf.float32) * size), tf.int32)
        kept = tf.math.top_k(kept, number, sorted=False).values
    return tf.math.divide_no_nan(
        tf.reduce_sum(kept, axis=1), REDUCTIONS[reduction](kept)
    )


def mean_over_images(per_image: tf.Tensor) -> tf.Tensor:
    """Mean of [B] losses, [] float32; images count alike, whatever their void share.

    A mean that is NaN reads 0, as in DeepLab2. Its gradient stays NaN, so that a
    training loop which checks gradients still sees the step go wrong.
    """
    mean = tf.reduce_mean(per_image)
    return tf.where(tf.math.is_nan(mean), tf.zeros_like(mean), mean)


def _check(logits, labels, weights, top_k, reduction) -> None:
    if not 0.0 <= top_k <= 1.0:
        raise ValueError(
            f"top_k must be a share of the pixels in [0, 1], got {top_k}; is it a "
            "percentage or a number of pixels?"
        )
    if reduction not in REDUCTIONS:
        raise ValueError(
            f"No reduction {reduction!r}; there are {', '.join(REDUCTIONS)}."
        )
    logits.shape.assert_has_rank(4)
    for name, map_ in (("labels", labels), ("weights", weights)):
        if not logits.shape[:3].is_compatible_with(map_.shape):
            raise ValueError(
                f"{name} {tuple(map_.shape)} and logits {tuple(logits.shape)} disagree "
                "on batch, height or width. The loss is at the resolution of the "
                "labels; were the logits enlarged to it?"
            )
