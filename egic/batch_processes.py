"""How many processes work on a folder, and whether memory suffices for them."""

import argparse
import heapq
import os
import pathlib
import sys
from collections.abc import Callable, Iterable, Sequence

from hific import engine_names, memory

# Measured on two cores, with files of 0.4 megapixels: two processes of one thread code
# 1.2 to 1.4 times as many as one of two once they run, and are no slower over all from
# 16 files (the full-size model) or 32 (`egic-small`) on.
FILES_EACH = 20
# Beyond two is inferred: every process takes memory, and somebody may share a machine.
MOST = 8

Size = Callable[[pathlib.Path], tuple[int, int] | None]


def asked(args: argparse.Namespace, alone: bool) -> int | None:
    """What flags say; None is `best`, which knows nothing of shards beside this one.

    Args:
        args: With `processes` and `shard`.
        alone: Whether one process is what was measured.
    """
    if args.processes is None and (alone or args.shard is not None):
        return 1
    return args.processes


def best(files: int, waiting: Iterable[pathlib.Path], size: Size) -> int:
    """As many processes as are faster than fewer, and have memory.

    Args:
        files: In the folder, whatever is finished of them: a run that goes on computes
            with as many threads as the one before, and so makes the same bytes.
        waiting: Those that are to be done.
        size: Height and width of a file's picture, or None.
    """
    most = min(MOST, len(os.sched_getaffinity(0)), files // FILES_EACH)
    if most < 2 or engine_names.has_gpu():
        return 1
    largest, there = _largest(most, waiting, size), memory.available()
    return most if sum(largest) <= there else max(1, _fitting(largest, there))


def warn_of_memory(processes: int, waiting: Sequence[pathlib.Path], size: Size) -> None:
    """Says before it begins where memory may not suffice for all processes.

    Args:
        processes: That were asked for.
        waiting, size: See `best`.
    """
    if processes == 1 or not waiting:
        return
    largest, there = _largest(processes, waiting, size), memory.available()
    if sum(largest) <= there:
        return
    fit = _fitting(largest, there)
    advice = f"--processes={fit} is safe" if fit else "even --processes=1 may not do"
    print(
        f"egic: {len(largest)} processes may take {sum(largest) / 1e9:.1f} GB of "
        f"memory at the largest pictures, and {there / 1e9:.1f} GB are to be had; a "
        f"process that gets none is killed. {advice}",
        file=sys.stderr,
    )


def _largest(processes: int, waiting: Iterable[pathlib.Path], size: Size) -> list[int]:
    """Bytes of processes that have the largest pictures, those first."""
    sizes = map(size, waiting)
    model = memory.largest_here()
    needs = (memory.needed(*size, model=model) for size in sizes if size is not None)
    return heapq.nlargest(processes, needs)


def _fitting(largest: Sequence[int], there: int) -> int:
    """How many of them have memory together."""
    return sum(sum(largest[:n]) <= there for n in range(1, len(largest) + 1))
