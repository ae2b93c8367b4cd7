"""What an experiment takes at paper scale: data sets, commands, GPU-hours."""

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from egic.reproduction import costs
from egic.reproduction.costs import Gpu, Measured
from egic.reproduction.datasets import DATASETS
from egic.reproduction.documents import Block
from egic.reproduction.experiment import Experiment
from egic.reproduction.plans import SCALES, commands, stages_of
from egic.reproduction.stages import Stage


def plan(
    experiment: Experiment,
    folder: pathlib.Path,
    gpu: Gpu,
    share: float,
    measured: Mapping[str, Measured],
) -> tuple[list[Block], dict[str, Any]]:
    """Blocks for people, and the same as data.

    Args:
        experiment: Whose.
        folder: Of runs and results.
        gpu: That hours are estimated for.
        share: Of its peak that training reaches; not read for kinds of step that
            were measured.
        measured: Kind of step -> a step that was run here.
    """
    scale = SCALES["paper"]
    stages = stages_of(experiment, scale)
    todo = commands(experiment, scale, folder)
    if not todo:
        return [], {}
    used = dict.fromkeys(
        [stage.data for stage in stages] + [experiment.measured_on] * bool(stages)
    )
    names = [name for name in used if name]
    rows, facts = _costs(stages, gpu, share, measured)
    blocks = [
        Block("Data sets ($DATA is a folder of yours)", *_datasets(names)),
        Block(
            f"Runs: {facts['gpu_hours']:,.0f} GPU-hours on one {gpu.title}",
            _header(measured),
            rows,
            _notes(gpu, share, measured),
        ),
        Block("Commands, in this order", code=[str(command) for command in todo]),
    ]
    blocks[0] = Block(
        blocks[0].title,
        blocks[0].header,
        blocks[0].rows,
        ("Prepare them with:",) * bool(_preparation(names)),
        _preparation(names),
    )
    data = {
        "datasets": names,
        **facts,
        "commands": [["python", *command.argv] for command in todo],
    }
    return blocks, {"plan": data}


def _datasets(names: Sequence[str]):
    rows = [[name, DATASETS[name].title, DATASETS[name].where] for name in names]
    return ("", "what", "where"), rows


def _preparation(names: Sequence[str]) -> list[str]:
    return [line for name in names for line in DATASETS[name].prepare]


def _header(measured: Mapping[str, Measured]) -> list[str]:
    here = ["hours here"] * bool(measured)
    return ["run", "steps", "batch", "TFLOP/step", "GPU-hours", *here]


def _costs(
    stages: Sequence[Stage], gpu: Gpu, share: float, measured: Mapping[str, Measured]
):
    rows, runs, total = [], [], 0.0
    for stage in stages:
        steps, batch = stage.recipe
        step = costs.flops_per_crop(stage.cost) * batch
        seen = measured.get(stage.cost)
        hours = costs.hours(stage, gpu, seen.share if seen else share)
        here = costs.hours_here(stage, seen) if seen else None
        row = [stage.name, f"{steps:,}", f"{batch}", f"{step / 1e12:.2f}"]
        row.append(f"{hours:,.0f}")
        if measured:
            row.append("" if here is None else f"{here:,.0f}")
        rows.append(row)
        total += hours
        runs.append(
            {
                "stage": stage.name,
                "steps": steps,
                "batch": batch,
                "flops_per_step": step,
                "gpu_hours": hours,
                "hours_here": here,
            }
        )
    return rows, {"runs": runs, "gpu": gpu.title, "gpu_hours": total}


def _notes(gpu: Gpu, share: float, measured: Mapping[str, Measured]) -> list[str]:
    notes = [costs.formula(gpu, share)]
    for cost, one in measured.items():
        notes.append(
            f"{cost}: {one.seconds:.2f} s for {one.crops} crop(s) of 256x256, measured "
            f"here, {one.share:.0%} of this machine's matrix-multiply rate; that share "
            f"is assumed of the {gpu.title.split(',')[0]} too. Without LPIPS."
        )
    if not measured:
        notes.append("--measure runs a step of each kind here and estimates from it.")
    return notes
