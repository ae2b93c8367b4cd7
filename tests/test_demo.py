"""The demo, whole, but for its length: two steps a stage, and the smallest model."""

import dataclasses
import io
import json
import os
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from skimage import data

import egic
from egic import codec as builder
from hific.evaluation.metrics import psnr
from hific.images import read_image
from hific.network_config import HeadConfig
from tests import micro_codec, page_reading

ROOT = pathlib.Path(__file__).resolve().parents[1]
SCRIPTS = (
    "pretrain_discriminator.py",
    "train_stage1.py",
    "train_stage2.py",
    "train_orp.py",
)
ROW = re.compile(
    r"^  (\S.*?)  +([\d,]+) +(\d+\.\d{4}) +(-?\d+\.\d{2}) +(-?\d\.\d{4})$", re.MULTILINE
)
MOVED = re.compile(r"^    (\S.*?)  +(\S+) +(\S+)$", re.MULTILINE)
PIXELS = {"chelsea": 451 * 300, "coffee": 600 * 400}
FILES = {
    "JPEG 4:4:4": "jpeg444.jpg",
    "JPEG 4:2:0, optimised": "jpeg.jpg",
    "WebP": "webp.webp",
    "AVIF": "avif.avif",
}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    config = dataclasses.replace(micro_codec.CONFIG, head=HeadConfig(stages=1))
    folder = tmp_path_factory.mktemp("models") / "micro"
    builder.save(config, builder.build_model(config), folder)
    return folder


def run(folder, *arguments):
    """In a process of its own: the flags of two root scripts do not fit in one."""
    return subprocess.run(
        [sys.executable, str(ROOT / "demo.py"), *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        env=os.environ | {"XDG_CACHE_HOME": str(folder / "cache")},  # No LPIPS.
        check=False,
    )


@pytest.mark.slow
@pytest.mark.timeout(900)  # Five processes, each with TensorFlow's start and traces.
def test_what_the_demo_prints_is_what_its_files_say(tmp_path, model):
    out = tmp_path / "demo"
    mine = [out / "photographs" / "notes.txt", out / "training" / "notes.txt"]
    left = [out / "training" / "stage1" / "config.json", out / "training/model/x"]
    for path in (*mine, *left, out / "training" / "model" / "manifest.json"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("from before")

    done = run(tmp_path, f"--model={model}", "--out=demo", "--smoke_steps=2")

    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    document = page_reading.read((out / "report.html").read_text())
    _check_photographs(done.stdout, out / "photographs", model, document)
    _check_training(done.stdout, out / "training", document)
    assert read_image(out / "strip.png").shape[1] == 7 * 3 * 96 + 6 * 4
    assert all(path.read_text() == "from before" for path in mine)
    assert not (out / "training/model/x").exists()
    assert not (tmp_path / "cache").exists()


def _check_photographs(stdout, folder, model, document):
    tables = re.split(r"^(\w+), \d+x\d+$", stdout, flags=re.MULTILINE)
    codec = egic.load(model)
    for name, printed in zip(tables[1::2], tables[2::2], strict=True):
        original = read_image(folder / f"{name}.png")
        np.testing.assert_array_equal(original, getattr(data, name)())
        compressed = (folder / f"{name}.egic").read_bytes()
        versions = {}
        alphas = (0.0, 0.5, 1.0)
        drawn = codec.decompress_all(compressed, alphas)
        for alpha, image in zip(alphas, drawn, strict=True):
            written = read_image(folder / f"{name}.alpha-{alpha:g}.png")
            np.testing.assert_array_equal(written, image)
            versions[f"EGIC, alpha {alpha:g}"] = (len(compressed), image)
        for label, suffix in FILES.items():
            found = (folder / f"{name}.{suffix}").read_bytes()
            smallest = " (its smallest)" if len(found) > len(compressed) else ""
            with Image.open(io.BytesIO(found)) as image:
                versions[f"{label}{smallest}"] = (len(found), np.asarray(image))
        expected = {
            label: (
                f"{size:,}",
                f"{8 * size / PIXELS[name]:.4f}",
                f"{psnr(image, original):.2f}",
            )
            for label, (size, image) in versions.items()
        }
        assert {row[0]: row[1:4] for row in ROW.findall(printed)} == expected
        rows = page_reading.rows(document.one("table", id=f"numbers-{name}"))
        assert [row[0] for row in rows] == list(expected)
    assert tables[1::2] == list(PIXELS)


def _check_training(stdout, folder, document):
    stages = re.split(r"^(Stage \d): .*$", stdout, flags=re.MULTILINE)
    assert stages[1::2] == ["Stage 0", "Stage 1", "Stage 2", "Stage 3"]
    for name, printed, script in zip(stages[1::2], stages[2::2], SCRIPTS, strict=True):
        assert re.search(rf"^  python \S*{script} ", printed, re.MULTILINE)
        assert "step 2/2" in printed  # The script's own progress.
        workdir = folder / name.replace("Stage ", "stage")
        lines = (workdir / "metrics.jsonl").read_text().splitlines()
        records = [json.loads(line) for line in lines]
        numbers = [one for one in records if "steps_per_second" in one]
        assert [one["step"] for one in numbers] == [1, 2]
        known = {
            (f"{numbers[0][key]:.4g}", f"{numbers[1][key]:.4g}") for key in numbers[0]
        }
        moved = [(first, last) for _, first, last in MOVED.findall(printed)]
        assert moved[0] in known
        rows = page_reading.rows(document.one("table", id="moved"))
        assert any(row[0] == name and tuple(row[2:]) in known for row in rows)
    compressed = (folder / "scene.egic").read_bytes()
    codec = egic.load(folder / "model")
    for alpha in (0.0, 1.0):
        drawn = read_image(folder / f"scene.alpha-{alpha:g}.png")
        np.testing.assert_array_equal(codec.decompress(compressed, alpha), drawn)
    assert f"{len(compressed):,} bytes" in stages[-1]


def test_a_demo_of_nothing_is_refused(tmp_path):
    done = run(tmp_path, "--nosmoke", "--smoke_only")
    assert done.returncode == 1
    assert "leave nothing to be done" in done.stdout + done.stderr
    assert not (tmp_path / "demo").exists()


def test_a_model_that_is_none_is_one_line(tmp_path):
    done = run(tmp_path, "--nosmoke", f"--model={tmp_path}")
    assert done.returncode == 1
    assert done.stderr.startswith("demo.py: ")
    assert done.stderr.count("\n") == 1


def test_without_scikit_image_one_line_says_what_to_install(tmp_path):
    (tmp_path / "skimage").mkdir()
    (tmp_path / "skimage" / "__init__.py").write_text("raise ImportError('absent')")
    done = subprocess.run(
        [sys.executable, str(ROOT / "demo.py")],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
    )
    assert done.returncode == 1
    assert done.stderr == (
        "demo.py needs scikit-image: pip install -e '.[dev]', or make demo.\n"
    )
