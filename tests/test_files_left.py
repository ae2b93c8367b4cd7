"""What is half written when a process ends, and its threads are cut off."""

import contextlib
import functools
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

import pytest
from PIL import Image

from egic import batch
from hific import files, pipelines
from tests import egic_script, stuck_script

ROOT = pathlib.Path(__file__).resolve().parents[1]


@pytest.fixture
def command(tmp_path):
    """Starts `egic` with a disk that never ends writing; returns once it writes."""
    egic_script.write_model(tmp_path / "model")
    (tmp_path / "in").mkdir()
    for name in "abcd":
        Image.new("RGB", (4, 2)).save(tmp_path / "in" / f"{name}.png")

    with contextlib.ExitStack() as started:
        yield functools.partial(_start, tmp_path, started)


def _start(tmp_path, started, *sources):
    stuck = tmp_path / "stuck"
    variables = {
        "EGIC_MODEL": str(tmp_path / "model"),
        "PYTHONPATH": str(ROOT),
        stuck_script.STUCK: str(stuck),
    }
    words = ["compress", *map(str, sources), f"--out_dir={tmp_path / 'out'}"]
    process = subprocess.Popen(
        [sys.executable, stuck_script.__file__, *words],
        env={**os.environ, **variables},
        stderr=subprocess.PIPE,
        text=True,
    )
    started.callback(process.communicate)
    started.callback(process.kill)
    while not stuck.exists():
        assert process.poll() is None
        time.sleep(0.01)
    assert _half_written(tmp_path)
    return process


def _half_written(tmp_path):
    return [path.name for path in (tmp_path / "out").iterdir() if ".tmp-" in path.name]


def test_an_interrupt_while_a_file_is_written_leaves_nothing_half_done(
    tmp_path, command
):
    process = command(*sorted((tmp_path / "in").iterdir()))
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == batch.EXIT_INTERRUPTED
    assert said.splitlines()[-1] == "egic: interrupted; finished files are kept"
    assert list((tmp_path / "out").iterdir()) == []


def test_a_process_whose_first_one_is_killed_takes_what_it_writes_along(
    tmp_path, command
):
    process = command(tmp_path / "in")
    process.kill()
    process.communicate(timeout=60)  # Until the other one has closed stderr too.
    assert _half_written(tmp_path) == []
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["journal.jsonl"]


def test_a_process_that_leaves_with_stages_at_work_has_its_code(tmp_path):
    """Files that are whole stay, and the one that is written goes."""
    code = f"""
import os, pathlib, threading, time
from hific import files, pipelines
folder, stuck, fsync = pathlib.Path({str(tmp_path)!r}), threading.Event(), os.fsync
files.write_atomically(folder / "whole", b"whole")
def wait(descriptor):
    stuck.set()
    time.sleep(600)
def write(path):
    os.fsync = wait
    files.write_atomically(path, b"half")
overs = pipelines.run(pipelines.Line((write,)), [folder / "half"], 1)
threading.Thread(target=lambda: next(overs), daemon=True).start()
stuck.wait()
print("told")
pipelines.leave_if_at_work(20)
"""
    ended = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 20 and ended.stdout == b"told\n"
    assert [path.name for path in tmp_path.iterdir()] == ["whole"]


def test_nobody_leaves_while_no_stage_is_at_work(tmp_path):
    line = pipelines.Line((lambda path: files.write_atomically(path, b"data"),))
    (over,) = pipelines.run(line, [tmp_path / "file"], 1)
    assert over.error is None and (tmp_path / "file").read_bytes() == b"data"
    assert "stage" not in {thread.name for thread in threading.enumerate()}
    pipelines.leave_if_at_work(1)
