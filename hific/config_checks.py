"""Whether what a config names exists, found out before anything is built or written."""

from collections.abc import Mapping
from typing import Any

from hific.choices import choose
from hific.codec import NOISY_HYPER
from hific.conditioning import CONDITIONINGS
from hific.layers import NORMALISATIONS, WEIGHT_NORMS
from hific.losses import ADVERSARIAL_LOSSES
from hific.rate_control import RATE_TERMS, rate_term
from hific.schedules import SCHEDULES, make_optimizer

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
    """Checks every name in a config, and the numbers of its rate term and schedule.

    Args:
        config: With `rate` and `optimizer`; fields of `CHOICES` it lacks are skipped.

    Raises:
        ValueError: A name is in no table, or numbers contradict each other.
    """
    for path, table in CHOICES.items():
        value = config
        for name in path.split("."):
            value = getattr(value, name, None)
        if value is not None:
            choose(table, value, path)
    rate_term(config.rate)
    make_optimizer(config.optimizer.learning_rate, config.optimizer)
