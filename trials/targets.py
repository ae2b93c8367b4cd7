"""Every fuzz target by name, each loaded when it is needed: most load TensorFlow."""

import importlib
from collections.abc import Mapping
from typing import NamedTuple

from trials.cases import Target


class Place(NamedTuple):
    """Where a target is, and how much of the time of a long run it gets.

    Attributes:
        module: Holds it in its TARGETS.
        share: Compared with other targets.
    """

    module: str
    share: float = 1.0


TARGETS: Mapping[str, Place] = {
    "parser": Place("trials.parsing", 3),
    "parser_flips": Place("trials.parsing"),
    "parser_cuts": Place("trials.parsing"),
    "headers": Place("trials.parsing", 2),
    "tile_tables": Place("trials.parsing", 2),
    "coder": Place("trials.coding", 2),
    "range_decoder": Place("trials.coding"),
    "latents": Place("trials.coding"),
    "files": Place("trials.whole_files", 3),
    "tiled_files": Place("trials.whole_files", 3),
    "forged": Place("trials.whole_files"),
    "geometry": Place("trials.whole_files"),
    "decompress_command": Place("trials.whole_files", 2),
    "pictures": Place("trials.reading", 2),
    "arrays": Place("trials.reading"),
    "compress_command": Place("trials.reading", 2),
    "bundles": Place("trials.bundles"),
    "isolated_command": Place("trials.isolated", 2),
}


def find(name: str) -> Target:
    """Returns a target by its name, or by "module:name" in a module's TARGETS.

    Raises:
        ValueError: There is none.
    """
    module, colon, within = name.rpartition(":")
    if not colon:
        if name not in TARGETS:
            raise ValueError(f"No target {name!r}; there are {', '.join(TARGETS)}.")
        module = TARGETS[name].module
    return importlib.import_module(module).TARGETS[within]
