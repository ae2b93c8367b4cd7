"""`egic compress` and `egic decompress` of folders, as commands."""

import os
import pathlib
import subprocess
import sys

import pytest

from egic import batch
from hific import images
from tests import egic_script, folder_orders
from tests.folder_orders import begun, outputs, pictures

ROOT = pathlib.Path(__file__).resolve().parents[1]


@pytest.fixture
def order(tmp_path):
    return folder_orders.order_in(tmp_path)


@pytest.fixture
def command(order, monkeypatch):
    """Starts `egic` with a stand-in for models."""
    model = order.root.parent / "model"
    egic_script.write_model(model)
    monkeypatch.setenv("EGIC_MODEL", str(model))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))

    def start(*words):
        line = [sys.executable, egic_script.__file__, *map(str, words)]
        return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    return start


def _end(process):
    said, complained = process.communicate(timeout=60)
    return process.returncode, said.decode(), complained.decode()


def test_two_shards_at_once_and_back_to_pictures(order, command):
    odd = os.fsdecode(b"new\nline \xff.png")
    pictures(order, odd, *(f"{i % 2}/{i}.png" for i in range(9)))
    shards = [
        command("compress", order.root, f"--out_dir={order.out}", f"--shard={i}/2")
        for i in (1, 2)
    ]
    for shard in shards:
        assert _end(shard)[::2] == (0, "")
    assert len(outputs(order)) == len(begun(order)) == 10
    back = order.root.parent / "back"
    flags = (f"--out_dir={back}", "--processes=2", "--alpha=0,1")
    code, said, complained = _end(command("decompress", order.out, *flags))
    assert (code, complained) == (0, "")
    assert "10/10 " in said and "10 done in" in said
    for path in order.root.rglob("*.png"):
        name = path.relative_to(order.root)
        shown = images.read_image(back / name.parent / f"{name.stem}.alpha-1.png")
        assert (shown == images.read_image(path)).all()
    assert "; 10 finished before" in _end(command("decompress", order.out, *flags))[1]
    (back / "0" / "0.alpha-1.png").unlink()
    assert _end(command("decompress", order.out, *flags))[0] == 0
    assert (back / "0" / "0.alpha-1.png").exists()


def test_outputs_may_be_beside_their_pictures(order, command):
    pictures(order, "a.png", "x/b.png")
    assert _end(command("compress", order.root))[0] == 0
    assert (order.root / "x" / "b.egic").exists()
    code, _, complained = _end(command("decompress", order.root))
    assert code == batch.EXIT_EXISTS and "a.png: exists" in complained
