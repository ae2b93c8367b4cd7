"""Dead letters: what could not be done, and why, as lines of JSON."""

import json
import os
import pathlib
import tempfile
from collections.abc import Iterable

import apache_beam as beam

from egic import batch
from egic.beam import storage

# path, error (the name of its class) and reason.
Letter = dict[str, str]


def letter(path: str, error: BaseException) -> Letter:
    """What is said of a file that failed."""
    reason = str(error)
    if isinstance(error, MemoryError):
        reason = "not enough memory for a picture of this size"
    elif isinstance(error, OSError) and error.strerror:
        reason = error.strerror
    return {
        "path": batch.shown(path),
        "error": type(error).__name__,
        "reason": batch.shown(_without_path(reason, path)),
    }


def _without_path(reason: str, path: str) -> str:
    """Leaves out what errors begin with: the path, or that of the copy read here."""
    folder, colon, rest = reason.partition(f"{os.path.basename(path)}: ")
    return rest if colon and folder[-1:] in ("", "/") else reason


class WriteLetters(beam.PTransform):
    """Writes all letters to one file, which replaces that of an earlier run.

    It is written when all else is done, and empty where nothing failed.
    """

    def __init__(self, target: str):
        """Creates the transform; `target` is a path on any of Beam's file systems."""
        super().__init__()
        self._target = target

    def expand(self, letters):
        targets = letters.pipeline | beam.Create([self._target])
        return targets | beam.Map(_write, beam.pvalue.AsIter(letters))


def _write(target: str, letters: Iterable[Letter]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        here = pathlib.Path(folder, "letters")
        with here.open("w") as file:
            for each in letters:
                file.write(json.dumps(each) + "\n")
        storage.publish(here, target)
