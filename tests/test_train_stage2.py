"""The command of the second stage, from run directories made on the spot."""

import json
import subprocess
import sys

import numpy as np
import pytest

from deeplab2_tf import labels
from hific.images import write_png
from tests.stage_runs import CODECS, codec_run, discriminator_run

# A few seconds of every call are TensorFlow's.
SCRIPT = [sys.executable, "train_stage2.py"]
SMALL = [
    "--config=egic/stage2_config.py:egic-tiny-synthetic",
    "--config.data.crop=(64,64)",
    "--config.data.eval_crop=(64,64)",
    "--steps=1",
    "--batch_size=1",
    "--data_threads=1",
]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    codec_run(root / "hific", CODECS["hific"])
    outputs = labels.load("synthetic").num_outputs
    discriminator_run(root / "critic", "synthetic", outputs)
    rng = np.random.default_rng(0)
    for i in range(2):
        picture = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
        write_png(root / "pictures" / f"{i}.png", picture)
    return root


def run(root, *arguments):
    result = subprocess.run(
        [*SCRIPT, *arguments], cwd=root, capture_output=True, text=True, check=False
    )
    return result.returncode, result.stdout + result.stderr


@pytest.fixture(scope="module")
def root(request):
    return request.config.rootpath


def test_one_step_of_strategy_two_leaves_a_complete_run(root, runs, tmp_path):
    code, output = run(
        root,
        *SMALL,
        "--strategy=II",
        f"--init_from={runs}/hific",
        f"--discriminator={runs}/critic",
        "--synthetic=4",
        f"--unlabelled={runs}/pictures",
        f"--workdir={tmp_path}/run",
    )
    assert code == 0, output
    order = json.loads((tmp_path / "run" / "order.json").read_text())
    assert order["pictures"] == 4 + 2
    assert "hific at step 7 and the discriminator of" in output
    assert "strategy II: GeneratorWeights(distortion=0.0" in output
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    stage = json.loads((tmp_path / "run" / "stage.json").read_text())
    assert (config["kind"], stage["kind"]) == ("HificConfig", "Stage2Config")
    assert (stage["strategy"], stage["steps"], stage["batch_size"]) == ("II", 1, 1)
    (line,) = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert "generator/distortion" not in json.loads(line)
    assert (tmp_path / "run" / "checkpoints" / "ckpt-1.ok").exists()


def test_without_a_preset_beta_is_the_codecs_and_going_on_needs_no_origin(
    root, runs, tmp_path
):
    arguments = [
        *SMALL[1:],
        "--config.data.label_set=synthetic",
        "--config.data.max_resize=0",
        "--config.data.min_resize=0",
        "--config.strategy_1.perceptual=0",
        "--synthetic=4",
        f"--workdir={tmp_path}/run",
    ]
    code, output = run(root, *arguments)
    assert code == 1 and "--init_from: pass the run of the codec" in output, output
    origin = [f"--init_from={runs}/hific", f"--discriminator={runs}/critic"]
    code, output = run(root, *arguments, *origin)
    assert code == 0, output
    stage = json.loads((tmp_path / "run" / "stage.json").read_text())
    assert stage["strategy_1"]["adversarial"] == 0.15
    code, output = run(root, *arguments)
    assert code == 0 and "run is done: 1 of 1 steps" in output, output
    code, output = run(root, *arguments, f"--discriminator={runs}/hific")
    assert code == 1 and "discriminator was" in output, output


@pytest.mark.parametrize(
    "arguments, complaint",
    [
        ([*SMALL], "Pass one of --records"),
        ([*SMALL, "--synthetic=2", "--discriminator=/nowhere"], "/nowhere/config.json"),
        ([*SMALL, "--synthetic=2", "--config.data.crop=(64,65)"], "given twice"),
        (["--config=hific/config.py:hific-lo", "--strategy=I"], "got --strategy"),
        (["--config=egic/config.py:egic"], "No config kind 'EgicConfig'; there are"),
    ],
)
def test_wrong_flags_are_explained_and_nothing_is_written(
    root, runs, tmp_path, arguments, complaint
):
    code, output = run(
        root, *arguments, f"--init_from={runs}/hific", f"--workdir={tmp_path}/run"
    )
    assert code == 1 and complaint in output, output
    assert "Traceback" not in output
    assert not (tmp_path / "run").exists()
