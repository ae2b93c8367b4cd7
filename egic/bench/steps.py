"""What a training step of each stage costs."""

import dataclasses
import functools
import resource
import time
from collections.abc import Callable
from typing import Any

import tensorflow as tf
from rich.table import Table

import egic.systems
from deeplab2_tf import labels
from egic import codec, pretraining_config
from egic.bench.timing import least
from egic.config import EgicConfig
from egic.discriminators import build
from hific import systems, training


def step_table(config: EgicConfig, crop: int, repeats: int) -> Table:
    """One training step of each stage, on one crop, without LPIPS."""
    table = Table(title=f"training steps, one {crop}x{crop} crop", title_justify="left")
    for name in ("stage", "build s", "trace s", "s", "peak GB so far"):
        table.add_column(name, justify="right")
    images = tf.random.stateless_uniform((1, crop, crop, 3), (2, 2), 0.0, 255.0)
    for stage, make in STAGES.items():
        start = time.perf_counter()
        players, batch = make(config, images)
        seconds = time.perf_counter() - start
        step = training.make_train_step(players)
        inputs = (batch,) * len(players), tf.constant(0, tf.int64)
        first, best = least(functools.partial(step, *inputs), repeats)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        table.add_row(
            stage,
            f"{seconds:.2f}",
            f"{first - best:.1f}",
            f"{best:.2f}",
            f"{memory:.1f}",
        )
    return table


def _pretraining(config: EgicConfig, images: tf.Tensor):
    """The discriminator of the COCO recipe, whatever the codec."""
    del config
    recipe = pretraining_config.PRESETS["coco"]
    label_set = labels.load(recipe.data.label_set)
    critic = build.build(recipe.discriminator, label_set.num_outputs)
    batch = {
        "image": images,
        "semantic": tf.ones(images.shape[:3], tf.int32),
        "weights": tf.ones(images.shape[:3]),
    }
    return egic.systems.pretraining(critic, recipe, label_set), batch


def _stage1(config: EgicConfig, images: tf.Tensor):
    """Without LPIPS, whose weights are a file of their own."""
    optimizer = dataclasses.replace(config.optimizer, horizon=1)
    config = dataclasses.replace(config, perceptual_weight=0.0, optimizer=optimizer)
    return systems.stage1(codec.build_model(config), config), images


# Name -> (config, images) -> players and the batch of each. A new stage is one line.
STAGES: dict[str, Callable[[EgicConfig, tf.Tensor], Any]] = {
    "pre-training": _pretraining,
    "stage 1": _stage1,
}
