import json

import pytest

from hific import run_directory
from hific.config import RateConfig


def test_a_directory_holds_one_config_of_each_name(tmp_path):
    run_directory.record(RateConfig(weight=1.0), tmp_path)
    run_directory.record(RateConfig(weight=2.0), tmp_path, name="stage.json")
    run_directory.record(RateConfig(weight=2.0), tmp_path, name="stage.json")
    weights = [
        json.loads((tmp_path / name).read_text())["weight"]
        for name in ("config.json", "stage.json")
    ]
    assert weights == [1.0, 2.0]


def test_another_config_of_the_same_name_is_refused_by_field(tmp_path):
    run_directory.record(RateConfig(weight=1.0), tmp_path, name="stage.json")
    with pytest.raises(ValueError, match=r"weight was 1\.0, now 2\.0"):
        run_directory.record(RateConfig(weight=2.0), tmp_path, name="stage.json")


def test_checking_writes_nothing(tmp_path):
    run_directory.check(RateConfig(), tmp_path / "run")
    assert not list(tmp_path.iterdir())
