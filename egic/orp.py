"""Stage 3: a head that predicts the most faithful image, beside a finished G.

    L = MSE(x, m),   m = head(stop_gradient(features of G(y_hat)))

The head starts as a copy of G's end and is all that changes, so files, latents and the
realistic image stay what they are. The experiment is the config; `Settings` describes
the machine it runs on.

Source: Eq. 8 and A.3 of EGIC, arXiv:2309.03244.
"""

import dataclasses
import logging
import pathlib
from typing import Any

import tensorflow as tf

import egic.config
from egic.codec import build_model
from egic.frozen import frozen
from egic.orp_config import OrpConfig
from hific import checkpoints, config_checks, devices, loop, run_directory
from hific.averages import Average
from hific.codec import CodecModel
from hific.crops import TrainingCrops
from hific.loop import Occasion
from hific.losses import mse_255
from hific.objectives import Terms, psnr_of
from hific.pictures import Pictures
from hific.reports import Report
from hific.run_directory import Order, Origin
from hific.schedules import make_optimizer
from hific.training import Group, Player

_LOG = logging.getLogger("absl")


@dataclasses.dataclass(frozen=True)
class Settings:
    """How a run is carried out.

    Attributes:
        seed: Of the crops.
        precision: Of E, G and the head, "float32" or "bfloat16".
        data_threads: Batches decoded at once.
        cache_bytes: Memory for decoded pictures.
        log_every, images_every, checkpoint_every: In steps.
    """

    seed: int = 0
    precision: str = "float32"
    data_threads: int = 1
    cache_bytes: int = 2**30
    log_every: int = 50
    images_every: int = 1000
    checkpoint_every: int = 1000


def players(model: CodecModel, config: OrpConfig) -> tuple[Player, ...]:
    """One player, the head; see the module.

    MSE is on the [0, 255] scale, without clipping, a mean over the batch. Latents are
    rounded, as a file has them. E, P and G run once and without gradient.

    Args:
        model: With a head.
        config: With its optimizer.
    """
    part = config.optimizer
    optimizer = make_optimizer(part.learning_rate, part)
    group = Group(_head_of(model).trainable_variables, optimizer)
    return (Player("head", _FaithfulObjective(model), [group], part.clip_norm or None),)


class _FaithfulObjective:
    def __init__(self, model: CodecModel):
        self._head = _head_of(model)
        self._model = frozen(model)

    def __call__(self, batch: tf.Tensor, step: tf.Tensor) -> Terms:
        """Returns the terms for images [B, H, W, 3] float32 in [0, 255]."""
        del step
        y_hat = self._model.prior.rate(self._model.analysis(batch)).y_hat
        features = self._model.synthesis.features(y_hat, self._head.depth)
        mse = mse_255(self._head(tf.stop_gradient(features)), batch)
        return Terms({"distortion": mse}, {"psnr": psnr_of(mse)})


def prepare(
    config: OrpConfig,
    origin: Origin,
    workdir: pathlib.Path,
    precision: str,
    order: Order,
) -> CodecModel:
    """Builds the codec of another run with a head, and records the run directory.

    A new run takes that run's weights, averaged ones where it kept any, and the head
    starts as a copy of G's end. A run that has a checkpoint gets neither: `train`
    restores everything from there.

    Args:
        config: A cosine schedule's horizon is set to its steps where it has none.
        origin: The run directory of the codec: of stage 1 or 2, or of another head,
            which is not taken over. Not read for a run that goes on.
        workdir: Gets config.json, the codec's config with its head, and stage.json,
            this one.
        precision: Of E, G and the head, "float32" or "bfloat16".
        order: Of the pictures.

    Raises:
        ValueError: The config makes no sense, or asks for a larger head than G;
            `origin` holds no run; `workdir` holds another one. Nothing was written.
    """
    _check(config)
    codec_config = _config_of(origin.of_codec(workdir))
    codec_config.head = config.head
    model = build_model(codec_config, precision)
    if not run_directory.is_begun(workdir):
        init_from = pathlib.Path(origin.init_from)
        step = checkpoints.load_weights(init_from, model.without_head())
        _head_of(model).start_from(model.synthesis)
        _LOG.info("Copied the head from G of %s, step %d.", init_from, step)
    run_directory.begin_stage(config, codec_config, order, origin, workdir)
    return model


def train(
    config: OrpConfig,
    model: CodecModel,
    pictures: Pictures,
    workdir: pathlib.Path,
    settings: Settings,
) -> None:
    """Trains, or continues from the newest valid checkpoint in `workdir`.

    Args:
        config, model: As `prepare` left and returned them.
        pictures: To cut crops from.
        workdir: Gets checkpoints/, metrics.jsonl and logs/.
        settings: See there.

    Raises:
        hific.loop.Interrupted: SIGTERM or SIGINT came; the state was saved.
    """

    def batches_from(step: int) -> TrainingCrops:
        return TrainingCrops(
            pictures,
            config.batch_size,
            config.data,
            settings.seed,
            start_step=step,
            threads=settings.data_threads,
            cache_bytes=settings.cache_bytes,
            rows=devices.current().rows(config.batch_size),
        )

    decay = config.optimizer.ema_decay
    loop.fit(
        players(model, config),
        batches_from,
        workdir,
        steps=config.steps,
        modules={"model": model},
        average=Average(model, decay) if decay else None,
        occasions=[shown_ends(model, settings.images_every)],
        log_every=settings.log_every,
        checkpoint_every=settings.checkpoint_every,
    )


def shown_ends(model: CodecModel, every: int, count: int = 4) -> Occasion:
    """The first training images beside the faithful and the realistic image."""
    head = _head_of(model)

    @tf.function(autograph=False)
    def ends(image):
        y_hat = model.prior.rate(model.analysis(image)).y_hat
        features = model.synthesis.features(y_hat, head.depth)
        return head(features), model.synthesis.render(features, head.depth)

    def look(report: Report, step: int, batch: Any) -> None:
        originals = tf.convert_to_tensor(batch[:count])
        panels = [originals, *ends(originals)]
        report.images(step, "original | alpha 0 | alpha 1", panels)

    return Occasion(every, look)


def _head_of(model: CodecModel) -> Any:
    if model.head is None:
        raise ValueError("The model has no head; set head.stages of its config.")
    return model.head


def _check(config: OrpConfig) -> None:
    if config.optimizer.schedule == "cosine" and not config.optimizer.horizon:
        config.optimizer.horizon = config.steps
    make_optimizer(config.optimizer.learning_rate, config.optimizer)
    config_checks.check_crop(config.data.crop)
    devices.current().check(config.batch_size)
    if not config.head.stages:
        raise ValueError("head.stages is 0, which is no head; 1 is the published one.")


def _config_of(run: pathlib.Path) -> Any:
    path = run / "config.json"
    if not path.is_file():
        raise ValueError(
            f"--init_from={run} is no training run: it holds no config.json."
        )
    return egic.config.load(path)
