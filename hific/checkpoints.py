"""Checkpoints that survive kills, power cuts and damaged disks.

One `tf.train.Checkpoint` holds all of a run: weights, optimizers, averages and the
step, which is also the position in the data and the seed of all randomness. A
checkpoint counts only with its marker `ckpt-N.ok`, written last, which holds the
SHA-256 of its files.
"""

import hashlib
import json
import logging
import pathlib
import re

import tensorflow as tf

from hific.averages import Average
from hific.files import sync, write_atomically
from hific.names import named_variables

__all__ = [
    "Checkpoints",
    "UnusableCheckpoint",
    "load_weights",
    "named_variables",
    "valid_checkpoints",
]

_LOG = logging.getLogger("absl")


class UnusableCheckpoint(ValueError):
    """A run cannot go on from what it saved."""


class Checkpoints:
    """Saves and restores the state of one run.

    Args:
        workdir: The run directory; files go to its checkpoints/.
        step: [] int64 variable, completed steps.
        max_to_keep: Older checkpoints are deleted.
        **parts: Name -> what else to save (modules, dictionaries of optimizers).
    """

    def __init__(self, workdir: pathlib.Path, *, step, max_to_keep: int = 3, **parts):
        self._directory = pathlib.Path(workdir) / "checkpoints"
        self._step = step
        self._checkpoint = tf.train.Checkpoint(step=step, **parts)
        self._manager = tf.train.CheckpointManager(
            self._checkpoint, str(self._directory), max_to_keep
        )

    def save(self, step: int) -> None:
        """Writes checkpoint `step` and returns once it is on the disk."""
        prefix = pathlib.Path(self._manager.save(checkpoint_number=step))
        files = _files_of(prefix)
        for path in files:
            sync(path)
        sync(self._directory)
        digests = {path.name: _sha256(path) for path in files}
        write_atomically(_marker(prefix), json.dumps(digests, indent=2).encode())
        for marker in self._directory.glob("ckpt-*.ok"):
            if not _files_of(marker.with_suffix("")):
                marker.unlink()

    def restore(self) -> int:
        """Restores the newest valid checkpoint; damaged ones are named in the log.

        Returns:
            The restored step, 0 where there was nothing to restore.

        Raises:
            UnusableCheckpoint: A valid one does not fit the objects to restore, or
                there were checkpoints and all of them are damaged.
        """
        for prefix in valid_checkpoints(self._directory.parent):
            if self._restore(prefix):
                return int(self._step)
        finished = sorted(path.stem for path in self._directory.glob("ckpt-*.ok"))
        if finished:
            raise UnusableCheckpoint(
                f"None of the checkpoints in {self._directory} can be used: "
                f"{', '.join(finished)}; the log says why. Bring them back, or choose "
                "another --workdir to start over."
            )
        return 0

    def steps(self) -> list[int]:
        """Steps of the valid checkpoints, newest first."""
        prefixes = valid_checkpoints(self._directory.parent)
        return [int(prefix.name.rpartition("-")[2]) for prefix in prefixes]

    def restore_step(self, number: int) -> bool:
        """Restores the checkpoint of a step; False, and a log line, if it cannot be.

        Raises:
            UnusableCheckpoint: It does not fit the objects to restore.
        """
        return self._restore(self._directory / f"ckpt-{number}")

    def _restore(self, prefix: pathlib.Path) -> bool:
        try:
            status = self._checkpoint.restore(str(prefix))
            status.assert_existing_objects_matched().assert_consumed()
        except (tf.errors.OpError, IndexError) as error:
            _LOG.warning("Skipping checkpoint %s: %s", prefix, error)
            return False
        except AssertionError as error:
            raise UnusableCheckpoint(
                f"{prefix} holds other variables than this run: "
                f"{str(error).splitlines()[0]}"
            ) from error
        return True


def valid_checkpoints(workdir: pathlib.Path):
    """Yields prefixes of the checkpoints in a run directory, newest first.

    Those without a marker (the run died while writing) or with files that differ from
    it are named in the log and left out.
    """
    directory = pathlib.Path(workdir) / "checkpoints"
    numbers = {
        int(match[1])
        for path in directory.glob("ckpt-*")
        if (match := re.fullmatch(r"ckpt-(\d+)\.(index|ok)", path.name))
    }
    for number in sorted(numbers, reverse=True):
        prefix = directory / f"ckpt-{number}"
        problem = _problem(prefix)
        if problem:
            _LOG.warning("Skipping checkpoint %s: %s", prefix, problem)
        else:
            yield prefix


def load_weights(
    workdir: pathlib.Path, model: tf.Module, averaged: bool = True, part: str = "model"
) -> int:
    """Gives a model the weights of a run's newest valid checkpoint.

    Args:
        workdir: The run directory.
        model: Built from the run's config; its variables are assigned.
        averaged: Take the averaged weights where the run kept any.
        part: What the run calls it: "model" for a codec, "discriminator".

    Returns:
        The step at which they were saved.

    Raises:
        ValueError: There is no valid checkpoint, or it does not fit the model.
    """
    for prefix in valid_checkpoints(workdir):
        step = tf.Variable(0, trainable=False, dtype=tf.int64)
        saved = tf.train.Checkpoint(step=step, **{part: model})
        average = None
        if averaged and _has(prefix, "average/"):
            saved.average = average = Average(model)
        try:
            status = saved.restore(str(prefix)).expect_partial()
            status.assert_existing_objects_matched()
        except AssertionError as error:
            raise ValueError(
                f"{prefix} does not fit the model built from the run's config: "
                f"{str(error).splitlines()[0]}"
            ) from error
        if average is not None:
            average.apply()
        return int(step)
    raise ValueError(f"{workdir} holds no valid checkpoint; was it trained?")


def _has(prefix: pathlib.Path, start: str) -> bool:
    names = tf.train.load_checkpoint(str(prefix)).get_variable_to_shape_map()
    return any(name.startswith(start) for name in names)


def _problem(prefix: pathlib.Path) -> str | None:
    """What is wrong with a checkpoint's files, or None."""
    marker = _marker(prefix)
    if not marker.exists():
        return f"{marker.name} is missing; writing it was interrupted."
    try:
        digests = json.loads(marker.read_text())
    except ValueError:
        return f"{marker.name} is damaged."
    for name, digest in digests.items():
        path = prefix.with_name(name)
        if not path.exists():
            return f"{name} is missing."
        if _sha256(path) != digest:
            return f"{name} was damaged after it was written."
    return None


def _marker(prefix: pathlib.Path) -> pathlib.Path:
    return prefix.with_name(f"{prefix.name}.ok")


def _files_of(prefix: pathlib.Path) -> list[pathlib.Path]:
    return sorted(
        [
            *prefix.parent.glob(f"{prefix.name}.data-*"),
            *prefix.parent.glob(f"{prefix.name}.index"),
        ]
    )


def _sha256(path: pathlib.Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
