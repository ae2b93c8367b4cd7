"""Measures what the codec costs on this machine.

    python -m egic.bench [--only=once,networks,engines,steps,terms]
                         [--preset=egic]
                         [--width=768] [--height=512] [--repeats=5] [--crop=256]

Prints seconds, GFLOP/s and the share of the matrix-multiply peak measured in the same
run for E, G, the hyper path and the slice walk; what building, loading and tracing
take; a cold `egic compress` with its peak memory; a step of each training stage, in a
process of its own; and the terms of stage 2. Each figure is the least of the repeats:
what the machine can do when nothing disturbs it.
"""

import argparse
import os
from collections.abc import Callable, Mapping

import tensorflow as tf
from rich.console import Console
from rich.table import Table

from egic.bench.engines import engine_table
from egic.bench.networks import network_table
from egic.bench.once import life_table
from egic.bench.stages import Size
from egic.bench.steps import step_table, term_table
from egic.config import PRESETS, EgicConfig
from egic.kernels import fastest
from hific.choices import choose


def main(argv: list[str] | None = None) -> None:
    """Runs every measurement and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    presets = [name for name, c in PRESETS.items() if isinstance(c, EgicConfig)]
    parser.add_argument("--preset", default="egic", choices=presets)
    parser.add_argument("--width", type=int, default=768)
    parser.add_argument("--height", type=int, default=512)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--crop", type=int, default=256, help="of the training steps")
    parser.add_argument("--recipe", default="coco", help="of the discriminator")
    parser.add_argument("--lpips_weights", default="", help="as for training")
    parser.add_argument("--only", default=",".join(TABLES), help="which tables")
    arguments = parser.parse_args(argv)
    console = Console(width=110)
    console.print(
        f"{arguments.preset} at {arguments.width}x{arguments.height}, "
        f"{os.cpu_count()} cores, TensorFlow {tf.__version__}, {fastest()} kernels"
    )
    for name in arguments.only.split(","):
        console.print(choose(TABLES, name, "--only")(arguments))


def _picture(arguments: argparse.Namespace) -> tuple[int, int]:
    return arguments.height, arguments.width


def _size(arguments: argparse.Namespace) -> Size:
    return Size(
        arguments.preset,
        arguments.recipe,
        arguments.crop,
        lpips=arguments.lpips_weights,
    )


# Name -> flags -> table.
TABLES: Mapping[str, Callable[[argparse.Namespace], Table]] = {
    "once": lambda flags: life_table(PRESETS[flags.preset], _picture(flags)),
    "networks": lambda flags: network_table(
        PRESETS[flags.preset], _picture(flags), flags.repeats
    ),
    "engines": lambda flags: engine_table(
        PRESETS[flags.preset], _picture(flags), flags.repeats
    ),
    "steps": lambda flags: step_table(_size(flags), flags.repeats),
    "terms": lambda flags: term_table(_size(flags), flags.repeats),
}


if __name__ == "__main__":
    main()
