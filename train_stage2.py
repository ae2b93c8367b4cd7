r"""Trains a codec's decoder against a discriminator, for realism: stage 2 of EGIC.

    python train_stage2.py --config=egic/stage2_config.py:egic-tiny --strategy=I \
        --init_from=/runs/tiny --discriminator=/runs/camvid \
        --images=/data/camvid/train --labels=/data/camvid/trainannot \
        --workdir=/runs/tiny-I

--init_from is a run of train_stage1.py, whose E and P are kept, so that files stay as
they are; --discriminator one of pretrain_discriminator.py. HiFiC's own second stage,
without labels, which trains all of the codec:

    python train_stage2.py --config=hific/config.py:hific-lo --init_from=/runs/hific \
        --images='/data/train/*.png' --workdir=/runs/hific-lo

Writes config.json (of the codec), stage.json, checkpoints/, metrics.jsonl and
TensorBoard logs to --workdir, and continues from the newest valid checkpoint it finds
there, bit for bit; --init_from and --discriminator are then not needed. SIGTERM,
SIGUSR1 and Ctrl-C save first and exit with code 75. To see that everything runs:
--steps=20. docs/training.md has more.
"""

import functools
import pathlib
import sys
from collections.abc import Callable, Mapping
from typing import Any

from absl import app, flags
from ml_collections import config_flags

# These load TensorFlow, which must happen before app.run: imported inside it, version
# 2.14 takes itself for version 1, and `==` in a graph compares identities, not values.
import hific.config
from deeplab2_tf.errors import DataError
from egic import hific_stage2, labelled_flags, stage2, systems
from egic.stage2_config import BETAS, STRATEGIES, Stage2Config
from hific import devices, lpips, overrides, run_directory, running
from hific.config import HificConfig
from hific.pictures import find_pictures

_CONFIG = config_flags.DEFINE_config_file(
    "config",
    None,
    "Preset (FILE.py:NAME), and overrides as --config.a.b=value; by default EGIC's "
    "published recipe, with the beta published for the codec.",
)
_PUBLISHED = pathlib.Path(__file__).parent / "egic" / "stage2_config.py"
_STRATEGY = flags.DEFINE_enum(
    "strategy",
    None,
    list(STRATEGIES),
    "I: distortion, perception and realism; II: realism alone. I by default.",
)
_INIT_FROM = flags.DEFINE_string(
    "init_from",
    None,
    "Run directory of the codec to start from; not needed to go on.",
)
_DISCRIMINATOR = flags.DEFINE_string(
    "discriminator",
    None,
    "Run directory of the discriminator's pre-training; without, its weights are new. "
    "Not needed to go on.",
)
_WORKDIR = flags.DEFINE_string("workdir", None, "Run directory.", required=True)
_STEPS = flags.DEFINE_integer(
    "steps", None, "Stop after this many; the recipe's by default, 1 M for HiFiC.", 1
)
_BATCH_SIZE = flags.DEFINE_integer(
    "batch_size", None, "Crops per step for each player; 8, tiny presets 2.", 1
)
_PRECISION = flags.DEFINE_enum(
    "precision", "float32", ["float32", "bfloat16"], "Of E, G and D."
)
_LPIPS_WEIGHTS = flags.DEFINE_string(
    "lpips_weights",
    None,
    "LPIPS weight file (.npz), by default the one in the cache, fetched once; see "
    "python -m hific.lpips.",
)
_SEED = flags.DEFINE_integer("seed", 0, "Of new weights, crops and LabelMix.", 0)
_CHECKPOINT_EVERY = flags.DEFINE_integer("checkpoint_every", 1000, "Steps.", 1)
_LOG_EVERY = flags.DEFINE_integer("log_every", 50, "Steps.", 1)
_IMAGES_EVERY = flags.DEFINE_integer("images_every", 1000, "Steps.", 1)
_DATA_THREADS = flags.DEFINE_integer("data_threads", 2, "Pictures prepared at once.", 1)
_CACHE_MB = flags.DEFINE_integer(
    "cache_mb", 1024, "HiFiC: memory for decoded pictures, in MB.", 0
)
labelled_flags.define(
    "",
    "Training",
    "folders, separated by commas. HiFiC, without --labels: globs and files too, or "
    "tfds:NAME/SPLIT.",
)
labelled_flags.define_unlabelled()

_KINDS = {"Stage2Config": Stage2Config, "HificConfig": HificConfig}
_BETA = "strategy_1.adversarial"
_HIFIC_STEPS, _HIFIC_BATCH_SIZE = 1_000_000, 8
_EGIC_ONLY = (
    "strategy",
    "discriminator",
    "labels",
    "records",
    "tfds",
    "synthetic",
    "unlabelled",
)


@running.as_script("train_stage2.py", DataError)
def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"Unknown arguments: {argv[1:]}. Flags start with --.")
    try:
        config = hific.config.from_dict(hific.config.to_dict(_CONFIG.value), _KINDS)
        train = _RECORDED[type(config)](config, pathlib.Path(_WORKDIR.value))
    except ValueError as error:
        raise app.UsageError(str(error)) from error
    train()


def _egic(config: Stage2Config, workdir: pathlib.Path) -> Callable[[], None]:
    """Prepares and records a run against a discriminator that segments."""
    config.strategy = _STRATEGY.value or config.strategy
    config.steps = _STEPS.value or config.steps
    config.batch_size = _BATCH_SIZE.value or config.batch_size
    source = labelled_flags.source("", config.data, _SEED.value)
    if source is None:
        raise ValueError(
            "Pass one of --records, --images with --labels, --tfds, --synthetic."
        )
    source = labelled_flags.with_unlabelled(source)
    origin = _origin(workdir)
    named = config_flags.get_override_values(flags.FLAGS["config"])
    if overrides.given(sys.argv) is None and _BETA not in named:
        codec_config = stage2.load_config(origin.of_codec(workdir))
        config.strategy_1.adversarial = BETAS[type(codec_config).__name__]
    start = stage2.prepare(config, origin, workdir, _settings())
    perception = _load_lpips(systems.generator_weights(config).perceptual)
    stage2.record(start, source, workdir, _SEED.value)
    return functools.partial(
        stage2.train, start, source, workdir, _settings(), perception
    )


def _hific(config: HificConfig, workdir: pathlib.Path) -> Callable[[], None]:
    """Prepares and records a run against HiFiC's discriminator of patches."""
    values = flags.FLAGS.flag_values_dict()
    foreign = [f"--{name}" for name in _EGIC_ONLY if values[name]]
    if foreign or not values["images"]:
        raise ValueError(
            "HiFiC's second stage takes --images, and no labels, strategy or "
            f"pre-trained discriminator{'; got ' * bool(foreign)}{', '.join(foreign)}. "
            "--config=egic/stage2_config.py:hific is EGIC's with HiFiC's codec."
        )
    pictures = find_pictures(values["images"])
    devices.current().check(_BATCH_SIZE.value or _HIFIC_BATCH_SIZE)
    steps = _STEPS.value or _HIFIC_STEPS
    start = hific_stage2.prepare(config, _origin(workdir), workdir, _settings(), steps)
    perception = _load_lpips(config.perceptual_weight)
    batch_size = _BATCH_SIZE.value or _HIFIC_BATCH_SIZE
    order = run_directory.Order(_SEED.value, len(pictures), batch_size)
    run_directory.begin_stage(start.config, start.config, order, start.origin, workdir)
    return functools.partial(
        hific_stage2.train,
        start,
        pictures,
        workdir,
        _settings(),
        steps,
        batch_size,
        perception,
    )


# Kind of --config -> what checks and records its run; returns what trains it.
_RECORDED: Mapping[type, Callable[[Any, pathlib.Path], Callable[[], None]]] = {
    Stage2Config: _egic,
    HificConfig: _hific,
}


def _origin(workdir: pathlib.Path) -> run_directory.Origin:
    return run_directory.origin(workdir, _INIT_FROM.value, _DISCRIMINATOR.value)


def _settings() -> stage2.Settings:
    return stage2.Settings(
        precision=_PRECISION.value,
        seed=_SEED.value,
        data_threads=_DATA_THREADS.value,
        cache_bytes=_CACHE_MB.value * 10**6,
        log_every=_LOG_EVERY.value,
        images_every=_IMAGES_EVERY.value,
        checkpoint_every=_CHECKPOINT_EVERY.value,
    )


def _load_lpips(weight: float):
    """LPIPS, where it weighs anything."""
    return lpips.load(_LPIPS_WEIGHTS.value, fetch=True) if weight else None


if __name__ == "__main__":
    app.run(
        main,
        flags_parser=functools.partial(
            overrides.parse_flags, default=f"{_PUBLISHED}:egic"
        ),
    )
