"""Stands in for a model where the command line is tested: no network, no TensorFlow."""

import numpy as np

from hific import bitstream
from hific.errors import UnsupportedAlphaError

MODEL_ID = b"test"


class PixelCodec:
    """The payload is the pixels themselves, shown at alpha 1; alpha 0 is black."""

    def __init__(self):
        self.decoded = 0

    def compress(self, image):
        return self.encode_latents(self.analyse(image))

    def analyse(self, image):
        return PixelAnalysed(image)

    def encode_latents(self, analysed):
        height, width = analysed.height, analysed.width
        pixels = analysed.pixels.tobytes()
        return bitstream.pack(bitstream.Packet(MODEL_ID, width, height, pixels, 0))

    def decode(self, data):
        self.decoded += 1
        packet = bitstream.unpack(data)
        pixels = np.frombuffer(packet.payload, np.uint8)
        return PixelRendering(pixels.reshape(packet.height, packet.width, 3))


class PixelAnalysed:
    def __init__(self, pixels):
        self.pixels = pixels
        self.height, self.width, _ = pixels.shape


class PixelRendering:
    def __init__(self, pixels):
        self._pixels = pixels
        self.height, self.width, _ = pixels.shape

    def images(self, alphas):
        return [self.image(alpha) for alpha in alphas]

    def image(self, alpha):
        alpha = np.asarray(alpha)
        assert alpha.shape in ((), (self.height, self.width))
        weights = alpha[..., np.newaxis]
        return np.rint(self._pixels * weights).astype(np.uint8)


class HeadlessCodec(PixelCodec):
    """Has alpha 1 only."""

    def decode(self, data):
        rendering = super().decode(data)
        image = rendering.image

        def refuse(alpha):
            if np.any(np.asarray(alpha) != 1):
                raise UnsupportedAlphaError("Any alpha but 1 needs another model.")
            return image(alpha)

        rendering.image = refuse
        return rendering
