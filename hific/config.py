"""What distinguishes one training run from another, as typed values.

A config holds names and numbers, never objects. Presets describe the experiment; paths,
batch size and step count are flags of the entry points, for they describe the machine.
Overrides are parsed by `ml_collections.config_flags`, as `--config.rate.weight=2`.
"""

import copy
import dataclasses
import json
import pathlib
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from hific.files import write_atomically
from hific.network_config import (
    DecoderConfig,
    DiscriminatorConfig,
    EncoderConfig,
    HeadConfig,
    HyperpriorConfig,
)

T = TypeVar("T")

# Metadata of a field that came after configs of its kind were written: it is written
# only where it is not the default, so that older configs and bundles stay what they are
# when they are written again.
LATER = {"written": "unless default"}


@dataclasses.dataclass
class DataConfig:
    """How training crops are cut from pictures.

    Attributes:
        crop: Side of the square crop, pixels.
        scale_min, scale_max: A picture is resized by a factor drawn from this range
            before the crop is taken, but never below the crop. Source: HiFiC's released
            training code (0.75 to 0.95).
        scale_probability: Share of crops that are resized at all (unless the picture is
            smaller than the crop, which always is).
        flip: Mirror half of the crops.
        colour_probability: Share of crops whose channels are permuted and whose
            saturation and gain are changed.
    """

    crop: int = 256
    scale_min: float = 0.75
    scale_max: float = 0.95
    scale_probability: float = 1.0
    flip: bool = False
    colour_probability: float = 0.0


@dataclasses.dataclass
class OptimizerConfig:
    """Adam, its schedule, and what happens to gradients and weights around it.

    Attributes:
        learning_rate: Of the transforms E and G.
        entropy_learning_rate: Of P.
        schedule: A key of `hific.schedules.SCHEDULES`; multiplies both rates by step.
        boundaries, factors: "piecewise": factors[i] until step boundaries[i].
        horizon: "cosine": the step at which the rate is 0; 0 means the run's --steps.
        warmup_steps: The rate grows linearly from 0 over this many steps.
        epsilon: Adam's. Keras' default; HiFiC's TF1 Adam used 1e-8.
        clip_norm: Global gradient norm limit; 0 does not clip.
        ema_decay: Of the averaged weights that `egic export` ships; 0 keeps none.
    """

    learning_rate: float = 1e-4
    entropy_learning_rate: float = 1e-4
    schedule: str = "piecewise"
    boundaries: tuple[int, ...] = (1_800_000,)
    factors: tuple[float, ...] = (1.0, 0.1)
    horizon: int = 0
    warmup_steps: int = 0
    epsilon: float = 1e-7
    clip_norm: float = 0.0
    ema_decay: float = 0.0


@dataclasses.dataclass
class RateConfig:
    """The rate term: a fixed weight, or HiFiC's controller.

    Attributes:
        kind: A key of `hific.rate_control.RATE_TERMS`.
        weight: "fixed": lambda, loss per bit per pixel.
        target_bpp: "target": r_t, bits per pixel.
        weight_above, weight_below: "target": loss per bit per pixel while the rounded
            rate is above or at most the target.
        target_boundaries, target_factors: "target": multiplies target_bpp by step.
        weight_boundaries: "target": steps at which the next two change.
        above_factors, below_factors: "target": multiply the two weights by step.
        hyper_boundaries, hyper_factors: Multiply the price of z's bits by step. At full
            price from the start, z may be silenced before h_s has learned to use it.
    """

    kind: str = "fixed"
    weight: float = 1.0
    target_bpp: float = 0.14
    weight_above: float = 2.0
    weight_below: float = 2.0**-6
    target_boundaries: tuple[int, ...] = ()
    target_factors: tuple[float, ...] = (1.0,)
    weight_boundaries: tuple[int, ...] = ()
    above_factors: tuple[float, ...] = (1.0,)
    below_factors: tuple[float, ...] = (1.0,)
    hyper_boundaries: tuple[int, ...] = dataclasses.field(default=(), metadata=LATER)
    hyper_factors: tuple[float, ...] = dataclasses.field(default=(1.0,), metadata=LATER)


def _hific_rate(target_bpp: float, weight_above: float) -> RateConfig:
    """HiFiC's controller; for 50,000 steps a higher target and half the weights."""
    return RateConfig(
        kind="target",
        target_bpp=target_bpp,
        weight_above=weight_above,
        weight_below=2.0**-6,
        target_boundaries=(50_000,),
        target_factors=(0.20 / 0.14, 1.0),
        weight_boundaries=(50_000,),
        above_factors=(0.5, 1.0),
        below_factors=(0.5, 1.0),
    )


def _hific_optimizer() -> OptimizerConfig:
    return OptimizerConfig(boundaries=(500_000,), epsilon=1e-8)


@dataclasses.dataclass
class HificConfig:
    """Everything that distinguishes one HiFiC run from another.

    Stage 1 ("mselpips") and stage 2 ("hific") share it: stage 1 has no discriminator
    and does not read what concerns one.

    Attributes:
        latent_channels: C, channels of y.
        encoder, decoder, hyperprior, discriminator: Sizes of the networks.
        quantisation_z: What the hyper-synthesis sees in training: "noise", z plus
            U(-1/2, 1/2) as in HiFiC's code, or "ste", z rounded with a straight-through
            gradient as in later work.
        rate: Target and weights of the rate term.
        distortion_weight: k_M in the paper; multiplies MSE on [0, 255] pixels.
        perceptual_weight: k_P; multiplies LPIPS.
        perceptual_start: Step from which LPIPS counts.
        adversarial_weight: beta; multiplies the generator's GAN loss.
        adversarial_loss: A key of `hific.losses.ADVERSARIAL_LOSSES`.
        optimizer: Of E, G and P.
        data: How crops are cut.
        head: The output-residual head, trained by train_orp.py.
    """

    latent_channels: int = 220
    encoder: EncoderConfig = dataclasses.field(default_factory=EncoderConfig)
    decoder: DecoderConfig = dataclasses.field(default_factory=DecoderConfig)
    hyperprior: HyperpriorConfig = dataclasses.field(default_factory=HyperpriorConfig)
    discriminator: DiscriminatorConfig = dataclasses.field(
        default_factory=DiscriminatorConfig
    )
    quantisation_z: str = "noise"
    rate: RateConfig = dataclasses.field(
        default_factory=lambda: _hific_rate(target_bpp=0.14, weight_above=2.0)
    )
    distortion_weight: float = 0.075 * 2**-5
    perceptual_weight: float = 1.0
    adversarial_weight: float = 0.15
    adversarial_loss: str = "non_saturating"
    optimizer: OptimizerConfig = dataclasses.field(default_factory=_hific_optimizer)
    data: DataConfig = dataclasses.field(default_factory=DataConfig)
    head: HeadConfig = dataclasses.field(default_factory=HeadConfig, metadata=LATER)
    perceptual_start: int = dataclasses.field(default=0, metadata=LATER)


def _paper(config: HificConfig) -> HificConfig:
    """The lower weight of the paper's table, where the released code has 2**-6."""
    rate = dataclasses.replace(config.rate, weight_below=2.0**-4)
    return dataclasses.replace(copy.deepcopy(config), rate=rate)


def small_crops() -> DataConfig:
    """How the small models' training crops are cut: varied, from few pictures."""
    return DataConfig(
        crop=128,
        scale_min=0.6,
        scale_max=1.0,
        scale_probability=0.7,
        flip=True,
        colour_probability=0.25,
    )


def _tiny() -> HificConfig:
    """2.2 M parameters, trained on a CPU in minutes.

    Layers at full size cost most of the time, so these are narrow. The initial values
    that differ from the paper's are worth some 500 steps: after 250 of them on batches
    of 4 PSNR is 16 dB where it was 11.
    """
    return HificConfig(
        latent_channels=64,
        encoder=EncoderConfig(
            filters=(16, 24, 48, 96, 128), input_bias=0.5, latent_gain=8.0
        ),
        decoder=DecoderConfig(
            filters=128,
            num_residual_blocks=3,
            upsampling_filters=(96, 48, 24, 16),
            output_bias=0.45,
            output_gain=0.2,
        ),
        hyperprior=HyperpriorConfig(filters=64, initial_scale=2.0),
        discriminator=DiscriminatorConfig(
            filters=(16, 32, 64, 64), latent_features=4, learning_rate=2e-4
        ),
        rate=RateConfig(kind="fixed", weight=1.0),
        optimizer=OptimizerConfig(
            learning_rate=5e-4,
            entropy_learning_rate=1e-3,
            schedule="cosine",
            warmup_steps=100,
            clip_norm=1.0,
            ema_decay=0.998,
        ),
        data=small_crops(),
    )


_LO = HificConfig()
_MI = HificConfig(rate=_hific_rate(target_bpp=0.30, weight_above=1.0))
_HI = HificConfig(rate=_hific_rate(target_bpp=0.45, weight_above=0.5))

# Experiment -> its config. "mselpips" is the stage every HiFiC run starts from; it
# differs by the script that trains it, not by its numbers.
PRESETS: dict[str, HificConfig] = {
    "hific-lo": _LO,
    "hific-mi": _MI,
    "hific-hi": _HI,
    "mselpips": HificConfig(),
    "hific-lo-paper": _paper(_LO),
    "hific-mi-paper": _paper(_MI),
    "hific-hi-paper": _paper(_HI),
    "hific-tiny": _tiny(),
}


def get_config(preset: str = "hific-lo") -> HificConfig:
    """What `--config=hific/config.py:PRESET` resolves to.

    The flag loads this file a second time under another name, so the answer is taken
    from the package's own copy: its classes are those the rest of the program knows.

    Raises:
        ValueError: There is no such preset.
    """
    from hific import config as canonical

    if preset not in canonical.PRESETS:
        raise ValueError(f"No preset {preset!r}; there are {', '.join(PRESETS)}.")
    return copy.deepcopy(canonical.PRESETS[preset])


def save(config: Any, path: pathlib.Path) -> None:
    """Writes a config as JSON, its kind first; the file is whole or absent."""
    write_atomically(path, (json.dumps(to_dict(config), indent=2) + "\n").encode())


def to_dict(config: Any) -> dict[str, Any]:
    """Returns the config as plain data; `kind` names the class it came from."""
    return {"kind": type(config).__name__, **_plain(config)}


def _plain(config: Any) -> dict[str, Any]:
    """Returns fields and their values, but for later ones that are the default."""
    plain = {}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if field.metadata == LATER and value == _default(field):
            continue
        nested = dataclasses.is_dataclass(value)
        plain[field.name] = _plain(value) if nested else copy.deepcopy(value)
    return plain


def _default(field: dataclasses.Field) -> Any:
    if field.default_factory is dataclasses.MISSING:
        return field.default
    return field.default_factory()


def from_dict(data: Mapping[str, Any], kinds: Mapping[str, type]) -> Any:
    """Rebuilds what `to_dict` wrote.

    Args:
        data: Plain data, as read from JSON.
        kinds: Class name -> class, of every config this program knows.

    Raises:
        ValueError: The kind is unknown, or a field is missing from the class.
    """
    data = dict(data)
    kind = data.pop("kind", None)
    if kind not in kinds:
        raise ValueError(f"No config kind {kind!r}; there are {', '.join(kinds)}.")
    return _build(kinds[kind], data)


def _build(cls: type[T], data: Mapping[str, Any]) -> T:
    hints = typing.get_type_hints(cls)
    unknown = set(data) - set(hints)
    if unknown:
        raise ValueError(
            f"{cls.__name__} has no field {', '.join(sorted(unknown))}; was the config "
            "written by a newer version?"
        )
    return cls(**{name: _value(hints[name], value) for name, value in data.items()})


def _value(hint: Any, value: Any) -> Any:
    if dataclasses.is_dataclass(hint):
        return _build(hint, value)  # type: ignore[arg-type]
    if isinstance(value, list):
        return tuple(value)
    return value
