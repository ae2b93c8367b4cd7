"""Mean IoU of a network over a set of labelled pictures, at their own size.

A picture is resized and padded as in validation, segmented, and the prediction brought
back to the picture's size before it is compared with the labels.

Source: DeepLab2's evaluator, with one scale and no mirrored copy.
"""

import dataclasses
import logging
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from deeplab2_tf import preprocessing
from deeplab2_tf.config import DataConfig
from deeplab2_tf.errors import DataError
from deeplab2_tf.mean_iou import MeanIoU
from deeplab2_tf.sources import Source

_LOG = logging.getLogger("absl")


@dataclasses.dataclass(frozen=True)
class Segmented:
    """What came of a set.

    Attributes:
        mean_iou: Counts of all pictures; "fake" is never predicted.
        skipped: Name and reason of pictures that could not be used.
    """

    mean_iou: MeanIoU
    skipped: tuple[str, ...]


def make_predict(
    logits_of: Callable[[tf.Tensor], tf.Tensor], source: Source, config: DataConfig
) -> Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Compiles the segmentation of one picture of any size.

    Args:
        logits_of: [1, h, w, 3] float32 in [0, 255] -> [1, h, w, C], (h, w) being
            config.eval_crop. Logits beyond the label set's classes ("fake") are left
            out of the decision.
        source: Its label set counts.
        config: Sizes.

    Returns:
        (image [H, W, 3] uint8, panoptic [H, W] int32) -> (labels, prediction), both
        [H, W] int32 semantic ids.
    """
    label_set = source.label_set

    @tf.function(
        input_signature=[
            tf.TensorSpec((None, None, 3), tf.uint8),
            tf.TensorSpec((None, None), tf.int32),
        ],
        autograph=False,
    )
    def segment(image, panoptic):
        sample = preprocessing.eval_sample(image, panoptic, config, label_set)
        logits = logits_of(sample["image"][tf.newaxis])[0, ..., : label_set.num_classes]
        best = tf.argmax(logits, axis=-1, output_type=tf.int32)
        raw = sample["semantic_raw"]
        prediction = preprocessing.undo_preprocessing(
            best, sample["size"], tf.shape(raw)
        )
        return raw, prediction

    return lambda image, panoptic: tuple(x.numpy() for x in segment(image, panoptic))


def evaluate(
    predict: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]],
    source: Source,
    before_each: Callable[[], None] = lambda: None,
) -> Segmented:
    """Segments every picture of a source.

    Pictures that cannot be used are skipped, and named in the log and the result.

    Args:
        predict: As `make_predict` returns.
        source: A validation set.
        before_each: Called before every picture; may raise, to end it all.

    Raises:
        DataError: Not one picture can be used.
    """
    label_set = source.label_set
    metric = MeanIoU(label_set.num_classes, label_set.ignore_label)
    skipped = []
    for index in range(len(source)):
        before_each()
        try:
            picture = source.read(index)
        except DataError as error:
            _LOG.warning("Skipping labelled picture %s", error)
            skipped.append(str(error))
            continue
        metric.update(*predict(picture.image, picture.panoptic))
    if len(skipped) == len(source):
        raise DataError("validation", f"none of {len(source)} pictures can be used.")
    return Segmented(metric, tuple(skipped))
