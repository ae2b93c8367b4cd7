"""The batch script of docs/runs.md, with stand-ins for Slurm and the training."""

import os
import pathlib
import re
import signal
import subprocess
import time

import pytest

DOCUMENT = pathlib.Path(__file__).parents[1] / "docs" / "runs.md"
TRAINING = """#!/bin/bash
# Saves when it is asked to, as a step of 0.2 s allows; else ends as the test wants.
trap 'asked=1' USR1
touch "$BEGUN"
for _ in $(seq "$STEPS"); do
    sleep 0.2
    [ -n "$asked" ] && exit 75
done
exit "$CODE"
"""


@pytest.fixture
def job(tmp_path):
    """Starts the script; returns its process and what will hold calls of scontrol."""
    (script,) = re.findall(
        r"```bash\n(#!/bin/bash\n.*?)```", DOCUMENT.read_text(), re.S
    )
    assert "--requeue" in script and "--signal=B:USR1@120" in script
    (tmp_path / "job.sh").write_text(script)
    programs = {
        "python": TRAINING,
        "scontrol": f'#!/bin/bash\necho "$*" >> {tmp_path}/calls\n',
    }
    for name, text in programs.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)

    def start(code=0, steps=50):
        environment = {
            **os.environ,
            "PATH": f"{tmp_path}:{os.environ['PATH']}",
            "SLURM_JOB_ID": "4711",
            "BEGUN": str(tmp_path / "begun"),
            "CODE": str(code),
            "STEPS": str(steps),
        }
        process = subprocess.Popen(
            ["bash", str(tmp_path / "job.sh")], env=environment, start_new_session=True
        )
        while not (tmp_path / "begun").exists():
            time.sleep(0.01)
        time.sleep(0.1)  # The trap is set after the training is started.
        return process

    yield start, tmp_path / "calls"


@pytest.mark.parametrize(
    "numbers",
    [
        (signal.SIGUSR1,),
        (signal.SIGTERM,),
        (signal.SIGUSR1, signal.SIGTERM, signal.SIGUSR1),
    ],
)
def test_a_job_that_is_asked_to_end_saves_and_is_queued_again(job, numbers):
    start, calls = job
    process = start()
    for number in numbers:
        process.send_signal(number)
        time.sleep(0.02)
    assert process.wait(20) == 75
    assert calls.read_text() == "requeue 4711\n"


@pytest.mark.parametrize("code, queued", [(0, 0), (1, 0), (4, 0), (75, 1), (138, 1)])
def test_only_what_asks_for_it_is_queued_again(job, code, queued):
    start, calls = job
    assert start(code, steps=1).wait(20) == code
    assert calls.exists() == bool(queued)
