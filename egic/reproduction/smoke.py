"""The smoke scale: every command of an experiment, tiny, one after the other."""

import contextlib
import fcntl
import json
import pathlib
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence

from deeplab2_tf.synthetic import Scenes
from egic.reproduction.plans import Command, pictures_folder
from hific.files import write_atomically
from hific.images import write_png

CAVEAT = (
    "SMOKE SCALE: small networks, a few dozen steps, painted scenes. It shows that the "
    "pipeline runs from end to end; its numbers are not the paper's, say nothing of "
    "the method, and get no verdict. Nothing published is drawn behind them."
)
_SIZE = (128, 192)
# Split -> number of scenes and their seed; nothing in common with those of training.
_SPLITS = {"train": (12, 11), "test": (2, 12)}
_TAIL = 15  # Lines of a failed command that are shown.


class CommandFailed(Exception):
    """A command ended with an error, of which it has the last lines, or none ran."""


def run(
    commands: Sequence[Command], work: pathlib.Path, scripts: pathlib.Path
) -> float:
    """Runs what was not run before, with the same words, in this folder.

    Args:
        commands: In order.
        work: Folder of runs and results; its done/ has a file for each finished one.
        scripts: Folder of the root scripts, where the commands run.

    Returns:
        Seconds that it took.

    Raises:
        CommandFailed: One failed; those after it were not run.
    """
    start = time.monotonic()
    with _alone(work):
        paint(work)
        _run(commands, work, scripts)
    return time.monotonic() - start


def _run(commands: Sequence[Command], work: pathlib.Path, scripts: pathlib.Path):
    for number, command in enumerate(commands, 1):
        record = work / "done" / f"{command.name.replace(' ', '-')}.json"
        words = json.dumps(command.argv)
        if record.is_file() and record.read_text() == words:
            continue
        print(f"[{number}/{len(commands)}] {command}", flush=True)
        if command.makes.is_dir():  # Of other words, or killed.
            shutil.rmtree(command.makes)
        _execute(command, work / "logs", scripts)
        write_atomically(record, words.encode())


@contextlib.contextmanager
def _alone(work: pathlib.Path):
    """Keeps a second process out of the folder, whose unfinished runs it would remove.

    Raises:
        CommandFailed: There is another one.
    """
    work.mkdir(parents=True, exist_ok=True)
    with (work / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise CommandFailed(
                f"Another reproduce.py is at work in {work}; wait for it, or pass "
                "another --work."
            ) from error
        yield


def _execute(command: Command, logs: pathlib.Path, scripts: pathlib.Path) -> None:
    logs.mkdir(parents=True, exist_ok=True)
    log = logs / f"{command.name.replace(' ', '-')}.txt"
    with log.open("w") as file:
        code = subprocess.run(
            [sys.executable, *command.argv],
            cwd=scripts,
            stdout=file,
            stderr=subprocess.STDOUT,
            check=False,
        ).returncode
    if code:
        tail = "\n".join(log.read_text().splitlines()[-_TAIL:])
        raise CommandFailed(
            f"`{command}` ended with code {code}. The end of {log}:\n{tail}"
        )


def paint(work: pathlib.Path) -> None:
    """Writes painted scenes as pictures, unless they are there."""
    for split, (count, seed) in _SPLITS.items():
        folder = pictures_folder(work, split)
        if len(list(folder.glob("*.png"))) == count:
            continue
        scenes = Scenes(count, seed, _SIZE)
        for index in range(count):
            scene = scenes.read(index)
            write_png(folder / f"{scene.name}.png", scene.image)
