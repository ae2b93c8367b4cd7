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
    isolation.serve(lambda question, data: ANSWERS[question["ask"]](decoder, data))


class Decoder:
    """A codec, and the file it decoded last."""

    def __init__(self, model: str, mode_name: str):
        self._model = model
        self._mode_name = mode_name
        self._rendering: Any = None

    @functools.cached_property
    def _loaded(self):
        codec = egic.load(self._model)
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

    def image(self, data: bytes):
        """The picture of the file decoded last, at an alpha of float64."""
        alpha = np.frombuffer(data, "<f8")
        if self._rendering is None:
            raise CodecError("No file was decoded yet.")
        if alpha.size > 1:
            alpha = alpha.reshape(self._rendering.height, self._rendering.width)
        else:
            alpha = alpha[0]
        return {}, np.ascontiguousarray(self._rendering.image(alpha)).tobytes()


ANSWERS = {
    "digest": Decoder.digest,
    "decode": Decoder.decode,
    "image": Decoder.image,
}

if __name__ == "__main__":
    main(*sys.argv[1:])
