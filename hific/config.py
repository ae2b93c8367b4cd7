"""What distinguishes one training run from another, as typed values.

A config holds names and numbers, never objects. Presets describe the experiment; paths,
batch size and step count are flags of the entry points, for they describe the machine.
Overrides are parsed by `ml_collections.config_flags`, as `--config.rate.weight=2`.
"""

import dataclasses
import json
import pathlib
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

T = TypeVar("T")


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
        schedule: A key of `hific.training.SCHEDULES`; multiplies both rates by step.
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
        weight_boundaries, weight_factors: "target": multiplies both weights by step.
    """

    kind: str = "fixed"
    weight: float = 1.0
    target_bpp: float = 0.14
    weight_above: float = 2.0
    weight_below: float = 2.0**-6
    target_boundaries: tuple[int, ...] = ()
    target_factors: tuple[float, ...] = (1.0,)
    weight_boundaries: tuple[int, ...] = ()
    weight_factors: tuple[float, ...] = (1.0,)


def save(config: Any, path: pathlib.Path) -> None:
    """Writes a config as JSON, its kind first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(to_dict(config), indent=2) + "\n")


def to_dict(config: Any) -> dict[str, Any]:
    """Returns the config as plain data; `kind` names the class it came from."""
    return {"kind": type(config).__name__, **dataclasses.asdict(config)}


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
