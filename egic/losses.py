"""Losses of the semantic discriminators; all are unweighted, the system multiplies.

Such a discriminator has a logit for every class and one more, the last, for "fake". It
should tell an original's pixel by its class and a reconstruction's as fake; the
generator is told to make pixels of the class that the original has there.

Two reductions of the same terms exist. EGIC divides an image's sum by the number of its
pixels whose loss is not 0, so that void pixels do not count, and OASIS by all of them;
both then average over images. They are keys of `deeplab2_tf.losses.REDUCTIONS`.
"""

import tensorflow as tf

from deeplab2_tf.losses import mean_over_images, top_k_cross_entropy
from egic.labelmix import strided_to
from hific.losses import DiscriminatorTerms

# No pixel has this label: nothing is left out.
NOTHING = -1


def semantic_cross_entropy(
    logits: tf.Tensor,
    labels: tf.Tensor,
    weights: tf.Tensor,
    *,
    ignore_label: int,
    reduction: str = "nonzero",
) -> tf.Tensor:
    """L_wce(x, y) = -sum w_ij log D(x, y)_ijc, c the class of the original's pixel.

    In nats; ln(N+1) if undecided and all weights are 1. The sum is reduced as the
    module says. Serves the discriminator on originals and the generator on
    reconstructions.

    Source: EGIC, arXiv:2309.03244, Eq. 4.

    Args:
        logits: [B, h, w, N+1] float, unnormalised.
        labels: [B, H, W] int, class of each pixel of the original; H, W are multiples
            of h, w, and coarser logits are compared with every n-th pixel.
        weights: [B, H, W] float >= 0, of pixels.
        ignore_label: Class that is left out, in [0, N+1) or not.
        reduction: A key of `deeplab2_tf.losses.REDUCTIONS`.

    Returns:
        [] float32.

    Raises:
        ValueError: The sizes do not fit, or there is no such reduction.
    """
    per_image = top_k_cross_entropy(
        logits,
        strided_to(labels, logits),
        strided_to(weights, logits),
        ignore_label=ignore_label,
        reduction=reduction,
    )
    return mean_over_images(per_image)


def fake_cross_entropy(logits: tf.Tensor, *, reduction: str = "nonzero") -> tf.Tensor:
    """-sum log D(x', y)_ij,N+1: every pixel is fake, void ones too, and weighs 1.

    In nats; ln(N+1) if undecided.

    Source: EGIC, arXiv:2309.03244, Eq. 5, second term.

    Args:
        logits: [B, h, w, N+1] float of a reconstruction, "fake" last.
        reduction: A key of `deeplab2_tf.losses.REDUCTIONS`.

    Returns:
        [] float32.
    """
    pixels = tf.shape(logits)[:3]
    return semantic_cross_entropy(
        logits,
        tf.fill(pixels, logits.shape[-1] - 1),
        tf.ones(pixels),
        ignore_label=NOTHING,
        reduction=reduction,
    )


def semantic_discriminator_loss(
    real_logits: tf.Tensor,
    fake_logits: tf.Tensor,
    labels: tf.Tensor,
    weights: tf.Tensor,
    *,
    ignore_label: int,
    reduction: str = "nonzero",
) -> DiscriminatorTerms:
    """L_seg: (N+1)-way cross-entropy of originals with their classes, others with fake.

    In nats. A discriminator that knows nothing scores 2 ln(N+1), 9.81 for COCO's 135
    outputs, where all weights are 1.

    Source: EGIC, arXiv:2309.03244, Eq. 5; Sushko et al. 2021 (OASIS),
    arXiv:2012.04781.

    Args:
        real_logits: [B, h, w, N+1] float, of originals.
        fake_logits: [B, h, w, N+1] float, of reconstructions.
        labels: [B, H, W] int, class of each pixel of the originals.
        weights: [B, H, W] float >= 0, of the originals' pixels.
        ignore_label: Class that is left out of the real term.
        reduction: A key of `deeplab2_tf.losses.REDUCTIONS`.
    """
    return DiscriminatorTerms(
        semantic_cross_entropy(
            real_logits,
            labels,
            weights,
            ignore_label=ignore_label,
            reduction=reduction,
        ),
        fake_cross_entropy(fake_logits, reduction=reduction),
    )


def fake_last(oasis: tf.Tensor) -> tf.Tensor:
    """Reorders the last axis from OASIS' convention, fake first, to ours, fake last.

    Logits, and the last layer's kernel and bias: [..., N+1].
    """
    return tf.roll(oasis, -1, axis=-1)


def fake_first(ours: tf.Tensor) -> tf.Tensor:
    """Reorders the last axis from our convention to OASIS'; undoes `fake_last`."""
    return tf.roll(ours, 1, axis=-1)
