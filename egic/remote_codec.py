"""A codec in another process: what it decodes, and how, without its TensorFlow here."""

import math
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from egic import isolation
from hific import bitstream
from hific.conformance import Digest
from hific.errors import CodecError

PROGRAM = "egic.decoder_process"


class RemoteCodec:
    """Decodes in one process, which lives until `close`.

    Its errors are those of `hific.codec.Codec`, and those of `isolation.Child.ask`.
    """

    def __init__(
        self,
        model: pathlib.Path,
        environment: Mapping[str, str] | None = None,
        mode: str = "graph",
        budget: isolation.Budget | None = None,
        program: str = PROGRAM,
    ):
        """Starts the process; the model is loaded when the first file comes.

        Args:
            model: A bundle.
            environment: What differs from that of this process.
            mode: A key of `hific.reexecution.MODES`.
            budget: See `isolation.Child`.
            program: The module that the process runs.
        """
        command, path = isolation.python(program, str(model), mode)
        self._child = isolation.Child(command, budget, {**(environment or {}), **path})

    def digest(self, data: bytes, seconds: float | None = None) -> Digest:
        """Fingerprints of a file's latents, as this process' mode gives them.

        Args:
            data: The file.
            seconds: The longest that it may take, see `isolation.Child.ask`.
        """
        answer, _ = self._child.ask({"ask": "digest"}, data, seconds=seconds)
        try:
            return Digest(*(str(answer[name]) for name in Digest._fields))
        except KeyError as error:
            raise CodecError("The decoding process answers something else.") from error

    def decode(self, data: bytes) -> "RemoteRendering":
        """Reads a compressed file up to its latents."""
        packet = bitstream.unpack(data)
        self._child.ask({"ask": "decode"}, data)
        return RemoteRendering(self._child, packet.height, packet.width)

    def close(self) -> None:
        """Ends the process."""
        self._child.close()

    def __enter__(self) -> "RemoteCodec":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


class RemoteRendering:
    """One decoded file, the last one of its process.

    Attributes:
        height, width: Of the picture, pixels.
    """

    def __init__(self, child: isolation.Child, height: int, width: int):
        self.height, self.width = height, width
        self._child = child

    def image(self, alpha: float | np.ndarray = 1.0) -> np.ndarray:
        """The picture, [H, W, 3] uint8; see `hific.rendering.Rendering`."""
        return self.images([alpha])[0]

    def images(self, alphas: Sequence[float | np.ndarray]) -> list[np.ndarray]:
        """`image` at several alphas: asked for at once, so that networks run once."""
        sent = [np.asarray(alpha, "<f8") for alpha in alphas]
        numbers = [None if alpha.ndim else float(alpha) for alpha in sent]
        maps = b"".join(alpha.tobytes() for alpha in sent if alpha.ndim)
        shape = (len(sent), self.height, self.width, 3)
        question = {"ask": "images", "alphas": numbers}
        _, data = self._child.ask(question, maps, math.prod(shape))
        return list(np.frombuffer(data, np.uint8).reshape(shape))
