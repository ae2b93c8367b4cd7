r"""Teaches a discriminator to segment labelled pictures: stage 0 of EGIC.

    python pretrain_discriminator.py --config=egic/pretraining_config.py:camvid-tiny \
        --images=/data/camvid/train --labels=/data/camvid/trainannot \
        --val_images=/data/camvid/val --val_labels=/data/camvid/valannot \
        --workdir=/runs/camvid

Pictures come from one of --records (DeepLab2's TFRecords), --images with --labels,
--tfds and --synthetic; --val_... name a validation set, whose mean IoU is logged.
Writes config.json, checkpoints/, metrics.jsonl and TensorBoard logs to --workdir, and
continues from the newest valid checkpoint it finds there, bit for bit. SIGTERM, SIGUSR1
and Ctrl-C save first and exit with code 75. To see that everything runs, without data:
--config=egic/pretraining_config.py:synthetic-tiny --synthetic=100 --steps=100.
docs/data.md and docs/training.md have more.
"""

import pathlib

from absl import app, flags
from ml_collections import config_flags

# These load TensorFlow, which must happen before app.run: imported inside it, version
# 2.14 takes itself for version 1, and `==` in a graph compares identities, not values.
import hific.config
from deeplab2_tf.errors import DataError
from egic import labelled_flags, pretraining
from egic.pretraining_config import KINDS, PretrainingConfig
from hific import overrides, running

_CONFIG = config_flags.DEFINE_config_file(
    "config", None, "Preset (FILE.py:NAME), and overrides as --config.a.b=value."
)
_WORKDIR = flags.DEFINE_string("workdir", None, "Run directory.", required=True)
_STEPS = flags.DEFINE_integer("steps", None, "Instead of the recipe's.", 1)
_BATCH_SIZE = flags.DEFINE_integer("batch_size", None, "Instead of the recipe's.", 1)
_SEED = flags.DEFINE_integer("seed", 0, "Of weights, order and augmentation.", 0)
_CHECKPOINT_EVERY = flags.DEFINE_integer("checkpoint_every", 1000, "Steps.", 1)
_LOG_EVERY = flags.DEFINE_integer("log_every", 50, "Steps.", 1)
_IMAGES_EVERY = flags.DEFINE_integer("images_every", 1000, "Steps.", 1)
_VALIDATE_EVERY = flags.DEFINE_integer("validate_every", 5000, "Steps.", 1)
_DATA_THREADS = flags.DEFINE_integer("data_threads", 2, "Pictures prepared at once.", 1)

labelled_flags.define("", "Training")
labelled_flags.define("val_", "Validation")

_VALIDATION_SEED = 1_000_000  # Scenes that no training run of a usual seed has seen.


@running.as_script("pretrain_discriminator.py", DataError)
def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"Unknown arguments: {argv[1:]}. Flags start with --.")
    workdir = pathlib.Path(_WORKDIR.value)
    try:
        config = _resolved()
        source = labelled_flags.source("", config.data, _SEED.value)
        if source is None:
            raise ValueError("Pass one of --records, --images, --tfds, --synthetic.")
        validation = labelled_flags.source("val_", config.data, _VALIDATION_SEED)
        pretraining.record(config, workdir, source, validation, _SEED.value)
    except ValueError as error:
        raise app.UsageError(str(error)) from error
    pretraining.train(config, source, workdir, _settings(), validation)


def _resolved() -> PretrainingConfig:
    """The config with the flags that replace what a recipe says of the machine."""
    config = hific.config.from_dict(hific.config.to_dict(_CONFIG.value), KINDS)
    config.steps = _STEPS.value or config.steps
    config.batch_size = _BATCH_SIZE.value or config.batch_size
    return config


def _settings() -> pretraining.Settings:
    return pretraining.Settings(
        seed=_SEED.value,
        data_threads=_DATA_THREADS.value,
        log_every=_LOG_EVERY.value,
        images_every=_IMAGES_EVERY.value,
        validate_every=_VALIDATE_EVERY.value,
        checkpoint_every=_CHECKPOINT_EVERY.value,
    )


if __name__ == "__main__":
    flags.mark_flag_as_required("config")
    app.run(main, flags_parser=overrides.parse_flags)
