"""The bar of one huge picture's tiles."""

import io
import sys

import pytest

from egic import progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def terminal(monkeypatch):
    """Makes stderr one; pytest sets its own after fixtures."""
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    return stream


class TwoTiles:
    """Stands in for a codec and for what it decodes."""

    height, width = 3, 5

    def analyse(self, image, tell):
        tell(1, 2), tell(2, 2)
        return "analysed"

    def encode_latents(self, analysed, tell):
        tell(1, 2), tell(2, 2)
        return f"file of {analysed}".encode()

    def decode(self, data, tell):
        tell(1, 2), tell(2, 2)
        return self

    def images(self, alphas, tell):
        tell(1, 2), tell(2, 2)
        return [f"picture {alpha}" for alpha in alphas]


def test_nothing_is_told_where_nobody_would_see_it(monkeypatch):
    terminal(monkeypatch)
    with progress.tiles("compressing", ["a", "b"]) as tell:
        assert tell is None
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with progress.tiles("compressing", ["a"]) as tell:
        assert tell is None
    assert progress.telling(TwoTiles, None) is TwoTiles


def test_a_huge_picture_draws_a_bar_and_takes_it_away(monkeypatch):
    stream = terminal(monkeypatch)
    with progress.tiles("compressing", ["a"]) as tell:
        assert stream.getvalue() == ""
        codec = progress.telling(TwoTiles, tell)()
        assert codec.encode_latents(codec.analyse(None)) == b"file of analysed"
        assert tell._bar is None
    assert "compressing" in stream.getvalue()


def test_decoding_is_the_first_half_and_drawing_the_second():
    told = []
    load = progress.telling(
        lambda model_id: TwoTiles(), lambda *step: told.append(step)
    )
    rendering = load(b"test").decode(b"file")
    assert (rendering.height, rendering.width) == (3, 5)
    assert rendering.images([1.0, 0.5]) == ["picture 1.0", "picture 0.5"]
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_a_picture_of_one_tile_draws_none(monkeypatch):
    stream = terminal(monkeypatch)
    with progress.tiles("compressing", ["a"]) as tell:
        tell(1, 1)
    assert stream.getvalue() == ""


def test_a_failure_takes_the_bar_away(monkeypatch):
    terminal(monkeypatch)
    with pytest.raises(ValueError), progress.tiles("compressing", ["a"]) as tell:
        tell(1, 24)
        assert tell._bar is not None
        raise ValueError
    assert tell._bar is None
