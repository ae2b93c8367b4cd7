"""The `egic` command with a stand-in for models, for tests that start processes.

Worker processes import the script they were started from, and find the stand-in too.
"""

import pathlib
import sys
import time

import egic
from egic import cli
from hific import bundle
from tests.pixel_codec import PixelCodec

SECONDS = 0.02  # That a picture takes, so that several are in work at a time.


class SlowCodec(PixelCodec):
    def compress(self, image):
        time.sleep(SECONDS)
        return super().compress(image)


def write_model(folder: pathlib.Path) -> None:
    """Writes what the command takes for a model; it is not the stand-in's."""
    bundle.write(folder, {}, {}, {})


egic.load = lambda directory: SlowCodec()

if __name__ == "__main__":
    sys.exit(cli.main())
