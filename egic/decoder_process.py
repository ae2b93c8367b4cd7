"""Decodes what it is asked for until its stdin ends; `egic.remote_codec` asks.

    python -m egic.decoder_process MODEL MODE

MODEL is a bundle, MODE a key of `hific.reexecution.MODES`. Other ways of computing are
chosen by environment variables.
"""

import functools
import sys
from typing import Any

import numpy as np

import egic
from egic import isolation
from hific.errors import CodecError


def main(model: str, mode_name: str) -> None:
    """Answers questions, see `egic.remote_codec.RemoteCodec`."""
    decoder = Decoder(model, mode_name)
    isolation.serve(lambda question, data: _answer(decoder, question, data))


class Decoder:
    """A codec, and the file it decoded last."""

    def __init__(self, model: str, mode_name: str):
        self._model = model
        self._mode_name = mode_name
        self._rendering: Any = None

    @functools.cached_property
    def _loaded(self):
        # Whose need of memory is the least, and known to who sets the limits.
        codec = egic.load(self._model, "tensorflow")
        from hific.reexecution import MODES  # TensorFlow is loaded by now.

        mode = MODES[self._mode_name]
        mode.prepare()
        return codec, mode

    def digest(self, data: bytes):
        """The fingerprints of a file's latents."""
        from hific import reexecution

        codec, mode = self._loaded
        return reexecution.latents_of(codec, data, mode)._asdict(), b""

    def decode(self, data: bytes):
        """Decodes a file; says how large its picture is."""
        self._rendering = None
        self._rendering = self._loaded[0].decode(data)
        return {"height": self._rendering.height, "width": self._rendering.width}, b""

    def images(self, numbers: list[float | None], data: bytes):
        """The file decoded last at several alphas; None stands for the next map."""
        if self._rendering is None:
            raise CodecError("No file was decoded yet.")
        size = self._rendering.height, self._rendering.width
        maps = iter(np.frombuffer(data, "<f8").reshape(-1, *size))
        alphas = [next(maps) if alpha is None else alpha for alpha in numbers]
        pictures = self._rendering.images(alphas)
        return {}, b"".join(picture.tobytes() for picture in pictures)


def _answer(decoder: Decoder, question: dict[str, Any], data: bytes):
    if question["ask"] == "images":
        return decoder.images(question["alphas"], data)
    return {"digest": decoder.digest, "decode": decoder.decode}[question["ask"]](data)


if __name__ == "__main__":
    main(*sys.argv[1:])
