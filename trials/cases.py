"""What a fuzz target is: a function from a seed and a case number to an outcome.

A case is a function of target, seed and number alone, so that what one run finds
another repeats. What a target promises is checked within the case; whatever the case
raises, a `Violation` or an exception that nobody expected, breaks the promise.
"""

import dataclasses
import random
from collections.abc import Callable


class Violation(Exception):
    """A promise of the codec was seen broken."""


def check(holds: bool, what: str) -> None:
    """Raises a Violation that says what is wrong, unless the condition holds."""
    if not holds:
        raise Violation(what)


def _nothing() -> None:
    pass


@dataclasses.dataclass(frozen=True)
class Target:
    """Something to be tried with many inputs.

    Attributes:
        run: (seed, case) -> the name of the outcome, of which there are few.
        prepare: Called once before the first case; builds models, traces functions.
            The seconds and bytes that it takes are nobody's.
        cases: Returns how many there are, for one that tries all of something; None
            for one without end.
        seconds: Of CPU that a case may take. Ten times as much may pass on the clock,
            for the machine may be busy.
        megabytes: By which a case may let the memory of the process grow.
        block: Cases between two looks at memory: 1, or more where they are fast.
    """

    run: Callable[[int, int], str]
    prepare: Callable[[], object] = _nothing
    cases: Callable[[], int] | None = None
    seconds: float = 1.0
    megabytes: float = 50.0
    block: int = 1


def generator(target: str, seed: int, case: int) -> random.Random:
    """Returns the random numbers of one case."""
    return random.Random(f"{target} {seed} {case}")
