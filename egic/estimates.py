"""Hours of the four training commands on an A100, estimated; prints docs/hours.md.

    python -m egic.estimates > docs/hours.md
    python -m egic.estimates --measure

    hours = steps * batch * (FLOPs of a step for a crop) / (share * peak) / 3600

Steps and batch are the presets', FLOPs are counted (`egic.complexity` for the codec,
`egic.reproduction.counting` for the rest), the peak is the maker's, and the share is
what `--measure` found a step to reach of a large matrix product. That is measured on
the machine at hand, as a rule no A100, and kept in estimates.json.
"""

import argparse
import json
import os
import pathlib
import re
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from egic.reproduction import costs
from egic.reproduction.costs import Gpu
from egic.reproduction.stages import STAGES, Stage

MEASURED = pathlib.Path(__file__).with_name("estimates.json")
# One rate of the main model, in the order of the commands.
CHAIN = ("oasis-coco", "egic-0.5", "egic-0.5-I", "egic-0.5-orp")
GPU = costs.GPUS["a100"]
MANY = 8
# Of a GPU's steps that are left when eight share a batch. Assumed.
SCALING = 0.9


class Estimate(NamedTuple):
    """What one run takes.

    Attributes:
        stage: Which run.
        flops: Of one step for one crop of a player's batch.
        share: Of the peak, as measured.
        hours: On one GPU with that share.
    """

    stage: Stage
    flops: float
    share: float
    hours: float


def estimate(stage: Stage, shares: Mapping[str, float], gpu: Gpu = GPU) -> Estimate:
    """Estimates one run at paper scale.

    Args:
        stage: The run.
        shares: Of the peak, by `Stage.cost`.
        gpu: What it runs on.
    """
    share = shares[stage.cost]
    return Estimate(
        stage,
        costs.flops_per_crop(stage.cost),
        share,
        costs.hours(stage, gpu, share),
    )


def on_many(hours: float, count: int = MANY, scaling: float = SCALING) -> float:
    """Hours on several GPUs that share each batch."""
    return hours / (count * scaling)


def shares(measured: Mapping) -> dict[str, float]:
    """Kind of step -> FLOP/s of a step over those of a large matrix product.

    Args:
        measured: As `measure` returns it. LPIPS, whose weights are a file of their own,
            is not in the measured steps.
    """
    return {
        cost: costs.flops_per_crop(cost, without=("LPIPS",))
        * measured["crops"]
        / seconds
        / (1e9 * measured["peak_gflops"])
        for cost, seconds in measured["seconds"].items()
    }


def measure(crops: int = 1, repeats: int = 2) -> dict:
    """Times a full-size step of each kind here; minutes, and up to 6 GB.

    Without a GPU, seconds are processor time over the number of cores: what else the
    machine does slows a step down, and does not count.
    """
    # Building networks needs TensorFlow; printing does not.
    import tensorflow as tf

    from egic.bench.timing import peak
    from egic.reproduction.measuring import measure as measure_step

    cores = os.cpu_count() or 1
    on_gpu = tf.config.list_physical_devices("GPU")
    clock = time.perf_counter if on_gpu else lambda: time.process_time() / cores
    seconds = {}
    for name in CHAIN:
        cost = STAGES[name].cost
        seconds[cost] = round(measure_step(cost, crops, repeats, clock).seconds, 2)
    return {
        "machine": machine(),
        "tensorflow": tf.__version__,
        "crops": crops,
        "peak_gflops": round(peak("float32", 20, clock)),
        "seconds": seconds,
    }


def machine() -> str:
    """Says what was measured on: the cores and the name of the processor."""
    named = re.search(
        r"(?m)^model name\s*: (.*)$", pathlib.Path("/proc/cpuinfo").read_text()
    )
    processor = named[1].strip() if named else "an unnamed processor"
    return f"{os.cpu_count()} cores of {processor}"


def main(argv: Sequence[str] | None = None) -> None:
    """Prints the page, or measures first."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--measure", action="store_true", help="time a step of each kind here first"
    )
    if parser.parse_args(argv).measure:
        MEASURED.write_text(json.dumps(measure(), indent=2) + "\n")
    print(page(json.loads(MEASURED.read_text())), end="")


def page(measured: Mapping) -> str:
    """Returns docs/hours.md."""
    found = shares(measured)
    estimates = [estimate(STAGES[name], found) for name in CHAIN]
    assumed = dict.fromkeys(found, costs.SHARE)
    careful = [estimate(STAGES[name], assumed) for name in CHAIN]
    return _PAGE.format(
        table=_table(estimates, careful),
        example=_arithmetic(estimates[1]),
        measured=_measured_table(measured, found),
        machine=measured["machine"],
        tensorflow=measured["tensorflow"],
        product=measured["peak_gflops"],
        peak=f"{GPU.peak / 1e12:g}",
        gpu=GPU.title,
        assumed=_percent(costs.SHARE),
        many=MANY,
        scaling=_percent(SCALING),
        ratio=MANY * SCALING,
        **_all_rates(),
    )


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _hours(hours: float) -> str:
    return f"{hours:.0f}" if hours >= 10 else f"{hours:.1f}"


def _table(estimates: Sequence[Estimate], careful: Sequence[Estimate]) -> str:
    """A row for each command, and their sums."""
    head = (
        "command",
        "preset",
        "steps",
        "batch",
        "GFLOP a crop",
        f"one A100, {_percent(costs.SHARE)} of peak",
        f"{MANY} of them",
        "one A100, measured share",
        f"{MANY} of them",
    )
    lines = [_row(head), "|---|---|" + "---:|" * (len(head) - 2)]
    for mine, cautious in zip(estimates, careful, strict=True):
        steps, batch = mine.stage.recipe
        lines.append(
            _row(
                (
                    f"`{mine.stage.script}.py`",
                    f"`{mine.stage.preset.partition(':')[2]}`",
                    f"{steps:,}",
                    f"{batch}",
                    f"{mine.flops / 1e9:,.0f}",
                    *_both(cautious.hours),
                    *_both(mine.hours),
                )
            )
        )
    sums = [sum(part.hours for part in parts) for parts in (careful, estimates)]
    lines.append(_row(("**all four**", *[""] * 4, *_both(sums[0]), *_both(sums[1]))))
    return "\n".join(lines)


def _both(hours: float) -> tuple[str, str]:
    return f"{_hours(hours)} h", f"{_hours(on_many(hours))} h"


def _arithmetic(one: Estimate) -> str:
    """The formula with its numbers put in."""
    steps, batch = one.stage.recipe
    return (
        f"    {steps:,} steps x {batch} crops x {one.flops / 1e9:.1f} GFLOP\n"
        f"      / ({costs.SHARE:g} x {GPU.peak / 1e12:g} TFLOP/s) / 3600 s"
        f" = {costs.hours(one.stage, GPU):.1f} hours"
    )


def _measured_table(measured: Mapping, found: Mapping[str, float]) -> str:
    lines = [
        _row(("step of", "GFLOP without LPIPS", "seconds", "share")),
        "|---|---:|---:|---:|",
    ]
    for cost, seconds in measured["seconds"].items():
        gflop = costs.flops_per_crop(cost, without=("LPIPS",)) / 1e9
        cells = cost, f"{gflop:,.0f}", f"{seconds:.2f}", f"{found[cost]:.2f}"
        lines.append(_row(cells))
    return "\n".join(lines)


def _all_rates() -> dict[str, str]:
    """Six rates on as many GPUs at once: the discriminator, then the other three."""
    critic, *rest = (costs.hours(STAGES[name], GPU) for name in CHAIN)
    return {"critic": _hours(critic), "rate": _hours(sum(rest))}


_PAGE = """\
# Hours on a GPU

**Estimates, not measurements: no A100 was there to be tried.** This page is written by
`python -m egic.estimates > docs/hours.md`; a test compares the two.

One rate of the published model, all four commands at the presets of the paper:

{table}

    hours = steps x batch x FLOPs of a step for a crop / (share x peak) / 3600

- **Steps and batch** are the presets'. The batch is that of each player: stage 2 reads
  twice as many crops.
- **FLOPs** are those of matrix products and convolutions of the full-size networks on
  256x256 crops: of the codec by `egic/complexity.py`, of discriminators and LPIPS from
  their graphs (`egic/reproduction/counting.py`). A network costs 1 forward pass, 2 more
  where its weights are trained, 1 more where only a gradient passes through it;
  `egic/reproduction/costs.py` has how many passes each kind of step is.
- **Peak**: {peak} TFLOP/s ({gpu}), the maker's, without sparsity.
- **Share**: {assumed} of the peak is an assumption, usual for training convolutions.
  The measured share is of another machine, below. A processor's cores are easier to
  keep busy than a GPU, so the last two columns are what it can hardly fall below.
- **{many} GPUs** that share each batch ([Many devices](devices.md)) are taken as
  {ratio:g} times one, {scaling} of {many} times: also an assumption,
  [Scaling](scaling.md) has a model of it. For all six rates each may have a GPU of its
  own instead: at {assumed} that takes {critic} hours for the discriminator they share
  and {rate} for the rest.
- Loading data, validation and checkpoints are left out.

The second row, at {assumed}:

{example}

## The measured share

Seconds of one step of one crop, the faster of two, on {machine},
TensorFlow {tensorflow}, float32. A square matrix product of side 3,072 reached
{product} GFLOP/s there. Seconds are processor time over the number of cores, for other
work ran beside it.

{measured}

`python -m egic.estimates --measure` does the same on your machine and prints the page
with its numbers. `python reproduce.py table2 --measure` estimates every run of the
paper so, see [Reproducing the paper](reproduction.md#gpu-hours).

What small models took on a CPU is measured: [Expected curves](curves.md).
"""


if __name__ == "__main__":
    main()
