import numpy as np

from egic.bench import quality


class Brighter:
    """A codec whose files hold the picture and some bytes, drawn some levels off."""

    def __init__(self, levels, more=0):
        self._levels, self._more = levels, more

    def compress(self, image):
        return image.tobytes() + bytes(self._more)

    def decompress_all(self, data, alphas):
        image = np.frombuffer(data[:48], np.uint8).reshape(4, 4, 3)
        return [image + np.uint8(self._levels) for _ in alphas]


def test_bytes_and_psnr_are_against_the_reference():
    pictures = np.zeros((2, 4, 4, 3), np.uint8)
    found = quality.differences(Brighter(1), {"a": Brighter(2, 12)}, pictures, [1.0])
    loss = -20 * np.log10(2.0)
    np.testing.assert_allclose(found["a"], [[25.0, loss, 1.0]] * 2, rtol=1e-12)


def test_the_worst_picture_is_worst_in_either_direction():
    rows = np.array([[1.0, 0.1, 0.0], [-3.0, 0.2, 0.5]])
    table = quality.table_of({"a": rows}, [1.0])
    cells = [list(column.cells) for column in table.columns]
    assert cells[1:] == [
        ["mean", "worst"],
        ["-1.0000", "-3.0000"],
        ["+0.1500", "+0.2000"],
        ["+0.2500", "+0.5000"],
    ]
