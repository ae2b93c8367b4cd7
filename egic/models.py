"""Models on this machine, by the ids that compressed files name them by.

Nothing is ever fetched: a file whose model is not here is refused. Ids are read from
manifests, which needs no TensorFlow.
"""

import functools
import pathlib
from collections.abc import Callable
from typing import Any

import egic
from egic import batch, default_model, isolation
from egic.isolation import Budget
from egic.remote_codec import PROGRAM, RemoteCodec, RemoteRendering
from hific import bitstream, bundle
from hific.errors import ModelLoadError, UnknownModelError


class Models:
    """A model bundle, or a folder of them.

    Attributes:
        path: The folder.
    """

    def __init__(self, path: pathlib.Path):
        self.path = path

    @functools.cached_property
    def folders(self) -> dict[bytes, pathlib.Path]:
        """Model id -> bundle; of bundles with one id, equal ones, the first by name.

        Raises:
            ModelLoadError: There is none, or one that is no bundle of this version, or
                two different ones have one id.
        """
        found: dict[bytes, pathlib.Path] = {}
        whole: dict[bytes, str] = {}
        for folder in self._candidates():
            sha256 = bundle.read_manifest(folder)["sha256"]
            model_id = bytes.fromhex(sha256)[:4]
            if whole.setdefault(model_id, sha256) != sha256:
                raise ModelLoadError(
                    f"{found[model_id]} and {folder} are two models with one id, "
                    f"{model_id.hex()}; keep them in two folders."
                )
            found.setdefault(model_id, folder)
        return found

    def _candidates(self) -> list[pathlib.Path]:
        if self.path.is_dir() and not (self.path / bundle.MANIFEST).exists():
            several = sorted(
                each.parent for each in self.path.glob(f"*/{bundle.MANIFEST}")
            )
            if several:
                return several
        return [self.path]  # If it is no bundle, reading it says so.

    def only(self) -> pathlib.Path:
        """The bundle, where there is no file that names one.

        Raises:
            egic.batch.UsageError: There are several.
            ModelLoadError: See `folders`.
        """
        if len(self._candidates()) == 1:
            return self._candidates()[0]
        raise batch.UsageError(
            f"{self.path} holds several models: {self._named()}. Name one of them."
        )

    def of(self, model_id: bytes) -> pathlib.Path:
        """The bundle of a compressed file; that of the program, where it is none here.

        Raises:
            UnknownModelError: It is neither; says which there are.
            ModelLoadError: See `folders`.
        """
        if model_id in self.folders:
            return self.folders[model_id]
        own = Models(default_model.PATH)
        beside = own._usable() and own.folders.keys() != self.folders.keys()
        if beside and model_id in own.folders:
            return own.folders[model_id]
        raise UnknownModelError(
            f"The file was made with model {model_id.hex()}; {self.path} has "
            f"{self._named()}{f', this program {own._named()}' if beside else ''}."
        )

    def _usable(self) -> bool:
        try:
            return bool(self.folders)
        except ModelLoadError:
            return False

    def _named(self) -> str:
        return ", ".join(
            f"{model_id.hex()} ({folder.name})"
            for model_id, folder in self.folders.items()
        )


class IsolatedDecoder:
    """Decodes each file in a process of its own, within a budget for its size.

    The process ends when the next file comes, or with `close`.
    """

    def __init__(
        self,
        model: pathlib.Path,
        budget_of: Callable[[int, int, bool], Budget] = isolation.budget_of,
        program: str = PROGRAM,
    ):
        """Creates the decoder.

        Args:
            model: A bundle.
            budget_of: (height, width, whether it is one stream) -> what its process
                may take.
            program: See `RemoteCodec`.
        """
        self._model = model
        self._budget_of = budget_of
        self._program = program
        self._codec: RemoteCodec | None = None

    def decode(self, data: bytes) -> RemoteRendering:
        """See `hific.codec.Codec.decode`, and `isolation.Child.ask`."""
        self.close()
        packet = bitstream.unpack(data)
        whole = packet.flags != bitstream.TILED
        budget = self._budget_of(packet.height, packet.width, whole)
        self._codec = RemoteCodec(self._model, budget=budget, program=self._program)
        return self._codec.decode(data)

    def close(self) -> None:
        """Ends the process of the last file."""
        if self._codec is not None:
            self._codec.close()
            self._codec = None


def decoders(
    models: Models, isolated: bool = False, pictures: int = 1
) -> Callable[[bytes], Any]:
    """Returns a function from a file's model id to what decodes it.

    Args:
        models: On this machine.
        isolated: Decode in other processes, see `IsolatedDecoder`.
        pictures: That will be drawn of each file.
    """
    budget_of = functools.partial(isolation.budget_of, pictures=pictures)
    apart = functools.partial(IsolatedDecoder, budget_of=budget_of)
    load = functools.cache(apart if isolated else egic.load)

    def decoder(model_id: bytes):
        # Where there is no folder, loading it says so.
        return load(models.of(model_id) if models.path.is_dir() else models.path)

    return decoder
