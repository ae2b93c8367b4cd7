"""What a build has finished: a file that survives being killed at any moment.

One JSON object per line. The first holds the settings of the build, each of the others
one finished shard; the last one of a shard counts.
"""

import json
import os
import pathlib
from typing import Any, NamedTuple

from deeplab2_tf import shards
from deeplab2_tf.building import damage
from deeplab2_tf.shards import Shard


class FinishedShard(NamedTuple):
    """One line.

    Attributes:
        number: Of the shard in its split, from 0.
        shard: What the file holds.
        pixels: [N] pixels by semantic id.
        rejected: (picture, reason) of the pictures that are not in it.
    """

    number: int
    shard: Shard
    pixels: list[int]
    rejected: list[tuple[str, str]]


class Journal:
    """The journal of one split.

    Attributes:
        finished: Number of a shard -> what was written.
    """

    def __init__(self, path: pathlib.Path, settings: dict[str, Any]):
        """Opens a journal or begins one.

        Args:
            path: The file.
            settings: Plain values; what a shard's bytes depend on.

        Raises:
            ValueError: The journal was begun with other settings; says which. Or a line
                is damaged; says what to do.
        """
        self.path = path
        with damage.named(path, "Delete it; the split is then built anew."):
            lines = _lines(path)
            begun = dict(json.loads(lines[0])) if lines else settings
            entries = [_from_json(line) for line in lines[1:]]
        _check_settings(path, begun, settings)
        self.finished = {entry.number: entry for entry in entries}
        with shards.replacing(path) as file:
            for line in lines or [json.dumps(settings, sort_keys=True)]:
                file.write(f"{line}\n".encode())

    def append(self, entry: FinishedShard) -> None:
        """Notes a shard, which must be on the disk already."""
        with self.path.open("a") as file:
            file.write(json.dumps(entry) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self.finished[entry.number] = entry


def _lines(path: pathlib.Path) -> list[str]:
    # What a power cut left of the last line is no line.
    return path.read_text().split("\n")[:-1] if path.is_file() else []


def _from_json(line: str) -> FinishedShard:
    number, shard, pixels, rejected = json.loads(line)
    return FinishedShard(
        number, Shard(*shard), pixels, [(name, why) for name, why in rejected]
    )


def _check_settings(path: pathlib.Path, old: dict, new: dict) -> None:
    changed = [
        f"{key} was {old.get(key)!r} and is now {new.get(key)!r}"
        for key in sorted({*old, *new})
        if old.get(key) != new.get(key)
    ]
    if changed:
        raise ValueError(
            f"{path.parent.parent} holds a build with other settings: "
            f"{'; '.join(changed)}. Choose another --out_dir, or delete that one."
        )
