"""The halves of compressing, on a small picture in small tiles."""

import numpy as np
import pytest

from hific import tables
from hific.errors import InvalidImageError, NonFiniteError
from hific.tiles import Grid
from tests import micro_codec

TILED = Grid(core=64, margin=64, largest_whole=100)
SIZE = (70, 130)  # Two rows of three tiles.


@pytest.fixture(scope="module")
def codec():
    built = tables.build(micro_codec.model().prior.density)
    return micro_codec.codec(built)


@pytest.mark.parametrize("grid, number", [(Grid(), 1), (TILED, 6)])
def test_two_halves_make_the_file_that_compress_makes(codec, grid, number, monkeypatch):
    monkeypatch.setattr(codec, "grid", grid)
    image, told = micro_codec.picture(*SIZE), []
    analysed = codec.analyse(image, lambda *step: told.append(step))
    assert (analysed.height, analysed.width, len(analysed.tiles)) == (*SIZE, number)
    data = codec.encode_latents(analysed, lambda *step: told.append(step))
    assert told == 2 * [(i + 1, number) for i in range(number)]
    assert data == codec.compress(image)
    assert data == codec.compress_with_report(image)[0]


def test_each_half_refuses_what_it_sees(codec):
    with pytest.raises(InvalidImageError):
        codec.analyse(np.zeros((4, 4), np.uint8))
    analysed = codec.analyse(micro_codec.picture(4, 4))
    broken = [np.nan * y for y in analysed.tiles]
    with pytest.raises(NonFiniteError, match="NaN or infinite"):
        codec.encode_latents(analysed._replace(tiles=broken))
