"""The whole coding path against a file that has to decode for ever."""

import hashlib
import pathlib

import numpy as np
import pytest

from hific import entropy, tables
from hific.images import read_image
from tests import micro_codec

GOLDEN = pathlib.Path(__file__).parent / "golden"
LATENTS_CRC = 0x4531BA2B
Y_HAT_SHA256 = "689c940d2633221cb982a45e3891ea7f2e86ece2de3d255f8d28d672929a5935"
Z_CDF_SHA256 = "20007e7f8d6ca4276a6bc20115d978db9f7899b8ea6206b22a1d005e11cc90f8"


@pytest.fixture(scope="module")
def stored():
    with np.load(GOLDEN / "codec_v1_micro_tables.npz") as arrays:
        cdf = np.cumsum([tables.PRECISION, *arrays["cdf_steps"]]).astype(np.int32)
        return tables.Tables(cdf, arrays["offset"], arrays["length"])


@pytest.fixture(scope="module")
def codec(stored):
    return micro_codec.codec(stored)


@pytest.fixture(scope="module")
def data():
    return (GOLDEN / "codec_v1_micro.egic").read_bytes()


def test_the_golden_file_decodes_to_the_same_latents_to_the_bit(codec, data):
    packet, (coded,) = codec.decode_latents(data)
    assert (packet.width, packet.height) == (70, 50)
    assert packet.latents_crc == coded.crc() == LATENTS_CRC
    y_hat = coded.y_hat.astype("<f4").tobytes()
    assert hashlib.sha256(y_hat).hexdigest() == Y_HAT_SHA256


def test_the_golden_file_decodes_to_the_same_picture_to_a_grey_level(codec, data):
    expected = read_image(GOLDEN / "codec_v1_micro.png").astype(int)
    assert np.abs(codec.decompress(data) - expected).max() <= 1


def test_its_picture_still_takes_as_many_bytes(codec, data):
    """Latents on the edge of two integers may round the other way elsewhere."""
    assert len(codec.compress(micro_codec.picture())) == pytest.approx(
        len(data), rel=0.02
    )


def test_tables_of_z_built_from_the_same_numbers_are_the_same(stored):
    """A new way to build tables changes this number, and no file that is stored."""
    built = tables.build(micro_codec.model().prior.density)
    for made in (stored, built):
        start = int((made.length[: entropy.NUM_SCALES] + 2).sum())
        assert hashlib.sha256(made.cdf[start:].tobytes()).hexdigest() == Z_CDF_SHA256
