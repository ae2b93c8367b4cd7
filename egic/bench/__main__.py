"""Measures what the codec costs on this machine.

    python -m egic.bench [--preset=egic] [--width=768] [--height=512] [--repeats=5]

Prints seconds, GFLOP/s and the share of the matrix-multiply peak measured in the same
run for E, G, the hyper path and the slice walk; what building, loading and tracing
take; a training step; and a cold `egic compress` with its peak memory. Each figure is
the least of the repeats: what the machine can do when nothing disturbs it.
"""

import argparse
import os

import tensorflow as tf
from rich.console import Console

from egic.bench.networks import network_table
from egic.bench.once import life_table
from egic.bench.steps import step_table
from egic.config import PRESETS, EgicConfig
from egic.kernels import fastest


def main(argv: list[str] | None = None) -> None:
    """Runs every measurement and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    presets = [name for name, c in PRESETS.items() if isinstance(c, EgicConfig)]
    parser.add_argument("--preset", default="egic", choices=presets)
    parser.add_argument("--width", type=int, default=768)
    parser.add_argument("--height", type=int, default=512)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--crop", type=int, default=256, help="of the training step")
    arguments = parser.parse_args(argv)
    console = Console(width=100)
    config = PRESETS[arguments.preset]
    console.print(
        f"{arguments.preset} at {arguments.width}x{arguments.height}, "
        f"{os.cpu_count()} cores, TensorFlow {tf.__version__}, {fastest()} kernels"
    )
    size = arguments.height, arguments.width
    # The commands first: a process is charged with the memory of the one it came from.
    console.print(life_table(config, size))
    console.print(network_table(config, size, arguments.repeats))
    console.print(step_table(config, arguments.crop, arguments.repeats))


if __name__ == "__main__":
    main()
