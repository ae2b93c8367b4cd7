"""Tests of `egic` where a picture takes more memory than there is."""

import subprocess
import sys

import numpy as np
import pytest

import egic
from egic import cli
from hific import memory
from hific.images import write_png
from trials import damage

BOMB = damage.sealed(damage.head(2048, 2048, 100), bytes(100))  # 1.1 GB at least.


@pytest.fixture
def poor_machine(monkeypatch):
    """Has memory for TensorFlow and not for much besides."""
    monkeypatch.setattr(memory, "available", lambda: 565_000_000)
    monkeypatch.setattr(memory, "_resident", lambda: 300_000_000)
    monkeypatch.setattr(egic, "load", lambda _: pytest.fail("a model was loaded"))


def test_a_file_is_refused_by_its_header(tmp_path, poor_machine, capsys):
    (tmp_path / "x.egic").write_bytes(BOMB)
    assert cli.main(["decompress", f"{tmp_path}/x.egic", "--model=some"]) == 16
    told = capsys.readouterr().err
    assert "Coding 2048 x 2048 pixels takes" in told and "0.6 GB are to be had" in told
    assert [path.name for path in tmp_path.iterdir()] == ["x.egic"]


def test_a_picture_is_refused_by_its_size(tmp_path, poor_machine, capsys):
    write_png(tmp_path / "x.png", np.zeros((200, 200, 3), np.uint8))
    assert cli.main(["compress", f"{tmp_path}/x.png", "--model=some"]) == 16
    assert "Coding 200 x 200 pixels takes" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["x.png"]


def test_what_a_file_says_of_itself_is_told_all_the_same(tmp_path, poor_machine):
    (tmp_path / "x.egic").write_bytes(BOMB)
    assert cli.main(["info", f"{tmp_path}/x.egic"]) == 0
    assert cli.main(["verify", f"{tmp_path}/x.egic"]) == 0


def test_a_limit_of_addresses_refuses_a_file_before_tensorflow_is_loaded(tmp_path):
    (tmp_path / "x.egic").write_bytes(BOMB)
    code = (
        "import resource, sys; from egic import cli; "
        "resource.setrlimit(resource.RLIMIT_AS, (2_400_000_000,) * 2); "
        "code = cli.main(['decompress', sys.argv[1], '--model=some']); "
        "sys.exit(99 if 'tensorflow' in sys.modules else code)"
    )
    done = subprocess.run([sys.executable, "-c", code, f"{tmp_path}/x.egic"])
    assert done.returncode == 16
