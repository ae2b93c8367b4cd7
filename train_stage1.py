r"""Trains a codec for rate, distortion and perception, without a discriminator.

    python train_stage1.py --config=egic/config.py:egic-tiny \
        --images='/data/train/*.png' --workdir=/runs/tiny --steps=5000 \
        --batch_size=4 --init=klt --config.perceptual_weight=0

Writes config.json, checkpoints/, metrics.jsonl and TensorBoard logs to --workdir, and
continues from the newest valid checkpoint it finds there, bit for bit. SIGTERM and
Ctrl-C save first and exit with code 75. To see that everything runs: --steps=20.
docs/training.md has more.
"""

import functools
import json
import pathlib
import sys

from absl import app, flags
from ml_collections import config_flags

# These load TensorFlow, which must happen before app.run: imported inside it, version
# 2.14 takes itself for version 1, and `==` in a graph compares identities, not values.
import hific.config
from egic.codec import build_model
from egic.config import KINDS
from hific import checkpoints, lpips, systems, training
from hific.averages import Average
from hific.crops import TrainingCrops
from hific.pictures import Pictures, find_pictures

_CONFIG = config_flags.DEFINE_config_file(
    "config", None, "Preset (FILE.py:NAME), and overrides as --config.a.b=value."
)
_IMAGES = flags.DEFINE_string(
    "images",
    None,
    "Training images: folders, globs and files, separated by commas, or "
    "tfds:NAME/SPLIT.",
    required=True,
)
_WORKDIR = flags.DEFINE_string("workdir", None, "Run directory.", required=True)
_STEPS = flags.DEFINE_integer(
    "steps", 1_000_000, "Stop after this many steps, earlier runs' included.", 1
)
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 8, "Crops per step.", 1)
_PRECISION = flags.DEFINE_enum(
    "precision",
    "float32",
    ["float32", "bfloat16"],
    "Of E and G; weights and entropy model stay float32.",
)
_INIT = flags.DEFINE_enum(
    "init",
    "paper",
    ["paper", "klt"],
    "Random weights as published, or the closed-form start (SwinT-ChARM only).",
)
_LPIPS_WEIGHTS = flags.DEFINE_string(
    "lpips_weights",
    None,
    "LPIPS weight file (.npz), by default the one in the cache, fetched once; see "
    "python -m hific.lpips.",
)
_SEED = flags.DEFINE_integer("seed", 0, "Of weights, crops and noise.", 0)
_CHECKPOINT_EVERY = flags.DEFINE_integer("checkpoint_every", 1000, "Steps.", 1)
_LOG_EVERY = flags.DEFINE_integer("log_every", 50, "Steps.", 1)
_IMAGES_EVERY = flags.DEFINE_integer("images_every", 1000, "Steps.", 1)
_DATA_THREADS = flags.DEFINE_integer("data_threads", 1, "Batches decoded at once.", 1)
_CACHE_MB = flags.DEFINE_integer(
    "cache_mb", 1024, "Memory for decoded pictures, in MB.", 0
)

_KLT_CROPS = 160


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"Unknown arguments: {argv[1:]}. Flags start with --.")
    workdir = pathlib.Path(_WORKDIR.value)
    try:
        config = _resolve(_CONFIG.value, _STEPS.value)
        pictures = find_pictures(_IMAGES.value)
        _record(config, workdir)
    except ValueError as error:
        raise app.UsageError(str(error)) from error
    _train(config, pictures, workdir)


def _resolve(config, steps: int):
    """Returns the flag's config as the package's own class, its horizon filled in."""
    config = hific.config.from_dict(hific.config.to_dict(config), KINDS)
    if config.optimizer.schedule == "cosine" and not config.optimizer.horizon:
        config.optimizer.horizon = steps
    return config


def _record(config, workdir: pathlib.Path) -> None:
    """Saves the config, or checks that a run to continue has the same one."""
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


def _train(config, pictures: Pictures, workdir: pathlib.Path) -> None:
    training.set_seeds(_SEED.value)
    perceptual = _load_lpips(config)
    model = build_model(config, precision=_PRECISION.value)
    batches_from = functools.partial(
        TrainingCrops,
        pictures,
        _BATCH_SIZE.value,
        config.data,
        _SEED.value,
        threads=_DATA_THREADS.value,
        cache_bytes=_CACHE_MB.value * 10**6,
    )
    fresh = next(checkpoints.valid_checkpoints(workdir), None) is None
    if fresh and _INIT.value == "klt":
        _closed_form(model, pictures, config)
    decay = config.optimizer.ema_decay
    try:
        training.fit(
            systems.stage1(model, config, perceptual, _SEED.value),
            lambda step: batches_from(start_step=step),
            workdir,
            steps=_STEPS.value,
            modules={"model": model},
            average=Average(model, decay) if decay else None,
            reconstruct=systems.reconstruct(model),
            log_every=_LOG_EVERY.value,
            images_every=_IMAGES_EVERY.value,
            checkpoint_every=_CHECKPOINT_EVERY.value,
        )
    except training.Interrupted as interrupted:
        print(interrupted, file=sys.stderr)
        sys.exit(training.EXIT_INTERRUPTED)


def _load_lpips(config):
    """Returns LPIPS if the config weighs it."""
    if not config.perceptual_weight:
        return None
    try:
        return lpips.load(_LPIPS_WEIGHTS.value, fetch=True)
    except ValueError as error:
        raise app.UsageError(str(error)) from error


def _closed_form(model, pictures, config) -> None:
    """Gives the model its near-linear start, from crops of the training pictures."""
    from egic import closed_form

    with TrainingCrops(
        pictures, _KLT_CROPS, config.data, _SEED.value, prefetch=1, cache_bytes=0
    ) as batches:
        closed_form.initialise(model, next(batches), config)


if __name__ == "__main__":
    flags.mark_flag_as_required("config")
    app.run(main)
