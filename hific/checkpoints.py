"""Checkpoints that survive kills, power cuts and damaged disks.

One `tf.train.Checkpoint` holds all of a run: weights, optimizers, averages and the
step, which is also the position in the data and the seed of all randomness. A
checkpoint counts only with its marker `ckpt-N.ok`, written last, which holds the
SHA-256 of its files.
"""

import contextlib
import errno
import hashlib
import json
import logging
import os
import pathlib
import re
import shutil

import tensorflow as tf

from hific.averages import Average
from hific.files import sync, write_atomically
from hific.names import named_variables

__all__ = [
    "Checkpoints",
    "NotSaved",
    "UnusableCheckpoint",
    "load_weights",
    "named_variables",
    "valid_checkpoints",
]

_LOG = logging.getLogger("absl")


class UnusableCheckpoint(ValueError):
    """A run cannot go on from what it saved."""


class NotSaved(OSError):
    """A checkpoint could not be written."""


class Checkpoints:
    """Saves and restores the state of one run.

    Args:
        workdir: The run directory; files go to its checkpoints/.
        step: [] int64 variable, completed steps.
        max_to_keep: Older checkpoints are deleted.
        **parts: Name -> what else to save (modules, dictionaries of optimizers).

    Attributes:
        writes: Whether this process changes the directory; of several that do the same
            steps, one does.
    """

    def __init__(self, workdir: pathlib.Path, *, step, max_to_keep: int = 3, **parts):
        self._directory = pathlib.Path(workdir) / "checkpoints"
        self.writes = True
        self._step = step
        self._checkpoint = tf.train.Checkpoint(step=step, **parts)
        # Made now, for several workers make variables together, and one of them saves.
        _ = self._checkpoint.save_counter
        self._manager = tf.train.CheckpointManager(
            self._checkpoint, str(self._directory), max_to_keep
        )

    def save(self, step: int) -> int:
        """Writes checkpoint `step` and returns it once it is on the disk.

        Raises:
            NotSaved: The system could not write it, for want of space as a rule. What
                was written of it is removed, those before are kept.
        """
        if not self.writes:
            return step
        prefix = self._directory / f"ckpt-{step}"
        try:
            self._write(prefix, step)
        except (OSError, tf.errors.OpError) as error:
            with contextlib.suppress(OSError):
                _remove_unfinished(prefix)
                self._remove_temporary()
            raise NotSaved(
                f"Checkpoint {step} cannot be written to {self._directory}: "
                f"{_reason(error)}. {self._left()} Make room, or make it writable, and "
                "run the same command again."
            ) from error
        return step

    def _write(self, prefix: pathlib.Path, step: int) -> None:
        _marker(prefix).unlink(missing_ok=True)  # Of files that are to be replaced.
        self._manager.save(checkpoint_number=step)
        files = _files_of(prefix)
        for path in files:
            sync(path)
        sync(self._directory)
        digests = {path.name: _sha256(path) for path in files}
        write_atomically(_marker(prefix), json.dumps(digests, indent=2).encode())
        for marker in self._directory.glob("ckpt-*.ok"):
            if not _files_of(marker.with_suffix("")):
                marker.unlink()

    def _left(self) -> str:
        steps = self.steps()
        if not steps:
            return "There is no other."
        return f"The newest that can be used is of step {steps[0]}."

    def tidy(self) -> None:
        """Removes what a killed process left of checkpoints that it did not finish.

        Only for the one process that trains in the directory. Where nothing was ever
        finished nothing is removed.
        """
        if not self.writes:
            return
        for prefix in _prefixes(self._directory) if self.steps() else ():
            if not _marker(prefix).exists():
                _remove_unfinished(prefix)
        self._remove_temporary()

    def _remove_temporary(self) -> None:
        for folder in (self._directory, self._directory.parent):
            for path in [*folder.glob("*.tmp-*"), *folder.glob("checkpoint.tmp*")]:
                path.unlink(missing_ok=True)
        for path in self._directory.glob("ckpt-*_temp*"):
            _remove(path)

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
                return int(self._step.numpy())
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
    for prefix in _prefixes(pathlib.Path(workdir) / "checkpoints"):
        problem = _problem(prefix)
        if problem:
            _LOG.warning("Skipping checkpoint %s: %s", prefix, problem)
        else:
            yield prefix


def _prefixes(directory: pathlib.Path) -> list[pathlib.Path]:
    """Of all checkpoints of which there is something, newest first."""
    numbers = {
        int(match[1])
        for path in directory.glob("ckpt-*")
        if (match := re.fullmatch(r"ckpt-(\d+)\.(index|ok)", path.name))
    }
    return [directory / f"ckpt-{number}" for number in sorted(numbers, reverse=True)]


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
        return int(step.numpy())
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
        for name, digest in digests.items():
            path = prefix.with_name(name)
            if not path.exists():
                return f"{name} is missing."
            if _sha256(path) != digest:
                return f"{name} was damaged after it was written."
    except (ValueError, AttributeError):
        return f"{marker.name} is damaged."
    except OSError as error:
        return f"it cannot be read: {error}."
    if set(digests) != {path.name for path in _files_of(prefix)}:
        return f"{marker.name} is damaged."
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


def _remove_unfinished(prefix: pathlib.Path) -> None:
    """Removes a checkpoint's files, and then its marker."""
    for path in _files_of(prefix):
        path.unlink(missing_ok=True)
    _marker(prefix).unlink(missing_ok=True)


def _remove(path: pathlib.Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _reason(error: Exception) -> str:
    """What the system said, in its words: the end of what TensorFlow makes of it."""
    text = error.message if isinstance(error, tf.errors.OpError) else str(error)
    codes = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES)
    known = [os.strerror(code) for code in codes if os.strerror(code) in text]
    return known[0] if known else text.splitlines()[0].rstrip(".")


def _sha256(path: pathlib.Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
