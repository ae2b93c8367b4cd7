"""Measures what the codec costs on this machine.

    python -m egic.bench [--preset=egic] [--width=768] [--height=512] [--repeats=5]

Prints seconds, GFLOP/s and the share of the matrix-multiply peak measured in the same
run for E, G, the hyper path and the slice walk; what building, loading and tracing
take; a training step; and a cold `egic compress` with its peak memory. Each figure is
the least of the repeats: what the machine can do when nothing disturbs it.
"""

import argparse
import dataclasses
import functools
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
from rich.console import Console
from rich.table import Table

import egic.systems
from deeplab2_tf import labels
from egic import codec, complexity, pretraining_config
from egic.chunks import TOKENS_AT_ONCE
from egic.config import PRESETS, EgicConfig
from egic.discriminators import build
from egic.kernels import fastest
from hific import systems, tables, training
from hific.codec import CodecModel
from hific.engines import TensorFlowEngine
from hific.images import write_png

PEAK_SIZE = 3072  # Side of the square product that defines the peak.
PRECISIONS = ("float32", "bfloat16")

Clock = Callable[[], float]  # Seconds since some moment.


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


def least(
    function: Callable[[], Any], repeats: int, clock: Clock = time.perf_counter
) -> tuple[float, float]:
    """Seconds of the first call, and the least of `repeats` calls after it."""
    times = []
    for _ in range(repeats + 1):
        start = clock()
        function()
        times.append(clock() - start)
    return times[0], min(times[1:])


def peak(dtype: str, repeats: int, clock: Clock = time.perf_counter) -> float:
    """GFLOP/s of a large matrix product in `dtype`."""
    a = tf.cast(tf.random.stateless_normal((PEAK_SIZE, PEAK_SIZE), (0, 0)), dtype)
    product = tf.function(lambda: tf.matmul(a, a))
    return 2e-9 * PEAK_SIZE**3 / least(product, repeats, clock)[1]


def network_table(config: EgicConfig, size: tuple[int, int], repeats: int) -> Table:
    """E and G in each precision, then the entropy path, which is never in bfloat16."""
    table = Table(title="networks", title_justify="left")
    for name in ("network", "precision", "trace s", "s", "GFLOP/s", "of peak"):
        table.add_column(name, justify="right")
    macs = complexity.count(config, *size)
    height, width = size
    for precision in PRECISIONS:
        top = peak(precision, repeats)
        table.add_row(f"{PEAK_SIZE}^2 matmul", precision, "", "", f"{top:.0f}", "1.00")
        model = codec.build_egic(
            config, precision, fastest(), tokens_at_once=TOKENS_AT_ONCE
        )
        engine = TensorFlowEngine(model, model.channels)
        image = tf.random.stateless_uniform((1, height, width, 3), (0, 1), 0.0, 255.0)
        y = tf.random.stateless_normal(
            (1, height // 16, width // 16, model.channels), (1, 0)
        )
        for name, count, call in (
            ("analysis", macs.analysis, functools.partial(engine.analysis, image)),
            ("synthesis", macs.synthesis, functools.partial(engine.synthesis, y)),
        ):
            _add(table, name, precision, count, top, least(call, repeats))
    _add_entropy_rows(table, config, model, size, macs, repeats)
    return table


def _add(table, name, precision, macs, top, seconds) -> None:
    first, best = seconds
    rate = 2e-9 * macs / best
    share = f"{rate / top:.2f}"
    trace = f"{first - best:.2f}"
    table.add_row(name, precision, trace, f"{best:.3f}", f"{rate:.0f}", share)


def _add_entropy_rows(table, config, model: CodecModel, size, macs, repeats) -> None:
    """h_a in float32, then h_s and the slice nets: float32 trains, float64 codes."""
    twin = codec.SYSTEMS[EgicConfig].coding_prior(config, model)
    positions = (1, size[0] // 16, size[1] // 16, model.channels)
    y = tf.random.stateless_normal(positions, (1, 1))
    for dtype, prior in (("float32", model.prior), ("float64", twin)):
        top = peak(dtype, repeats)
        table.add_row(f"{PEAK_SIZE}^2 matmul", dtype, "", "", f"{top:.0f}", "1.00")
        hyper, walk = _entropy_functions(prior, dtype)
        features = tuple(tf.cast(0.1 * y, dtype) for _ in range(2))
        for name, count, call in (
            ("hyper path", macs.hyper, functools.partial(hyper, y)),
            ("slice walk", macs.walk, functools.partial(walk, features)),
        ):
            _add(table, name, dtype, count, top, least(call, repeats))


def _entropy_functions(prior, dtype: str):
    """y -> features of h_s, and features -> y_hat, as one traced function each."""

    @tf.function(autograph=False)
    def hyper(y):
        return prior.hyper_synthesis(tf.cast(tf.round(prior.hyper_analysis(y)), dtype))

    @tf.function(autograph=False)
    def walk(features):
        return prior.walk(features, lambda i, mean, index: tf.round(mean))

    return hyper, walk


def step_table(config: EgicConfig, crop: int, repeats: int) -> Table:
    """One training step of each stage, on one crop, without LPIPS."""
    table = Table(title=f"training steps, one {crop}x{crop} crop", title_justify="left")
    for name in ("stage", "build s", "trace s", "s", "peak GB so far"):
        table.add_column(name, justify="right")
    images = tf.random.stateless_uniform((1, crop, crop, 3), (2, 2), 0.0, 255.0)
    for stage, make in STAGES.items():
        start = time.perf_counter()
        players, batch = make(config, images)
        seconds = time.perf_counter() - start
        step = training.make_train_step(players)
        inputs = (batch,) * len(players), tf.constant(0, tf.int64)
        first, best = least(functools.partial(step, *inputs), repeats)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        table.add_row(
            stage,
            f"{seconds:.2f}",
            f"{first - best:.1f}",
            f"{best:.2f}",
            f"{memory:.1f}",
        )
    return table


def _pretraining(config: EgicConfig, images: tf.Tensor):
    """The discriminator of the COCO recipe, whatever the codec."""
    del config
    recipe = pretraining_config.PRESETS["coco"]
    label_set = labels.load(recipe.data.label_set)
    critic = build.build(recipe.discriminator, label_set.num_outputs)
    batch = {
        "image": images,
        "semantic": tf.ones(images.shape[:3], tf.int32),
        "weights": tf.ones(images.shape[:3]),
    }
    return egic.systems.pretraining(critic, recipe, label_set), batch


def _stage1(config: EgicConfig, images: tf.Tensor):
    """Without LPIPS, whose weights are a file of their own."""
    optimizer = dataclasses.replace(config.optimizer, horizon=1)
    config = dataclasses.replace(config, perceptual_weight=0.0, optimizer=optimizer)
    return systems.stage1(codec.build_model(config), config), images


# Name -> (config, images) -> players and the batch of each. A new stage is one line.
STAGES: dict[str, Callable[[EgicConfig, tf.Tensor], Any]] = {
    "pre-training": _pretraining,
    "stage 1": _stage1,
}


def life_table(config: EgicConfig, size: tuple[int, int]) -> Table:
    """What happens once: building, tables, loading, and a cold command."""
    table = Table(title="once", title_justify="left")
    for name in ("what", "s", "peak GB"):
        table.add_column(name, justify="right")
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        start = time.perf_counter()
        model = codec.build_model(config)
        table.add_row("build", f"{time.perf_counter() - start:.2f}", "")
        start = time.perf_counter()
        tables.build(model.prior.density)
        table.add_row("tables", f"{time.perf_counter() - start:.2f}", "")
        codec.save(config, model, root / "model")
        start = time.perf_counter()
        codec.load(root / "model")
        table.add_row("load", f"{time.perf_counter() - start:.2f}", "")
        write_png(root / "photo.png", photograph(*size))
        for verb, name in (("compress", "photo.png"), ("decompress", "photo.egic")):
            seconds, memory = command(verb, root / name, root / "model")
            table.add_row(f"cold egic {verb}", f"{seconds:.1f}", f"{memory:.2f}")
    return table


def photograph(height: int, width: int) -> np.ndarray:
    """A smooth picture with some texture, [H, W, 3] uint8."""
    y, x = np.mgrid[:height, :width] / 64.0
    waves = np.stack([np.sin(x + y), np.cos(x - y), np.sin(2 * x)], -1)
    noise = np.random.default_rng(0).standard_normal(waves.shape)
    return np.clip(128 + 80 * waves + 8 * noise, 0, 255).astype(np.uint8)


def command(verb: str, path: pathlib.Path, model: pathlib.Path) -> tuple[float, float]:
    """Wall seconds and peak gigabytes of one `egic` command in its own process."""
    argv = [sys.executable, "-m", "egic.cli", verb, str(path), f"--model={model}"]
    with tempfile.TemporaryFile("w+") as errors:
        start = time.perf_counter()
        process = subprocess.Popen(
            [*argv, "--force"], stdout=subprocess.DEVNULL, stderr=errors
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            errors.seek(0)
            raise RuntimeError(f"{' '.join(argv)} failed: {errors.read()}")
    return seconds, usage.ru_maxrss / 2**20


if __name__ == "__main__":
    main()
