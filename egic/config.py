"""What distinguishes one EGIC run from another, and the presets of the paper.

`--config=egic/config.py:PRESET` on every training command; HiFiC's presets are served
here too, so that one flag reaches both backbones.
"""

import copy
import dataclasses
import json
import pathlib
from dataclasses import field
from typing import Any

import hific.config
from hific.config import DataConfig, OptimizerConfig, RateConfig
from hific.network_config import HeadConfig


@dataclasses.dataclass
class TransformConfig:
    """The shape of E and, mirrored, of G.

    Attributes:
        dims: Channels at stride 2, 4, 8 and 16; multiples of 32, and the last one is
            the number of latent channels.
        depths: Swin blocks at each.
        window: Side of an attention window, tokens.
    """

    dims: tuple[int, ...] = (128, 192, 256, 320)
    depths: tuple[int, ...] = (2, 2, 6, 2)
    window: int = 8


@dataclasses.dataclass
class HyperConfig:
    """The shape of h_a and, mirrored, of h_s.

    Attributes:
        channels: Of z and of every stage.
        depths, windows: Swin blocks and window side at stride 32 and 64.
    """

    channels: int = 192
    depths: tuple[int, ...] = (5, 1)
    windows: tuple[int, ...] = (4, 4)


@dataclasses.dataclass
class CharmConfig:
    """The channel-wise autoregressive model of y.

    Attributes:
        max_support: Slices that a slice may see; the first ones if there are more.
        widths: The two hidden widths of the mean net and of the scale net, one pair for
            each slice. Their number is the number of slices.
    """

    max_support: int = 10
    widths: tuple[tuple[int, ...], ...] = tuple(
        (max(64, 64 * (i + 2) // 3), max(32, 32 * (i + 2) // 3)) for i in range(10)
    )


@dataclasses.dataclass
class EgicConfig:
    """One SwinT-ChARM codec and how its first stage is trained.

    Attributes:
        rate: lambda of Eq. 1, per bit per pixel.
        distortion_weight: k_M; multiplies MSE on the [0, 255] scale.
        perceptual_weight: k_P; multiplies LPIPS.
        perceptual_start: Step from which LPIPS counts.
        compatible: Pad pictures to multiples of 256, as the released code does, instead
            of 64.
        head: The output-residual head, trained by train_orp.py.
    """

    transform: TransformConfig = field(default_factory=TransformConfig)
    hyper: HyperConfig = field(default_factory=HyperConfig)
    charm: CharmConfig = field(default_factory=CharmConfig)
    rate: RateConfig = field(default_factory=RateConfig)
    distortion_weight: float = 0.075 * 2**-5
    perceptual_weight: float = 1.0
    data: DataConfig = field(default_factory=DataConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    compatible: bool = False
    head: HeadConfig = field(default_factory=HeadConfig, metadata=hific.config.LATER)
    perceptual_start: int = field(default=0, metadata=hific.config.LATER)


def _fixed(weight: float) -> RateConfig:
    return RateConfig(kind="fixed", weight=weight)


def _paper(rate_weight: float) -> EgicConfig:
    """Stage 1 of the main models: MSE + LPIPS + lambda bpp, 2 M steps, batch 16."""
    return EgicConfig(rate=_fixed(rate_weight))


def _mse(bits_weight: float) -> EgicConfig:
    """The MSE-only models of Fig. 8: MSE + lambda * bits of a 256x256 crop."""
    return EgicConfig(
        rate=_fixed(bits_weight * 256 * 256),
        distortion_weight=1.0,
        perceptual_weight=0.0,
    )


_TINY = EgicConfig(
    transform=TransformConfig(dims=(32, 64, 96, 128), depths=(1, 1, 2, 1)),
    hyper=HyperConfig(channels=64, depths=(1, 1), windows=(4, 2)),
    charm=CharmConfig(max_support=4, widths=((64, 48),) * 4),
    rate=_fixed(0.5),
    perceptual_weight=0.0,
    data=hific.config.small_crops(),
    optimizer=OptimizerConfig(
        learning_rate=2e-4,
        entropy_learning_rate=1e-3,
        schedule="cosine",
        boundaries=(),
        factors=(1.0,),
        warmup_steps=100,
        clip_norm=1.0,
        ema_decay=0.998,
    ),
)

_SMALL = dataclasses.replace(
    copy.deepcopy(_TINY),
    transform=TransformConfig(dims=(32, 64, 128, 192), depths=(1, 2, 2, 2)),
    hyper=HyperConfig(channels=96, depths=(1, 1), windows=(4, 2)),
    charm=CharmConfig(max_support=6, widths=((64, 48),) * 6),
    rate=RateConfig(
        weight=1.75, hyper_boundaries=(1500, 3000), hyper_factors=(0.1, 0.4, 1.0)
    ),
    perceptual_weight=1.0,
    perceptual_start=2500,
    optimizer=dataclasses.replace(_TINY.optimizer, ema_decay=0.999),
)

LAMBDAS = (2.0, 1.5, 1.0, 0.5, 0.25, 0.1)
MSE_LAMBDAS = (0.01, 0.003, 0.001, 0.0003)
PRESETS: dict[str, Any] = {
    "egic": _paper(1.0),
    **{f"egic-{weight:g}": _paper(weight) for weight in LAMBDAS},
    "swint-charm-mse": _mse(0.001),
    **{f"swint-charm-mse-{weight:g}": _mse(weight) for weight in MSE_LAMBDAS},
    "egic-tiny": _TINY,
    "egic-small": _SMALL,
    **hific.config.PRESETS,
}
KINDS: dict[str, type] = {
    "EgicConfig": EgicConfig,
    "HificConfig": hific.config.HificConfig,
}


def load(path: pathlib.Path) -> Any:
    """Reads a config that `hific.config.save` wrote.

    Raises:
        ValueError: It is of a kind, or has a field, unknown here.
    """
    return hific.config.from_dict(json.loads(path.read_text()), KINDS)


def get_config(preset: str = "egic") -> Any:
    """What `--config=egic/config.py:PRESET` resolves to."""
    # The flag loads this file as a module of its own; the classes must be the
    # package's.
    from egic import config as canonical

    if preset not in canonical.PRESETS:
        raise ValueError(
            f"No preset {preset!r}; there are {', '.join(canonical.PRESETS)}."
        )
    return copy.deepcopy(canonical.PRESETS[preset])
