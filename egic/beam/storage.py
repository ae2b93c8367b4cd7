"""Files on Beam's file systems: worked on here, whole or absent there."""

import contextlib
import pathlib
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence

from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems

from egic import batch
from egic.beam.places import is_local, join, matches, quoted
from hific import files

# Whatever a name ends in, its bytes are those of the file.
_AS_IT_IS = CompressionTypes.UNCOMPRESSED


def work(
    source: str, targets: Sequence[str], do: Callable[[batch.Job], batch.Made]
) -> tuple[batch.Made, int]:
    """Does a job whose files are anywhere.

    What is not on this machine is copied to it, or from it, with a job on the copies.

    Args:
        source: What is read.
        targets: What is written, or replaced.
        do: Does a job on files of this machine.

    Returns:
        What it came to, and the bytes of all targets.
    """
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        here = pathlib.Path(source)
        if not is_local(source):
            here = folder / here.name
            _fetch(source, here)
        made_here = [
            pathlib.Path(target) if is_local(target) else folder / f"{i}-made"
            for i, target in enumerate(targets)
        ]
        made = do(batch.Job(here, tuple(made_here), replace=True))
        written = sum(path.stat().st_size for path in made_here)
        for path, target in zip(made_here, targets, strict=True):
            if not is_local(target):
                publish(path, target)
        return made, written


def read(path: str) -> bytes:
    """The bytes of a file, none where it is absent."""
    if not FileSystems.exists(path):
        return b""
    with FileSystems.open(path, compression_type=_AS_IT_IS) as file:
        return file.read()


def size(path: str) -> int:
    """Bytes of a file, 0 where it is absent."""
    system = FileSystems.get_filesystem(path)
    return system.size(path) if system.exists(path) else 0


def publish(path: pathlib.Path, target: str) -> None:
    """Copies a file of this machine, under a temporary name first."""
    partial = files.unfinished_name(target)
    with (
        path.open("rb") as source,
        FileSystems.create(partial, compression_type=_AS_IT_IS) as file,
    ):
        shutil.copyfileobj(source, file)
    if not is_local(target) and FileSystems.exists(target):
        FileSystems.delete([quoted(target)])  # Some do not rename onto what is there.
    FileSystems.rename([partial], [target])


def leftovers(folder: str, suffixes: Sequence[str]) -> Iterator[str]:
    """Yields what runs that were killed left half-written below a folder.

    Args:
        folder: Anywhere.
        suffixes: Of the files they meant to write.
    """
    pattern = files.unfinished(suffixes)
    if not FileSystems.exists(folder) and FileSystems.get_filesystem(folder).has_dirs():
        return
    for path in matches(join(quoted(folder), "**")):
        if pattern.fullmatch(path):
            yield path


def remove(path: str) -> None:
    """Removes a file."""
    FileSystems.delete([quoted(path)])


def _fetch(source: str, here: pathlib.Path) -> None:
    """Copies a file to this machine.

    Raises:
        FileNotFoundError, PermissionError: With the name of the source.
    """
    try:
        with (
            FileSystems.open(source, compression_type=_AS_IT_IS) as file,
            here.open("wb") as copy,
        ):
            shutil.copyfileobj(file, copy)
    except (FileNotFoundError, PermissionError) as error:
        raise type(error)(
            error.errno, error.strerror or "cannot be opened", source
        ) from error
