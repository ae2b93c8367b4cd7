"""One training step of a full-size system, run here and timed."""

import functools
import gc
import time
from typing import Any

import tensorflow as tf

import hific.systems
from deeplab2_tf import labels
from egic import codec, orp, systems
from egic import config as configs
from egic.bench.timing import Clock, least, peak
from egic.discriminators import build
from egic.orp_config import PRESETS as ORP
from egic.pretraining_config import PRESETS as PRETRAINING
from egic.reproduction.costs import Measured, example, flops_per_crop
from egic.reproduction.stages import STAGES, Stage
from egic.stage2_config import PRESETS as STAGE2
from egic.stage2_config import get_config as stage2_config
from hific import training
from hific.discriminator import build_discriminator
from hific.network_config import HeadConfig

_CROP = 256


def measure(
    cost: str, crops: int = 1, repeats: int = 2, clock: Clock = time.perf_counter
) -> Measured:
    """Times a step of the real size, without LPIPS, whose weights are a file.

    Args:
        cost: A key of `costs.STEPS`.
        crops: Of each player's batch.
        repeats: Of which the fastest counts.
        clock: Seconds since some moment.
    """
    stage = example(cost)
    players, batch = _MAKERS[stage.script](stage, crops)
    step = training.make_train_step(players)
    inputs = (batch,) * len(players), tf.constant(0, tf.int64)
    _, seconds = least(functools.partial(step, *inputs), repeats, clock)
    rate = flops_per_crop(cost, without=("LPIPS",)) * crops / seconds
    del players, step
    gc.collect()
    return Measured(seconds, crops, rate / (1e9 * peak("float32", repeats, clock)))


def _images(crops: int) -> tf.Tensor:
    return tf.random.stateless_uniform((crops, _CROP, _CROP, 3), (2, 2), 0.0, 255.0)


def _labelled(crops: int) -> dict[str, tf.Tensor]:
    images = _images(crops)
    return {
        "image": images,
        "semantic": tf.ones(images.shape[:3], tf.int32),
        "weights": tf.ones(images.shape[:3]),
    }


def _preset(stage: Stage) -> str:
    return stage.preset.partition(":")[2]


def _pretraining(stage: Stage, crops: int) -> tuple[Any, Any]:
    recipe = PRETRAINING[_preset(stage)]
    label_set = labels.load(recipe.data.label_set)
    critic = build.build(recipe.discriminator, label_set.num_outputs)
    return systems.pretraining(critic, recipe, label_set), _labelled(crops)


def _stage1(stage: Stage, crops: int) -> tuple[Any, Any]:
    config = configs.get_config(_preset(stage))
    config.perceptual_weight = 0.0
    return hific.systems.stage1(codec.build_model(config), config), _images(crops)


def _stage2(stage: Stage, crops: int) -> tuple[Any, Any]:
    model = codec.build_model(configs.get_config(_codec_preset(stage)))
    if _preset(stage) not in STAGE2:
        config = configs.get_config(_preset(stage))
        config.perceptual_weight = 0.0
        critic = build_discriminator(config)
        return hific.systems.stage2(model, critic, config), _images(crops)
    config = stage2_config(_preset(stage))
    config.strategy_1.perceptual = 0.0
    label_set = labels.load(config.data.label_set)
    kind = _critic(stage)
    critic = build.build(kind, label_set.num_outputs, model.channels)
    players = systems.stage2(model, critic, config, label_set)
    return players, _labelled(crops)


def _critic(stage: Stage):
    pretrained = STAGES.get(stage.discriminator)
    return PRETRAINING[_preset(pretrained) if pretrained else "coco"].discriminator


def _codec_preset(stage: Stage) -> str:
    return _preset(STAGES[stage.init_from])


def _orp(stage: Stage, crops: int) -> tuple[Any, Any]:
    config = configs.get_config(_codec_preset(STAGES[stage.init_from]))
    config.head = HeadConfig(stages=1)
    return orp.players(codec.build_model(config), ORP["orp"]), _images(crops)


# Script -> (stage, crops) -> players and the batch of each.
_MAKERS = {
    "pretrain_discriminator": _pretraining,
    "train_stage1": _stage1,
    "train_stage2": _stage2,
    "train_orp": _orp,
}
