"""A run of stage 1, from a config and pictures to a run directory.

The experiment is the config; `Settings` describes the machine it runs on.
"""

import dataclasses
import functools
import json
import pathlib
from typing import Any

import hific.config
from egic import closed_form
from egic.codec import build_model
from egic.config import EgicConfig
from hific import checkpoints, config_checks, systems, training
from hific.averages import Average
from hific.crops import TrainingCrops
from hific.pictures import Pictures
from hific.systems import Lpips

_CLOSED_FORM_CROPS = 160


@dataclasses.dataclass(frozen=True)
class Settings:
    """How a run is carried out.

    Attributes:
        steps: Stop after this many, those of earlier runs included.
        batch_size: Crops per step.
        init: "paper" for random weights as published, "klt" for the closed-form start
            (SwinT-ChARM only).
        precision: Of E and G, "float32" or "bfloat16".
        seed: Of weights, crops and noise.
        data_threads: Batches decoded at once.
        cache_bytes: Memory for decoded pictures.
        log_every, images_every, checkpoint_every: In steps.
    """

    steps: int
    batch_size: int = 8
    init: str = "paper"
    precision: str = "float32"
    seed: int = 0
    data_threads: int = 1
    cache_bytes: int = 2**30
    log_every: int = 50
    images_every: int = 1000
    checkpoint_every: int = 1000


def check_start(init: str, config: Any) -> None:
    """Raises ValueError where a config's codec has no such start; see `Settings`."""
    if init == "klt" and not isinstance(config, EgicConfig):
        raise ValueError(
            "--init=klt, the closed-form start, is for SwinT-ChARM; got a "
            f"{type(config).__name__}."
        )


def record(config: Any, workdir: pathlib.Path, steps: int) -> None:
    """Saves the config to the run directory, a cosine schedule's horizon filled in.

    Args:
        config: An `EgicConfig` or `HificConfig`; its horizon is set to `steps` where
            it has none.
        workdir: The run directory.
        steps: Of the run.

    Raises:
        ValueError: The config names what does not exist, or contradicts itself, or the
            directory holds a run with another one.
    """
    if config.optimizer.schedule == "cosine" and not config.optimizer.horizon:
        config.optimizer.horizon = steps
    config_checks.check(config)
    path = workdir / "config.json"
    if not path.exists():
        hific.config.save(config, path)
        return
    given = json.loads(json.dumps(hific.config.to_dict(config)))
    different = list(_differences(json.loads(path.read_text()), given))
    if different:
        raise ValueError(
            f"{workdir} holds a run with another config: {'; '.join(different)}. "
            "Continue it with the same values, or choose another --workdir."
        )


def _differences(saved, given, path: str = ""):
    if isinstance(saved, dict) and isinstance(given, dict):
        for name in sorted({*saved, *given}):
            deeper = f"{path}.{name}" if path else name
            yield from _differences(saved.get(name), given.get(name), deeper)
    elif saved != given:
        yield f"{path} was {saved!r}, now {given!r}"


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
        ValueError: The closed-form start was asked for a codec that has none.
        hific.training.Interrupted: SIGTERM or SIGINT came; the state was saved.
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
    )
    fresh = next(checkpoints.valid_checkpoints(workdir), None) is None
    if fresh and settings.init == "klt":
        _start_in_closed_form(model, pictures, config, settings.seed)
    decay = config.optimizer.ema_decay
    training.fit(
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


def _start_in_closed_form(model, pictures: Pictures, config, seed: int) -> None:
    with TrainingCrops(
        pictures, _CLOSED_FORM_CROPS, config.data, seed, prefetch=1, cache_bytes=0
    ) as batches:
        closed_form.initialise(model, next(batches), config)
