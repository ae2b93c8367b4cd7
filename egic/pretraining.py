"""A run of discriminator pre-training, from labelled pictures to a run directory.

The experiment is the config; `Settings` describes the machine it runs on.
"""

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from deeplab2_tf import evaluation, labels, pictures, preprocessing
from deeplab2_tf.labels import LabelSet
from deeplab2_tf.pipeline import LabelledBatches
from deeplab2_tf.sources import Source
from egic import systems
from egic.discriminators import build
from egic.pretraining_config import PretrainingConfig, check_pairs
from hific import devices, loop, run_directory, training
from hific.reports import Report
from hific.weight_norms import calibrate


@dataclasses.dataclass(frozen=True)
class Settings:
    """How a run is carried out.

    Attributes:
        seed: Of weights, order and augmentation.
        data_threads: Pictures read and prepared at once.
        log_every, images_every, validate_every, checkpoint_every: In steps.
    """

    seed: int = 0
    data_threads: int = 2
    log_every: int = 50
    images_every: int = 1000
    validate_every: int = 5000
    checkpoint_every: int = 1000


def record(
    config: PretrainingConfig,
    workdir: pathlib.Path,
    source: Source,
    validation: Source | None = None,
    seed: int = 0,
) -> None:
    """Checks config and sources, and records what decides every step of the run.

    config.json is the experiment; order.json is the seed and the number of pictures,
    without which a run would go on with other batches than it would have had.

    Raises:
        ValueError: The config names what does not exist or contradicts itself, a source
            has another label set, or the directory holds another run. Nothing was
            written.
    """
    label_set = _check(config, [one for one in (source, validation) if one is not None])
    critic = build.build(config.discriminator, label_set.num_outputs)
    (player,) = systems.pretraining(critic, config, label_set)
    _trace(critic, player.objective, config, label_set)
    order = run_directory.Order(seed, len(source))
    files = {run_directory.ORDER: order, run_directory.CONFIG: config}
    run_directory.begin(files, workdir)


def _check(config: PretrainingConfig, sources: Sequence[Source]) -> LabelSet:
    """Checks what needs no network; returns the label set."""
    data = config.data
    devices.current().check(config.batch_size)
    if config.discriminator.conditioning != "none":
        raise ValueError(
            "There are no latents in pre-training; discriminator.conditioning must be "
            f"'none', got {config.discriminator.conditioning!r}."
        )
    label_set = labels.load(config.data.label_set)
    for source in sources:
        if source.label_set != label_set:
            raise ValueError(
                f"The pictures have label set {source.label_set.name!r}, the config "
                f"{label_set.name!r}; set --config.data.label_set."
            )
    check_pairs(data, ("crop", "eval_crop"))
    if data.max_resize > max(data.eval_crop):
        raise ValueError(
            f"Validation pictures are resized to data.max_resize (={data.max_resize}), "
            f"more than data.eval_crop (={data.eval_crop}) has room for."
        )
    return label_set


def _trace(
    critic: Any, objective: Any, config: PretrainingConfig, label_set: LabelSet
) -> None:
    """Traces what the run will compute, so that each part may refuse the config."""
    data = config.data

    def train_sample(image, panoptic):
        seed = tf.constant((0, 0), tf.int64)
        return preprocessing.train_sample(image, panoptic, data, label_set, seed)

    def eval_sample(image, panoptic):
        return preprocessing.eval_sample(image, panoptic, data, label_set)

    def predict(image):
        return critic(image, None, training=False)

    def total(batch, step):
        return objective(batch, step).total()

    picture = (
        tf.TensorSpec((None, None, 3), tf.uint8),
        tf.TensorSpec((None, None), tf.int32),
    )
    batch = {
        "image": tf.TensorSpec((1, *data.crop, 3), tf.float32),
        "semantic": tf.TensorSpec((1, *data.crop), tf.int32),
        "weights": tf.TensorSpec((1, *data.crop), tf.float32),
    }
    for function, arguments in (
        (train_sample, picture),
        (eval_sample, picture),
        (total, (batch, tf.TensorSpec((), tf.int64))),
        (predict, (tf.TensorSpec((1, *data.eval_crop, 3), tf.float32),)),
    ):
        tf.function(function, autograph=False).get_concrete_function(*arguments)


def train(
    config: PretrainingConfig,
    source: Source,
    workdir: pathlib.Path,
    settings: Settings,
    validation: Source | None = None,
) -> None:
    """Trains, or continues from the newest valid checkpoint in `workdir`.

    Args:
        config: As `record` left it.
        source: Labelled pictures to train on.
        workdir: Gets checkpoints/, metrics.jsonl and logs/.
        settings: See there.
        validation: Labelled pictures whose mean IoU is logged, or None.

    Raises:
        deeplab2_tf.errors.DataError: Too many pictures cannot be used.
        hific.loop.Interrupted: SIGTERM or SIGINT came; the state was saved.
    """
    training.set_seeds(settings.seed)
    critic = build.build(config.discriminator, source.label_set.num_outputs)

    mine = devices.current().rows(config.batch_size)

    def batches_from(step: int, rows: Sequence[int] | None = mine) -> LabelledBatches:
        return LabelledBatches(
            source,
            config.data,
            config.batch_size,
            settings.seed,
            step,
            settings.data_threads,
            rows,
        )

    if not run_directory.is_begun(workdir):
        _start_from_data(critic, batches_from(0, None))
    occasions = [shown_predictions(critic, source.label_set, settings.images_every)]
    if validation is not None:
        occasions.append(validated(critic, validation, config, settings.validate_every))
    loop.fit(
        systems.pretraining(critic, config, source.label_set),
        batches_from,
        workdir,
        steps=config.steps,
        modules={"discriminator": critic},
        occasions=occasions,
        log_every=settings.log_every,
        checkpoint_every=settings.checkpoint_every,
    )


def _start_from_data(critic: Any, batches: LabelledBatches) -> None:
    """Lets weight norm set its scales by the first batch; other norms need nothing."""
    try:
        calibrate(critic, next(batches)["image"])
    finally:
        batches.close()


def shown_predictions(
    critic: Any, label_set: LabelSet, every: int, count: int = 4
) -> loop.Occasion:
    """Training crops, their labels and what the network takes them for, in colours.

    Void pixels and those taken for "fake" are black.
    """

    @tf.function(autograph=False)
    def predict(image):
        return tf.argmax(critic(image, None, training=False), axis=-1)

    def look(report: Report, step: int, batch: systems.Labelled) -> None:
        image = tf.convert_to_tensor(batch["image"][:count])
        maps = np.asarray(batch["semantic"][:count]), predict(image).numpy()
        panels = [image, *(pictures.coloured(map_, label_set) for map_ in maps)]
        report.images(step, "image | labels | prediction", panels)

    return loop.Occasion(every, look)


def validated(
    critic: Any, source: Source, config: PretrainingConfig, every: int
) -> loop.Occasion:
    """Mean IoU and pixel accuracy over a validation set, beside the majority class's.

    "mean_iou" is DeepLab2's; where void is one of the logits (COCO), it counts as a
    class once it is predicted. "mean_iou_classes" leaves it out.
    """
    void = source.label_set.ignore_label
    predict = evaluation.make_predict(
        lambda image: critic(image, None, training=False), source, config.data
    )

    def look(report: Report, step: int, batch: systems.Labelled) -> None:
        del batch
        segmented = evaluation.evaluate(predict, source, report.stop_if_asked)
        metric = segmented.mean_iou
        majority = metric.majority()
        report.measured(
            step,
            {
                "validation/mean_iou": metric.result(),
                "validation/mean_iou_classes": metric.without(void).result(),
                "validation/pixel_accuracy": metric.pixel_accuracy(),
                "validation/skipped": len(segmented.skipped),
                "validation/majority_mean_iou": majority.result(),
                "validation/majority_pixel_accuracy": majority.pixel_accuracy(),
            },
        )

    return loop.Occasion(every, look)
