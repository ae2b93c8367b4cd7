"""What a training step of each stage costs, and what each of its terms does."""

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence

from rich.table import Table

from egic.bench.networks import PRECISIONS
from egic.bench.stages import STAGES, Size

_COLUMNS = (
    "stage",
    "precision",
    "build s",
    "trace s",
    "s",
    "GFLOP",
    "GFLOP/s",
    "of peak",
    "peak GB",
)


def step_table(
    size: Size,
    repeats: int,
    stages: Iterable[str] = STAGES,
    precisions: Sequence[str] = PRECISIONS,
) -> Table:
    """One training step of each stage, each in a process of its own.

    Args:
        size: Its precision is not read.
        repeats: Steps of which the fastest counts.
        stages: Keys of `egic.bench.stages.STAGES`.
        precisions: Of each.
    """
    title = f"training steps, one {size.crop}x{size.crop} crop for each player"
    table = _table(title, _COLUMNS)
    sources = set()
    for stage in stages:
        for precision in precisions:
            found = _measured(
                "stage", repeats, dataclasses.replace(size, precision=precision), stage
            )
            sources.add(found["lpips"])
            table.add_row(stage, precision, *_cells(found))
    table.caption = f"LPIPS: {', '.join(sorted(sources))}"
    return table


def term_table(
    size: Size, repeats: int, precisions: Sequence[str] = PRECISIONS
) -> Table:
    """What stage 2 is made of, one image; all terms of a precision in one process."""
    found = {
        precision: _measured(
            "terms", repeats, dataclasses.replace(size, precision=precision)
        )
        for precision in precisions
    }
    table = _table("seconds of each term, one image", ("term", *precisions))
    for term in found[precisions[0]]:
        table.add_row(term, *(f"{found[one][term]:.3f}" for one in precisions))
    return table


def _cells(found: Mapping) -> list[str]:
    rate = found["gflop"] / found["seconds"]
    return [
        f"{found['build']:.2f}",
        f"{found['trace']:.1f}",
        f"{found['seconds']:.2f}",
        f"{found['gflop']:.0f}",
        f"{rate:.0f}",
        f"{rate / found['peak_gflops']:.2f}",
        f"{found['peak_gb']:.2f}",
    ]


def _table(title: str, columns: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left", caption_justify="left")
    for number, name in enumerate(columns):
        table.add_column(name, justify="right" if number else "left", no_wrap=True)
    return table


def _measured(program: str, repeats: int, size: Size, stage: str = "") -> dict:
    """What `egic.bench.stage` or `egic.bench.terms` prints in a new process.

    Raises:
        RuntimeError: It failed.
    """
    argv = [sys.executable, "-m", f"egic.bench.{program}", f"--repeats={repeats}"]
    argv += [f"--stage={stage}"] if stage else []
    argv += [f"--{name}={value}" for name, value in dataclasses.asdict(size).items()]
    done = subprocess.run(
        argv,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(argv)} failed: {done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])
