"""Measures what a machine codes and trains in a second, and what that takes of memory.

    python -m egic.scaling --measure

runs for some minutes, on a machine that has nothing else to do.
"""

import copy
import functools
import multiprocessing
import os
import pathlib
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from importlib import metadata
from typing import Any, NamedTuple

import numpy as np

import egic
from egic import default_model, estimates
from egic.bench.processes import command
from egic.scaling import sharing

SIZE = 512, 768  # Height and width of what rates are measured on.
SECONDS = 8.0  # Of coding, for each rate.

# Height and width; the full-size model is not asked for the last.
SIZES = ((512, 768), (1080, 1920), (3000, 4000), (4000, 6000))
ENGINES = ("tensorflow", "openvino")
VERBS = ("compress", "decompress")


class Subject(NamedTuple):
    """A model in an engine.

    Attributes:
        model: What the page calls it.
        path: Of its bundle.
        engine: A key of `hific.engines.ENGINES`.
        sizes: Of the pictures that its memory is measured on.
    """

    model: str
    path: str
    engine: str
    sizes: Sequence[tuple[int, int]]


def measure() -> dict[str, Any]:
    """Everything the page is made of, but for the estimates of `egic.estimates`."""
    with tempfile.TemporaryDirectory() as folder:
        subjects = _apart(_subjects, pathlib.Path(folder))
        return {
            "machine": estimates.machine(),
            "versions": {
                name: metadata.version(name) for name in ("tensorflow", "openvino")
            },
            "size": SIZE,
            "coding": [_rates(subject) for subject in subjects],
            "memory": [row for subject in subjects for row in _memory(subject)],
            "devices": sharing.measure(),
            "parameters": _apart(_parameters),
        }


def _apart(function: Callable[..., Any], *args: Any) -> Any:
    """Calls it in another process: memory of this one would count as a command's."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(function, args)


def _subjects(folder: pathlib.Path) -> list[Subject]:
    """The model that ships, and the published size with random weights."""
    from egic import codec
    from egic.config import PRESETS

    config = PRESETS["egic"]
    codec.save(config, codec.build_model(config), folder / "egic")
    models = {"egic-small": default_model.PATH, "egic": folder / "egic"}
    sizes = {"egic-small": SIZES, "egic": SIZES[:-1]}
    return [
        Subject(name, str(path), engine, sizes[name])
        for name, path in models.items()
        for engine in ENGINES
    ]


def _parameters() -> dict[str, int]:
    """How many are trained in each of `estimates.CHAIN`: gradients to be exchanged."""
    from deeplab2_tf import labels
    from egic import codec, pretraining_config
    from egic.config import PRESETS
    from egic.discriminators import build
    from egic.orp_config import PRESETS as ORP_PRESETS

    recipe = pretraining_config.PRESETS["coco"]
    label_set = labels.load(recipe.data.label_set)
    critic = build.build(recipe.discriminator, label_set.num_outputs)
    config = copy.deepcopy(PRESETS["egic"])
    config.head = ORP_PRESETS["orp"].head
    model = codec.build_model(config)
    trained: tuple[Sequence[Any], ...] = (
        [critic],
        [model.analysis, model.synthesis, model.prior],
        [critic, model.synthesis],
        [model.head],
    )
    return {
        name: sum(_number(part) for part in parts)
        for name, parts in zip(estimates.CHAIN, trained, strict=True)
    }


def _number(part: Any) -> int:
    return sum(variable.shape.num_elements() for variable in part.trainable_variables)


def _rates(subject: Subject) -> dict[str, Any]:
    """Megapixels per second and core, each core with a process of its own."""
    cores = sorted(os.sched_getaffinity(0))
    spawn = multiprocessing.get_context("spawn")
    code = functools.partial(_code_on, subject.path, subject.engine, SECONDS)
    with spawn.Pool(len(cores), _pin, (spawn.Barrier(len(cores)),)) as pool:
        rates = pool.map(code, cores, chunksize=1)
    megapixels = SIZE[0] * SIZE[1] / 1e6
    mean = [megapixels * sum(each) / len(cores) for each in zip(*rates, strict=True)]
    return {
        "model": subject.model,
        "engine": subject.engine,
        **{verb: round(rate, 3) for verb, rate in zip(VERBS, mean, strict=True)},
    }


_barrier: Any = None


def _pin(barrier: Any) -> None:
    global _barrier
    _barrier = barrier


def _code_on(path: str, engine: str, seconds: float, core: int) -> list[float]:
    """Pictures per second of one process on one core, for each of `VERBS`."""
    os.sched_setaffinity(0, {core})
    for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        os.environ[name] = "1"
    from egic.bench import once

    codec = egic.load(path, engine=engine)
    image = once.photograph(*SIZE)
    data = codec.compress(image)
    codec.decompress(data)
    rates = []
    for call in (lambda: codec.compress(image), lambda: codec.decompress(data)):
        _barrier.wait()  # So that all cores are busy while any is timed.
        rates.append(_calls_per_second(call, seconds))
    return rates


def _calls_per_second(call: Callable[[], Any], seconds: float) -> float:
    start, count = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        call()
        count += 1
    return count / (time.perf_counter() - start)


def _memory(subject: Subject) -> Iterator[dict[str, Any]]:
    """Peak gigabytes of `egic compress` and `egic decompress`, by picture size."""
    with tempfile.TemporaryDirectory() as folder:
        photo = pathlib.Path(folder) / "photo.png"
        flags = [f"--model={subject.path}", f"--engine={subject.engine}"]
        for height, width in subject.sizes:
            _apart(_write_photo, photo, height, width)
            row: dict[str, Any] = {"model": subject.model, "engine": subject.engine}
            row |= {"height": height, "width": width}
            for verb, path in zip(
                VERBS, (photo, photo.with_suffix(".egic")), strict=True
            ):
                _, gigabytes = command(verb, path, *flags)
                row[verb] = round(gigabytes, 2)
            yield row


def _write_photo(path: pathlib.Path, height: int, width: int) -> None:
    from egic.bench import once
    from hific.images import write_png

    part = once.photograph(*SIZE)
    repeats = -(-height // SIZE[0]), -(-width // SIZE[1]), 1
    write_png(path, np.tile(part, repeats)[:height, :width])
