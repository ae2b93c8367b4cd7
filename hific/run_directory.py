"""A run directory belongs to one experiment, the one it was started with.

config.json describes the codec. A later stage, whose codec is another run's, writes its
own experiment beside it, as stage.json, and in origin.json whose weights it began with.
order.json says which pictures each step sees.
"""

import contextlib
import dataclasses
import errno
import fcntl
import json
import os
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

import hific.config
from hific import checkpoints, devices

CONFIG, STAGE, ORDER = "config.json", "stage.json", "order.json"
ORIGIN = "origin.json"


@dataclasses.dataclass
class Order:
    """What decides, beside the config, which pictures a step sees.

    Attributes:
        seed: Of order and augmentation.
        pictures: Their number.
        batch_size: Crops per step, where the config does not say it.
    """

    seed: int
    pictures: int
    batch_size: int | None = None


@dataclasses.dataclass
class Origin:
    """The runs whose weights a later stage begins with.

    Attributes:
        init_from: Directory of the codec's.
        discriminator: Directory of its pre-training, "" for new weights.
    """

    init_from: str
    discriminator: str = ""

    def of_codec(self, workdir: pathlib.Path) -> pathlib.Path:
        """The directory to read the codec from: a run that goes on has it itself."""
        return workdir if is_begun(workdir) else pathlib.Path(self.init_from)


class RunInUse(Exception):
    """Another process trains in the run directory."""


# What file systems say that know no locks.
_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EBADF)


@contextlib.contextmanager
def locked(workdir: pathlib.Path) -> Iterator[None]:
    """Keeps other trainings out of a run directory, which is made if needed.

    The system opens the lock when the process ends, however it ends. On a file system
    without locks nothing is kept out.

    Raises:
        RunInUse: Another process is in it.
        OSError: It cannot be made.
    """
    workdir.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(workdir, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise RunInUse(
            f"Another process trains in {workdir}; wait until it has ended, or choose "
            "another --workdir."
        ) from error
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            os.close(descriptor)
            raise
    try:
        yield
    finally:
        os.close(descriptor)


def is_begun(workdir: pathlib.Path) -> bool:
    """Whether a run has a checkpoint to go on from."""
    return next(checkpoints.valid_checkpoints(workdir), None) is not None


def origin(
    workdir: pathlib.Path, init_from: str | None, discriminator: str | None = None
) -> Origin:
    """What a run begins with; what is not named is as it was when the run began.

    Raises:
        ValueError: No codec was named, and the directory holds no run to go on with.
    """
    path, saved = workdir / ORIGIN, Origin("")
    if path.exists():
        saved = hific.config.from_dict(json.loads(path.read_text()), {"Origin": Origin})
    found = Origin(
        str(pathlib.Path(init_from).resolve()) if init_from else saved.init_from,
        str(pathlib.Path(discriminator).resolve())
        if discriminator
        else saved.discriminator,
    )
    if not found.init_from:
        raise ValueError(
            f"--init_from: pass the run of the codec to start from; {workdir} holds "
            "none to go on with that says where it came from."
        )
    return found


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
    experiment: Any,
    codec_config: Any,
    order: Order,
    origin: Origin,
    workdir: pathlib.Path,
) -> None:
    """`begin` for a stage that trains the codec of another run further.

    Raises:
        ValueError: See `begin`.
    """
    files = {ORIGIN: origin, STAGE: experiment, ORDER: order, CONFIG: codec_config}
    begin(files, workdir)


def record(config: Any, workdir: pathlib.Path, name: str = CONFIG) -> None:
    """Writes a config to a new run directory, or compares with the one there.

    Of several workers the chief writes.

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
    if not devices.current().is_chief:
        return
    if not path.exists() or isinstance(config, Order):
        hific.config.save(config, path)


def check(config: Any, workdir: pathlib.Path, name: str = CONFIG) -> None:
    """Raises what `record` would, and writes nothing."""
    path = workdir / name
    if not path.exists():
        return
    given = json.loads(json.dumps(hific.config.to_dict(config)))
    saved = json.loads(path.read_text())
    if isinstance(config, Order):  # Runs of before know less of their order.
        given = {name: given[name] for name in saved if name in given}
    different = list(_differences(saved, given))
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
