"""Label maps that a discriminator makes of pictures without labels."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from deeplab2_tf import labels
from deeplab2_tf.sources import Pairs
from egic import pseudo_labels
from tests.stage_runs import discriminator_run

SCENES = labels.load("synthetic")
IMAGE = np.random.default_rng(3).integers(0, 256, (70, 90, 3), np.uint8)


def dark_or_bright(image):
    """Class 2 where red is above 127, else 1; "fake", the last, is likelier still."""
    bright = tf.cast(image[..., :1] > 127, tf.float32)
    columns = [tf.fill(bright.shape, -9.0)] * SCENES.num_outputs
    columns[1], columns[2] = 2.0 * (1 - bright), 1.0 * bright
    columns[SCENES.fake_label] = tf.fill(bright.shape, 5.0)
    return tf.concat(columns, axis=-1)


def test_a_pixel_has_its_likeliest_class_and_is_never_fake():
    found = pseudo_labels.label(dark_or_bright, IMAGE, SCENES, 0.0)
    np.testing.assert_array_equal(found, np.where(IMAGE[..., 0] > 127, 2, 1))
    assert found.dtype == np.uint8


def test_what_is_not_sure_enough_is_void():
    # Dark: e^2 / (e^2 + 1) = 0.88; bright: e / (e + 1) = 0.73, the rest being tiny.
    found = pseudo_labels.label(dark_or_bright, IMAGE, SCENES, 0.8)
    expected = np.where(IMAGE[..., 0] > 127, SCENES.ignore_label, 1)
    np.testing.assert_array_equal(found, expected)


def test_the_command_writes_maps_that_training_reads(tmp_path, capsys):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    Image.fromarray(IMAGE).save(pictures / "one.png")
    (pictures / "two.png").write_bytes(b"no picture")
    out = tmp_path / "maps"
    critic = discriminator_run(tmp_path / "run", num_outputs=SCENES.num_outputs)
    code = pseudo_labels.main(
        [f"--discriminator={critic}", f"--images={pictures}", f"--out={out}"]
    )
    said = capsys.readouterr()
    assert code == 3 and "two.png" in said.err
    assert f"{out / '0'}: 1 pictures, 0.0% of their pixels void" in said.out
    pairs = Pairs(pictures, out / "0", SCENES)
    assert len(pairs) == 1 and pairs.read(0).panoptic.shape == (70, 90)


@pytest.mark.parametrize("confidence", ["70", "-0.1", "nan", "much"])
def test_a_confidence_that_is_no_share_is_wrong_usage(confidence, capsys):
    with pytest.raises(SystemExit) as caught:
        pseudo_labels.main(
            ["--discriminator=a", "--images=b", "--out=c", f"--confidence={confidence}"]
        )
    assert caught.value.code == 2
    assert f"from 0 to 1 is needed, got {confidence}" in capsys.readouterr().err


def test_void_is_read_as_void(tmp_path):
    found = pseudo_labels.label(dark_or_bright, IMAGE, SCENES, 1.0)
    for folder, pixels in (("pictures", IMAGE), ("maps", found)):
        (tmp_path / folder).mkdir()
        Image.fromarray(pixels).save(tmp_path / folder / "one.png")
    panoptic = Pairs(tmp_path / "pictures", tmp_path / "maps", SCENES).read(0).panoptic
    assert set(np.unique(panoptic)) == {SCENES.ignore_label * SCENES.label_divisor}


def test_a_folder_that_is_missing_is_named(tmp_path, capsys):
    critic = discriminator_run(tmp_path / "run", num_outputs=SCENES.num_outputs)
    code = pseudo_labels.main(
        [f"--discriminator={critic}", "--images=/nowhere", f"--out={tmp_path}/maps"]
    )
    assert code == 1 and "/nowhere is not a folder" in capsys.readouterr().err
