"""From the name of an experiment to its document, at either scale."""

import dataclasses
import pathlib
from collections.abc import Callable, Mapping

from deeplab2_tf.config import DataConfig
from deeplab2_tf.sources import Source
from egic.reproduction import (
    costs,
    drawings,
    makers,
    measuring,
    paper_scale,
    plans,
    smoke,
)
from egic.reproduction.comparison import Comparison, compared
from egic.reproduction.documents import Block, Document
from egic.reproduction.experiment import Experiment
from egic.reproduction.label_drawings import Scene
from egic.reproduction.parts import described
from egic.reproduction.plans import SCALES, Scale
from egic.reproduction.registry import EXPERIMENTS
from egic.reproduction.results import Results, ResultsError

# Beside 0, and 1 for wrong usage.
EXIT_DIFFERS = 3  # A number that must be equal is not.
EXIT_RESULTS = 4  # Results or pictures cannot be read.
EXIT_NOT_BUILT = 6  # Needs parts that are not built, or is drawn by hand.
EXIT_COMMAND = 7  # A command of the smoke scale failed.


class Failed(Exception):
    """No document came about.

    Attributes:
        exit_code: Of the process.
    """

    def __init__(self, text: str, exit_code: int):
        super().__init__(text)
        self.exit_code = exit_code


@dataclasses.dataclass(frozen=True)
class Request:
    """What is asked for.

    Attributes:
        scale: A key of `plans.SCALES`.
        work: Folder of runs and results.
        scripts: Folder of the root scripts.
        results: Instead of those in `work`.
        gpu: That hours are estimated for.
        share: Of its peak.
        measure_crops: Batch of the steps to be timed; 0 times none.
        pictures: To show in visual figures.
        labelled: Labelled pictures that were given, see `label_drawings.Scene`.
    """

    scale: str
    work: pathlib.Path
    scripts: pathlib.Path
    results: pathlib.Path | None = None
    gpu: costs.Gpu = costs.GPUS["a100"]
    share: float = costs.SHARE
    measure_crops: int = 0
    pictures: str | None = None
    labelled: Callable[[DataConfig], Source | None] = lambda config: None


def reproduce(experiment: Experiment, request: Request) -> Document:
    """Makes an experiment's document.

    Raises:
        Failed: It cannot be made, or what it is made from cannot be read.
    """
    if experiment.by_hand:
        raise Failed(
            f"{experiment.name} ({experiment.title}) was drawn by hand; no program "
            "makes it.",
            EXIT_NOT_BUILT,
        )
    if experiment.needs:
        raise Failed(
            f"{experiment.name} ({experiment.title}) needs what is not built yet: "
            f"{'; '.join(described(experiment.needs))}.",
            EXIT_NOT_BUILT,
        )
    document = Document(experiment.name, experiment.title, request.scale)
    if experiment.maker in COUNTED:
        _add(document, COUNTED[experiment.maker](experiment))
    else:
        _SCALED[request.scale](experiment, request, document)
    if experiment.notes:
        document.blocks.append(Block("Notes", notes=experiment.notes))
    return document


# Makers that need no run and do not depend on the scale.
COUNTED: Mapping[str, Callable[[Experiment], Comparison]] = {
    "oasis_c": makers.oasis_c,
    "parameters": makers.parameters,
}


def _smoke(experiment: Experiment, request: Request, document: Document) -> None:
    scale = SCALES["smoke"]
    # The commands run in the folder of the scripts.
    request = dataclasses.replace(request, work=request.work.resolve())
    todo = plans.commands(experiment, scale, request.work)
    try:
        seconds = smoke.run(todo, request.work, request.scripts)
    except smoke.CommandFailed as error:
        raise Failed(str(error), EXIT_COMMAND) from error
    document.blocks.append(Block("", notes=(smoke.CAVEAT,)))
    _fill(experiment, scale, request, document)
    document.data |= {"seconds": seconds, "caveat": smoke.CAVEAT}


def _paper(experiment: Experiment, request: Request, document: Document) -> None:
    scale = SCALES["paper"]
    _fill(experiment, scale, request, document)
    measured = {}
    if request.measure_crops:
        for cost in costs.needed_costs(plans.stages_of(experiment, scale)):
            measured[cost] = measuring.measure(cost, request.measure_crops)
    blocks, data = paper_scale.plan(
        experiment, request.work, request.gpu, request.share, measured
    )
    document.blocks += blocks
    document.data |= data


_SCALED: Mapping[str, Callable[[Experiment, Request, Document], None]] = {
    "paper": _paper,
    "smoke": _smoke,
}


def _fill(
    experiment: Experiment, scale: Scale, request: Request, document: Document
) -> None:
    """Adds the numbers and pictures that there are."""
    data = scale.measured_on(experiment.measured_on)
    folder = request.results or request.work / "results" / data
    if request.results and not folder.is_dir():
        raise Failed(f"--results={folder} is no folder.", EXIT_RESULTS)
    try:
        results = Results(folder, request.work / "runs")
        rows = scale.rows(experiment)
        found = {
            row.key: {
                column.key: value
                for column in experiment.columns
                if (value := results.value(row, column)) is not None
            }
            for row in rows
        }
        chosen = dataclasses.replace(experiment, rows=tuple(rows))
        if experiment.columns:
            verdicts = scale.name == "paper"
            _add(document, compared(chosen, found, verdicts=verdicts))
        scene = Scene(
            chosen, scale, request.work, found, request.pictures, request.labelled
        )
        draw = drawings.DRAWINGS.get(experiment.maker)
        if draw is not None:
            drawn = draw(scene)
            document.pictures |= drawn.pictures
            document.blocks += drawn.blocks
    except (ResultsError, OSError) as error:
        raise Failed(str(error), EXIT_RESULTS) from error


def _add(document: Document, found: Comparison) -> None:
    document.blocks += found.blocks
    document.data |= found.data
    document.differs |= found.differs


def exit_code(document: Document) -> int:
    """Of the process, for a document that was made."""
    return EXIT_DIFFERS if document.differs else 0


def listing() -> Document:
    """All experiments, what each needs and what it costs."""
    gpu = costs.GPUS["a100"]
    rows = []
    for experiment in EXPERIMENTS.values():
        stages = plans.stages_of(experiment, SCALES["paper"])
        hours = sum(costs.hours(stage, gpu) for stage in stages)
        rows.append(
            [
                experiment.name,
                experiment.title,
                f"{hours:,.0f}" if hours else "",
                _state(experiment),
            ]
        )
    header = ("", "what", "GPU-hours", "")
    document = Document("reproduce", "the paper's tables and figures", "")
    notes = (
        f"GPU-hours of all runs behind it from scratch, {gpu.title}, estimated at "
        f"{costs.SHARE:.0%} of its peak.",
    )
    document.blocks.append(Block("", header, rows, notes))
    return document


def _state(experiment: Experiment) -> str:
    if experiment.by_hand:
        return "drawn by hand, no program"
    needs = ", ".join(experiment.all_needs())
    if experiment.needs:
        return f"need: {needs}"
    if experiment.maker in COUNTED:
        return "exact, now"
    return f"paper, smoke; some rows need: {needs}" if needs else "paper, smoke"
