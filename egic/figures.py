"""What the second stage shows in TensorBoard: the discriminator at work.

Source: Figures 17 and 18 of EGIC (arXiv:2309.03244).
"""

from typing import Any

import numpy as np
import tensorflow as tf

from deeplab2_tf.labels import LabelSet
from deeplab2_tf.pictures import coloured
from egic.labelmix import mix
from egic.stage2_config import Stage2Config
from egic.systems import Judged, Labelled, judge, labelmix_seed
from hific.loop import Occasion
from hific.reports import Report
from hific.training import deal

TITLE = (
    "original | reconstruction | mixed | mask | weights | labels | D(original) | "
    "D(reconstruction) | D(mixed) | mix of D's"
)


def judged_pictures(
    model: Any,
    critic: Any,
    config: Stage2Config,
    label_set: LabelSet,
    every: int,
    seed: int,
    count: int = 4,
) -> Occasion:
    """Training crops of the discriminator's share, and what it took them for.

    Each row: the picture, its reconstruction, both mixed by class and the mask (white:
    original), pixel weights (black: 0, white: the largest), the labels, the class of
    the largest logit for the three pictures, and the mix of the first two, which the
    third should equal. Void and "fake" are black.
    """

    @tf.function(autograph=False)
    def judged(batch, step):
        mask_seed = labelmix_seed(seed, step)
        return judge(model, critic, batch, mask_seed, config.labelmix_scope, False)

    def look(report: Report, step: int, batch: Labelled) -> None:
        share = deal(tf.nest.map_structure(tf.convert_to_tensor, batch), 2)[0]
        # The step just done drew its mask as the one after step - 1.
        seen = judged(share, tf.constant(step - 1, tf.int64))
        rows = [panel[:count] for panel in panels(share, seen, label_set)]
        report.images(step, TITLE, rows)

    return Occasion(every, look)


def panels(batch: Labelled, seen: Judged, label_set: LabelSet) -> list[np.ndarray]:
    """The columns of `TITLE`, each [B, H, W, 3] in [0, 255].

    Args:
        batch: Images, labels and weights.
        seen: What the discriminator says of it.
        label_set: Has the colours.
    """
    mixed_logits = mix(seen.mask, seen.real_logits, seen.fake_logits)
    logits = (seen.real_logits, seen.fake_logits, seen.mixed_logits, mixed_logits)
    weights = np.asarray(batch["weights"], np.float32)
    weights = weights / max(float(weights.max()), 1e-9)
    return [
        np.asarray(batch["image"]),
        seen.fake.numpy(),
        seen.mixed.numpy(),
        _grey(seen.mask.numpy()[..., 0]),
        _grey(weights),
        coloured(np.asarray(batch["semantic"]), label_set),
        *(coloured(tf.argmax(one, axis=-1).numpy(), label_set) for one in logits),
    ]


def _grey(values: np.ndarray) -> np.ndarray:
    """[B, H, W] in [0, 1] to [B, H, W, 3] in [0, 255]."""
    return np.repeat(255.0 * values[..., np.newaxis], 3, axis=-1)
