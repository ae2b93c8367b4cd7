import numpy as np

from egic import decoder_process
from egic.remote_codec import RemoteRendering


class Rendering:
    """Of 2 x 3 pixels; each is 100 alpha. Counts how often it is drawn."""

    height, width = 2, 3
    drawn = 0

    def images(self, alphas):
        self.drawn += 1
        ones = np.ones((self.height, self.width))
        grey = [(100 * alpha * ones).astype(np.uint8) for alpha in alphas]
        return [np.stack([each] * 3, -1) for each in grey]


class Child:
    """Answers as the process of `egic.decoder_process` does, in this one."""

    def __init__(self, rendering):
        self._decoder = decoder_process.Decoder("no model", "graph")
        self._decoder._rendering = rendering

    def ask(self, question, data=b"", expected=0):
        answer, sent = decoder_process._answer(self._decoder, question, data)
        assert len(sent) == expected
        return answer, sent


def test_pictures_of_several_alphas_and_maps_are_drawn_at_once():
    rendering = Rendering()
    first = np.arange(6).reshape(2, 3) / 10
    alphas = [0.5, first, 0, 1 - first]
    found = RemoteRendering(Child(rendering), 2, 3).images(alphas)
    assert rendering.drawn == 1
    for picture, expected in zip(found, Rendering().images(alphas), strict=True):
        np.testing.assert_array_equal(picture, expected)


def test_one_picture_is_that_of_its_alpha():
    picture = RemoteRendering(Child(Rendering()), 2, 3).image(0.25)
    assert picture.shape == (2, 3, 3)
    assert (picture == 25).all()
