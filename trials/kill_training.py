r"""Kills a training again and again, and looks for what is lost.

    nice python -m trials.kill_training --kills=50 --steps=200 --workdir=runs/kills

The training runs once without interruption. Then the same command runs into another
directory and is killed (SIGKILL, SIGTERM and SIGUSR1 to its whole process group) at
random moments, of start-up as well as of training and saving, and started again, until
it is done; as often as there are kills. Whatever the moments:

- a checkpoint that was acknowledged by its marker is there, or a newer one is;
- no more steps are done again than are between two checkpoints, and after SIGTERM and
  SIGUSR1, which save first and exit with code 75, none;
- weights, averages and optimizers at the end are those of the uninterrupted run, bit
  for bit, and so is metrics.jsonl but for the seconds, no line of it twice;
- no unfinished file is left.

--stage chooses what is trained, by default egic-tiny of stage 1, on painted pictures.
Ends with a table, and with code 1 if anything was lost.
"""

import argparse
import collections
import dataclasses
import json
import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from hific.checkpoints import valid_checkpoints
from hific.reports import CLOCK
from hific.signals import EXIT_INTERRUPTED
from trials.training_runs import STAGES, Run

_SECONDS_AT_MOST = 1800  # Of one run that nobody kills.
_EARLY = 0.3  # Share of kills at any moment of start-up.
_SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGUSR1)
_UNFINISHED = ("*.tmp-*", "checkpoint.tmp*", "ckpt-*_temp*")
_SAVED = re.compile(r"saved at step (\d+) of")


@dataclasses.dataclass
class Tally:
    """What was tried, and what was found.

    Attributes:
        kills: (signal, moment) -> number.
        codes: (signal, exit code) -> number.
        rounds: Trainings that came to their end.
        repeated: For each start after a kill, the steps that were done again.
        unfinished: Files that kills left, and the next start removed.
        lost: What contradicts a promise, in words.
    """

    kills: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    codes: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    rounds: int = 0
    repeated: list[int] = dataclasses.field(default_factory=list)
    unfinished: int = 0
    lost: list[str] = dataclasses.field(default_factory=list)

    def table(self) -> str:
        """All of it, a line for each thing counted."""
        total = sum(self.kills.values())
        rows = [(f"kills by {name} {when}", n) for (name, when), n in _by(self.kills)]
        rows += [(f"  {name}: exit {code}", n) for (name, code), n in _by(self.codes)]
        rows += [
            ("trainings brought to their end", self.rounds),
            ("steps done again", sum(self.repeated)),
            ("  at most, after one kill", max(self.repeated, default=0)),
            ("unfinished files, removed at the next start", self.unfinished),
            ("promises broken", len(self.lost)),
        ]
        lines = [f"{name:<60}{number:>6}" for name, number in rows]
        return "\n".join([*lines, *self.lost, f"{total} kills, {len(self.lost)} lost"])


def _by(counter: collections.Counter) -> list:
    return sorted(counter.items(), key=str)


class Killer:
    """Starts and kills one command.

    Args:
        run: What is started.
        startup: Seconds until an unkilled run had done its first step.
        step: Seconds of one step of it.
        rng: Of moments and signals.
        tally: Takes what is found.
    """

    def __init__(
        self, run: Run, startup: float, step: float, rng: random.Random, tally: Tally
    ):
        self._run, self._startup, self._step = run, startup, step
        self._rng, self._tally = rng, tally
        self._said = 0

    def kill_once(self, workdir: pathlib.Path) -> bool:
        """Starts the run and kills it; False if it had ended before."""
        before, known = last_step(workdir), newest(workdir)
        self._said = len(said(workdir))
        process = start(self._run, workdir)
        early = self._rng.random() < _EARLY
        if early:
            _wait(process, self._rng.uniform(0.0, self._startup))
        else:
            while process.poll() is None and last_step(workdir) == before:
                time.sleep(0.02)
                before = min(before, last_step(workdir))
            span = 2 * self._run.checkpoint_every * self._step
            _wait(process, self._rng.uniform(0.0, span))
        if process.poll() is not None:
            self._expect(process.returncode == 0, f"exit {process.returncode} alone")
            return False
        known = max(known, newest(workdir))
        number = self._rng.choice(_SIGNALS)
        os.killpg(process.pid, number)
        code = process.wait(_SECONDS_AT_MOST)
        name = signal.Signals(number).name
        self._tally.kills[name, "at start" if early else "training"] += 1
        self._tally.codes[name, code] += 1
        self._look(workdir, number, code, known)
        return True

    def _look(self, workdir: pathlib.Path, number: int, code: int, known: int) -> None:
        done, saved = last_step(workdir), newest(workdir)
        again = max(0, done - saved)
        self._tally.repeated.append(again)
        self._tally.unfinished += len(unfinished(workdir))
        self._expect(saved >= known, f"{known} was acknowledged, {saved} is left")
        every = self._run.checkpoint_every
        self._expect(again <= every, f"{again} steps to do again after step {done}")
        if number == signal.SIGKILL or code == -number:
            # A process that has not come to its handlers yet dies of the signal.
            return
        self._expect(code in (0, EXIT_INTERRUPTED), f"exit {code} after {number}")
        # What it said itself: one that left before its first step saved nothing.
        steps = _SAVED.findall(said(workdir)[self._said :])
        if code == EXIT_INTERRUPTED and steps:
            self._expect(
                saved >= int(steps[-1]), f"{steps[-1]} was said, {saved} is left"
            )
            self._expect(not again, f"{again} steps to do again after a wish to stop")

    def _expect(self, holds: bool, otherwise: str) -> None:
        if not holds:
            print(f"LOST: {otherwise}", flush=True)
            self._tally.lost.append(otherwise)


def start(run: Run, workdir: pathlib.Path) -> subprocess.Popen:
    """The training as a process group of its own; it writes to the end of its log."""
    log(workdir).parent.mkdir(parents=True, exist_ok=True)
    with log(workdir).open("ab") as output:
        return subprocess.Popen(
            run.command(workdir),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def log(workdir: pathlib.Path) -> pathlib.Path:
    """Where the runs of a directory write what they say."""
    return workdir.with_suffix(".log")


def said(workdir: pathlib.Path) -> str:
    """All that the runs of a directory have said so far."""
    return log(workdir).read_text() if log(workdir).exists() else ""


def _wait(process: subprocess.Popen, seconds: float) -> None:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return


def newest(workdir: pathlib.Path) -> int:
    """The step of the newest valid checkpoint, 0 where there is none."""
    prefix = next(valid_checkpoints(workdir), None)
    return 0 if prefix is None else int(prefix.name.rpartition("-")[2])


def metrics(workdir: pathlib.Path) -> list[dict]:
    """The whole lines of metrics.jsonl, without what depends on the clock."""
    path, lines = workdir / "metrics.jsonl", []
    for text in path.read_text().splitlines() if path.exists() else ():
        try:
            line = json.loads(text)
        except ValueError:  # Cut off by a kill.
            continue
        lines.append({k: v for k, v in line.items() if k not in CLOCK})
    return lines


def last_step(workdir: pathlib.Path) -> int:
    """The last step that was logged, 0 where none was."""
    return max((line["step"] for line in metrics(workdir)), default=0)


def unfinished(workdir: pathlib.Path) -> list[pathlib.Path]:
    """Temporary files, and checkpoints without their marker."""
    folder = workdir / "checkpoints"
    found = [p for f in (workdir, folder) for name in _UNFINISHED for p in f.glob(name)]
    indexes = folder.glob("ckpt-*.index")
    return found + [path for path in indexes if not path.with_suffix(".ok").exists()]


def differences(one: pathlib.Path, other: pathlib.Path) -> list[str]:
    """In what the newest checkpoints and the metrics of two runs differ, by name."""
    readers = [
        tf.train.load_checkpoint(str(next(valid_checkpoints(workdir))))
        for workdir in (one, other)
    ]
    names = [set(reader.get_variable_to_shape_map()) for reader in readers]
    found = sorted(names[0] ^ names[1])
    for name in sorted(names[0] & names[1]):
        # How often was saved, and names of objects, are no part of the result.
        if name.startswith(("save_counter", "_CHECKPOINTABLE")):
            continue
        a, b = (np.asarray(reader.get_tensor(name)) for reader in readers)
        if a.tobytes() != b.tobytes():
            found.append(name)
    lines = [metrics(workdir) for workdir in (one, other)]
    return found + ["metrics.jsonl"] * (lines[0] != lines[1])


def uninterrupted(run: Run, workdir: pathlib.Path) -> tuple[float, float]:
    """Runs to the end; returns seconds until the first step, and of one step."""
    began, process = time.monotonic(), start(run, workdir)
    while process.poll() is None and not last_step(workdir):
        time.sleep(0.02)
    first = time.monotonic()
    if process.wait(_SECONDS_AT_MOST):
        raise RuntimeError(f"The training failed: {log(workdir).read_text()[-2000:]}")
    return first - began, (time.monotonic() - first) / run.steps


def trial(run: Run, root: pathlib.Path, kills: int, seed: int) -> Tally:
    """Kills trainings until there were enough kills, each brought to its end after."""
    tally, rng = Tally(), random.Random(seed)
    straight = root / "straight"
    startup, step = uninterrupted(run, straight)
    print(
        f"uninterrupted: {startup:.1f} s to the first step, {step:.3f} s a step",
        flush=True,
    )
    killer = Killer(run, startup, step, rng, tally)
    while (left := kills - sum(tally.kills.values())) > 0:
        workdir = root / f"killed-{tally.rounds}"
        for _ in range(left):
            if not killer.kill_once(workdir):
                break
            print(
                f"{sum(tally.kills.values())} kills, step {newest(workdir)}", flush=True
            )
        if (code := start(run, workdir).wait(_SECONDS_AT_MOST)) != 0:
            tally.lost.append(f"{workdir} ends with code {code}")
        tally.rounds += 1
        found = differences(straight, workdir)
        tally.lost += [f"{workdir}: {name} differs" for name in found]
        tally.lost += [f"{path} is left" for path in unfinished(workdir)]
    return tally


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the trial that the command line describes; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--workdir", type=pathlib.Path, required=True, help="New.")
    parser.add_argument("--stage", choices=list(STAGES), default="egic-1")
    parser.add_argument("--checkpoint_every", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    options.workdir.mkdir(parents=True)
    stage, every = STAGES[options.stage], options.checkpoint_every
    run = Run(stage, options.workdir, options.steps, every)
    run.prepare()
    tally = trial(run, options.workdir, options.kills, options.seed)
    print(tally.table())
    return 1 if tally.lost else 0


if __name__ == "__main__":
    sys.exit(main())
