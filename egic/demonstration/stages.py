"""All four training stages in two minutes, by the scripts, on painted scenes."""

import dataclasses
import json
import os
import pathlib
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from deeplab2_tf.synthetic import Scenes
from hific.images import write_png

SCENES = 24  # As pictures, for the stages that need no labels.
LABELLED = 200
_LINES = 10  # That a run writes to its metrics.jsonl.
_VALIDATED = ("validation/mean_iou", "validation/majority_mean_iou")


class StageFailed(Exception):
    """A script ended with another code than 0.

    Attributes:
        code: That one.
    """

    def __init__(self, script: str, code: int):
        super().__init__(f"{script} ended with code {code}.")
        self.code = code


@dataclasses.dataclass(frozen=True)
class Measure:
    """A number that a run logs.

    Attributes:
        key: In metrics.jsonl.
        name: What readers call it.
        better: "lower" or "higher".
    """

    key: str
    name: str
    better: str


@dataclasses.dataclass(frozen=True)
class Folders:
    """Where the stages read and write; all below `out`."""

    out: pathlib.Path

    @property
    def scenes(self) -> pathlib.Path:
        return self.out / "scenes"

    @property
    def critic(self) -> pathlib.Path:
        return self.out / "stage0"

    @property
    def codec(self) -> pathlib.Path:
        return self.out / "stage1"

    @property
    def adversarial(self) -> pathlib.Path:
        return self.out / "stage2"

    @property
    def head(self) -> pathlib.Path:
        return self.out / "stage3"

    @property
    def model(self) -> pathlib.Path:
        return self.out / "model"


@dataclasses.dataclass(frozen=True)
class Stage:
    """One training script, and how the demonstration calls it.

    Attributes:
        title: What is trained.
        script: In the root of the project.
        workdir: Its run directory.
        steps: Enough for its numbers to move, and not for more.
        arguments: (folders, root of the project, steps) -> its other arguments.
        measures: Shown before and after; the first one is drawn.
    """

    title: str
    script: str
    workdir: Callable[[Folders], pathlib.Path]
    steps: int
    arguments: Callable[[Folders, pathlib.Path, int], Sequence[str]]
    measures: Sequence[Measure]

    def command(
        self, folders: Folders, root: pathlib.Path, steps: int | None = None
    ) -> list[str]:
        """Returns what is run, without the interpreter."""
        steps = steps or self.steps
        return [
            str(near(root / self.script)),
            *self.arguments(folders, near(root), steps),
            f"--workdir={self.workdir(folders)}",
            f"--steps={steps}",
            f"--log_every={max(1, steps // _LINES)}",
        ]


def _critic(folders: Folders, root: pathlib.Path, steps: int) -> list[str]:
    return [
        f"--config={root / 'egic/pretraining_config.py'}:synthetic-tiny",
        f"--config.optimizer.warmup_steps={min(20, steps - 1)}",
        f"--synthetic={LABELLED}",
        "--val_synthetic=20",
    ]


def _codec(folders: Folders, root: pathlib.Path, steps: int) -> list[str]:
    return [
        f"--config={root / 'egic/config.py'}:egic-tiny",
        "--init=klt",
        f"--images={folders.scenes}",
        "--batch_size=2",
    ]


def _adversarial(folders: Folders, root: pathlib.Path, steps: int) -> list[str]:
    return [
        f"--config={root / 'egic/stage2_config.py'}:egic-tiny-synthetic",
        "--strategy=I",
        "--config.strategy_1.perceptual=0",  # LPIPS would have to be fetched.
        f"--init_from={folders.codec}",
        f"--discriminator={folders.critic}",
        f"--synthetic={LABELLED}",
        "--batch_size=1",
    ]


def _head(folders: Folders, root: pathlib.Path, steps: int) -> list[str]:
    return [
        f"--config={root / 'egic/orp_config.py'}:orp-tiny",
        f"--init_from={folders.adversarial}",
        f"--images={folders.scenes}",
        "--batch_size=2",
    ]


STAGES: Sequence[Stage] = (
    Stage(
        "Stage 0: a discriminator learns to segment",
        "pretrain_discriminator.py",
        lambda folders: folders.critic,
        120,
        _critic,
        (
            Measure("discriminator/cross_entropy", "cross-entropy, nats", "lower"),
            Measure("discriminator/pixel_accuracy", "pixels right", "higher"),
        ),
    ),
    Stage(
        "Stage 1: a codec learns rate and distortion",
        "train_stage1.py",
        lambda folders: folders.codec,
        60,
        _codec,
        (
            Measure("generator/total", "loss", "lower"),
            Measure("generator/hard_bpp", "bits per pixel", "lower"),
            Measure("generator/psnr", "PSNR, dB", "higher"),
        ),
    ),
    Stage(
        "Stage 2: its decoder against the discriminator",
        "train_stage2.py",
        lambda folders: folders.adversarial,
        40,
        _adversarial,
        (
            Measure("discriminator/total", "discriminator's loss", "lower"),
            Measure("discriminator/accuracy_fake", "fakes it detects", "higher"),
            Measure("generator/psnr", "PSNR, dB", "higher"),
        ),
    ),
    Stage(
        "Stage 3: a second end for faithful pictures",
        "train_orp.py",
        lambda folders: folders.head,
        60,
        _head,
        (
            Measure("head/distortion", "squared error", "lower"),
            Measure("head/psnr", "PSNR, dB", "higher"),
        ),
    ),
)


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a stage came to.

    Attributes:
        stage: Which.
        command: As it is typed.
        seconds: That it took, starting TensorFlow included.
        steps: Done at each line of its log.
        values: Key of a measure -> its mean since the line before.
        validation: Key -> value, of what was measured on scenes not trained on.
    """

    stage: Stage
    command: str
    seconds: float
    steps: Sequence[int]
    values: Mapping[str, Sequence[float]]
    validation: Mapping[str, float]


def prepare(out: pathlib.Path) -> Folders:
    """Makes room for the runs in `out` and paints the scenes they need.

    What an earlier demonstration left is removed, and nothing else.
    """
    folders = Folders(near(out))
    for stage in STAGES:
        if (stage.workdir(folders) / "config.json").is_file():
            shutil.rmtree(stage.workdir(folders))
    if (folders.model / "manifest.json").is_file():
        shutil.rmtree(folders.model)
    scenes = Scenes(SCENES, seed=0)
    for index in range(SCENES):
        path = folders.scenes / f"scene-{index:02}.png"
        write_png(path, scenes.read(index).image)
    return folders


def train(
    folders: Folders, root: pathlib.Path, steps: int | None = None
) -> Iterator[Outcome]:
    """Runs the four scripts, one after the other, and says of each what came out.

    Each command is printed, and its script shows its own progress.

    Args:
        folders: As `prepare` left them.
        root: Of the project, where the scripts are.
        steps: Of every stage; None for their own.

    Raises:
        StageFailed: A script ended with another code than 0.
    """
    for stage in STAGES:
        command = stage.command(folders, root, steps)
        typed = shlex.join(["python", *command])
        print(f"\n{stage.title}\n  {typed.replace(' --', _NEXT_LINE)}", flush=True)
        start = time.monotonic()
        quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", **os.environ}
        done = subprocess.run([sys.executable, *command], env=quiet, check=False)
        if done.returncode:
            raise StageFailed(stage.script, done.returncode)
        yield _outcome(stage, typed, time.monotonic() - start, stage.workdir(folders))


_NEXT_LINE = " \\\n      --"


def moved(outcome: Outcome) -> list[str]:
    """Returns what a stage changed, as lines to print."""
    steps = outcome.steps[-1]
    lines = [f"{steps} steps in {outcome.seconds:.0f} s; at first, and at last:"]
    for measure in outcome.stage.measures:
        values = outcome.values[measure.key]
        lines.append(f"  {measure.name:24}{values[0]:>10.4g}{values[-1]:>10.4g}")
    lines += [
        f"  {key.removeprefix('validation/'):24}{value:>20.4g}"
        for key, value in outcome.validation.items()
        if key in _VALIDATED
    ]
    return lines


def _outcome(
    stage: Stage, command: str, seconds: float, workdir: pathlib.Path
) -> Outcome:
    lines = (workdir / "metrics.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    trained = [one for one in records if stage.measures[0].key in one]
    values = {
        measure.key: [record[measure.key] for record in trained]
        for measure in stage.measures
    }
    validation = {
        key: value
        for record in records
        for key, value in record.items()
        if key.startswith("validation/")
    }
    reached = [record["step"] for record in trained]
    return Outcome(stage, command, seconds, reached, values, validation)


def near(path: pathlib.Path) -> pathlib.Path:
    """Returns a path as seen from here, where it is below."""
    path, here = path.resolve(), pathlib.Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
