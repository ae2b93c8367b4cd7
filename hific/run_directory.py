"""A run directory belongs to one experiment, the one it was started with.

config.json describes the codec. A later stage, whose codec is another run's, writes its
own experiment beside it, as stage.json. order.json says which pictures each step sees.
"""

import dataclasses
import json
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

import hific.config

CONFIG, STAGE, ORDER = "config.json", "stage.json", "order.json"


@dataclasses.dataclass
class Order:
    """What decides, beside the config, which pictures a step sees.

    Attributes:
        seed: Of order and augmentation.
        pictures: Their number.
    """

    seed: int
    pictures: int


def begin(files: Mapping[str, Any], workdir: pathlib.Path) -> None:
    """Writes what describes a run to a new directory, or compares with what is there.

    Args:
        files: Name -> dataclass. `CONFIG`, the codec's, is the last: a directory that
            has it is a run, and without `STAGE` one of a first stage.
        workdir: The run directory.

    Raises:
        ValueError: The directory holds another run; says in what it differs. Nothing
            was written.
    """
    staged = (workdir / STAGE).exists()
    if staged != (STAGE in files) and (staged or (workdir / CONFIG).exists()):
        raise ValueError(
            f"{workdir} holds a run of another stage; choose another --workdir."
        )
    for name, config in files.items():
        check(config, workdir, name)
    for name, config in files.items():
        record(config, workdir, name)


def begin_stage(
    experiment: Any, codec_config: Any, order: Order, workdir: pathlib.Path
) -> None:
    """`begin` for a stage that trains the codec of another run further.

    Raises:
        ValueError: See `begin`.
    """
    begin({STAGE: experiment, ORDER: order, CONFIG: codec_config}, workdir)


def record(config: Any, workdir: pathlib.Path, name: str = CONFIG) -> None:
    """Writes a config to a new run directory, or compares with the one there.

    Args:
        config: A dataclass.
        workdir: The run directory.
        name: Of the file.

    Raises:
        ValueError: The directory holds a run with another config; names every field
            that differs, with both values.
    """
    check(config, workdir, name)
    path = workdir / name
    if not path.exists():
        hific.config.save(config, path)


def check(config: Any, workdir: pathlib.Path, name: str = CONFIG) -> None:
    """Raises what `record` would, and writes nothing."""
    path = workdir / name
    if not path.exists():
        return
    given = json.loads(json.dumps(hific.config.to_dict(config)))
    different = list(_differences(json.loads(path.read_text()), given))
    if different:
        raise ValueError(
            f"{workdir} holds a run with another config: {'; '.join(different)}. "
            "Continue it with the same values, or choose another --workdir."
        )


def _differences(saved: Any, given: Any, path: str = "") -> Iterator[str]:
    if isinstance(saved, dict) and isinstance(given, dict):
        for name in sorted({*saved, *given}):
            deeper = f"{path}.{name}" if path else name
            yield from _differences(saved.get(name), given.get(name), deeper)
    elif saved != given:
        yield f"{path} was {saved!r}, now {given!r}"
