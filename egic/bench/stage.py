"""One training stage, measured in this process alone; prints JSON.

python -m egic.bench.stage --stage="stage 2 I" --precision=bfloat16
"""

import argparse
import functools
import json
import pathlib
import time

import tensorflow as tf

from egic.bench.stages import STAGES, Size, add_size, lpips_of
from egic.bench.timing import least, peak
from egic.reproduction.counting import graph_flops
from hific import training


def main(argv: list[str] | None = None) -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stage", required=True, choices=STAGES)
    parser.add_argument("--repeats", type=int, default=3)
    add_size(parser)
    arguments = vars(parser.parse_args(argv))
    stage, repeats = arguments.pop("stage"), arguments.pop("repeats")
    print(json.dumps(measure(stage, Size(**arguments), repeats)))


def measure(stage: str, size: Size, repeats: int) -> dict:
    """Builds, traces and runs a stage's step.

    Returns:
        "build", "trace" and "seconds"; "gflop" of a step; "peak_gflops" of a large
        matrix product; "peak_gb" of this process before that product; "lpips", where
        its weights are from.
    """
    training.set_seeds(0)
    start = time.perf_counter()
    made = STAGES[stage](size)
    build = time.perf_counter() - start
    step = training.make_train_step(made.players)
    inputs = (made.batch,) * len(made.players), tf.constant(0, tf.int64)
    first, best = least(functools.partial(step, *inputs), repeats)
    memory = peak_gigabytes()
    return {
        "build": build,
        "trace": first - best,
        "seconds": best,
        "gflop": graph_flops(step.get_concrete_function(*inputs).graph) / 1e9,
        "peak_gb": memory,
        "peak_gflops": peak(size.precision, max(repeats, 2)),
        "lpips": lpips_of(size)[1],
    }


def peak_gigabytes() -> float:
    """Most memory that this process has had at once.

    Of the process since it became this program: `ru_maxrss` would count the memory of
    the one it was started from.
    """
    status = pathlib.Path("/proc/self/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 2**20


if __name__ == "__main__":
    main()
