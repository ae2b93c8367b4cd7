"""Small trainings of every stage, on painted pictures, as commands."""

import dataclasses
import pathlib
import subprocess
import sys
from collections.abc import Mapping, Sequence

from deeplab2_tf.synthetic import Scenes
from hific.images import write_png

_ROOT = pathlib.Path(__file__).parents[1]
_PICTURES = 8
_SIDE = 128


@dataclasses.dataclass(frozen=True)
class Stage:
    """How a stage is trained.

    Attributes:
        script: Of the root folder.
        config: Preset.
        flags: Beside --config, --workdir and steps.
        needs: Flag -> stage whose run it names.
        labelled: Whether it paints its own pictures, with labels.
    """

    script: str
    config: str
    flags: Sequence[str] = ()
    needs: Mapping[str, str] = dataclasses.field(default_factory=dict)
    labelled: bool = False


_CROPS = ("--config.data.crop=64",)
_LABELLED = ("--synthetic=20", "--config.data.crop=(64,64)")
STAGES: Mapping[str, Stage] = {
    "egic-0": Stage(
        "pretrain_discriminator.py",
        "egic/pretraining_config.py:synthetic-tiny",
        (*_LABELLED, "--batch_size=2", "--config.optimizer.warmup_steps=1"),
        labelled=True,
    ),
    "egic-1": Stage(
        "train_stage1.py", "egic/config.py:egic-tiny", (*_CROPS, "--batch_size=2")
    ),
    "egic-1-smallest": Stage(
        "train_stage1.py", "trials/training_configs.py", (*_CROPS, "--batch_size=2")
    ),
    "egic-2": Stage(
        "train_stage2.py",
        "egic/stage2_config.py:egic-tiny-synthetic",
        (*_LABELLED, "--strategy=II", "--batch_size=1"),
        {"init_from": "egic-1", "discriminator": "egic-0"},
        labelled=True,
    ),
    "egic-3": Stage(
        "train_orp.py",
        "egic/orp_config.py:orp-tiny",
        (*_CROPS, "--batch_size=2"),
        {"init_from": "egic-1"},
    ),
    "hific-1": Stage(
        "train_stage1.py",
        "hific/config.py:hific-tiny",
        (*_CROPS, "--batch_size=2", "--config.perceptual_weight=0"),
    ),
    "hific-2": Stage(
        "train_stage2.py",
        "hific/config.py:hific-tiny",
        (*_CROPS, "--batch_size=1", "--config.perceptual_weight=0"),
        {"init_from": "hific-1"},
    ),
}


@dataclasses.dataclass(frozen=True)
class Run:
    """One training, as often as it is started.

    Attributes:
        stage: What is trained.
        root: Where its pictures lie, and the runs it begins with.
        steps, checkpoint_every: Of the run; every step is logged.
    """

    stage: Stage
    root: pathlib.Path
    steps: int
    checkpoint_every: int

    def prepare(self) -> None:
        """Paints pictures, and makes the runs that the stage begins with.

        Raises:
            subprocess.CalledProcessError: One of them failed.
        """
        scenes = Scenes(_PICTURES, seed=0, size=(_SIDE, _SIDE))
        for index in range(_PICTURES):
            path = self.root / "pictures" / f"{index}.png"
            write_png(path, scenes.read(index).image)
        for name in self.stage.needs.values():
            run = Run(STAGES[name], self.root, steps=2, checkpoint_every=2)
            subprocess.run(run.command(self.root / name), check=True)

    def command(self, workdir: pathlib.Path) -> list[str]:
        """What starts the training, or goes on with it."""
        stage = self.stage
        needed = [f"--{flag}={self.root / name}" for flag, name in stage.needs.items()]
        pictures = [] if stage.labelled else [f"--images={self.root / 'pictures'}"]
        return [
            sys.executable,
            str(_ROOT / stage.script),
            f"--config={_ROOT / stage.config}",
            f"--workdir={workdir}",
            f"--steps={self.steps}",
            f"--checkpoint_every={self.checkpoint_every}",
            "--log_every=1",
            f"--images_every={self.steps}",
            *pictures,
            *needed,
            *stage.flags,
        ]
