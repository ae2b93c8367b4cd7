"""Tests of hific/devices.py, shares.py and accumulation.py.

Several devices need a process of their own, which makes its CPU two, or two processes
that meet on the loopback; see tests/device_runs.py.
"""

import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf

from hific import devices, shares
from hific.devices import Devices
from hific.reports import CLOCK
from tests import device_game, device_runs
from tests.device_game import game, images

ROOT = pathlib.Path(__file__).parents[1]
STEPS = 20  # That are compared.
WAIT = 280  # Seconds, for what takes 30 where nothing else is computed.
ZERO = tf.constant(0, tf.int64)


def test_every_worker_reads_an_equal_share_of_every_players_images():
    batch, players = 6, 2
    rows = [Devices(worker=i, workers=3).rows(batch, players) for i in range(3)]
    assert rows == [[0, 1, 6, 7], [2, 3, 8, 9], [4, 5, 10, 11]]
    assert Devices().rows(batch, players) == list(range(12))


def test_a_batch_that_cannot_be_shared_is_refused_in_a_line():
    with pytest.raises(ValueError, match="must be a multiple of 4: 1 devices times"):
        Devices(accumulate=4).check(6)
    Devices(accumulate=4).check(8)


@pytest.mark.parametrize("wanted", ["0", "two", "-1", ""])
def test_what_is_no_number_of_devices_is_refused(wanted):
    with pytest.raises(ValueError, match="must be none, all or a number"):
        devices.choose(wanted)


def test_one_device_needs_no_strategy(monkeypatch):
    one = {"cluster": {"worker": ["localhost:1"]}, "task": {"type": "worker"}}
    for text in ("", json.dumps(one)):
        monkeypatch.setenv("TF_CONFIG", text)
        assert devices.CLUSTERS[0](os.environ) is None
    assert devices.choose("none") == devices.ONE
    assert devices.current() == devices.ONE


SLURM = {
    "SLURM_STEP_NUM_TASKS": "4",
    "SLURM_PROCID": "3",
    "SLURM_STEP_NODELIST": "node[01-02]",
    "SLURM_STEP_TASKS_PER_NODE": "2(x2)",
}


def test_slurms_tasks_are_workers_of_their_own_ports(monkeypatch):
    for name, value in SLURM.items():
        monkeypatch.setenv(name, value)
    resolver = devices.CLUSTERS[1](os.environ)
    hosts = ["node01:8888", "node01:8889", "node02:8888", "node02:8889"]
    assert resolver.cluster_spec().as_dict() == {"worker": hosts}
    assert (resolver.task_type, resolver.task_id) == ("worker", 3)
    assert resolver.num_accelerators() == {"GPU": 0}
    monkeypatch.setenv("SLURMD_NODENAME", "node01")
    with pytest.raises(ValueError, match="runs on node01, where TensorFlow expects"):
        devices.CLUSTERS[1](os.environ)
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "1")
    assert devices.CLUSTERS[1](os.environ) is None


def test_an_image_gets_the_same_draws_whatever_the_shares():
    seed = tf.constant((1, 2), tf.int64)
    whole = shares.stateless_uniform((6, 3), seed, -0.5, 0.5).numpy()
    parts = []
    for i in range(3):
        with shares.of(tf.constant(i), 3):
            parts.append(shares.stateless_uniform(tf.constant((2, 3)), seed, -0.5, 0.5))
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    np.testing.assert_array_equal(
        tf.random.stateless_uniform((6, 3), seed, -0.5, 0.5), whole
    )


# --- Micro-batches --------------------------------------------------------------------


@pytest.mark.parametrize("parts", [2, 4])
def test_micro_batches_make_the_step_of_the_whole_batch(parts):
    whole, parted = (game(one)[:2] for one in (devices.ONE, Devices(accumulate=parts)))
    for number in range(20):
        step = tf.constant(number, tf.int64)
        expected, metrics = (one[0](images(number), step) for one in (whole, parted))
        assert metrics.keys() == expected.keys()
        for name, value in expected.items():
            assert metrics[name].numpy() == pytest.approx(value.numpy(), 1e-5), name
    for mine, other in zip(parted[1], whole[1], strict=True):
        np.testing.assert_allclose(mine.numpy(), other.numpy(), rtol=1e-5)


def test_one_bad_micro_batch_spoils_the_step_and_nothing_of_it_is_kept():
    step, variables, _ = game(Devices(accumulate=4))
    fresh, others, _ = game(Devices(accumulate=4))
    before = [variable.numpy() for variable in variables]
    metrics = step(images(0, poison=True), ZERO)
    assert metrics["p/applied"].numpy() == 0.0
    np.testing.assert_array_equal(variables[0].numpy(), before[0])
    assert variables[2].numpy() == before[2]
    variables[1].assign(before[1])
    step(images(1), ZERO)
    fresh(images(1), ZERO)  # Nothing of the bad step is left in the sums.
    np.testing.assert_array_equal(variables[0].numpy(), others[0].numpy())


# --- Several devices ------------------------------------------------------------------


@pytest.mark.slow
def test_two_devices_play_the_game_of_one_also_in_micro_batches(tmp_path):
    command = [sys.executable, "-m", "tests.device_game", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True)
    for accumulate in (1, 2):
        alone = tmp_path / f"alone{accumulate}"
        expected = device_game.play(alone, devices.ONE, priced=accumulate == 1)
        found = np.load(tmp_path / f"{accumulate}.npz")
        assert set(found) == set(expected)
        for name, value in expected.items():
            near = {"rtol": 1e-5, "atol": 1e-6, "err_msg": name}
            np.testing.assert_allclose(found[name], value, **near)
        assert list(found["end/counts"]) == [10, 1, 30, 31]


_STARTED: list[subprocess.Popen] = []


@pytest.fixture(autouse=True)
def nothing_left_running():
    yield
    while _STARTED:
        process = _STARTED.pop()
        process.kill()
        process.wait()


def start(runs, out, *more, script="device_runs", **variables):
    """Starts a script of tests/; its output goes to a file beside `out`."""
    environment = {"TF_NUM_INTRAOP_THREADS": "1", devices.HEARTBEAT: "300"} | variables
    command = [sys.executable, "-m", f"tests.{script}", f"--runs={runs}"]
    with _log(out, variables).open("w") as log:
        process = subprocess.Popen(
            [*command, f"--out={out}", *more],
            cwd=ROOT,
            env=os.environ | environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    _STARTED.append(process)
    return process


def start_workers(runs, out, *more, **options):
    """Two of them, which meet on the loopback."""
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        ports = [free.getsockname()[1] for free in (one, other)]
    cluster = {"worker": [f"127.0.0.1:{port}" for port in ports]}
    tasks = [{"type": "worker", "index": i} for i in range(2)]
    texts = [json.dumps({"cluster": cluster, "task": task}) for task in tasks]
    more = ("--strategy_devices=all", *more)
    return [start(runs, out, *more, **options, TF_CONFIG=text) for text in texts]


def _log(out, variables):
    task = json.loads(variables.get("TF_CONFIG", "{}")).get("task", {})
    return pathlib.Path(f"{out}.{task.get('index', 0)}.log")


def said(out, worker=0):
    return pathlib.Path(f"{out}.{worker}.log").read_text()


def finish(processes, out, seconds=WAIT):
    """Their exit codes, of all or of none."""
    until = time.monotonic() + seconds
    try:
        return [one.wait(max(until - time.monotonic(), 0.1)) for one in processes]
    except subprocess.TimeoutExpired:
        pytest.fail("".join(said(out, i) for i in range(len(processes))))


def metrics(out, stage):
    text = (out / stage / "metrics.jsonl").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    return [{k: v for k, v in line.items() if k not in CLOCK} for line in lines]


def weights(out, stage, step):
    """Names and values of a checkpoint but the optimizer's, as one vector."""
    path = out / stage / "checkpoints" / f"ckpt-{step}"
    reader = tf.train.load_checkpoint(str(path))
    types = reader.get_variable_to_dtype_map()
    names = sorted(n for n, t in types.items() if t.is_floating and "_SLOT" not in n)
    return names, np.concatenate([reader.get_tensor(name).ravel() for name in names])


def assert_the_same(one, other, stages=tuple(device_runs.TRAININGS)):
    """The first 20 steps, and the weights after them, to 1e-5.

    What is near 0, as PSNR may be, to 1e-5 of 1. Of the norm of gradients, which pass
    where something was rounded, to 1e-3.
    """
    for stage in stages:
        expected, found = metrics(one, stage), metrics(other, stage)
        assert len(expected) == len(found) == device_runs.STEPS[stage]
        for line, found_line in zip(expected[:STEPS], found[:STEPS], strict=True):
            assert line.keys() == found_line.keys()
            for name, value in line.items():
                limit = 1e-3 if name.endswith("gradient_norm") else 1e-5
                near = pytest.approx(value, rel=limit, abs=1e-5)
                assert found_line[name] == near, (stage, name, line["step"])
        names, end = weights(one, stage, STEPS)
        found_names, found_end = weights(other, stage, STEPS)
        assert names == found_names
        assert np.linalg.norm(found_end - end) <= 1e-5 * np.linalg.norm(end), stage


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    device_runs.prepare(root)
    return root


@pytest.fixture(scope="module")
def alone(runs):
    """Three stages on one device."""
    out = runs / "alone"
    assert finish([start(runs, out)], out) == [0], said(out)
    return out


@pytest.fixture(scope="module")
def straight(runs):
    """Three stages by two workers whom nobody stops."""
    out = runs / "workers"
    assert finish(start_workers(runs, out), out) == [0, 0], said(out) + said(out, 1)
    return out


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_devices_have_the_losses_of_one(runs, alone):
    out = runs / "two"
    assert finish([start(runs, out, "--strategy_devices=2")], out) == [0], said(out)
    assert_the_same(alone, out)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_devices_in_micro_batches_have_the_losses_of_one(runs, alone):
    out = runs / "parted"
    more = ("--strategy_devices=2", "--accumulate=2", "--stages=stage1")
    assert finish([start(runs, out, *more)], out) == [0], said(out)
    assert_the_same(alone, out, ["stage1"])


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_workers_have_the_losses_of_one_device(alone, straight):
    assert_the_same(alone, straight)


@pytest.mark.slow
def test_two_workers_go_back_to_the_same_weights(tmp_path):
    out = tmp_path / "run"
    processes = start_workers(tmp_path, out, script="device_rollback")
    assert finish(processes, out) == [0, 0], said(out) + said(out, 1)
    for worker in (0, 1):
        # The chief saves step 40 before the other looks, did they not meet.
        assert "It went back to 20.\n" in said(out, worker)
        # 20 steps, ten good and ten bad ones that are lost, and 20 more.
        assert "It ended at -0.4000.\n" in said(out, worker)
    told = "Step 40 goes on with the weights of step 20."
    assert [said(out, worker).count(told) for worker in (0, 1)] == [1, 0]


def wait_for_lines(out, count, processes):
    path = out / "stage1" / "metrics.jsonl"
    while not path.exists() or len(path.read_text().splitlines()) < count:
        assert all(process.poll() is None for process in processes), said(out)
        time.sleep(0.005)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_workers_stop_together_and_go_on_when_one_was_killed(runs, straight):
    more, saved_every = ("--stages=stage1", "--saved_every=10"), 10
    out = runs / "stopped"
    processes = start_workers(runs, out, *more)
    wait_for_lines(out, 5, processes)
    processes[1].send_signal(signal.SIGUSR1)
    assert finish(processes, out) == [75, 75]
    stopped = [re.search(r"saved at step (\d+) of", said(out, i))[1] for i in (0, 1)]
    assert stopped[0] == stopped[1]
    assert (out / "stage1" / "checkpoints" / f"ckpt-{stopped[0]}.ok").exists()

    processes = start_workers(runs, out, *more, **{devices.HEARTBEAT: "20"})
    wait_for_lines(out, int(stopped[0]) + 15, processes)
    processes[1].kill()
    assert finish(processes, out) == [75, -signal.SIGKILL], said(out)
    assert "another worker has ended" in said(out)

    processes = start_workers(runs, out, *more)
    assert finish(processes, out) == [0, 0], said(out) + said(out, 1)
    begun = int(re.search(r"^step (\d+)/", said(out), re.MULTILINE)[1]) - 1
    assert begun > int(stopped[0])
    assert begun % saved_every == 0
    assert metrics(out, "stage1") == metrics(straight, "stage1")
    last = device_runs.STEPS["stage1"]
    ends = [weights(one, "stage1", last)[1] for one in (out, straight)]
    np.testing.assert_array_equal(*ends)
