"""Training systems as tuples of players.

Weights multiply here and nowhere else. A term whose weight is 0 is absent, and what
only it needs is not computed.
"""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from hific.choices import choose
from hific.loop import Occasion
from hific.losses import ADVERSARIAL_LOSSES, mse_255
from hific.objectives import Terms, psnr_of
from hific.rate_control import hyper_price, rate_term
from hific.reports import Report
from hific.schedules import make_optimizer
from hific.shares import mean_over_devices
from hific.training import Group, Player

Lpips = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
Critic = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


def stage1(
    model: Any, config: Any, lpips: Lpips | None = None, seed: int = 0
) -> tuple[Player, ...]:
    """One player, E, G and P together: rate, distortion and perception.

        L = w_R * R + k_M * MSE + k_P * LPIPS

    R is in bits per pixel of the crop, MSE on [0, 255] without clipping; both and LPIPS
    are means over the batch.

    Source: Eq. 1 of EGIC (arXiv:2309.03244); HiFiC's "mselpips" stage.

    Args:
        model: A `hific.codec.CodecModel`.
        config: With rate, distortion_weight, perceptual_weight and optimizer.
        lpips: (reconstruction, original) -> [B] float32.
        seed: Of the noise on latents, together with the step.

    Raises:
        ValueError: k_P is not 0 and there is no `lpips`.
    """
    _check_perceptual(config, lpips)
    objective = _Stage1Objective(model, config, lpips, seed)
    return (
        Player(
            "generator",
            objective,
            transform_and_entropy_groups(model, config.optimizer),
            config.optimizer.clip_norm or None,
        ),
    )


def stage2(
    model: Any, critic: Any, config: Any, lpips: Lpips | None = None, seed: int = 0
) -> tuple[Player, ...]:
    """HiFiC: the discriminator moves, then E, P and G against it.

        L_D = mean softplus(-D(x)) + mean softplus(D(x_hat))
        L   = w_R * R + k_M * MSE + k_P * LPIPS + beta * mean softplus(-D(x_hat))

    for the non-saturating game. Each player has its own images, so a batch of 2 B
    trains either on B. The discriminator sees the quantised latent without gradient;
    its images are reconstructed without gradient, and neither LPIPS nor rate is
    computed for them.

    The model starts from a run of `stage1`; the discriminator, both players'
    optimizers and the step count start anew, so the rate controller's opening with a
    higher target happens again.

    Source: Mentzer et al. 2020, arXiv:2006.09965; `HiFiC` in tensorflow/compression,
    models/hific/model.py.

    Args:
        model: A `hific.codec.CodecModel`.
        critic: `hific.discriminator.build_discriminator(config)`.
        config: A `HificConfig`.
        lpips: (reconstruction, original) -> [B] float32.
        seed: Of the noise on latents, together with the step.

    Raises:
        ValueError: k_P is not 0 and there is no `lpips`.
    """
    _check_perceptual(config, lpips)
    rate = config.discriminator.learning_rate
    discriminator = Player(
        "discriminator",
        _DiscriminatorObjective(model, critic, config, seed),
        (Group(critic.trainable_variables, make_optimizer(rate, config.optimizer)),),
        config.optimizer.clip_norm or None,
        critic.non_trainable_variables,
    )
    generator = Player(
        "generator",
        _AdversarialObjective(model, critic, config, lpips, seed),
        transform_and_entropy_groups(model, config.optimizer),
        config.optimizer.clip_norm or None,
        critic.non_trainable_variables,  # Its spectral norm iterates here too.
    )
    return (discriminator,) * config.discriminator.updates + (generator,)


def transform_and_entropy_groups(model: Any, config: Any) -> Sequence[Group]:
    """E and G with one learning rate, P with its own.

    Args:
        model: A `hific.codec.CodecModel`.
        config: An `OptimizerConfig`.
    """
    transforms = [
        *model.analysis.trainable_variables,
        *model.synthesis.trainable_variables,
    ]
    return (
        Group(transforms, make_optimizer(config.learning_rate, config), "transforms"),
        Group(
            model.prior.trainable_variables,
            make_optimizer(config.entropy_learning_rate, config),
            "entropy",
        ),
    )


def shown_pairs(model: Any, every: int, count: int = 4) -> Occasion:
    """The first training images beside what a file of them would show, at intervals.

    Reconstructions are of rounded latents.
    """

    @tf.function(autograph=False)
    def reconstruct(image):
        return model.synthesis(model.prior.rate(model.analysis(image)).y_hat)

    def look(report: Report, step: int, batch: Any) -> None:
        originals = tf.convert_to_tensor(tf.nest.flatten(batch)[0][:count])
        panels = [originals, reconstruct(originals)]
        report.images(step, "original | reconstruction", panels)

    return Occasion(every, look)


def _check_perceptual(config: Any, lpips: Lpips | None) -> None:
    if config.perceptual_weight and lpips is None:
        raise ValueError(
            f"perceptual_weight (={config.perceptual_weight}) needs LPIPS: pass "
            "--lpips_weights, or --config.perceptual_weight=0."
        )


class _Stage1Objective:
    def __init__(self, model: Any, config: Any, lpips: Lpips | None, seed: int):
        self._model = model
        self._rate_term = rate_term(config.rate)
        self._hyper_price = hyper_price(config.rate)
        self._distortion_weight = config.distortion_weight
        self._perceptual_weight = config.perceptual_weight
        self._perceptual_start = config.perceptual_start
        self._lpips = lpips
        self._seed = seed

    def __call__(self, batch: tf.Tensor, step: tf.Tensor) -> Terms:
        """Returns the terms for images [B, H, W, 3] float32 in [0, 255]."""
        return self.with_outputs(batch, step)[0]

    def with_outputs(
        self, batch: tf.Tensor, step: tf.Tensor
    ) -> tuple[Terms, tf.Tensor, tf.Tensor]:
        """Returns the terms, the reconstruction and the latent y_hat it was made of."""
        rate = _training_rate(self._model, batch, self._seed, step)
        reconstruction = self._model.synthesis(rate.y_hat)
        pixels = tf.cast(tf.shape(batch)[1] * tf.shape(batch)[2], tf.float32)
        y_bpp, z_bpp = (tf.reduce_mean(b) / pixels for b in (rate.y_bits, rate.z_bits))
        hard_bpp = mean_over_devices(
            tf.reduce_mean(rate.hard_y_bits + rate.hard_z_bits) / pixels
        )
        mse = mse_255(reconstruction, batch)
        weighted = {
            "rate": self._rate_term(
                y_bpp + self._hyper_price(step) * z_bpp, hard_bpp, step
            ),
            "distortion": self._distortion_weight * mse,
        }
        logged = {
            "bpp": y_bpp + z_bpp,
            "hard_bpp": hard_bpp,
            "z_bpp": tf.reduce_mean(rate.hard_z_bits) / pixels,
            "mse": mse,
            "psnr": psnr_of(mse),
        }
        if self._perceptual_weight and self._lpips is not None:
            lpips = self._perception(reconstruction, batch, step)
            weighted["perceptual"] = self._perceptual_weight * lpips
            logged["lpips"] = lpips
        return Terms(weighted, logged), reconstruction, rate.y_hat

    def _perception(self, reconstruction, batch, step):
        """Returns mean LPIPS, [] float32; 0, not computed, before it counts."""

        def lpips():
            return tf.reduce_mean(self._lpips(reconstruction, batch))

        if not self._perceptual_start:
            return lpips()
        return tf.cond(step >= self._perceptual_start, lpips, lambda: 0.0)


class _DiscriminatorObjective:
    def __init__(self, model: Any, critic: Critic, config: Any, seed: int):
        self._model = model
        self._critic = critic
        self._game = choose(
            ADVERSARIAL_LOSSES, config.adversarial_loss, "adversarial loss"
        )
        self._seed = seed

    def __call__(self, batch: tf.Tensor, step: tf.Tensor) -> Terms:
        """Returns the terms for images [B, H, W, 3] float32 in [0, 255]."""
        rate = _training_rate(self._model, batch, self._seed, step)
        y_hat = tf.stop_gradient(rate.y_hat)
        fake = tf.stop_gradient(self._model.synthesis(y_hat))
        # One call for both, so that spectral norm iterates once.
        logits = self._critic(
            tf.concat([batch, fake], axis=0), tf.concat([y_hat, y_hat], axis=0)
        )
        real_logits, fake_logits = tf.split(logits, 2)
        terms = self._game.discriminator(real_logits, fake_logits)
        return Terms(
            terms._asdict(),
            {
                "real_logit": tf.reduce_mean(real_logits),
                "fake_logit": tf.reduce_mean(fake_logits),
            },
        )


class _AdversarialObjective:
    def __init__(
        self,
        model: Any,
        critic: Critic,
        config: Any,
        lpips: Lpips | None,
        seed: int,
    ):
        self._faithful = _Stage1Objective(model, config, lpips, seed)
        self._critic = critic
        self._game = choose(
            ADVERSARIAL_LOSSES, config.adversarial_loss, "adversarial loss"
        )
        self._weight = config.adversarial_weight

    def __call__(self, batch: tf.Tensor, step: tf.Tensor) -> Terms:
        """Returns the terms for images [B, H, W, 3] float32 in [0, 255]."""
        terms, fake, y_hat = self._faithful.with_outputs(batch, step)
        # Nothing in the critic mixes images, so the real ones may stay away.
        loss = self._game.generator(self._critic(fake, tf.stop_gradient(y_hat)))
        return Terms(
            {**terms.weighted, "adversarial": self._weight * loss},
            {**terms.logged, "adversarial_loss": loss},
        )


def _training_rate(model: Any, batch: tf.Tensor, seed: int, step: tf.Tensor) -> Any:
    """Rate of a batch of images, with noise that is a function of seed and step."""
    noise = tf.stack([tf.constant(seed), tf.cast(step, tf.int32)])
    return model.prior.rate(model.analysis(batch), seed=noise)
