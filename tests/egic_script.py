"""The `egic` command with a stand-in for models, for tests that start processes.

Worker processes import the script they were started from, and find the stand-in too.
"""

import dataclasses
import pathlib
import sys
import time

import egic
from egic import cli
from hific import bitstream, bundle
from tests.pixel_codec import PixelCodec

SECONDS = 0.02  # That a picture takes, so that several are in work at a time.


class SlowCodec(PixelCodec):
    def __init__(self, model_id):
        super().__init__()
        self._model_id = model_id

    def encode_latents(self, analysed):
        time.sleep(SECONDS)
        packet = bitstream.unpack(super().encode_latents(analysed))
        return bitstream.pack(dataclasses.replace(packet, model_id=self._model_id))


def write_model(folder: pathlib.Path) -> None:
    """Writes what the command takes for a model; the stand-in has its id."""
    bundle.write(folder, {}, {}, {})


def load(directory):
    return SlowCodec(bytes.fromhex(bundle.read_manifest(directory)["sha256"])[:4])


if __name__ in ("__main__", "__mp_main__"):  # Here and in the processes it starts.
    egic.load = load

if __name__ == "__main__":
    sys.exit(cli.main())
