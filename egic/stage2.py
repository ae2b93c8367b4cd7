"""A run of EGIC's second stage: a decoder trained against a discriminator.

It starts from a codec's run, whose E and P it keeps, and from a pre-trained
discriminator. The run directory's config.json is the codec's, so that everything that
reads a codec's run reads this one; the experiment is stage.json.
"""

import dataclasses
import json
import logging
import pathlib
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

import egic.config
import hific.config
from deeplab2_tf import labels, losses, preprocessing
from deeplab2_tf.labels import LabelSet
from deeplab2_tf.pipeline import LabelledBatches
from deeplab2_tf.sources import Source
from egic import figures, systems
from egic.codec import build_model
from egic.discriminators import build
from egic.labelmix import SCOPES
from egic.pretraining_config import check_pairs
from egic.stage2_config import BETAS, KINDS, Stage2Config
from hific import checkpoints, devices, loop, run_directory, training
from hific.averages import Average
from hific.choices import choose
from hific.codec import LATENT_STRIDE, CodecModel
from hific.config_checks import CROP_MULTIPLE
from hific.run_directory import Order, Origin
from hific.systems import Lpips
from hific.weight_norms import calibrate

_LOG = logging.getLogger("absl")

# `Settings.precision` -> the Keras policy of a discriminator.
POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}


@dataclasses.dataclass(frozen=True)
class Settings:
    """How a run is carried out.

    Attributes:
        precision: Of E, G and D, "float32" or "bfloat16".
        seed: Of new weights, order, augmentation, LabelMix and noise.
        data_threads: Pictures read and prepared at once.
        cache_bytes: Memory for decoded pictures; not read for labelled ones.
        log_every, images_every, checkpoint_every: In steps.
    """

    precision: str = "float32"
    seed: int = 0
    data_threads: int = 2
    cache_bytes: int = 2**30
    log_every: int = 50
    images_every: int = 1000
    checkpoint_every: int = 1000


@dataclasses.dataclass(frozen=True)
class Start:
    """What a run begins with, built and checked.

    Attributes:
        codec_config: An `EgicConfig` or `HificConfig`, of the run that is started from.
        config: The experiment, the discriminator's sizes filled in.
        label_set: Of data and discriminator.
        model: The codec, with the weights of that run.
        critic: The discriminator, with pre-trained weights but for its conditioning.
        origin: Where both come from.
        said: The same in words, for the log.
    """

    codec_config: Any
    config: Stage2Config
    label_set: LabelSet
    model: CodecModel
    critic: Any
    origin: Origin
    said: str


def prepare(
    config: Stage2Config,
    origin: Origin,
    workdir: pathlib.Path,
    settings: Settings,
) -> Start:
    """Builds codec and discriminator, and gives them the weights they start with.

    For a run that goes on, `origin` is not read: `workdir` says what to build, and
    `train` restores all weights from there.

    Args:
        config: The experiment; not changed.
        origin: Run directories of a trained codec and of a pre-training. Averaged
            weights are taken where the codec's kept any, and no optimizer.
        workdir: Of this run.
        settings: Seed and precision.

    Raises:
        ValueError: A run is missing or does not fit, or the config names what does not
            exist or contradicts itself. Nothing was written.
    """
    config = dataclasses.replace(config)
    label_set = _check(config)
    training.set_seeds(settings.seed)
    codec_config, model, step = load_codec(origin.of_codec(workdir), settings)
    pretrained, judged = None, "a discriminator with new weights"
    if origin.discriminator:
        judged = f"the discriminator of {origin.discriminator}"
        if run_directory.is_begun(workdir):
            sizes = _load_stage(workdir).discriminator
        else:
            directory = pathlib.Path(origin.discriminator)
            pretrained, recipe = build.load_pretrained(directory)
            _check_labels(label_set, labels.load(recipe.data.label_set), directory)
            sizes = recipe.discriminator
        config.discriminator = dataclasses.replace(
            sizes,
            conditioning=config.discriminator.conditioning,
            latent_features=config.discriminator.latent_features,
        )
    _compare_beta(config, codec_config)
    critic = build.build(
        config.discriminator,
        label_set.num_outputs,
        model.channels,
        POLICIES[settings.precision],
    )
    if pretrained is not None:
        build.take_over(critic, pretrained)
    _check_crop(critic, model, config)
    said = (
        f"The codec of {origin.init_from} at step {step} and {judged}; strategy "
        f"{config.strategy}: {systems.generator_weights(config)}."
    )
    return Start(codec_config, config, label_set, model, critic, origin, said)


def load_codec(
    init_from: pathlib.Path, settings: Settings
) -> tuple[Any, CodecModel, int]:
    """The config, the model and the step of a codec's run.

    Raises:
        ValueError: The directory holds no such run, or no valid checkpoint.
    """
    config = load_config(init_from)
    model = build_model(config, settings.precision, settings.seed)
    return config, model, checkpoints.load_weights(init_from, model)


def _compare_beta(config: Stage2Config, codec_config: Any) -> None:
    """Warns of the beta that was published with another codec."""
    kind, ours = type(codec_config).__name__, config.strategy_1.adversarial
    theirs = [other for other, beta in BETAS.items() if beta == ours and other != kind]
    if config.strategy == "I" and kind in BETAS and theirs:
        _LOG.warning(
            "strategy_1.adversarial, beta, is %g, as published for a codec of %s; for "
            "%s it is %g: --config.strategy_1.adversarial=%g, or another preset.",
            ours,
            theirs[0],
            kind,
            BETAS[kind],
            BETAS[kind],
        )


def _load_stage(workdir: pathlib.Path) -> Stage2Config:
    path = workdir / run_directory.STAGE
    if not path.is_file():
        raise ValueError(
            f"{workdir} holds a run of another stage; choose another --workdir."
        )
    return hific.config.from_dict(json.loads(path.read_text()), KINDS)


def load_config(init_from: pathlib.Path) -> Any:
    """The config of a codec's run.

    Raises:
        ValueError: The directory holds no such run.
    """
    path = init_from / "config.json"
    if not path.is_file():
        raise ValueError(
            f"--init_from: {path} does not exist; is {init_from} the --workdir of a "
            "codec's training?"
        )
    return egic.config.load(path)


def _check(config: Stage2Config) -> LabelSet:
    """Checks names and sizes that need no network; returns the label set."""
    choose(losses.REDUCTIONS, config.reduction, "reduction")
    choose(SCOPES, config.labelmix_scope, "labelmix_scope")
    choose(preprocessing.PIXEL_WEIGHTS, config.data.pixel_weights, "data.pixel_weights")
    systems.generator_weights(config)
    check_pairs(config.data, ("crop",))
    if any(side < 1 or side % CROP_MULTIPLE for side in config.data.crop):
        raise ValueError(
            f"Both sides of data.crop must be multiples of {CROP_MULTIPLE}, by which "
            f"the codec divides a picture's sides, got {config.data.crop}."
        )
    return labels.load(config.data.label_set)


def _check_labels(ours: LabelSet, theirs: LabelSet, whose: Any) -> None:
    if ours != theirs:
        raise ValueError(
            f"{whose} has label set {theirs.name!r}, the config {ours.name!r}; set "
            "--config.data.label_set, or take a preset for these data."
        )


def _check_crop(critic: Any, model: CodecModel, config: Stage2Config) -> None:
    """Traces the discriminator at the size it will see, so that it may refuse it."""
    height, width = config.data.crop
    image = tf.TensorSpec((1, height, width, 3), tf.float32)
    latent = tf.TensorSpec(
        (1, height // LATENT_STRIDE, width // LATENT_STRIDE, model.channels), tf.float32
    )
    tf.function(critic, autograph=False).get_concrete_function(image, latent)


def record(start: Start, source: Source, workdir: pathlib.Path, seed: int = 0) -> None:
    """Checks the source, and saves configs and order to the run directory.

    Raises:
        ValueError: The source has another label set, or the directory holds another
            run. Nothing was written.
    """
    _check_labels(start.label_set, source.label_set, "The source of pictures")
    devices.current().check(start.config.batch_size)
    order = Order(seed, len(source))
    run_directory.begin_stage(
        start.config, start.codec_config, order, start.origin, workdir
    )


def train(
    start: Start,
    source: Source,
    workdir: pathlib.Path,
    settings: Settings,
    lpips: Lpips | None = None,
) -> None:
    """Trains, or continues from the newest valid checkpoint in `workdir`.

    Args:
        start: As `prepare` made it.
        source: Labelled pictures to train on.
        workdir: Gets checkpoints/, metrics.jsonl and logs/.
        settings: See there.
        lpips: Needed where the strategy weighs it.

    Raises:
        deeplab2_tf.errors.DataError: Too many pictures cannot be used.
        hific.loop.Interrupted: SIGTERM or SIGINT came; the state was saved.
        hific.guards.NonFiniteTraining: See `hific.loop.fit`.
    """
    config, model, critic = start.config, start.model, start.critic
    mine = devices.current().rows(config.batch_size, 2)

    def batches_from(step: int, rows: Sequence[int] | None = mine) -> LabelledBatches:
        return LabelledBatches(
            source,
            config.data,
            2 * config.batch_size,
            settings.seed,
            step,
            settings.data_threads,
            rows,
        )

    if not run_directory.is_begun(workdir):
        print(start.said, flush=True)
        _start_from_data(model, critic, batches_from(0, None), config.batch_size)
    decay = config.optimizer.ema_decay
    shown = figures.judged_pictures(
        model, critic, config, start.label_set, settings.images_every, settings.seed
    )
    loop.fit(
        systems.stage2(model, critic, config, start.label_set, lpips, settings.seed),
        batches_from,
        workdir,
        steps=config.steps,
        modules={"model": model, "discriminator": critic},
        average=Average(model, decay) if decay else None,
        occasions=[shown],
        log_every=settings.log_every,
        checkpoint_every=settings.checkpoint_every,
    )


def _start_from_data(model, critic, batches: LabelledBatches, count: int) -> None:
    """Lets weight norm set the scales of new layers by the first batch."""
    try:
        image = tf.constant(next(batches)["image"][:count])
    finally:
        batches.close()
    y_hat, _ = systems.coded(model, image)
    calibrate(critic, image, y_hat)
