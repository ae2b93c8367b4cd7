"""The command that pre-trains a discriminator, on pictures the tests make."""

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from deeplab2_tf import synthetic

SCRIPT = [sys.executable, "pretrain_discriminator.py"]
NARROW = [
    "--config=egic/pretraining_config.py:synthetic-tiny",
    "--config.discriminator.oasis.down=(4,4)",
    "--config.discriminator.oasis.up=(4,4)",
    "--config.data.crop=(32,32)",
    "--config.data.eval_crop=(32,48)",
    "--config.optimizer.warmup_steps=0",
    "--steps=2",
    "--batch_size=2",
    "--log_every=1",
    "--validate_every=1",
    "--data_threads=1",
]


def run(root, *arguments):
    result = subprocess.run(
        [*SCRIPT, *arguments], cwd=root, capture_output=True, text=True, check=False
    )
    return result.returncode, result.stdout + result.stderr


@pytest.fixture(scope="module")
def root(request):
    return request.config.rootpath


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    folder = tmp_path_factory.mktemp("records")
    synthetic.main(
        [f"--out_dir={folder}", "--count=3", "--num_shards=2", "--height=32"]
        + ["--width=48"]
    )
    return folder / "*.tfrecord"


def test_records_to_train_and_scenes_to_validate(root, tmp_path, records):
    code, output = run(
        root,
        *NARROW,
        f"--records={records},{records}",
        "--val_synthetic=2",
        f"--workdir={tmp_path}/run",
    )
    assert code == 0, output
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    scores = [json.loads(line).get("validation/mean_iou") for line in lines]
    assert sum(score is not None and 0 <= score < 1 for score in scores) == 2
    assert (tmp_path / "run" / "checkpoints" / "ckpt-2.ok").exists()
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert (config["steps"], config["batch_size"]) == (2, 2)


def test_pairs_with_a_damaged_picture_stop_with_its_name(root, tmp_path):
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
    for number in range(3):
        Image.fromarray(np.zeros((32, 48), np.uint8)).save(
            tmp_path / "labels" / f"{number}.png"
        )
        picture = tmp_path / "images" / f"{number}.png"
        Image.fromarray(np.zeros((32, 48, 3), np.uint8)).save(picture)
    picture.write_bytes(picture.read_bytes()[:40])
    code, output = run(
        root,
        *NARROW,
        "--config.data.label_set=camvid",
        f"--images={tmp_path}/images",
        f"--labels={tmp_path}/labels",
        f"--workdir={tmp_path}/run",
    )
    assert code == 1
    assert "1 of 3 cannot be used" in output and str(picture) in output
    assert "Traceback" not in output


@pytest.mark.parametrize(
    "arguments, complaint",
    [
        ([], "Pass one of --records, --images, --tfds, --synthetic"),
        (["--synthetic=2", "--images=x", "--labels=y"], "Pass one of --images"),
        (["--images=x"], "--images and --labels go together"),
        (["--images=x,y", "--labels=z"], "2 folders of pictures (x,y) need as many"),
        (["--synthetic=2", "--config.data.label_set=moon"], "No label set 'moon'"),
        (["--synthetic=2", "--config.data.label_set=camvid"], "label set 'synthetic'"),
        (["--records=/nowhere/*.tfrecord"], "/nowhere"),
    ],
)
def test_wrong_flags_are_explained(root, tmp_path, arguments, complaint):
    code, output = run(root, *NARROW, f"--workdir={tmp_path}/run", *arguments)
    assert code == 1 and complaint in output
    assert "Traceback" not in output
    assert not (tmp_path / "run").exists()
