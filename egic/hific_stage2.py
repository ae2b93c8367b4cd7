"""A run of HiFiC's own second stage: the baseline, with a discriminator of patches.

All of the codec moves, and no labels are needed.
"""

import dataclasses
import functools
import pathlib
from typing import Any

from egic import stage2
from egic.codec import build_model
from egic.stage2 import POLICIES, Settings
from hific import (
    checkpoints,
    config_checks,
    devices,
    loop,
    run_directory,
    systems,
    training,
)
from hific.averages import Average
from hific.codec import CodecModel
from hific.config import HificConfig
from hific.crops import TrainingCrops
from hific.discriminator import build_discriminator
from hific.pictures import Pictures
from hific.run_directory import Origin
from hific.systems import Lpips

# Fields of a `HificConfig` that shape the networks handed over.
_NETWORKS = ("latent_channels", "encoder", "decoder", "hyperprior")


@dataclasses.dataclass(frozen=True)
class Start:
    """What a run begins with, built and checked.

    Attributes:
        config: The experiment, a cosine schedule's horizon filled in.
        model: The codec, with the weights of stage 1.
        critic: The discriminator, with new weights.
        origin: Where the codec comes from.
        said: The same in words, for the log.
    """

    config: HificConfig
    model: CodecModel
    critic: Any
    origin: Origin
    said: str


def prepare(
    config: HificConfig,
    origin: Origin,
    workdir: pathlib.Path,
    settings: Settings,
    steps: int,
) -> Start:
    """Builds codec and discriminator; the codec gets the weights of a run.

    Args:
        config: The experiment; not changed.
        origin: The run directory of a HiFiC of the same sizes. Not read for a run that
            goes on: `train` restores it from `workdir`.
        workdir: Of this run.
        settings: Seed and precision.
        steps: Of the run.

    Raises:
        ValueError: The run is missing or does not fit, or the config names what does
            not exist or contradicts itself. Nothing was written.
    """
    part = config.optimizer
    if part.schedule == "cosine" and not part.horizon:
        part = dataclasses.replace(part, horizon=steps)
    config = dataclasses.replace(config, optimizer=part)
    config_checks.check(config)
    init_from = origin.of_codec(workdir)
    saved = stage2.load_config(init_from)
    if not isinstance(saved, HificConfig):
        raise ValueError(
            f"--init_from: {init_from} is a run of {type(saved).__name__}; this stage "
            "is HiFiC's. --config=egic/stage2_config.py:egic is for the other."
        )
    different = [
        name for name in _NETWORKS if getattr(saved, name) != getattr(config, name)
    ]
    if different:
        raise ValueError(
            f"--init_from: the codec of {init_from} differs from --config in "
            f"{', '.join(different)}; give the same preset and overrides."
        )
    training.set_seeds(settings.seed)
    model = build_model(config, settings.precision, settings.seed)
    step = checkpoints.load_weights(init_from, model)
    critic = build_discriminator(config, POLICIES[settings.precision])
    said = f"The codec of {origin.init_from} at step {step}."
    return Start(config, model, critic, origin, said)


def train(
    start: Start,
    pictures: Pictures,
    workdir: pathlib.Path,
    settings: Settings,
    steps: int,
    batch_size: int,
    lpips: Lpips | None = None,
) -> None:
    """Trains, or continues from the newest valid checkpoint in `workdir`.

    Args:
        start: As `prepare` made it.
        pictures: To cut crops from.
        workdir: Gets checkpoints/, metrics.jsonl and logs/.
        settings: See there.
        steps: Stop after this many, those of earlier runs included.
        batch_size: Crops per step for each player.
        lpips: Needed where the config weighs it.

    Raises:
        hific.loop.Interrupted: SIGTERM or SIGINT came; the state was saved.
        hific.guards.NonFiniteTraining: See `hific.loop.fit`.
    """
    config, model = start.config, start.model
    players = systems.stage2(model, start.critic, config, lpips, settings.seed)
    batches_from = functools.partial(
        TrainingCrops,
        pictures,
        batch_size * len(players),
        config.data,
        settings.seed,
        threads=settings.data_threads,
        cache_bytes=settings.cache_bytes,
        rows=devices.current().rows(batch_size, len(players)),
    )
    if not run_directory.is_begun(workdir):
        print(start.said, flush=True)
    decay = config.optimizer.ema_decay
    loop.fit(
        players,
        lambda step: batches_from(start_step=step),
        workdir,
        steps=steps,
        modules={"model": model, "discriminator": start.critic},
        average=Average(model, decay) if decay else None,
        occasions=[systems.shown_pairs(model, settings.images_every)],
        log_every=settings.log_every,
        checkpoint_every=settings.checkpoint_every,
    )
