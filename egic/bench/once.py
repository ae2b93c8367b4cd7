"""What happens once: building, tables, loading, and cold commands."""

import pathlib
import tempfile
import time

import numpy as np
from rich.table import Table

from egic import codec, stored
from egic.bench.processes import command
from egic.config import EgicConfig
from hific import tables
from hific.images import write_png


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
        stored.load(root / "model")
        table.add_row("load", f"{time.perf_counter() - start:.2f}", "")
        write_png(root / "photo.png", photograph(*size))
        for verb, name in (("compress", "photo.png"), ("decompress", "photo.egic")):
            seconds, memory = command(verb, root / name, f"--model={root / 'model'}")
            table.add_row(f"cold egic {verb}", f"{seconds:.1f}", f"{memory:.2f}")
    return table


def photograph(height: int, width: int) -> np.ndarray:
    """A smooth picture with some texture, [H, W, 3] uint8."""
    y, x = np.mgrid[:height, :width] / 64.0
    waves = np.stack([np.sin(x + y), np.cos(x - y), np.sin(2 * x)], -1)
    noise = np.random.default_rng(0).standard_normal(waves.shape)
    return np.clip(128 + 80 * waves + 8 * noise, 0, 255).astype(np.uint8)
