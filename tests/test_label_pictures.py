"""Label maps as pictures: colours, order and the legend."""

import numpy as np

from deeplab2_tf import labels, pictures

LABELS = labels.load("synthetic")
SKY, GRASS = (70, 130, 180), (152, 251, 152)  # As its JSON file says.


def test_ids_have_their_classes_colours_and_void_and_fake_are_black():
    ids = np.array([[0, 2, LABELS.ignore_label, LABELS.fake_label]], np.int32)
    shown = pictures.coloured(ids, LABELS)
    assert shown.dtype == np.uint8
    np.testing.assert_array_equal(shown, [[SKY, GRASS, (0, 0, 0), (0, 0, 0)]])


def test_a_batch_keeps_its_shape():
    shown = pictures.coloured(np.zeros((2, 3, 4), np.int32), LABELS)
    assert shown.shape == (2, 3, 4, 3)


def test_pictures_are_below_each_other_unchanged_on_white():
    black, grey = np.zeros((2, 5, 3), np.uint8), np.full((3, 4, 3), 128, np.uint8)
    shown = pictures.stacked([black, grey])
    assert shown.shape == (2 + 4 + 3, 5, 3)
    np.testing.assert_array_equal(shown[:2], black)
    np.testing.assert_array_equal(shown[6:, :4], grey)
    assert (shown[2:6] == 255).all() and (shown[6:, 4:] == 255).all()


def test_the_legend_has_every_colour_and_breaks_lines_that_are_too_long():
    wide, narrow = (pictures.legend(LABELS, width) for width in (2000, 200))
    assert wide.shape == (22, 2000, 3)
    assert narrow.shape[0] > 22 and narrow.shape[0] % 22 == 0
    for one in LABELS.classes:
        for shown in (wide, narrow):
            patch = (shown == one.colour).all(-1)
            assert patch.sum() == 16 * 16, one.name
