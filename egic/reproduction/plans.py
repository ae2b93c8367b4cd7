"""The commands behind an experiment, in order, at either scale.

Everything lies in one folder: runs/STAGE of training, and results/DATASET/ of
`evaluate.py`, in which a model is called as its stage.
"""

import dataclasses
import pathlib
from collections.abc import Callable, Mapping, Sequence

from egic.reproduction.datasets import DATASETS
from egic.reproduction.experiment import Experiment, Row
from egic.reproduction.stages import Stage, in_order

SCENES = "scenes"  # The data set of the smoke scale.


@dataclasses.dataclass(frozen=True)
class Command:
    """One process to run.

    Attributes:
        name: Unique in a plan: "train egic-1".
        argv: Script or `-m module`, and its flags; Python itself is left out.
        makes: A folder that is whole once the command has ended.
    """

    name: str
    argv: tuple[str, ...]
    makes: pathlib.Path

    def __str__(self) -> str:
        return " ".join(("python", *map(_quoted, self.argv)))


def _quoted(word: str) -> str:
    special = set("()*'\" ")
    return f'"{word}"' if special & set(word) else word


@dataclasses.dataclass(frozen=True)
class Scale:
    """What the paper's and the smoke scale do differently; see `SCALES`.

    Attributes:
        name: "paper" or "smoke".
        preset: Stage -> FILE.py:NAME.
        flags: Stage -> its own flags.
        data: (stage, folder) -> flags that name training pictures and lengths.
        measured_on: Key of a data set -> the one that is used.
        pictures: (key of a data set, folder) -> --images of evaluate.py.
        rows, stages: Experiment -> those of it that count.
        evaluation: Experiment -> more flags of evaluate.py.
    """

    name: str
    preset: Callable[[Stage], str]
    flags: Callable[[Stage], Sequence[str]]
    data: Callable[[Stage, pathlib.Path], Sequence[str]]
    measured_on: Callable[[str], str]
    pictures: Callable[[str, pathlib.Path], str]
    rows: Callable[[Experiment], Sequence[Row]]
    stages: Callable[[Experiment], Sequence[str]]
    evaluation: Callable[[Experiment], Sequence[str]]


def _takes_labels(stage: Stage) -> bool:
    return stage.script == "pretrain_discriminator" or "stage2_config" in stage.preset


def _published_data(stage: Stage, folder: pathlib.Path) -> list[str]:
    del folder
    data = DATASETS[stage.data]
    flags = list(data.labelled if _takes_labels(stage) else data.images)
    if stage.script == "pretrain_discriminator":
        flags += data.validation
    steps, batch = stage.recipe
    if stage.steps or stage.script == "train_stage1":
        flags.append(f"--steps={steps}")
    if stage.batch or stage.script == "train_stage1":
        flags.append(f"--batch_size={batch}")
    return flags


_SMOKE_STEPS = {
    "pretrain_discriminator": 40,
    "train_stage1": 40,
    "train_stage2": 12,
    "train_orp": 20,
}


def _painted_data(stage: Stage, folder: pathlib.Path) -> list[str]:
    steps = _SMOKE_STEPS[stage.script]
    often = [f"--steps={steps}", "--batch_size=2", "--log_every=4"]
    often += [f"--images_every={steps}", f"--checkpoint_every={steps}"]
    if not _takes_labels(stage):
        return [f"--images={pictures_folder(folder, 'train')}", *often]
    flags = ["--synthetic=24", *often]
    if stage.script == "pretrain_discriminator":
        warm_up = "--config.optimizer.warmup_steps=5"
        flags += ["--val_synthetic=6", f"--validate_every={steps}", warm_up]
    return flags


def pictures_folder(folder: pathlib.Path, split: str) -> pathlib.Path:
    """Where painted scenes are written as pictures: "train" or "test"."""
    return folder / "pictures" / split


def _some(chosen: Sequence[str], rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if not chosen or row.key in chosen]


def _published_measures(experiment: Experiment) -> tuple[str, ...]:
    """Flags of `evaluate.py` beside models, pictures and alphas."""
    networks = [
        name.removeprefix("fid_").replace("_", "-")
        for column in experiment.columns
        for name in column.measured_as
        if name.startswith("fid_")
    ]
    fetched = [f"--fetch_weights={','.join(networks)}"] if networks else []
    return (*experiment.flags, *fetched)


SCALES: Mapping[str, Scale] = {
    "paper": Scale(
        "paper",
        preset=lambda stage: stage.preset,
        flags=lambda stage: (*stage.flags, *stage.paper_flags),
        data=_published_data,
        measured_on=lambda name: name,
        pictures=lambda name, folder: DATASETS[name].pictures,
        rows=lambda experiment: experiment.rows,
        stages=lambda experiment: experiment.stages,
        evaluation=_published_measures,
    ),
    "smoke": Scale(
        "smoke",
        preset=lambda stage: stage.smoke_preset,
        flags=lambda stage: (*stage.flags, *stage.smoke_flags),
        data=_painted_data,
        measured_on=lambda name: SCENES,
        pictures=lambda name, folder: str(pictures_folder(folder, "test")),
        rows=lambda experiment: _some(experiment.smoke_rows, experiment.rows),
        stages=lambda experiment: experiment.smoke_stages or experiment.stages,
        evaluation=lambda experiment: (),
    ),
}


def stages_of(experiment: Experiment, scale: Scale) -> list[Stage]:
    """All runs behind an experiment, each after what it starts from."""
    names: list[str] = []
    for row in scale.rows(experiment):
        names += [row.stage, row.interpolate_from]
    return in_order([*names, *scale.stages(experiment)])


def commands(
    experiment: Experiment, scale: Scale, folder: pathlib.Path
) -> list[Command]:
    """Training and measuring, in order."""
    trained = [_training(s, scale, folder) for s in stages_of(experiment, scale)]
    return [*trained, *_measuring(experiment, scale, folder)]


def _training(stage: Stage, scale: Scale, folder: pathlib.Path) -> Command:
    workdir = folder / "runs" / stage.name
    argv = [f"{stage.script}.py", f"--config={scale.preset(stage)}"]
    argv += scale.flags(stage)
    for flag in ("init_from", "discriminator"):
        name = getattr(stage, flag)
        if name:
            argv.append(f"--{flag}={folder / 'runs' / name}")
    argv += scale.data(stage, folder)
    argv.append(f"--workdir={workdir}")
    return Command(f"train {stage.name}", tuple(argv), workdir)


def label(row: Row) -> str:
    """What a row's model is called in an evaluation."""
    return f"{row.stage}-{row.mode}" if row.mode else row.stage


def measured_rows(experiment: Experiment, scale: Scale) -> list[Row]:
    """Rows, one for each model and alpha, that `evaluate.py` is needed for."""
    rows = [row for row in scale.rows(experiment) if row.stage]
    return rows if experiment.measured_on else []


def _measuring(experiment, scale, folder) -> list[Command]:
    """One evaluation for all models that are asked for the same alphas."""
    alphas: dict[tuple[str, str, str], set[float]] = {}
    for row in measured_rows(experiment, scale):
        model = (row.stage, row.mode, row.interpolate_from)
        alphas.setdefault(model, set()).add(row.alpha)
    together: dict[tuple[tuple[float, ...], str, str], list[str]] = {}
    for (stage, mode, first), values in alphas.items():
        key = (tuple(sorted(values)), mode, first)
        together.setdefault(key, []).append(stage)
    return [
        _evaluation(experiment, scale, folder, stages, *key)
        for key, stages in together.items()
    ]


def _evaluation(
    experiment: Experiment,
    scale: Scale,
    folder: pathlib.Path,
    stages: Sequence[str],
    alphas: tuple[float, ...],
    mode: str,
    first: str,
) -> Command:
    data = scale.measured_on(experiment.measured_on)
    name = "-".join(filter(None, (experiment.name, first, mode)))
    name += "" if alphas == (1.0,) else f"-{len(alphas)}-alphas"
    out = folder / "results" / data / name
    runs = folder / "runs"
    suffix = f"-{mode}" if mode else ""
    argv = [
        "evaluate.py",
        f"--model={','.join(f'{one}{suffix}={runs / one}' for one in stages)}",
        f"--images={scale.pictures(experiment.measured_on, folder)}",
        f"--alpha={','.join(f'{alpha:g}' for alpha in alphas)}",
        "--baselines=",
        *scale.evaluation(experiment),
        f"--out={out}",
    ]
    if first:
        argv += [f"--interpolate_from={runs / first}", f"--interpolation={mode}"]
    return Command(f"measure {name} on {data}", tuple(argv), out)
