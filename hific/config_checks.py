"""Whether what a config names exists, found out before anything is built or written."""

from collections.abc import Mapping
from typing import Any

from hific.building import NOISY_HYPER
from hific.choices import choose
from hific.conditioning import CONDITIONINGS
from hific.layers import NORMALISATIONS
from hific.losses import ADVERSARIAL_LOSSES
from hific.rate_control import RATE_TERMS, hyper_price, rate_term
from hific.schedules import SCHEDULES, make_optimizer
from hific.weight_norms import WEIGHT_NORMS

CROP_MULTIPLE = 64  # Pixels: 16 for each position of y, 4 of those for one of z.

# Field that holds a name -> the table of what it may name.
CHOICES: Mapping[str, Mapping[str, Any]] = {
    "rate.kind": RATE_TERMS,
    "optimizer.schedule": SCHEDULES,
    "encoder.normalisation": NORMALISATIONS,
    "decoder.normalisation": NORMALISATIONS,
    "discriminator.conditioning": CONDITIONINGS,
    "discriminator.weight_norm": WEIGHT_NORMS,
    "quantisation_z": NOISY_HYPER,
    "adversarial_loss": ADVERSARIAL_LOSSES,
}


def check(config: Any) -> None:
    """Checks every name in a config, its crop, and the numbers of rate and schedule.

    Args:
        config: With `rate`, `optimizer` and `data`; fields of `CHOICES` that it lacks
            are skipped.

    Raises:
        ValueError: A name is in no table, or numbers contradict each other.
    """
    for path, table in CHOICES.items():
        value = config
        for name in path.split("."):
            value = getattr(value, name, None)
        if value is not None:
            choose(table, value, path)
    head = getattr(config, "head", None)
    if head is not None and head.stages:
        raise ValueError(
            f"head.stages (={head.stages}) must be 0 here: train_orp.py gives a "
            "trained codec its head."
        )
    check_crop(config.data.crop)
    rate_term(config.rate)
    hyper_price(config.rate)
    make_optimizer(config.optimizer.learning_rate, config.optimizer)


def check_crop(crop: int) -> None:
    """Raises ValueError where a side of training crops does not fit the networks."""
    if crop < 1 or crop % CROP_MULTIPLE:
        raise ValueError(
            f"data.crop must be a multiple of {CROP_MULTIPLE}, by which the networks "
            f"divide a picture's sides, got {crop}."
        )
