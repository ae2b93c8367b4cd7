import pathlib
import subprocess
import sys

import pytest

from hific.config import PRESETS
from hific.overrides import unknown_field

CONFIG = PRESETS["hific-tiny"]


def test_a_mistyped_field_is_answered_with_the_likely_one():
    message = unknown_field(["x", "--config.rate.wieght=2"], CONFIG)
    assert "--config.rate.wieght: RateConfig has no field 'wieght'" in message
    assert "did you mean weight?" in message
    assert "Its fields are kind, weight, target_bpp, " in message


def test_a_mistyped_branch_is_answered_by_its_holder():
    message = unknown_field(["--config.optimiser.clip_norm=1"], CONFIG)
    assert "HificConfig has no field 'optimiser'; did you mean optimizer?" in message


def test_what_lies_below_a_number_is_no_field():
    message = unknown_field(["--config.rate.weight.high=1"], CONFIG)
    assert message == (
        "--config.rate.weight.high: float has no field 'high', for it is a value."
    )


def test_a_tuple_is_given_whole():
    message = unknown_field(["--config.encoder.filters[0]=8"], CONFIG)
    assert "as --config.encoder.filters='(16, 24, 48, 96, 128)'" in message


@pytest.mark.parametrize(
    "argument",
    [
        "--config=hific/config.py:hific-lo",
        "--config.rate.weight=2",
        "--config.encoder.filters=(8, 8, 8, 8, 8)",
        "--noconfig.data.flip",
        "--images=--config.typo",
    ],
)
def test_fields_that_exist_are_no_error(argument):
    assert unknown_field(["program", argument], CONFIG) is None


@pytest.mark.parametrize("overrides", [[], ["--config.head.stages=2"]])
def test_a_config_that_is_not_there_is_named_without_a_traceback(overrides, tmp_path):
    done = run_orp(tmp_path, "--config=nowhere.py:orp", *overrides)
    assert done.returncode == 1
    assert "--config=nowhere.py:orp cannot be read." in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "override, complaint",
    [
        ("--config.head.stages=0", "head.stages is 0, which is no head"),
        ("--config.head.stagse=2", "HeadConfig has no field 'stagse'"),
    ],
)
def test_a_default_can_be_overridden_from_any_folder(override, complaint, tmp_path):
    done = run_orp(tmp_path, override)
    assert done.returncode == 1
    assert complaint in done.stderr and "Traceback" not in done.stderr


def run_orp(folder, *arguments):
    """Runs train_orp.py in an empty folder but for a picture."""
    (folder / "picture.png").touch()
    script = pathlib.Path(__file__).parents[1] / "train_orp.py"
    needed = ["--init_from=stage2", "--images=picture.png", "--workdir=run"]
    return subprocess.run(
        [sys.executable, script, *needed, *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
    )


def test_the_script_ends_with_a_usage_message_and_no_traceback(tmp_path):
    root = pathlib.Path(__file__).parents[1]
    flags = ["--config=hific/config.py:hific-tiny", "--config.rate.wieght=2"]
    flags += ["--images=none", f"--workdir={tmp_path}"]
    done = subprocess.run(
        [sys.executable, "train_stage1.py", *flags],
        capture_output=True,
        text=True,
        cwd=root,
    )
    assert done.returncode == 1
    assert "did you mean weight?" in done.stderr
    assert "Traceback" not in done.stderr
