"""Tiled coding against a file of 4.2 megapixels that has to decode for ever."""

import hashlib
import pathlib

import numpy as np
import pytest

from hific import bitstream, tables
from hific.images import read_image
from tests import sparse_codec

GOLDEN = pathlib.Path(__file__).parent / "golden"
LATENTS_CRC = 0xA162D0EE
Y_HAT_SHA256 = "ac4b50d67a1d61f49ec2535730f6d400708278d08e4bfea177cb11ce01c0baec"


@pytest.fixture(scope="module")
def codec():
    with np.load(GOLDEN / "codec_v1_micro_tables.npz") as arrays:
        cdf = np.cumsum([tables.PRECISION, *arrays["cdf_steps"]]).astype(np.int32)
        stored = tables.Tables(cdf, arrays["offset"], arrays["length"])
    return sparse_codec.codec(stored)


@pytest.fixture(scope="module")
def data():
    return (GOLDEN / "codec_v1_tiled.egic").read_bytes()


def test_the_golden_tiled_file_decodes_to_the_same_latents_to_the_bit(codec, data):
    packet, y_hat = codec.decode_y_hat(data)
    assert (packet.height, packet.width) == sparse_codec.SIZE
    assert packet.flags == bitstream.TILED and packet.latents_crc == LATENTS_CRC
    assert y_hat.shape == (1, 132, 128, 32)  # Of 2,112 x 2,048 pixels.
    values = y_hat.astype("<f4").tobytes()
    assert hashlib.sha256(values).hexdigest() == Y_HAT_SHA256


@pytest.mark.slow
def test_the_golden_tiled_file_decodes_to_the_same_picture_to_a_grey_level(codec, data):
    """Compared where four tiles meet."""
    image = codec.decompress(data)
    assert image.shape == (*sparse_codec.SIZE, 3)
    expected = read_image(GOLDEN / "codec_v1_tiled.png").astype(int)
    assert np.abs(image[976:1072, 976:1072] - expected).max() <= 1


@pytest.mark.slow
def test_its_picture_still_takes_as_many_bytes(codec, data):
    """Latents on the edge of two integers may round the other way elsewhere."""
    found = codec.compress(sparse_codec.picture())
    assert len(found) == pytest.approx(len(data), rel=0.02)
    assert bitstream.inspect(found)["tiles"] == 6
