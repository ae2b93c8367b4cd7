"""Figures of labelled pictures: pixel weights, segmentations, what D sees."""

import dataclasses
import functools
import io
import json
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from PIL import Image

import egic.config
import hific.config
from deeplab2_tf import evaluation, labels, pictures, targets
from deeplab2_tf.config import DataConfig
from deeplab2_tf.pipeline import LabelledBatches
from deeplab2_tf.sources import Source
from deeplab2_tf.synthetic import Scenes
from egic import codec, figures, systems
from egic.discriminators import build
from egic.reproduction.documents import Block
from egic.reproduction.experiment import Experiment
from egic.reproduction.plans import Scale
from egic.stage2_config import KINDS
from hific import checkpoints
from hific.evaluation.pictures import side_by_side

_COUNT = 4  # Pictures shown.
_SEED = 2_000_000  # Of painted scenes that no training has seen.
_WRONG = (220, 30, 30)


@dataclasses.dataclass(frozen=True)
class Scene:
    """What a figure is drawn from.

    Attributes:
        experiment: With the rows of the scale.
        scale: Paper or smoke.
        work: Folder of runs.
        ours: Row -> column -> number.
        pictures: Glob of pictures to show, or none.
        labelled: (data config) -> labelled pictures that were given, or none.
    """

    experiment: Experiment
    scale: Scale
    work: pathlib.Path
    ours: Mapping[str, Mapping[str, float]]
    pictures: str | None = None
    labelled: Callable[[DataConfig], Source | None] = lambda config: None


@dataclasses.dataclass
class Drawn:
    """What came of it.

    Attributes:
        pictures: File name -> bytes.
        tables: Blocks with numbers.
        notes: What could not be drawn, and why.
    """

    pictures: dict[str, bytes] = dataclasses.field(default_factory=dict)
    tables: list[Block] = dataclasses.field(default_factory=list)
    notes: list[str] = dataclasses.field(default_factory=list)

    @property
    def blocks(self) -> list[Block]:
        """Tables, then notes."""
        return [*self.tables, *([Block("", notes=self.notes)] if self.notes else [])]


def png(image: np.ndarray) -> bytes:
    """[H, W, 3] uint8 as a PNG file."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "png")
    return file.getvalue()


def weight_maps(scene: Scene) -> Drawn:
    """Fig. 19: how much each pixel of a picture weighs, by either rule.

    Black weighs 1 by instance size and 0 by class frequency; white weighs 3, and the
    most of all pictures shown. Class frequencies are shown by their square roots.
    """
    config = DataConfig(label_set="synthetic", eval_crop=(256, 256))
    source = scene.labelled(config) or Scenes(_COUNT, _SEED, config.eval_crop)
    label_set = source.label_set
    read = [source.read(index) for index in range(min(len(source), _COUNT))]
    small = [_instance_size(one.panoptic, label_set, config) for one in read]
    frequent = _class_frequency([one.panoptic for one in read], label_set)
    most = max(float(weights.max()) for weights in frequent)
    top = config.small_instance_weight
    shown, rows = [], []
    for one, by_size, by_class in zip(read, small, frequent, strict=True):
        semantic = one.panoptic // label_set.label_divisor
        shown.append(
            side_by_side(
                {
                    one.name: one.image,
                    "labels": pictures.coloured(semantic, label_set),
                    "instance size": _grey((by_size - 1) / (top - 1)),
                    "class frequency": _grey(np.sqrt(by_class / most)),
                }
            )
        )
        rows.append(
            [
                one.name,
                f"{np.mean(by_size == top):.1%}",
                f"{by_size.mean():.2f}",
                f"{by_class.min():.2f} to {by_class.max():.2f}",
            ]
        )
    header = ("", f"pixels that weigh {top:g}", "mean", "class frequency, from and to")
    drawn = Drawn({f"{scene.experiment.name}.png": png(_stack(shown))})
    drawn.tables.append(Block("Weights", header, rows))
    drawn.notes.append(
        f"Instance size: {top:g} on things of fewer than "
        f"{config.small_instance_threshold} pixels, 1 elsewhere. Class frequency: over "
        "the pictures shown together, every class the same total, void 0; "
        "brightness is the square root."
    )
    return drawn


def _instance_size(panoptic, label_set, config: DataConfig) -> np.ndarray:
    parts = targets.split(tf.constant(panoptic), label_set)
    weights = targets.small_instance_weights(
        parts.instances,
        label_set,
        config.small_instance_threshold,
        config.small_instance_weight,
    )
    return weights.numpy()


def _class_frequency(panoptic: Sequence[np.ndarray], label_set) -> list[np.ndarray]:
    """Of all pictures together, whatever their sizes."""
    semantic = [one // label_set.label_divisor for one in panoptic]
    flat = np.concatenate([one.ravel() for one in semantic])
    weights = targets.class_frequency_weights(
        tf.constant(flat[np.newaxis, np.newaxis]),
        label_set.num_classes,
        label_set.ignore_label,
    ).numpy()[0, 0]
    ends = np.cumsum([one.size for one in semantic])[:-1]
    parts = np.split(weights, ends)
    return [part.reshape(one.shape) for part, one in zip(parts, semantic, strict=True)]


def _grey(values: np.ndarray) -> np.ndarray:
    """[H, W] in [0, 1] to [H, W, 3] uint8."""
    grey = np.rint(255 * np.clip(values, 0, 1)).astype(np.uint8)
    return np.repeat(grey[..., np.newaxis], 3, axis=-1)


def _stack(shown: Sequence[np.ndarray]) -> np.ndarray:
    return pictures.stacked(shown)


def segmentation(scene: Scene) -> Drawn:
    """Fig. 16: what pre-trained discriminators see, and where they are wrong."""
    runs = [scene.work / "runs" / one for one in scene.scale.stages(scene.experiment)]
    absent = [run.name for run in runs if not (run / "checkpoints").is_dir()]
    if absent:
        return Drawn(notes=[f"Not trained yet: {', '.join(absent)}."])
    columns: list[dict[str, np.ndarray]] = []
    rows = []
    for run in runs:
        critic, config = build.load_pretrained(run)
        source = _source(scene, config.data)
        predict = evaluation.make_predict(
            functools.partial(critic, latent=None), source, config.data
        )
        score = evaluation.evaluate(predict, source).mean_iou
        rows.append(
            [run.name, f"{score.result():.3f}", f"{score.pixel_accuracy():.1%}"]
        )
        for index in range(min(len(source), _COUNT)):
            one = source.read(index)
            truth, seen = predict(one.image, one.panoptic)
            if len(columns) <= index:
                coloured = pictures.coloured(truth, source.label_set)
                columns.append({one.name: one.image, "labels": coloured})
            columns[index][run.name] = pictures.coloured(seen, source.label_set)
            wrong = (seen != truth) & (truth != source.label_set.void)
            columns[index][f"errors of {run.name}"] = _errors(wrong)
    shown = _stack([side_by_side(each) for each in columns])
    legend = pictures.legend(source.label_set, shown.shape[1])
    drawn = Drawn({f"{scene.experiment.name}.png": png(_stack([shown, legend]))})
    header = ("", "mIoU of these pictures", "pixels right")
    drawn.tables.append(Block("Predictions", header, rows))
    return drawn


def _errors(wrong: np.ndarray) -> np.ndarray:
    """Red where a prediction is wrong, black elsewhere."""
    return wrong[..., np.newaxis] * np.array(_WRONG, np.uint8)


def _source(scene: Scene, config: DataConfig) -> Source:
    """The labelled pictures that were given, or painted scenes.

    Raises:
        OSError: None were given, and the label set is not that of painted scenes.
    """
    given = scene.labelled(config)
    if given is not None:
        return given
    if config.label_set != "synthetic":
        raise FileNotFoundError(
            f"Labelled pictures of {config.label_set} are needed: pass --records, or "
            "--images with --labels."
        )
    return Scenes(_COUNT, _SEED, config.eval_crop)


def discriminator(scene: Scene) -> Drawn:
    """Fig. 17 and 18: what the discriminator of a second stage takes pictures for."""
    (name,) = scene.scale.stages(scene.experiment)
    run = scene.work / "runs" / name
    if not (run / "stage.json").is_file():
        return Drawn(notes=[f"Not trained yet: {name}."])
    model, critic, config = _judging(run)
    source = _source(scene, config.data)
    batch = next(LabelledBatches(source, config.data, min(len(source), _COUNT)))
    batch = tf.nest.map_structure(tf.convert_to_tensor, batch)
    seed = systems.labelmix_seed(0, tf.constant(0, tf.int64))
    seen = systems.judge(model, critic, batch, seed, config.labelmix_scope, False)
    panels = figures.panels(batch, seen, source.label_set)
    titles = figures.TITLE.split(" | ")
    rows = [
        side_by_side(
            {
                title: np.clip(np.rint(panel[index]), 0, 255).astype(np.uint8)
                for title, panel in zip(titles, panels, strict=True)
            }
        )
        for index in range(len(panels[0]))
    ]
    shown = _stack(rows)
    legend = pictures.legend(source.label_set, shown.shape[1])
    return Drawn({f"{scene.experiment.name}.png": png(_stack([shown, legend]))})


def _judging(run: pathlib.Path) -> tuple[Any, Any, Any]:
    """Codec, discriminator and config of a run of the second stage."""
    config = hific.config.from_dict(json.loads((run / "stage.json").read_text()), KINDS)
    model = codec.build_model(egic.config.load(run / "config.json"))
    checkpoints.load_weights(run, model)
    outputs = labels.load(config.data.label_set).num_outputs
    critic = build.build(config.discriminator, outputs, model.channels)
    checkpoints.load_weights(run, critic, averaged=False, part="discriminator")
    return model, critic, config
