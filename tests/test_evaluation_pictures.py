import numpy as np
import pytest

from hific.evaluation.pictures import side_by_side


def test_pictures_stand_in_order_unchanged():
    red, blue = np.zeros((2, 40, 200, 3), np.uint8)
    red[..., 0], blue[..., 2] = 255, 255
    shown = side_by_side({"red": red, "blue": blue})
    assert shown.shape == (40 + 22, 200 + 4 + 200, 3)
    np.testing.assert_array_equal(shown[22:, :200], red)
    np.testing.assert_array_equal(shown[22:, 204:], blue)
    assert (shown[:22] < 128).any()  # There is a label.


def test_labels_of_small_pictures_are_not_cut_off():
    dot = np.zeros((1, 1, 3), np.uint8)
    assert side_by_side({"a label longer than its picture": dot}).shape[1] > 100


def test_pictures_of_two_sizes_are_refused():
    with pytest.raises(ValueError, match=r"one size, got .*\(4, 4, 3\)"):
        side_by_side(
            {"a": np.zeros((4, 4, 3), np.uint8), "b": np.zeros((4, 5, 3), np.uint8)}
        )
