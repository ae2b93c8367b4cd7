"""The demo, whole, but for its length: two steps instead of hundreds."""

import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest
from skimage import data

import egic
from hific.evaluation.metrics import psnr
from hific.images import read_image

ROOT = pathlib.Path(__file__).resolve().parents[1]
ROW = re.compile(r"^  (\S.*?)  +([\d,]+) +(\d+\.\d{4}) +(\d+\.\d{2})$", re.MULTILINE)


@pytest.mark.slow
def test_what_the_demo_prints_is_what_its_files_say(tmp_path):
    out = tmp_path / "demo"
    (out / "model").mkdir(parents=True)
    for name in ("model/manifest.json", "photo.egic", "notes.txt"):
        (out / name).write_text("left by an earlier run")

    # In a process of its own: the flags of two root scripts do not fit in one.
    command = [sys.executable, str(ROOT / "demo.py"), "--steps=2", f"--out={out}"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    rows = {name: numbers for name, *numbers in ROW.findall(done.stdout)}
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
    assert (out / "notes.txt").exists()
