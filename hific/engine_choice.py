"""Which engine executes E and G of a picture: the first that has the memory for it."""

import contextlib
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from hific.choices import choose
from hific.engine_names import TENSORFLOW, memory_of
from hific.engines import ENGINES, Engine, Source
from hific.errors import LimitExceededError
from hific.memory import Footprint


class Candidate(NamedTuple):
    """An engine, and what a process takes that codes with it."""

    engine: Engine
    footprint: Footprint


def made(names: Iterable[str], source: Source, footprint: Footprint) -> list[Candidate]:
    """Engines for the networks of one model.

    Args:
        names: Keys of `hific.engines.ENGINES`.
        source: The networks.
        footprint: Of the model in TensorFlow.

    Raises:
        EngineError: An engine does not run here.
    """
    return [
        Candidate(
            choose(ENGINES, name, "engine")(source),
            footprint.with_engine(memory_of(name)),
        )
        for name in names
    ]


def fitting(
    candidates: Sequence[Candidate], check: Callable[[Footprint], None]
) -> Engine:
    """The first engine that has memory; the last is asked for its own sake.

    Args:
        candidates: The fastest first.
        check: Raises LimitExceededError where a footprint is too large.

    Raises:
        LimitExceededError: None fits.
    """
    *first, last = candidates
    for engine, footprint in first:
        with contextlib.suppress(LimitExceededError):
            check(footprint)
            return engine
        engine.release()
    try:
        check(last.footprint)
    except LimitExceededError as error:
        if last.engine.name == TENSORFLOW:
            raise
        raise LimitExceededError(
            f"{error} --engine={TENSORFLOW} takes less than {last.engine.name}."
        ) from error
    return last.engine
