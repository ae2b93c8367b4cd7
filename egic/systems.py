"""EGIC's training systems as tuples of players."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from deeplab2_tf.config import LossConfig
from deeplab2_tf.labels import LabelSet
from deeplab2_tf.losses import mean_over_images, top_k_cross_entropy
from deeplab2_tf.schedules import Poly
from egic.pretraining_config import PretrainingConfig
from hific.objectives import Terms
from hific.schedules import Adam
from hific.training import Group, Player

Labelled = Mapping[str, tf.Tensor]


def pretraining(
    critic: Any, config: PretrainingConfig, label_set: LabelSet
) -> tuple[Player, ...]:
    """One player, the discriminator alone: it sorts the pixels of real pictures.

        L = mean over images of  sum_ij w_ij CE(D(x), c) / number of pixels that count

    "Fake" is one of the classes and never occurs. A network that knows nothing scores
    ln(N + 1).

    Source: Sect. 4.1 of EGIC (arXiv:2309.03244), DeepLab2's semantic loss and schedule.

    Args:
        critic: (image [B, H, W, 3] in [0, 255], None) -> logits [B, H, W, N + 1].
        config: Loss, schedule and steps.
        label_set: Says what void is.
    """
    part = config.optimizer
    rate = Poly(part.learning_rate, config.steps, part.warmup_steps, part.power)
    group = Group(critic.trainable_variables, Adam(rate, epsilon=part.epsilon))
    objective = _SemanticObjective(critic, config.loss, label_set.ignore_label)
    return (Player("discriminator", objective, [group], part.clip_norm or None),)


class _SemanticObjective:
    def __init__(self, critic: Any, loss: LossConfig, ignore_label: int):
        self._critic = critic
        self._loss = loss
        self._ignore_label = ignore_label

    def __call__(self, batch: Labelled, step: tf.Tensor) -> Terms:
        """Returns the terms for a batch of `deeplab2_tf.pipeline`."""
        del step
        logits = self._critic(batch["image"], None, training=True)
        loss = top_k_cross_entropy(
            logits,
            batch["semantic"],
            batch["weights"],
            ignore_label=self._ignore_label,
            top_k=self._loss.top_k,
            reduction=self._loss.reduction,
        )
        accuracy = pixel_accuracy(logits, batch["semantic"], self._ignore_label)
        return Terms(
            {"cross_entropy": mean_over_images(loss)}, {"pixel_accuracy": accuracy}
        )


def pixel_accuracy(
    logits: tf.Tensor, labels: tf.Tensor, ignore_label: int
) -> tf.Tensor:
    """Share of labelled pixels whose largest logit is their class's, [] float32."""
    best = tf.argmax(logits, axis=-1, output_type=labels.dtype)
    valid = tf.cast(labels != ignore_label, tf.float32)
    right = valid * tf.cast(best == labels, tf.float32)
    return tf.math.divide_no_nan(tf.reduce_sum(right), tf.reduce_sum(valid))
