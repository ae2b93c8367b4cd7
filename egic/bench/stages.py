"""The training stages at one size, as the scripts build them, for measuring."""

import argparse
import copy
import dataclasses
import functools
import pathlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

import egic.config
import egic.systems
from deeplab2_tf import labels
from egic import codec, orp
from egic.discriminators import build
from egic.orp_config import OrpConfig
from egic.pretraining_config import PRESETS as RECIPES
from egic.stage2 import POLICIES
from egic.stage2_config import Stage2Config
from hific import lpips_weights, systems
from hific.lpips import Lpips
from hific.network_config import HeadConfig
from hific.players import Player


@dataclasses.dataclass(frozen=True)
class Size:
    """What is measured, and how large it is.

    Attributes:
        preset: Of the codec, SwinT-ChARM.
        recipe: Of pre-training: discriminator and label set; an OASIS.
        crop: Side of the one image of each player.
        precision: Of E, G, D and the head, "float32" or "bfloat16".
        lpips: Weight file; "" for the one in the cache, or random numbers where there
            is none: they take as long.
    """

    preset: str = "egic"
    recipe: str = "coco"
    crop: int = 256
    precision: str = "float32"
    lpips: str = ""


def add_size(parser: argparse.ArgumentParser) -> None:
    """Adds a flag for each field of `Size`."""
    parser.add_argument("--preset", default=Size.preset)
    parser.add_argument("--recipe", default=Size.recipe)
    parser.add_argument("--crop", type=int, default=Size.crop)
    parser.add_argument("--precision", default=Size.precision, choices=POLICIES)
    parser.add_argument("--lpips", default=Size.lpips)


class Made(NamedTuple):
    """A stage that is ready to be traced."""

    players: tuple[Player, ...]
    batch: Any


def picture(size: Size) -> tf.Tensor:
    """Noise, [1, crop, crop, 3] in [0, 255]."""
    shape = (1, size.crop, size.crop, 3)
    return tf.random.stateless_uniform(shape, (2, 2), 0.0, 255.0)


def labelled(size: Size) -> dict[str, tf.Tensor]:
    """The same with a label for each block of 32x32 pixels."""
    image = picture(size)
    blocks = -(-size.crop // 32)
    found = tf.random.stateless_uniform((1, blocks, blocks), (3, 3), 0, 11, tf.int32)
    found = tf.repeat(tf.repeat(found, 32, 1), 32, 2)[:, : size.crop, : size.crop]
    return {"image": image, "semantic": found, "weights": tf.ones(image.shape[:3])}


def lpips_of(size: Size) -> tuple[Lpips, str]:
    """LPIPS, and where its weights are from."""
    path = pathlib.Path(size.lpips or lpips_weights.default_path())
    if size.lpips or path.is_file():
        return _inlined(Lpips(path)), str(path)
    rng = np.random.default_rng(0)
    arrays = {
        name: (0.02 * rng.standard_normal(shape)).astype(np.float32)
        for name, shape in lpips_weights.SHAPES.items()
    }
    return _inlined(Lpips.of(arrays)), "random weights"


def _inlined(lpips: Lpips) -> Lpips:
    """Without the function that serves all sizes, so that operations can be counted."""
    function = Lpips._distance.python_function
    lpips._distance = functools.partial(function, lpips)  # type: ignore[method-assign]
    return lpips


def model_of(size: Size, head: int = 0) -> codec.CodecModel:
    """The codec with random weights."""
    config = egic.config.get_config(size.preset)
    config.head = HeadConfig(stages=head)
    return codec.build_model(config, size.precision)


def critic_of(size: Size, channels: int = 0) -> Any:
    """The recipe's discriminator, conditional where latents have channels."""
    recipe = RECIPES[size.recipe]
    part = dataclasses.replace(
        recipe.discriminator, conditioning="projection" if channels else "none"
    )
    outputs = labels.load(recipe.data.label_set).num_outputs
    return build.build(part, outputs, channels, POLICIES[size.precision])


def _pretraining(size: Size) -> Made:
    recipe = RECIPES[size.recipe]
    label_set = labels.load(recipe.data.label_set)
    players = egic.systems.pretraining(critic_of(size), recipe, label_set)
    return Made(players, labelled(size))


def _stage1(size: Size, perceptual: bool) -> Made:
    config = egic.config.get_config(size.preset)
    config.optimizer = dataclasses.replace(config.optimizer, horizon=1)
    config.perceptual_start = 0
    config.perceptual_weight = 1.0 if perceptual else 0.0
    lpips = lpips_of(size)[0] if perceptual else None
    return Made(systems.stage1(model_of(size), config, lpips), picture(size))


def _stage2(size: Size, strategy: str) -> Made:
    recipe = RECIPES[size.recipe]
    config = Stage2Config(strategy=strategy, data=copy.deepcopy(recipe.data))
    label_set = labels.load(recipe.data.label_set)
    model = model_of(size)
    critic = critic_of(size, model.channels)
    lpips = lpips_of(size)[0]
    players = egic.systems.stage2(model, critic, config, label_set, lpips)
    return Made(players, labelled(size))


def _orp(size: Size) -> Made:
    return Made(orp.players(model_of(size, head=1), OrpConfig()), picture(size))


# Name -> how to make one. A new stage is one line.
STAGES: Mapping[str, Callable[[Size], Made]] = {
    "pre-training": _pretraining,
    "stage 1 without LPIPS": lambda size: _stage1(size, False),
    "stage 1": lambda size: _stage1(size, True),
    "stage 2 I": lambda size: _stage2(size, "I"),
    "stage 2 II": lambda size: _stage2(size, "II"),
    "ORP": _orp,
}
