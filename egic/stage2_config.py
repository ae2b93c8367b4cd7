"""What distinguishes one adversarial training of a decoder from another: the presets.

`--config=egic/stage2_config.py:PRESET`. The codec is not described here but by the run
that is trained on, and neither are a pre-trained discriminator's sizes. Steps and batch
size belong to the published numbers; flags of the same names replace them.
"""

import copy
import dataclasses
from collections.abc import Mapping
from dataclasses import field

import hific.config
from deeplab2_tf.config import DataConfig
from egic.pretraining_config import PRESETS as PRETRAININGS
from egic.pretraining_config import DiscriminatorConfig


@dataclasses.dataclass
class GeneratorWeights:
    """What the terms of the decoder's loss weigh; one that weighs 0 is not computed.

    Attributes:
        distortion: k_M; multiplies MSE on the [0, 255] scale.
        perceptual: k_P; multiplies LPIPS.
        adversarial: beta; multiplies the weighted cross-entropy of the discriminator's
            answer to a reconstruction with the classes of the original.
    """

    distortion: float = 0.075 * 2**-5
    perceptual: float = 1.0
    adversarial: float = 0.30  # SwinT-ChARM's; `BETAS` has both.


def _adversarial_only() -> GeneratorWeights:
    return GeneratorWeights(distortion=0.0, perceptual=0.0, adversarial=1.0)


@dataclasses.dataclass
class AdamConfig:
    """Two Adams, published with constant learning rates.

    Attributes:
        generator_rate, discriminator_rate: Learning rates of G and of D.
        horizon: Step at which both have fallen to 0, along a cosine: a short training
            ends without the noise of its last steps. 0 keeps them constant.
        epsilon: Adam's.
        clip_norm: Global gradient norm limit, for each of both; 0 does not clip.
        ema_decay: Of G's averaged weights, which `egic export` ships; 0 keeps none.
    """

    generator_rate: float = 1e-5
    discriminator_rate: float = 1e-5
    epsilon: float = 1e-7
    clip_norm: float = 0.0
    ema_decay: float = 0.0
    horizon: int = field(default=0, metadata=hific.config.LATER)


@dataclasses.dataclass
class Stage2Config:
    """One training of G against a discriminator that segments; E and P stay.

    Attributes:
        strategy: A key of `STRATEGIES`, the weights that hold.
        strategy_1: Distortion, perception and realism together, "ours w/ d".
        strategy_2: Realism alone, "ours w/o d".
        consistency_weight: Of the discriminator's LabelMix term.
        labelmix_scope: A key of `egic.labelmix.SCOPES`.
        reduction: A key of `deeplab2_tf.losses.REDUCTIONS`.
        discriminator: The network. Where a pre-trained one is taken, its kind and sizes
            are that one's, and only the conditioning is read here.
        data: Label set, crop, augmentation and pixel weights.
        optimizer: Learning rates of both players.
        steps: Of the recipe.
        batch_size: Crops per step for each player; twice as many are read.
    """

    strategy: str = "I"
    strategy_1: GeneratorWeights = field(default_factory=GeneratorWeights)
    strategy_2: GeneratorWeights = field(default_factory=_adversarial_only)
    consistency_weight: float = 10.0
    labelmix_scope: str = "image"
    reduction: str = "nonzero"
    discriminator: DiscriminatorConfig = field(
        default_factory=lambda: DiscriminatorConfig(conditioning="projection")
    )
    data: DataConfig = field(default_factory=DataConfig)
    optimizer: AdamConfig = field(default_factory=AdamConfig)
    steps: int = 1_000_000
    batch_size: int = 8


# Name of a strategy in the paper -> the field with its weights.
STRATEGIES: Mapping[str, str] = {"I": "strategy_1", "II": "strategy_2"}

# Kind of a codec's config -> beta of strategy I that was published with that codec.
BETAS: Mapping[str, float] = {"EgicConfig": 0.30, "HificConfig": 0.15}

_HIFIC = GeneratorWeights(adversarial=BETAS["HificConfig"])


def _tiny(pretraining: str, strategy_1: GeneratorWeights) -> Stage2Config:
    """For a CPU, with the discriminator of a tiny pre-training and its data."""
    recipe = copy.deepcopy(PRETRAININGS[pretraining])
    return Stage2Config(
        strategy_1=copy.deepcopy(strategy_1),
        discriminator=dataclasses.replace(
            recipe.discriminator, conditioning="projection"
        ),
        data=recipe.data,
        optimizer=AdamConfig(
            generator_rate=1e-4,
            discriminator_rate=1e-4,
            clip_norm=1.0,
            ema_decay=0.998,
        ),
        steps=3000,
        batch_size=2,
    )


def _small() -> Stage2Config:
    """Of the model that ships: few steps, more and smaller crops, thrice the LPIPS."""
    recipe = _tiny("camvid-tiny", GeneratorWeights(perceptual=3.0))
    recipe.data.crop = (128, 128)
    recipe.steps = recipe.optimizer.horizon = 600
    recipe.batch_size = 4
    return recipe


PRESETS: Mapping[str, Stage2Config] = {
    "egic": Stage2Config(),
    "hific": Stage2Config(strategy_1=_HIFIC),
    # The preliminary study: HiFiC-lo and pictures at half their size. It ran in
    # TensorFlow 1, whose Adam has an epsilon of 1e-8.
    "hific-cityscapes": Stage2Config(
        strategy_1=copy.deepcopy(_HIFIC),
        data=copy.deepcopy(PRETRAININGS["cityscapes"].data),
        optimizer=AdamConfig(epsilon=1e-8),
        steps=150_000,
    ),
    "egic-tiny": _tiny("camvid-tiny", GeneratorWeights()),
    "egic-tiny-synthetic": _tiny("synthetic-tiny", GeneratorWeights()),
    "egic-small": _small(),
    "hific-tiny": _tiny("camvid-tiny", _HIFIC),
}
KINDS: Mapping[str, type] = {"Stage2Config": Stage2Config}


def get_config(preset: str = "egic") -> Stage2Config:
    """What `--config=egic/stage2_config.py:PRESET` resolves to."""
    # The flag loads this file as a module of its own; the classes must be the
    # package's.
    from egic import stage2_config as canonical

    if preset not in canonical.PRESETS:
        raise ValueError(
            f"No preset {preset!r}; there are {', '.join(canonical.PRESETS)}."
        )
    return copy.deepcopy(canonical.PRESETS[preset])
