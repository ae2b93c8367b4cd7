"""What is finished stays finished: kills, processes, shards."""

import json
import random
import signal
import subprocess
import time

import pytest

from tests import four_bits
from tests.evaluate_script import (
    command,
    environment,
    results,
    run,
    without_times,
    write_pictures,
)

FLAGS = ("--baselines=jpeg,webp", "--alpha=0,1")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A folder with pictures, and what one process makes of them undisturbed."""
    folder = tmp_path_factory.mktemp("whole")
    write_pictures(folder, "abcdef")
    done = run(folder, *FLAGS)
    assert done.returncode == 0, done.stderr
    return folder


def _compressed(log):
    """The pictures that were compressed, one line for each time."""
    return log.read_text().splitlines() if log.exists() else []


def test_two_processes_find_what_one_does(whole):
    done = run(whole, *FLAGS, "--processes=2", out="two")
    assert done.returncode == 0, done.stderr
    assert without_times(whole / "two") == without_times(whole / "out")


def test_a_finished_picture_is_not_measured_again(whole, tmp_path):
    log = tmp_path / "log"
    before = results(whole / "out")
    done = run(whole, *FLAGS, environment={four_bits.LOG: str(log)})
    assert done.returncode == 0, done.stderr
    assert _compressed(log) == []
    assert results(whole / "out") == before  # Times as well.


def test_a_baseline_more_does_not_measure_the_model_again(whole, tmp_path):
    log = tmp_path / "log"
    flags = ("--baselines=jpeg,jpeg444", FLAGS[1])
    out = tmp_path / "out"
    for wanted in (FLAGS, flags):
        done = run(whole, *wanted, out=str(out), environment={four_bits.LOG: str(log)})
        assert done.returncode == 0, done.stderr
    assert len(_compressed(log)) == 6
    codecs = {row["codec"] for row in results(out)}
    assert codecs == {"model alpha=0", "model alpha=1", "jpeg", "jpeg444"}


def test_a_picture_that_has_changed_is_measured_again(tmp_path):
    write_pictures(tmp_path, "ab")
    assert run(tmp_path, *FLAGS).returncode == 0
    (tmp_path / "pictures/b.png").write_bytes(
        (tmp_path / "pictures/a.png").read_bytes()
    )
    log = tmp_path / "log"
    done = run(tmp_path, *FLAGS, environment={four_bits.LOG: str(log)})
    assert done.returncode == 0, done.stderr
    assert len(_compressed(log)) == 1
    first, second = results(tmp_path / "out")[0], results(tmp_path / "out")[4]
    assert (second["image"], second["bytes"]) == ("b", first["bytes"])


@pytest.mark.slow
@pytest.mark.parametrize("together", [True, False])
def test_shards_together_are_the_whole(whole, tmp_path, together):
    outs = [str(tmp_path / ("out" if together else f"part{i}")) for i in range(2)]
    for i, out in enumerate(outs, 1):
        done = run(whole, *FLAGS, f"--shard={i}/2", out=out)
        assert done.returncode == 0, done.stderr
    merged = tmp_path / ("out" if together else "merged")
    done = subprocess.run(
        [*command(whole, out=str(merged))[:2], f"--out={merged}"]
        + [f"--merge={','.join(dict.fromkeys(outs))}"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert without_times(merged) == without_times(whole / "out")
    for name in "abcdef":
        assert (merged / f"files/model/{name}.egic").exists()


def test_shards_of_two_evaluations_are_not_merged(whole, tmp_path):
    for i, alpha in enumerate(("0", "1"), 1):
        done = run(
            whole, f"--alpha={alpha}", f"--shard={i}/2", out=str(tmp_path / alpha)
        )
        assert done.returncode == 0, done.stderr
    done = run(whole, f"--merge={tmp_path}/0,{tmp_path}/1", out=str(tmp_path / "out"))
    assert done.returncode == 1
    assert "do not go together: their subjects differ" in done.stdout + done.stderr


@pytest.mark.parametrize("shard", ["0/2", "3/2", "1", "a/b"])
def test_what_is_no_shard_is_wrong_usage(whole, shard):
    done = run(whole, f"--shard={shard}", out="none")
    assert done.returncode == 1
    assert f"--shard={shard} should be I/N" in done.stdout + done.stderr


@pytest.mark.parametrize("processes", [1, 2])
def test_a_wish_to_stop_is_obeyed_and_what_is_finished_is_kept(tmp_path, processes):
    write_pictures(tmp_path, "abcd")
    out = tmp_path / "out"
    more = {four_bits.SECONDS: "0.5"}
    process = _start(tmp_path, out, more, f"--processes={processes}")
    _wait_for_finished(process, out, 1)
    process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    _, said = process.communicate()
    assert process.returncode == 130
    assert time.monotonic() - began < 10
    assert "Interrupted; the same command goes on from here." in said
    assert "Traceback" not in said
    assert len(_finished(out)) >= 1


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2])
def test_kills_at_any_moment_change_no_result(whole, tmp_path, processes):
    out, log = tmp_path / "out", tmp_path / "log"
    more = {four_bits.LOG: str(log), four_bits.SECONDS: "0.2"}
    chance = random.Random(processes)
    kills = 0
    while kills < 5:
        process = _start(whole, out, more, f"--processes={processes}")
        wanted = min(len(_finished(out)) + chance.randint(0, 4), 17)
        if _wait_for_finished(process, out, wanted):
            time.sleep(chance.uniform(0, 0.4))
        process.kill()
        process.communicate()
        kills += 1
    done = run(
        whole, *FLAGS, f"--processes={processes}", out=str(out), environment=more
    )
    assert done.returncode == 0, done.stderr
    assert without_times(out) == without_times(whole / "out")
    assert len(_compressed(log)) <= 6 + kills * processes


def _start(folder, out, more, *flags):
    return subprocess.Popen(
        command(folder, *FLAGS, *flags, out=str(out)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(folder, **more),
    )


def _finished(out):
    found = []
    for path in out.glob("pictures/*/*.json"):
        found.append(json.loads(path.read_text()))
    return found


def _wait_for_finished(process, out, count):
    while process.poll() is None:
        if len(_finished(out)) >= count:
            return True
        time.sleep(0.02)
    return False
