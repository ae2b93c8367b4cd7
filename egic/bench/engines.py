"""What E, G and whole pictures cost with each engine that is installed."""

import functools
import pathlib
import tempfile
import time
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf
from rich.table import Table

import egic
from egic import codec
from egic.config import EgicConfig
from hific import engine_names
from hific.codec import Codec

COLUMNS = ("E", "G", "encode", "decode")


def engine_table(config: EgicConfig, size: tuple[int, int], repeats: int) -> Table:
    """Seconds with each engine, and how many times as fast as TensorFlow it is.

    The engines take turns, so that what disturbs one disturbs all; each figure is the
    least of the repeats. Weights are random, which makes the files of a picture ten
    times as large as trained ones, and their entropy coding as slow.
    """
    table = Table(title="engines", title_justify="left")
    for name in ("engine", *COLUMNS):
        table.add_column(name, justify="right")
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder)
        codec.save(config, codec.build_model(config), path)
        found = seconds(
            {name: egic.load(path, name) for name in _there()}, size, repeats
        )
    slowest = found[engine_names.TENSORFLOW]
    for name, row in found.items():
        cells = (
            f"{here:.3f} ({there / here:.1f}x)"
            for here, there in zip(row, slowest, strict=True)
        )
        table.add_row(engine_names.described(name), *cells)
    return table


def _there() -> list[str]:
    there = []
    for name in engine_names.NEEDS:
        try:
            there.append(engine_names.resolve(name))
        except engine_names.EngineError:
            continue  # Not installed.
    return there


def seconds(
    codecs: dict[str, Codec],
    size: tuple[int, int],
    repeats: int,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """The least seconds of E, G, `compress` and `decompress`, by engine.

    Args:
        codecs: Name -> codec of one model.
        size: Height and width of the picture, multiples of 64.
        repeats: How often, after the first calls, which prepare later ones.
        clock: Seconds since some moment.
    """
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    times: dict[str, list[list[float]]] = {name: [] for name in codecs}
    for turn in range(repeats + 2):
        for name, each in codecs.items():
            row = _turn(each, image, clock)
            if turn > 1:
                times[name].append(row)
    return {name: np.min(rows, axis=0).tolist() for name, rows in times.items()}


def _turn(each: Codec, image: np.ndarray, clock: Callable[[], float]) -> list[float]:
    engine = each._engine
    batch = tf.constant(image[np.newaxis], tf.float32)
    y = engine.analysis(batch)
    data = each.compress(image)
    calls: Sequence[Callable[[], object]] = (
        functools.partial(engine.analysis, batch),
        functools.partial(engine.synthesis, y),
        functools.partial(each.compress, image),
        functools.partial(each.decompress, data),
    )
    row = []
    for call in calls:
        start = clock()
        call()
        row.append(clock() - start)
    return row
