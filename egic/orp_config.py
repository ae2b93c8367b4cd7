"""What distinguishes one training of an output-residual head from another.

`--config=egic/orp_config.py:PRESET`. The codec is not described here but by the run
that is trained on. Steps and batch size belong to the recipe; flags of the same names
replace them.
"""

import copy
import dataclasses
from collections.abc import Mapping
from dataclasses import field

import hific.config
from hific.config import DataConfig, OptimizerConfig
from hific.network_config import HeadConfig


@dataclasses.dataclass
class OrpConfig:
    """One training of a head for mean squared error; E, P and G stay.

    Attributes:
        head: Its size.
        optimizer: Adam and its schedule; `entropy_learning_rate` is not read.
        data: How crops are cut.
        steps: Of the recipe.
        batch_size: Crops per step.
    """

    head: HeadConfig = field(default_factory=lambda: HeadConfig(stages=1))
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    data: DataConfig = field(default_factory=DataConfig)
    steps: int = 2_000_000
    batch_size: int = 16


_TINY = OrpConfig(
    optimizer=OptimizerConfig(
        learning_rate=5e-4,
        schedule="cosine",
        boundaries=(),
        factors=(1.0,),
        warmup_steps=50,
        clip_norm=1.0,
        ema_decay=0.998,
    ),
    data=hific.config.small_crops(),
    steps=2000,
    batch_size=4,
)

# "orp": the learning rate that the released code means to have; the paper is silent.
PRESETS: Mapping[str, OrpConfig] = {
    "orp": OrpConfig(),
    "orp-tiny": _TINY,
    # Of the model that ships; two stages are 0.1 M parameters of its 5.2 M.
    "orp-small": dataclasses.replace(
        copy.deepcopy(_TINY), head=HeadConfig(stages=2), steps=1500
    ),
}
KINDS: Mapping[str, type] = {"OrpConfig": OrpConfig}


def get_config(preset: str = "orp") -> OrpConfig:
    """What `--config=egic/orp_config.py:PRESET` resolves to."""
    # The flag loads this file as a module of its own; the classes must be the
    # package's.
    from egic import orp_config as canonical

    if preset not in canonical.PRESETS:
        raise ValueError(
            f"No preset {preset!r}; there are {', '.join(canonical.PRESETS)}."
        )
    return copy.deepcopy(canonical.PRESETS[preset])
