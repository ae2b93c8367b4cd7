"""A codec in a few lines, to test an evaluation with: no network, no TensorFlow."""

import os
import pathlib
import struct
import time
import types

import numpy as np

from hific import bitstream
from hific.errors import UnsupportedAlphaError

# What a test tells the codec, wherever it runs: a file to which it adds a line for each
# picture it compresses, and seconds to take for it.
LOG, SECONDS = "FOUR_BITS_LOG", "FOUR_BITS_SECONDS"


class FourBits:
    """Keeps the upper half of every byte, in a file of 4 + H * W * 3 bytes."""

    stride = 64

    def compress_with_report(self, image):
        if LOG in os.environ:
            with pathlib.Path(os.environ[LOG]).open("a") as log:
                log.write(f"{image.sum()}\n")
        time.sleep(float(os.environ.get(SECONDS, 0)))
        data = struct.pack("<HH", *image.shape[:2]) + (image >> 4).tobytes()
        found = types.SimpleNamespace(clipped=int((image == 0).sum()), ideal_z_bits=8.0)
        return data, found

    def decompress(self, data, alpha):
        pixels = np.frombuffer(data[4:], np.uint8) << 4
        return pixels.reshape(*struct.unpack("<HH", data[:4]), 3) + np.uint8(8 * alpha)

    def estimate(self, image):
        return 8.0 * image.size


class InContainer(FourBits):
    """The same in an .egic file."""

    def compress_with_report(self, image):
        height, width, _ = image.shape
        payload, found = super().compress_with_report(image)
        packet = bitstream.Packet(b"four", width, height, payload, 0)
        return bitstream.pack(packet), found

    def decompress(self, data, alpha):
        if alpha == 0.5:
            raise UnsupportedAlphaError("No alpha but 0 and 1 here.")
        return super().decompress(bitstream.unpack(data).payload, alpha)


def between(first, second, mode):
    assert (first, second, mode) == ("g1", "none", "weights")
    return InContainer()
