"""A run directory belongs to one experiment, the one it was started with.

config.json describes the codec. A later stage, whose codec is another run's, writes its
own experiment beside it, as stage.json.
"""

import dataclasses
import json
import pathlib
from collections.abc import Iterator
from typing import Any

import hific.config


@dataclasses.dataclass
class Order:
    """What decides, beside the config, which pictures a step sees.

    Attributes:
        seed: Of order and augmentation.
        pictures: Their number.
    """

    seed: int
    pictures: int


def record(config: Any, workdir: pathlib.Path, name: str = "config.json") -> None:
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


def check(config: Any, workdir: pathlib.Path, name: str = "config.json") -> None:
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
