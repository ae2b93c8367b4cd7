r"""Gives a codec a second end for faithful images: stage 3 of EGIC.

    python train_orp.py --init_from=/runs/stage2 --images='/data/train/*.png' \
        --workdir=/runs/orp

The head, a copy of the end of G, learns mean squared error; nothing else changes. The
exported model then shows each of its files at any alpha, from 0, faithful, to 1,
realistic: `egic decompress --alpha=0,0.5,1`.

Writes config.json, stage.json, checkpoints/, metrics.jsonl and TensorBoard logs to
--workdir, and continues from the newest valid checkpoint it finds there, bit for bit;
--init_from is then not needed. SIGTERM and Ctrl-C save first and exit with code 75. On
a CPU: --config=egic/orp_config.py:orp-tiny. docs/training.md has more.
"""

import functools
import pathlib

from absl import app, flags
from ml_collections import config_flags

# These load TensorFlow, which must happen before app.run: imported inside it, version
# 2.14 takes itself for version 1, and `==` in a graph compares identities, not values.
import hific.config
from egic import orp
from egic.orp_config import KINDS, OrpConfig
from hific import overrides, run_directory, running
from hific.pictures import find_pictures

_CONFIG = config_flags.DEFINE_config_file(
    "config",
    None,
    "Preset (FILE.py:NAME), and overrides of it as --config.a.b=value; by default the "
    "published recipe, egic/orp_config.py:orp.",
)
_PUBLISHED = pathlib.Path(__file__).parent / "egic" / "orp_config.py"
_INIT_FROM = flags.DEFINE_string(
    "init_from",
    None,
    "Run directory of the codec, of stage 1 or 2; not needed to go on.",
)
_IMAGES = flags.DEFINE_string(
    "images",
    None,
    "Training images: folders, globs and files, separated by commas, or "
    "tfds:NAME/SPLIT.",
    required=True,
)
_WORKDIR = flags.DEFINE_string("workdir", None, "Run directory.", required=True)
_STEPS = flags.DEFINE_integer("steps", None, "Instead of the recipe's.", 1)
_BATCH_SIZE = flags.DEFINE_integer("batch_size", None, "Instead of the recipe's.", 1)
_PRECISION = flags.DEFINE_enum(
    "precision",
    "float32",
    ["float32", "bfloat16"],
    "Of E, G and the head; weights and entropy model stay float32.",
)
_SEED = flags.DEFINE_integer("seed", 0, "Of the crops.", 0)
_CHECKPOINT_EVERY = flags.DEFINE_integer("checkpoint_every", 1000, "Steps.", 1)
_LOG_EVERY = flags.DEFINE_integer("log_every", 50, "Steps.", 1)
_IMAGES_EVERY = flags.DEFINE_integer("images_every", 1000, "Steps.", 1)
_DATA_THREADS = flags.DEFINE_integer("data_threads", 1, "Batches decoded at once.", 1)
_CACHE_MB = flags.DEFINE_integer(
    "cache_mb", 1024, "Memory for decoded pictures, in MB.", 0
)


@running.as_script("train_orp.py")
def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"Unknown arguments: {argv[1:]}. Flags start with --.")
    workdir = pathlib.Path(_WORKDIR.value)
    try:
        config = _resolved()
        pictures = find_pictures(_IMAGES.value)
        order = run_directory.Order(_SEED.value, len(pictures))
        origin = run_directory.origin(workdir, _INIT_FROM.value)
        model = orp.prepare(config, origin, workdir, _PRECISION.value, order)
    except ValueError as error:
        raise app.UsageError(str(error)) from error
    orp.train(config, model, pictures, workdir, _settings())


def _resolved() -> OrpConfig:
    """The config with the flags that replace what a recipe says of the machine."""
    config = hific.config.from_dict(hific.config.to_dict(_CONFIG.value), KINDS)
    config.steps = _STEPS.value or config.steps
    config.batch_size = _BATCH_SIZE.value or config.batch_size
    return config


def _settings() -> orp.Settings:
    return orp.Settings(
        seed=_SEED.value,
        precision=_PRECISION.value,
        data_threads=_DATA_THREADS.value,
        cache_bytes=_CACHE_MB.value * 10**6,
        log_every=_LOG_EVERY.value,
        images_every=_IMAGES_EVERY.value,
        checkpoint_every=_CHECKPOINT_EVERY.value,
    )


if __name__ == "__main__":
    app.run(
        main,
        flags_parser=functools.partial(
            overrides.parse_flags, default=f"{_PUBLISHED}:orp"
        ),
    )
