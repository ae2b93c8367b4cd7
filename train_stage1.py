r"""Trains a codec for rate, distortion and perception, without a discriminator.

    python train_stage1.py --config=egic/config.py:egic-tiny \
        --images='/data/train/*.png' --workdir=/runs/tiny --steps=5000 \
        --batch_size=4 --init=klt

Writes config.json, checkpoints/, metrics.jsonl and TensorBoard logs to --workdir, and
continues from the newest valid checkpoint it finds there, bit for bit. SIGTERM, SIGUSR1
and Ctrl-C save first and exit with code 75. To see that everything runs: --steps=20.
docs/training.md has more.
"""

import pathlib

from absl import app, flags
from ml_collections import config_flags

# These load TensorFlow, which must happen before app.run: imported inside it, version
# 2.14 takes itself for version 1, and `==` in a graph compares identities, not values.
import hific.config
from egic import stage1
from egic.config import KINDS
from hific import lpips, overrides, run_directory, running
from hific.pictures import find_pictures

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
_INIT_FROM = flags.DEFINE_string(
    "init_from",
    None,
    "Run directory of the same codec whose weights to start from, for another lambda; "
    "optimizers and step count start anew. Not needed to go on.",
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


@running.as_script("train_stage1.py")
def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"Unknown arguments: {argv[1:]}. Flags start with --.")
    workdir = pathlib.Path(_WORKDIR.value)
    try:
        config = hific.config.from_dict(hific.config.to_dict(_CONFIG.value), KINDS)
        pictures = find_pictures(_IMAGES.value)
        if not run_directory.is_begun(workdir):
            stage1.check_start(_INIT.value, _INIT_FROM.value, config)
        order = run_directory.Order(_SEED.value, len(pictures), _BATCH_SIZE.value)
        stage1.record(config, workdir, _STEPS.value, order, _INIT_FROM.value)
    except ValueError as error:
        raise app.UsageError(str(error)) from error
    stage1.train(config, pictures, workdir, _settings(), _load_lpips(config))


def _settings() -> stage1.Settings:
    return stage1.Settings(
        steps=_STEPS.value,
        batch_size=_BATCH_SIZE.value,
        init=_INIT.value,
        init_from=_INIT_FROM.value,
        precision=_PRECISION.value,
        seed=_SEED.value,
        data_threads=_DATA_THREADS.value,
        cache_bytes=_CACHE_MB.value * 10**6,
        log_every=_LOG_EVERY.value,
        images_every=_IMAGES_EVERY.value,
        checkpoint_every=_CHECKPOINT_EVERY.value,
    )


def _load_lpips(config):
    """Returns LPIPS if the config weighs it."""
    if not config.perceptual_weight:
        return None
    try:
        return lpips.load(_LPIPS_WEIGHTS.value, fetch=True)
    except ValueError as error:
        raise app.UsageError(str(error)) from error


if __name__ == "__main__":
    flags.mark_flag_as_required("config")
    app.run(main, flags_parser=overrides.parse_flags)
