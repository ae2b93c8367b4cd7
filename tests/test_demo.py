"""The demo, whole, but for its length: two steps instead of hundreds."""

import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest
from skimage import data

import egic
from deeplab2_tf import labels
from deeplab2_tf.synthetic import Scenes
from hific.evaluation.metrics import psnr
from hific.images import read_image

ROOT = pathlib.Path(__file__).resolve().parents[1]
SCORE = re.compile(r"^  (\S.*?)  +(0\.\d{4}) +(\d+\.\d{2})%$", re.MULTILINE)
ROW = re.compile(r"^  (\S.*?)  +([\d,]+) +(\d+\.\d{4}) +(\d+\.\d{2})$", re.MULTILINE)


@pytest.mark.slow
def test_what_the_demo_prints_is_what_its_files_say(tmp_path):
    out = tmp_path / "demo"
    (out / "model").mkdir(parents=True)
    for name in ("model/manifest.json", "photo.egic", "notes.txt"):
        (out / name).write_text("left by an earlier run")

    # In a process of its own: the flags of two root scripts do not fit in one.
    command = [sys.executable, str(ROOT / "demo.py"), f"--out={out}"]
    command += ["--steps=2", "--segmentation_steps=2"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    _check_codec(done.stdout, out)
    _check_segmentation(done.stdout, out)
    assert (out / "notes.txt").exists()


def _check_codec(stdout, out):
    rows = {name: numbers for name, *numbers in ROW.findall(stdout)}
    assert list(rows) == ["EGIC", "JPEG 4:2:0", "WebP"]
    photo = read_image(out / "photo.png")
    np.testing.assert_array_equal(photo, data.chelsea())
    compressed = (out / "photo.egic").read_bytes()
    decoded = egic.load(out / "model").decompress(compressed)
    assert rows["EGIC"] == [
        f"{len(compressed):,}",
        f"{8 * len(compressed) / (451 * 300):.4f}",
        f"{psnr(decoded, photo):.2f}",
    ]
    assert float(rows["EGIC"][2]) > 26  # The closed-form start alone reaches that.
    shown = read_image(out / "side_by_side.png")
    top = shown.shape[0] - 300  # Below the labels; the original is at the left.
    np.testing.assert_array_equal(shown[top:, :451], photo)
    np.testing.assert_array_equal(shown[top:, 455:906], decoded)


def _check_segmentation(stdout, out):
    scores = {name: numbers for name, *numbers in SCORE.findall(stdout)}
    assert list(scores) == ["discriminator", "most frequent class"]
    scenes = [Scenes(50, seed=1).read(index) for index in range(50)]
    semantic = np.stack([scene.panoptic for scene in scenes]) // 1000
    counts = np.bincount(semantic[semantic != 255], minlength=11)
    share = counts.max() / counts.sum()  # The IoU of the one class that is predicted.
    assert scores["most frequent class"] == [f"{share / 11:.4f}", f"{share:.2%}"[:-1]]
    shown = read_image(out / "segmentation.png")
    top = 22  # Below the names of the scenes.
    np.testing.assert_array_equal(shown[top : top + 256, :256], scenes[0].image)
    labelled = shown[top + 260 : top + 516, 260:516]
    colours = labels.load("synthetic").colours()
    np.testing.assert_array_equal(labelled, colours[semantic[1]])
