import os
import pathlib
import re
import signal
import subprocess
import sys
import threading
import time

import pytest

from trials import kill_training
from trials.training_runs import STAGES as RUNS
from trials.training_runs import Run

submitit = pytest.importorskip("submitit", reason="pip install 'egic[cluster]'")

from egic.cluster.__main__ import main  # noqa: E402
from egic.cluster.command import Command, ProgramFailed  # noqa: E402
from egic.cluster.stages import STAGES  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[1]
PROGRAM = """
trap 'exit {asked}' USR1
touch begun
for _ in $(seq 100); do sleep 0.05; done
"""


def program(folder, asked=75):
    """A program that ends with a code when it is asked to, and alone after 5 s."""
    return Command(("bash", "-c", PROGRAM.format(asked=asked)), str(folder))


def called_in_time(folder, function):
    """Calls a function in a moment, when the program of a command has begun."""

    def wait():
        while not (folder / "begun").exists():
            time.sleep(0.01)
        function()

    threading.Thread(target=wait).start()


@pytest.mark.parametrize("asked, again", [(75, True), (0, True), (3, False)])
def test_a_command_lets_its_program_save_before_it_is_queued(tmp_path, asked, again):
    command = program(tmp_path, asked)
    queued = []

    def as_submitit_does(*_):
        queued.append(command.checkpoint())
        raise SystemExit(144)

    before = signal.signal(signal.SIGUSR2, as_submitit_does)
    called_in_time(tmp_path, lambda: os.kill(os.getpid(), signal.SIGUSR2))
    try:
        with pytest.raises(SystemExit):
            command()
    finally:
        signal.signal(signal.SIGUSR2, before)
    (delayed,) = queued
    assert (delayed is not None) == again
    assert not again or delayed.function == command


def test_a_program_that_somebody_else_stops_is_queued_too(tmp_path):
    told = []
    before = signal.signal(signal.SIGUSR2, lambda *_: told.append(1))
    try:
        command = Command(("bash", "-c", "exit 75"), str(tmp_path))
        with pytest.raises(ProgramFailed, match="ended with code 75"):
            command()  # As on a node that is not the first: that one queues.
        assert told == [1]
        with pytest.raises(ProgramFailed, match="ended with code 4"):
            Command(("bash", "-c", "exit 4"), str(tmp_path))()
        # What Slurm sends to all processes of a job does not reach the program.
        assert Command(("bash", "-c", "kill -USR2 $$"), str(tmp_path))() == 0
        assert told == [1]
    finally:
        signal.signal(signal.SIGUSR2, before)


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_is_a_program_that_takes_its_flags(name):
    stage = STAGES[name]
    shard = "2/5" if stage.in_parts else ""
    given = ["--out=here", "--out_dir=there"]
    python, first, *others = stage.arguments(given, shard)
    assert python == sys.executable and others[-2:] == given
    assert first == "-m" or pathlib.Path(first).is_file()
    assert ("--shard=2/5" in others) == stage.in_parts
    assert stage.in_parts or "--strategy_devices=all" in others


def test_what_parts_measured_is_published_from_where_it_was_written():
    last = STAGES["evaluate"].last(["--images=x", "--out=/results"])
    assert last[2:] == ["--merge=/results", "--out=/results"]
    with pytest.raises(ValueError, match="--out=... is needed"):
        STAGES["evaluate"].last(["--images=x", "--out", "/results"])
    assert STAGES["compress"].last([]) == []


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """Stands in for Slurm; returns where it keeps what was submitted."""
    taken = tmp_path / "taken"
    taken.mkdir()
    sbatch = f'#!/bin/bash\ncp "$1" {taken}/$(ls {taken} | wc -l)\n'
    for name, text in {
        "sbatch": f"{sbatch}echo Submitted batch job 42\n",
        "srun": "#!/bin/bash\n",
    }.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return taken


def test_slurm_is_asked_for_what_the_flags_say(tmp_path, slurm, capsys):
    asked = ["--nodes=2", "--gpus=4", "--hours=12", "--sbatch=partition=gpu"]
    flags = [f"--folder={tmp_path}/jobs", "--stage=1", *asked]
    assert main([*flags, "--", "--workdir=w"]) == 0
    text = (slurm / "0").read_text()
    for expected in (
        "--nodes=2",
        "--gpus-per-node=4",
        "--ntasks-per-node=1",
        "--time=720",
        "--partition=gpu",
        "--requeue",
        "--signal=USR2@120",
        "--open-mode=append",
    ):
        assert f"#SBATCH {expected}\n" in text, text
    assert "--kill-on-bad-exit=0" in text
    said = capsys.readouterr().out
    assert f"{ROOT}/train_stage1.py --strategy_devices=all --workdir=w" in said


def test_parts_are_an_array_and_what_follows_waits_for_it(tmp_path, slurm, capsys):
    flags = [f"--folder={tmp_path}/jobs", "--stage=evaluate", "--parts=3"]
    assert main([*flags, "--", "--images=x", "--out=/results"]) == 0
    array, last = ((slurm / name).read_text() for name in "01")
    assert "#SBATCH --array=0-2%3\n" in array
    assert "#SBATCH --dependency=afterok:42\n" in last and "--array" not in last
    said = capsys.readouterr().out
    assert all(f"--shard={i}/3 --images=x" in said for i in (1, 2, 3))
    assert "evaluate.py --merge=/results --out=/results" in said


@pytest.mark.parametrize(
    "flags, said",
    [
        (["--stage=1", "--parts=2"], "stage 1 is not done in parts"),
        (["--stage=evaluate", "--parts=2"], "--out=... is needed"),
        (["--stage=1", "--executor=local", "--nodes=2"], "only one node"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path, capsys, flags, said):
    with pytest.raises(SystemExit, match="2"):
        main([*flags, f"--folder={tmp_path}"])
    assert said in capsys.readouterr().err


def test_a_job_that_fails_here_is_named(tmp_path, capsys):
    flags = ["--executor=local", f"--folder={tmp_path}", "--stage=compress"]
    assert main([*flags, "--", str(tmp_path / "nowhere.png")]) == 1
    assert "ended with code 4" in capsys.readouterr().err


def test_without_submitit_one_line_says_what_to_install(tmp_path):
    (tmp_path / "submitit.py").write_text("raise ImportError('not installed')")
    ended = subprocess.run(
        [sys.executable, "-m", "egic.cluster", "--stage=1"],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}"},
        capture_output=True,
        text=True,
    )
    (line,) = ended.stderr.splitlines()
    assert ended.returncode == 1 and "pip install 'egic[cluster]'" in line


def _children(pid):
    return [int(each) for each in _read(f"/proc/{pid}/task/{pid}/children").split()]


def _read(path):
    return pathlib.Path(path).read_text()


@pytest.mark.slow
def test_a_preempted_training_ends_as_one_that_was_left_alone(tmp_path):
    run = Run(RUNS["egic-1-smallest"], tmp_path, steps=24, checkpoint_every=5)
    run.prepare()
    alone, often = tmp_path / "alone", tmp_path / "often"
    subprocess.run(run.command(alone), check=True)
    flags = ["--executor=local", f"--folder={tmp_path}/jobs", "--stage=1", "--"]
    launcher = subprocess.Popen(
        [sys.executable, "-m", "egic.cluster", *flags, *run.command(often)[2:]],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    while launcher.poll() is None and kill_training.last_step(often) < 3:
        time.sleep(0.01)
    (controller,) = _children(launcher.pid)
    (job,) = _children(controller)
    assert "submitit" in _read(f"/proc/{job}/cmdline")
    os.kill(job, signal.SIGUSR2)
    assert launcher.wait() == 0
    log = "".join(path.read_text() for path in (tmp_path / "jobs").glob("*_log.*"))
    assert "this job is preempted" in log and "Requeued job" in log
    saved = re.findall(r"Interrupted and saved at step (\d+)", log)
    assert len(saved) == 1 and 3 <= int(saved[0]) < 24
    assert kill_training.differences(alone, often) == []
