"""A run of stage 1, from a config and pictures to a run directory.

The experiment is the config; `Settings` describes the machine it runs on.
"""

import dataclasses
import functools
import json
import logging
import pathlib
from typing import Any

import hific.config
from egic import closed_form
from egic.codec import build_model
from egic.config import EgicConfig
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
from hific.crops import TrainingCrops
from hific.pictures import Pictures
from hific.run_directory import Order, Origin
from hific.systems import Lpips

_LOG = logging.getLogger("absl")
_CLOSED_FORM_CROPS = 160

# Fields of a codec's config that say how it is trained; the others are its networks.
_TRAINING = frozenset(
    {
        "rate",
        "distortion_weight",
        "perceptual_weight",
        "perceptual_start",
        "adversarial_weight",
        "adversarial_loss",
        "discriminator",
        "optimizer",
        "data",
        "head",
    }
)


@dataclasses.dataclass(frozen=True)
class Settings:
    """How a run is carried out.

    Attributes:
        steps: Stop after this many, those of earlier runs included.
        batch_size: Crops per step.
        init: "paper" for random weights as published, "klt" for the closed-form start
            (SwinT-ChARM only).
        init_from: Run directory of the same codec whose weights to start from, averaged
            ones where it kept any, instead of `init`: for another lambda, say.
        precision: Of E and G, "float32" or "bfloat16".
        seed: Of weights, crops and noise.
        data_threads: Batches decoded at once.
        cache_bytes: Memory for decoded pictures.
        log_every, images_every, checkpoint_every: In steps.
    """

    steps: int
    batch_size: int = 8
    init: str = "paper"
    init_from: str | None = None
    precision: str = "float32"
    seed: int = 0
    data_threads: int = 1
    cache_bytes: int = 2**30
    log_every: int = 50
    images_every: int = 1000
    checkpoint_every: int = 1000


def check_start(init: str, init_from: str | None, config: Any) -> None:
    """Raises ValueError where a config's codec has no such start; see `Settings`."""
    if init_from:
        if init == "klt":
            raise ValueError("--init=klt and --init_from are two starts; pass one.")
        _check_origin(pathlib.Path(init_from), config)
    if init == "klt" and not isinstance(config, EgicConfig):
        raise ValueError(
            "--init=klt, the closed-form start, is for SwinT-ChARM; got a "
            f"{type(config).__name__}."
        )


def _check_origin(origin: pathlib.Path, config: Any) -> None:
    if not run_directory.is_begun(origin):
        raise ValueError(f"--init_from: {origin} holds no run with a valid checkpoint.")
    theirs = json.loads((origin / run_directory.CONFIG).read_text())
    ours = json.loads(json.dumps(hific.config.to_dict(config)))
    for name in sorted({*ours, *theirs} - _TRAINING):
        if ours.get(name) != theirs.get(name):
            raise ValueError(
                f"--init_from: {name} of {origin} is {theirs.get(name)}, here "
                f"{ours.get(name)}; its weights do not fit."
            )


def record(
    config: Any,
    workdir: pathlib.Path,
    steps: int,
    order: Order,
    init_from: str | None = None,
) -> None:
    """Saves config and order to the run directory; fills in a cosine's horizon.

    Args:
        config: An `EgicConfig` or `HificConfig`; its horizon is set to `steps` where
            it has none.
        workdir: The run directory.
        steps: Of the run.
        order: Of the pictures.
        init_from: As in `Settings`; saved as origin.json. Not needed to go on.

    Raises:
        ValueError: The config names what does not exist, or contradicts itself, or the
            directory holds another run. Nothing was written.
    """
    if config.optimizer.schedule == "cosine" and not config.optimizer.horizon:
        config.optimizer.horizon = steps
    config_checks.check(config)
    if order.batch_size:
        devices.current().check(order.batch_size)
    files = {run_directory.ORDER: order, run_directory.CONFIG: config}
    if init_from:
        origin = workdir / run_directory.ORIGIN
        if (workdir / run_directory.CONFIG).exists() and not origin.exists():
            raise ValueError(f"--init_from: the run in {workdir} began without it.")
        found = Origin(str(pathlib.Path(init_from).resolve()))
        files = {run_directory.ORIGIN: found, **files}
    run_directory.begin(files, workdir)


def train(
    config: Any,
    pictures: Pictures,
    workdir: pathlib.Path,
    settings: Settings,
    lpips: Lpips | None = None,
) -> None:
    """Trains, or continues from the newest valid checkpoint in `workdir`.

    Args:
        config: As `record` left it.
        pictures: To cut crops from.
        workdir: Gets checkpoints/, metrics.jsonl and logs/.
        settings: See there.
        lpips: Needed where the config weighs it.

    Raises:
        ValueError: The closed-form start was asked for a codec that has none, or the
            run to start from is none, or of another codec.
        hific.loop.Interrupted: SIGTERM or SIGINT came; the state was saved.
    """
    training.set_seeds(settings.seed)
    model = build_model(config, settings.precision, settings.seed)
    batches_from = functools.partial(
        TrainingCrops,
        pictures,
        settings.batch_size,
        config.data,
        settings.seed,
        threads=settings.data_threads,
        cache_bytes=settings.cache_bytes,
        rows=devices.current().rows(settings.batch_size),
    )
    if not run_directory.is_begun(workdir):
        _start(model, pictures, config, settings)
    decay = config.optimizer.ema_decay
    loop.fit(
        systems.stage1(model, config, lpips, settings.seed),
        lambda step: batches_from(start_step=step),
        workdir,
        steps=settings.steps,
        modules={"model": model},
        average=Average(model, decay) if decay else None,
        occasions=[systems.shown_pairs(model, settings.images_every)],
        log_every=settings.log_every,
        checkpoint_every=settings.checkpoint_every,
    )


def _start(model, pictures: Pictures, config, settings: Settings) -> None:
    """Gives a new model its first weights, where they are not random."""
    if settings.init_from:
        step = checkpoints.load_weights(pathlib.Path(settings.init_from), model)
        _LOG.info("Took the weights of %s, step %d.", settings.init_from, step)
    elif settings.init == "klt":
        _start_in_closed_form(model, pictures, config, settings.seed)


def _start_in_closed_form(model, pictures: Pictures, config, seed: int) -> None:
    with TrainingCrops(
        pictures, _CLOSED_FORM_CROPS, config.data, seed, prefetch=1, cache_bytes=0
    ) as batches:
        closed_form.initialise(model, next(batches), config)
