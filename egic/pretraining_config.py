"""What distinguishes one discriminator pre-training from another, and the presets.

`--config=egic/pretraining_config.py:PRESET`. A recipe's steps and batch size belong to
its published numbers, so they are here; flags of the same names replace them for a
shorter run, and the run directory records what was used.
"""

import copy
import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import field

from deeplab2_tf.config import DataConfig, LossConfig, PolyConfig


@dataclasses.dataclass
class OasisConfig:
    """Sizes of OASIS' U-Net.

    Attributes:
        down: Channels of the down blocks; each halves the picture.
        up: Channels of the up blocks, as many.
        norm: A key of `hific.weight_norms.WEIGHT_NORMS`: "weight" starts from data by
            the formula, "weight_released" as the released code does;
            "spectral_training" is OASIS' own.
        input_range: Where [0, 255] is mapped to; the released network sees (0, 255).
    """

    down: tuple[int, ...] = (128, 128, 256, 256, 512, 512)
    up: tuple[int, ...] = (512, 256, 256, 128, 128, 64)
    norm: str = "weight"
    input_range: tuple[float, float] = (-1.0, 1.0)


@dataclasses.dataclass
class DeepLabConfig:
    """Sizes of DeepLab with a ResNet backbone, the study's configuration f.

    Attributes:
        stem: Channels of the first convolution.
        widths, depths: Of the four stages of bottlenecks; 50 layers by default.
        crop: Height and width of the training crop, which the pooling window of the
            network covers; larger pictures slide it.
        decoder: A key of `deeplab2_tf.networks.decoder.DECODERS`.
        conditioned_at: A key of `egic.discriminators.deeplab.CONDITIONED_AT`; only the
            decoder of Panoptic-DeepLab has two fusions.
    """

    crop: tuple[int, int] = (256, 256)
    stem: int = 64
    widths: tuple[int, ...] = (64, 128, 256, 512)
    depths: tuple[int, ...] = (3, 4, 6, 3)
    decoder: str = "panoptic_deeplab"
    conditioned_at: str = "fusion"


@dataclasses.dataclass
class DiscriminatorConfig:
    """A discriminator that segments.

    Attributes:
        kind: A key of `egic.discriminators.build.DISCRIMINATORS`; the sizes of the
            other kinds are not read.
        conditioning: A key of `hific.conditioning.CONDITIONINGS`; "none" to pre-train.
        latent_features: "concat": channels made of the latent.
        oasis, deeplab: Sizes.
    """

    kind: str = "oasis"
    conditioning: str = "none"
    latent_features: int = 12
    oasis: OasisConfig = field(default_factory=OasisConfig)
    deeplab: DeepLabConfig = field(default_factory=DeepLabConfig)


@dataclasses.dataclass
class PretrainingConfig:
    """One pre-training of a discriminator on labelled pictures.

    Attributes:
        discriminator: The network.
        data: Label set, sizes, augmentation and pixel weights.
        loss: The weighted cross-entropy.
        optimizer: Adam and its poly schedule.
        steps: Of the recipe; the learning rate is 0 at the last.
        batch_size: Crops per step.
    """

    discriminator: DiscriminatorConfig = field(default_factory=DiscriminatorConfig)
    data: DataConfig = field(default_factory=DataConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    optimizer: PolyConfig = field(default_factory=PolyConfig)
    steps: int = 1_000_000
    batch_size: int = 16


_COCO = PretrainingConfig(
    data=DataConfig(autoaugment="simple_classification_policy_magnitude_scale_0.2")
)
# Pictures at half their size, as in the paper; learning rate of DeepLab2's panoptic
# configuration, as the paper names no other.
_CITYSCAPES = PretrainingConfig(
    data=DataConfig(
        label_set="cityscapes_panoptic",
        min_resize=512,
        max_resize=1024,
        max_scale=2.0,
        eval_crop=(512, 1024),
    ),
    optimizer=PolyConfig(learning_rate=2.5e-4, warmup_steps=0),
    steps=320_000,
)
_CAMVID_TINY = PretrainingConfig(
    discriminator=DiscriminatorConfig(
        oasis=OasisConfig(down=(16, 24, 48, 64, 96, 96), up=(96, 64, 64, 48, 24, 16))
    ),
    data=DataConfig(
        label_set="camvid",
        min_resize=0,
        max_resize=0,
        crop=(192, 192),
        eval_crop=(384, 512),
    ),
    # At 1e-3 and without clipping the run diverged after 1,200 steps.
    optimizer=PolyConfig(warmup_steps=100, clip_norm=1.0),
    steps=9000,
    batch_size=4,
)
_SYNTHETIC_TINY = PretrainingConfig(
    # Few channels where there are many pixels: half the time of camvid-tiny's.
    discriminator=DiscriminatorConfig(
        oasis=OasisConfig(down=(8, 24, 48, 64, 96, 96), up=(96, 64, 64, 48, 24, 8))
    ),
    # Scenes have perspective; scaling them as well slows learning down.
    data=DataConfig(
        label_set="synthetic",
        min_resize=0,
        max_resize=0,
        min_scale=1.0,
        max_scale=1.0,
        crop=(128, 128),
        eval_crop=(256, 256),
        small_instance_threshold=1024,
    ),
    optimizer=PolyConfig(learning_rate=1e-3, warmup_steps=50, clip_norm=1.0),
    steps=1000,
    batch_size=4,
)


def _resnet50(recipe: PretrainingConfig) -> PretrainingConfig:
    return dataclasses.replace(
        copy.deepcopy(recipe), discriminator=DiscriminatorConfig(kind="deeplab")
    )


PRESETS: Mapping[str, PretrainingConfig] = {
    "coco": _COCO,
    "cityscapes": _CITYSCAPES,
    "coco-resnet50": _resnet50(_COCO),
    "cityscapes-resnet50": _resnet50(_CITYSCAPES),
    "camvid-tiny": _CAMVID_TINY,
    "synthetic-tiny": _SYNTHETIC_TINY,
}
KINDS: Mapping[str, type] = {"PretrainingConfig": PretrainingConfig}


def check_pairs(data: DataConfig, names: Sequence[str]) -> None:
    """Raises ValueError where a field that is a height and a width is not."""
    for name in names:
        if len(getattr(data, name)) != 2:
            raise ValueError(
                f"data.{name} must be a height and a width, got {getattr(data, name)}; "
                "was it given twice? Later values are appended."
            )


def get_config(preset: str = "coco") -> PretrainingConfig:
    """What `--config=egic/pretraining_config.py:PRESET` resolves to."""
    # The flag loads this file as a module of its own; the classes must be the
    # package's.
    from egic import pretraining_config as canonical

    if preset not in canonical.PRESETS:
        raise ValueError(
            f"No preset {preset!r}; there are {', '.join(canonical.PRESETS)}."
        )
    return copy.deepcopy(canonical.PRESETS[preset])
