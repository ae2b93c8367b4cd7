"""Whole runs of train_stage1.py on four small pictures and a toy codec."""

import errno
import json
import sys
from unittest import mock

import numpy as np
import pytest
from absl import app, flags
from absl.testing import flagsaver

import train_stage1
from egic import stage1
from hific import loop, lpips_weights
from hific.images import write_png
from tests import toy_codec

# ml_collections loads a config file by a method that Python 3.12 drops.
pytestmark = pytest.mark.filterwarnings("ignore:the load_module:DeprecationWarning")

CONFIG = """
from tests import toy_codec
from hific.config import DataConfig

def get_config():
    return toy_codec.ToyConfig(data=DataConfig(crop=64))
"""


@pytest.fixture
def arguments(tmp_path, monkeypatch):
    """Flags of a two-step run; the toy codec stands in for the real ones."""
    rng = np.random.default_rng(0)
    for i in range(4):
        picture = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
        write_png(tmp_path / "pictures" / f"{i}.png", picture)
    (tmp_path / "config.py").write_text(CONFIG)
    kinds = {"ToyConfig": toy_codec.ToyConfig}
    monkeypatch.setattr(train_stage1, "KINDS", kinds)
    monkeypatch.setattr(
        stage1, "build_model", lambda config, precision, seed: toy_codec.ToyCodec()
    )
    return {
        "config": str(tmp_path / "config.py"),
        "images": str(tmp_path / "pictures"),
        "workdir": str(tmp_path / "run"),
        "steps": "2",
        "batch_size": "2",
    }


def run(arguments):
    line = ["train_stage1.py", *(f"--{k}={v}" for k, v in arguments.items())]
    with flagsaver.flagsaver(), mock.patch.object(sys, "argv", line):
        train_stage1.main(flags.FLAGS(line))


def test_two_steps_leave_a_complete_run_directory(arguments, tmp_path):
    run(arguments)
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert {"config.json", "checkpoints", "logs", "metrics.jsonl"} <= names
    (line,) = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert json.loads(line)["step"] == 2
    assert (tmp_path / "run" / "checkpoints" / "ckpt-2.ok").exists()


def test_an_override_reaches_the_saved_config(arguments, tmp_path):
    run(
        arguments | {"config.rate.weight": "0.25", "config.optimizer.factors": "(1,.5)"}
    )
    saved = json.loads((tmp_path / "run" / "config.json").read_text())
    assert saved["kind"] == "ToyConfig"
    assert saved["rate"]["weight"] == 0.25
    assert saved["optimizer"]["factors"] == [1.0, 0.5]


def test_another_config_in_the_same_directory_is_refused_by_field(arguments):
    run(arguments)
    with pytest.raises(app.UsageError, match="rate.weight was 1.0, now 2.0"):
        run(arguments | {"config.rate.weight": "2.0"})


def test_another_seed_in_the_same_directory_is_refused(arguments):
    run(arguments)
    with pytest.raises(app.UsageError, match="seed was 0, now 3"):
        run(arguments | {"seed": "3"})


def test_another_batch_size_in_the_same_directory_is_refused(arguments):
    run(arguments)
    with pytest.raises(app.UsageError, match="batch_size was 2, now 4"):
        run(arguments | {"batch_size": "4"})


def test_a_directory_that_cannot_be_made_ends_with_a_line_and_code_4(
    arguments, tmp_path, capsys
):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(SystemExit) as exit_:
        run(arguments | {"workdir": str(tmp_path / "file" / "run")})
    assert exit_.value.code == 4
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("train_stage1.py: [Errno 20] Not a directory")


def test_a_full_disk_ends_with_code_4_and_the_run_goes_on_when_there_is_room(
    arguments, tmp_path, monkeypatch, capsys
):
    run(arguments)
    with monkeypatch.context() as patch:

        def refuse(*_):
            raise OSError(errno.ENOSPC, "No space left on device")

        patch.setattr("hific.checkpoints.sync", refuse)
        with pytest.raises(SystemExit) as exit_:
            run(arguments | {"steps": "3"})
        assert exit_.value.code == 4
    line = capsys.readouterr().err.splitlines()[-1]
    assert "No space left on device. The newest that can be used is of step 2." in line
    run(arguments | {"steps": "3"})
    assert (tmp_path / "run" / "checkpoints" / "ckpt-3.ok").exists()


def test_logs_that_cannot_be_written_end_with_code_4(arguments, tmp_path, capsys):
    run(arguments)
    (tmp_path / "run" / "metrics.jsonl").unlink()
    (tmp_path / "run" / "metrics.jsonl").mkdir()
    with pytest.raises(SystemExit) as exit_:
        run(arguments | {"steps": "3"})
    assert exit_.value.code == 4
    assert "metrics.jsonl" in capsys.readouterr().err


def test_a_name_that_means_nothing_is_refused_before_it_is_saved(arguments, tmp_path):
    with pytest.raises(app.UsageError, match="No optimizer.schedule 'cosin'; there"):
        run(arguments | {"config.optimizer.schedule": "cosin"})
    assert not (tmp_path / "run").exists()


def test_a_start_that_the_codec_has_not_is_a_usage_error(arguments, tmp_path):
    with pytest.raises(app.UsageError, match="--init=klt.*got a ToyConfig"):
        run(arguments | {"init": "klt"})
    assert not (tmp_path / "run").exists()


def test_a_run_that_goes_on_does_not_need_the_one_it_started_from(arguments, tmp_path):
    origin = {**arguments, "workdir": str(tmp_path / "origin")}
    run(origin)
    started = arguments | {"init_from": origin["workdir"]}
    run(started)
    (tmp_path / "origin").rename(tmp_path / "elsewhere")
    run(started | {"steps": "3"})
    assert (tmp_path / "run" / "checkpoints" / "ckpt-3.ok").exists()
    with pytest.raises(app.UsageError, match="origin holds no run with a valid"):
        run(started | {"workdir": str(tmp_path / "another")})


def test_more_steps_continue_the_run(arguments, tmp_path):
    run(arguments)
    run(arguments | {"steps": "3"})
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [2, 3]


def test_checkpoints_that_are_all_damaged_end_the_run_without_a_traceback(
    arguments, tmp_path
):
    run(arguments)
    for path in (tmp_path / "run" / "checkpoints").glob("*.data-*"):
        path.write_bytes(b"damaged")
    with pytest.raises(SystemExit, match="train_stage1.py: None of the checkpoints"):
        run(arguments)


def test_no_pictures_is_a_usage_error_that_names_the_glob(arguments):
    with pytest.raises(app.UsageError, match="nowhere"):
        run(arguments | {"images": "/nowhere/*.png"})


def test_the_seed_decides_everything(arguments, tmp_path):
    def total(seed, name):
        run(arguments | {"seed": seed, "workdir": str(tmp_path / name)})
        text = (tmp_path / name / "metrics.jsonl").read_text()
        return json.loads(text)["generator/total"]

    assert total("1", "a") == total("1", "b") != total("2", "c")


def test_an_interrupted_run_exits_with_the_code_that_asks_for_a_restart(
    arguments, monkeypatch, capsys
):
    def interrupted(*_, **__):
        raise loop.Interrupted("Interrupted and saved at step 1 of 2.")

    monkeypatch.setattr(loop, "fit", interrupted)
    with pytest.raises(SystemExit) as exit_:
        run(arguments)
    assert exit_.value.code == 75
    assert "step 1 of 2" in capsys.readouterr().err


def test_damaged_pictures_end_the_run_with_their_names_and_no_traceback(
    arguments, tmp_path, capsys
):
    (tmp_path / "pictures" / "1.png").write_bytes(b"no picture")
    with pytest.raises(SystemExit) as exit_:
        run(arguments)
    assert exit_.value.code == 18
    message = capsys.readouterr().err
    assert "1 of 4 training pictures are damaged" in message
    assert "1.png" in message


def test_missing_lpips_weights_are_a_usage_error_that_names_the_flags(
    arguments, tmp_path, monkeypatch
):
    def no_network(path):
        raise ValueError(lpips_weights.advice(f"No network, no {path}."))

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(lpips_weights, "fetch", no_network)
    with pytest.raises(app.UsageError, match="--config.perceptual_weight=0"):
        run(arguments | {"config.perceptual_weight": "1.0"})
