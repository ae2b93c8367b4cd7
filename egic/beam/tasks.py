"""What is done with each file: plain data that travels, and what it becomes there."""

import argparse
import atexit
import dataclasses
import errno
import pathlib
import threading
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Protocol

import numpy as np

from egic import batch, commands, compression, decompression, models
from egic.beam import storage
from egic.compression import Reading
from hific import bitstream, bundle, images
from hific.errors import CodecError


class Worker(Protocol):
    """Does a task in one process; its methods may run in several threads."""

    def do(self, job: batch.Job) -> batch.Made:
        """Does one job on files of this machine; raises as the command does."""
        ...

    def is_done(self, targets: Sequence[str]) -> bool:
        """Whether outputs are there, and whole.

        Raises:
            FileExistsError: They are, but not what this task makes.
        """
        ...


class Task(Protocol):
    """What is to be done; small, and picklable.

    Attributes:
        reads: Suffixes of sources, in lower case.
        coded: Which counter has the bytes of compressed files; see `counts`.
    """

    reads: ClassVar[Sequence[str]]
    coded: ClassVar[str]

    @property
    def writes(self) -> Sequence[str]:
        """Suffixes of the outputs of each source."""
        ...

    def start(self) -> Worker:
        """Makes what does it, once in each process."""
        ...


@dataclasses.dataclass(frozen=True)
class Compression:
    """Pictures to .egic files.

    Attributes:
        model: A bundle, which every worker finds at this path; None is the model that
            comes with the program.
        reading: What may be lost when a picture is read.
        engine: See `egic.load`.
    """

    model: pathlib.Path | None = None
    reading: Reading = Reading()
    engine: str | None = None
    reads: ClassVar[Sequence[str]] = images.SUFFIXES
    coded: ClassVar[str] = "bytes_out"

    @property
    def writes(self) -> Sequence[str]:
        """One file each."""
        return (".egic",)

    def start(self) -> "Compressor":
        """Loads no model yet: all may be done already."""
        _choose(self.engine)
        return Compressor(self)


class Compressor:
    """Compresses pictures, each network and the entropy coder with one at a time."""

    def __init__(self, task: Compression):
        """Creates the worker.

        Raises:
            ModelLoadError: The bundle is absent or damaged.
        """
        folder = models.Models(commands.model_directory(task.model)).only()
        self._model_id = bytes.fromhex(bundle.read_manifest(folder)["sha256"])[:4]
        turns = _Turns(commands.codec_loader(folder))
        self._line = compression.line_of(task.reading, turns.codec)

    def do(self, job: batch.Job) -> batch.Made:
        """See `egic.compression.line_of`."""
        return self._line(job)

    def is_done(self, targets: Sequence[str]) -> bool:
        """Reads the file, which is small, and compares its checksums."""
        (target,) = targets
        try:
            packet = bitstream.unpack(storage.read(target))
        except CodecError:  # Absent, empty, cut or damaged: it is made again.
            return False
        if packet.model_id != self._model_id:
            raise FileExistsError(
                errno.EEXIST,
                f"{target} exists, made with model {packet.model_id.hex()}; --force "
                "replaces it",
            )
        return True


@dataclasses.dataclass(frozen=True)
class Decompression:
    """.egic files to PNG pictures.

    Attributes:
        model: A bundle or a folder of bundles, which every worker finds at this path;
            None is the model that comes with the program.
        alphas: 0 to 1, a picture for each; several are named as `egic decompress` does.
        engine: See `egic.load`.
    """

    model: pathlib.Path | None = None
    alphas: tuple[float, ...] = (1.0,)
    engine: str | None = None
    reads: ClassVar[Sequence[str]] = (".egic",)
    coded: ClassVar[str] = "bytes_in"

    @property
    def writes(self) -> Sequence[str]:
        """One picture for each alpha."""
        return decompression.suffixes_of(self.alphas)

    def start(self) -> "Decompressor":
        """Loads no model yet."""
        _choose(self.engine)
        return Decompressor(self)


class Decompressor:
    """Decodes files, the entropy decoder and the networks with one at a time."""

    def __init__(self, task: Decompression):
        """Creates the worker.

        Raises:
            ModelLoadError: No model is named, and the program has none of its own.
        """
        found = models.Models(commands.model_directory(task.model))
        turns = _Turns(models.decoders(found))
        alphas = list(task.alphas)

        def show(rendering: decompression.Rendering) -> tuple[list[np.ndarray], str]:
            with turns.networks:
                return rendering.images(alphas), ""

        self._line = decompression.line_of(show, turns.codec)

    def do(self, job: batch.Job) -> batch.Made:
        """See `egic.decompression.line_of`."""
        return self._line(job)

    def is_done(self, targets: Sequence[str]) -> bool:
        """Asks for their sizes only: a picture is renamed when it is whole."""
        return all(storage.size(target) > 0 for target in targets)


def _choose(engine: str | None) -> None:
    """Settles for this process what executes the transforms, where it is named.

    Raises:
        egic.batch.UsageError: It is none, or not installed here.
    """
    if engine is not None:
        commands.choose_engine(argparse.Namespace(engine=engine))


class _Turns:
    """Lets the threads of a process use one codec in turn.

    Attributes:
        networks, coder: Held while a thread is in that half of the codec.
    """

    def __init__(self, load: Callable[..., Any]):
        self.networks, self.coder = threading.Lock(), threading.Lock()
        self._load = load
        # Beam keeps workers to the end of the process; TensorFlow minds to go so late.
        atexit.register(self._forget)

    def codec(self, *which: bytes) -> "_InTurn":
        with self.networks:  # One thread loads it for all.
            return _InTurn(self._load(*which), self)

    def _forget(self) -> None:
        del self._load


@dataclasses.dataclass(frozen=True)
class _InTurn:
    """A codec, of which each half is used by one thread at a time."""

    codec: Any
    turns: _Turns

    def analyse(self, image: np.ndarray) -> Any:
        with self.turns.networks:
            return self.codec.analyse(image)

    def encode_latents(self, analysed: Any) -> bytes:
        with self.turns.coder:
            return self.codec.encode_latents(analysed)

    def decode(self, data: bytes) -> decompression.Rendering:
        with self.turns.coder:
            return self.codec.decode(data)
