"""EGIC's training systems as tuples of players."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from deeplab2_tf.config import LossConfig
from deeplab2_tf.labels import LabelSet
from deeplab2_tf.losses import mean_over_images, top_k_cross_entropy
from deeplab2_tf.schedules import Poly
from egic.frozen import frozen
from egic.labelmix import NUM_IDS, class_mask, consistency_loss, mix
from egic.losses import semantic_cross_entropy, semantic_discriminator_loss
from egic.pretraining_config import PretrainingConfig
from egic.stage2_config import STRATEGIES, AdamConfig, GeneratorWeights, Stage2Config
from hific.choices import choose
from hific.losses import mse_255
from hific.objectives import Derived, Terms, psnr_of
from hific.schedules import Adam, CosineSchedule
from hific.systems import Lpips
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
    clip_norm = part.clip_norm or None
    statistics = critic.non_trainable_variables
    return (Player("discriminator", objective, [group], clip_norm, statistics),)


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


def pixel_accuracy(logits: tf.Tensor, labels: tf.Tensor, ignore_label: int) -> Derived:
    """Share of labelled pixels whose largest logit is their class's."""
    best = tf.argmax(logits, axis=-1, output_type=labels.dtype)
    valid = tf.cast(labels != ignore_label, tf.float32)
    right = valid * tf.cast(best == labels, tf.float32)
    counts = tf.reduce_sum(right), tf.reduce_sum(valid)
    return Derived(tf.math.divide_no_nan, counts)


def stage2(
    model: Any,
    critic: Any,
    config: Stage2Config,
    label_set: LabelSet,
    lpips: Lpips | None = None,
    seed: int = 0,
) -> tuple[Player, ...]:
    """The discriminator moves, then G against it; E and P stay as they are.

        L_D = L_wce(x, y) + CE(D(x', y), fake) + w * L_cons
        L_G = k_M * MSE + k_P * LPIPS + beta * L_wce(x', y)

    A discriminator that knows nothing scores 2 ln(N + 1) + 0. Each player has its own
    images, so a batch of 2 B trains either on B. E and P run once for each; they see
    the latents as a file has them, rounded, also where the codec was trained with noise
    in their place. No gradient reaches the latent, neither through G nor through the
    condition. The rate is a constant here, and only logged.

    Source: Sect. 3 of EGIC (arXiv:2309.03244), Eq. 4 to 6.

    Args:
        model: A `hific.codec.CodecModel`, trained in stage 1.
        critic: (image [B, H, W, 3] in [0, 255], latent) -> logits [B, H, W, N + 1].
        config: Weights, reduction, LabelMix and learning rates.
        label_set: Says what void is, and which classes are things.
        lpips: (reconstruction, original) -> [B] float32.
        seed: Of LabelMix, together with the step.

    Raises:
        ValueError: k_P is not 0 and there is no `lpips`, or a name is in no table.
    """
    weights = generator_weights(config)
    if weights.perceptual and lpips is None:
        raise ValueError(
            f"k_P (={weights.perceptual}) needs LPIPS: pass --lpips_weights, or "
            f"--config.{STRATEGIES[config.strategy]}.perceptual=0."
        )
    part = config.optimizer
    still = frozen(model)
    judging = _SegmentingObjective(still, critic, config, label_set, seed)
    drawing = _RealismObjective(
        still, model.synthesis, critic, config, label_set, lpips
    )
    return (
        _player("discriminator", judging, critic, part.discriminator_rate, part),
        _player("generator", drawing, model.synthesis, part.generator_rate, part),
    )


def _player(name: str, objective, network: Any, rate: float, part: AdamConfig):
    schedule = CosineSchedule(rate, part.horizon) if part.horizon else rate
    group = Group(network.trainable_variables, Adam(schedule, epsilon=part.epsilon))
    clip_norm = part.clip_norm or None
    return Player(name, objective, [group], clip_norm, network.non_trainable_variables)


def generator_weights(config: Stage2Config) -> GeneratorWeights:
    """The weights of the strategy that a config chooses.

    Raises:
        ValueError: There is no such strategy.
    """
    return getattr(config, choose(STRATEGIES, config.strategy, "strategy"))


def coded(model: Any, image: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """E and P of images [B, H, W, 3] in [0, 255], without gradient.

    Returns:
        y_hat as a file has it, [B, h, w, C], and the bits of the file, [B].
    """
    rate = model.prior.rate(model.analysis(image))
    bits = rate.hard_y_bits + rate.hard_z_bits
    return tf.stop_gradient(rate.y_hat), tf.stop_gradient(bits)


class Judged(NamedTuple):
    """What the discriminator is shown in one step, and what it says.

    Attributes:
        fake: Reconstructions, [B, H, W, 3] in [0, 255] and a little beyond.
        mask: Of LabelMix, [B, H, W, 1]; 1 where `mixed` is the original.
        mixed: [B, H, W, 3].
        real_logits, fake_logits, mixed_logits: [B, H, W, N + 1].
    """

    fake: tf.Tensor
    mask: tf.Tensor
    mixed: tf.Tensor
    real_logits: tf.Tensor
    fake_logits: tf.Tensor
    mixed_logits: tf.Tensor


def judge(
    model: Any, critic: Any, batch: Labelled, seed: tf.Tensor, scope: str, training
) -> Judged:
    """Reconstructs a batch, mixes it, and asks the discriminator about all three.

    Args:
        model: A `hific.codec.CodecModel`; it gets no gradient.
        critic: Called once, so that spectral norm iterates once for all three.
        batch: Of `deeplab2_tf.pipeline`.
        seed: [2] int, of LabelMix.
        scope: A key of `egic.labelmix.SCOPES`.
        training: Whether it is the discriminator that learns.
    """
    image = batch["image"]
    y_hat, _ = coded(model, image)
    fake = tf.stop_gradient(model.synthesis(y_hat))
    mask = class_mask(batch["semantic"], seed, scope)
    mixed = mix(mask, image, fake)
    logits = critic(
        tf.concat([image, fake, mixed], axis=0),
        tf.concat([y_hat] * 3, axis=0),
        training=training,
    )
    return Judged(fake, mask, mixed, *tf.split(logits, 3))


class _SegmentingObjective:
    def __init__(
        self,
        model: Any,
        critic: Any,
        config: Stage2Config,
        label_set: LabelSet,
        seed: int,
    ):
        self._model = model
        self._critic = critic
        self._config = config
        self._label_set = label_set
        self._seed = seed

    def __call__(self, batch: Labelled, step: tf.Tensor) -> Terms:
        """Returns the terms for a batch of `deeplab2_tf.pipeline`."""
        config, labels = self._config, batch["semantic"]
        seed = labelmix_seed(self._seed, step)
        seen = judge(
            self._model, self._critic, batch, seed, config.labelmix_scope, True
        )
        terms = semantic_discriminator_loss(
            seen.real_logits,
            seen.fake_logits,
            labels,
            batch["weights"],
            ignore_label=self._label_set.ignore_label,
            reduction=config.reduction,
        )
        consistency = consistency_loss(
            seen.mixed_logits, seen.real_logits, seen.fake_logits, seen.mask
        )
        return Terms(
            {
                **terms._asdict(),
                "consistency": config.consistency_weight * consistency,
            },
            {"labelmix": consistency, **self._accuracies(seen, labels)},
        )

    def _accuracies(self, seen: Judged, labels: tf.Tensor) -> dict[str, Derived]:
        """Shares of pixels it sorts right; NaN, which the log skips, of no pixels."""
        things = list(self._label_set.thing_ids)
        stuff = [one.id for one in self._label_set.classes if not one.is_thing]
        shares = {
            f"accuracy_{name}": class_accuracy(seen.real_logits, labels, ids)
            for name, ids in (("things", things), ("stuff", stuff))
            if ids
        }
        fake = self._label_set.fake_label
        everywhere = tf.fill(tf.shape(labels), fake)
        shares["accuracy_fake"] = class_accuracy(seen.fake_logits, everywhere, [fake])
        return shares


def labelmix_seed(seed: int, step: tf.Tensor) -> tf.Tensor:
    """The seed of LabelMix's coins in the round after `step` completed ones."""
    return tf.stack([tf.constant(seed, tf.int64), tf.cast(step, tf.int64)])


def class_accuracy(logits: tf.Tensor, labels: tf.Tensor, ids: list[int]) -> Derived:
    """Share of the pixels of some classes whose largest logit is their class's.

    Args:
        logits: [B, H, W, C] float.
        labels: [B, H, W] int in [0, 256).
        ids: The classes.

    Returns:
        NaN where there is no such pixel.
    """
    best = tf.argmax(logits, axis=-1, output_type=labels.dtype)
    valid = tf.gather(np.isin(np.arange(NUM_IDS), ids), labels)
    right = tf.reduce_sum(tf.cast(valid & (best == labels), tf.float32))
    return Derived(tf.divide, (right, tf.reduce_sum(tf.cast(valid, tf.float32))))


class _RealismObjective:
    def __init__(
        self,
        model: Any,
        synthesis: Any,
        critic: Any,
        config: Stage2Config,
        label_set: LabelSet,
        lpips: Lpips | None,
    ):
        self._model = model  # Of which E and P are used.
        self._synthesis = synthesis
        self._critic = critic
        self._weights = generator_weights(config)
        self._ignore_label = label_set.ignore_label
        self._reduction = config.reduction
        self._lpips = lpips

    def __call__(self, batch: Labelled, step: tf.Tensor) -> Terms:
        """Returns the terms for a batch of `deeplab2_tf.pipeline`."""
        del step
        image, labels, by = batch["image"], batch["semantic"], self._weights
        y_hat, bits = coded(self._model, image)
        fake = self._synthesis(y_hat)
        logits = self._critic(fake, y_hat, training=False)
        loss = semantic_cross_entropy(
            logits,
            labels,
            batch["weights"],
            ignore_label=self._ignore_label,
            reduction=self._reduction,
        )
        mse = mse_255(fake, image)
        pixels = tf.cast(tf.shape(image)[1] * tf.shape(image)[2], tf.float32)
        fooled = pixel_accuracy(logits, labels, self._ignore_label)
        weighted = {"adversarial": by.adversarial * loss}
        logged = {
            "adversarial_loss": loss,
            "fooled": fooled,
            "hard_bpp": tf.reduce_mean(bits) / pixels,
            "mse": mse,
            "psnr": psnr_of(mse),
        }
        if by.distortion:
            weighted["distortion"] = by.distortion * mse
        if by.perceptual and self._lpips is not None:
            logged["lpips"] = tf.reduce_mean(self._lpips(fake, image))
            weighted["perceptual"] = by.perceptual * logged["lpips"]
        return Terms(weighted, logged)
