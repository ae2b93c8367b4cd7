"""Draws what runs logged: docs/curves.md, and the charts and numbers in docs/curves/.

    python -m drawings.curves egic-tiny=runs/critic,runs/G1,runs/G2-I,runs/EGIC

One argument for each model: its name, and the directories of its runs, of any stage.
The numbers of models that were drawn before lie in docs/curves/ and are drawn again;
without an argument nothing but the drawings is made anew.
"""

import csv
import itertools
import json
import pathlib
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from drawings.charts import Line, chart

DOCS = pathlib.Path(__file__).resolve().parents[1] / "docs"
POINTS = 120  # Kept of a curve, each the mean of those around it.


class Panel(NamedTuple):
    """One chart.

    Attributes:
        metric: Of metrics.jsonl.
        title: What it is and its unit.
        file: Its name without stage and suffix.
    """

    metric: str
    title: str
    file: str


class Stage(NamedTuple):
    """What is shown of a stage.

    Attributes:
        title: Heading.
        text: What a good run looks like.
        tell: A metric that no other stage logs.
        panels: Its charts.
    """

    title: str
    text: str
    tell: str
    panels: tuple[Panel, ...]


STAGES: Mapping[str, Stage] = {
    "stage0": Stage(
        "Stage 0: the discriminator learns to segment",
        "The mean IoU of pictures that are not trained on rises to the end, for the "
        "learning rate falls to 0 there. Rare classes come late.",
        "discriminator/pixel_accuracy",
        (
            Panel("validation/mean_iou", "mean IoU, validation", "iou"),
            Panel(
                "discriminator/pixel_accuracy", "pixels right, training crops", "pixels"
            ),
        ),
    ),
    "stage1": Stage(
        "Stage 1: rate and distortion",
        "From the closed-form start the codec works at step 0: bits fall and PSNR "
        "rises, both fast at first. Where LPIPS is part of the loss it falls to the "
        "end, from the step on at which it begins to count.",
        "generator/bpp",
        (
            Panel("generator/hard_bpp", "bits per pixel, rounded", "bpp"),
            Panel("generator/psnr", "PSNR of the crops, dB", "psnr"),
            Panel("generator/lpips", "LPIPS of the crops", "lpips"),
        ),
    ),
    "stage2": Stage(
        "Stage 2: realism",
        "LPIPS falls fast for some hundred steps and slowly from then on; PSNR gives "
        "up little. The discriminator stays ahead: it calls most of a reconstruction's "
        "pixels fake, and takes a small share of them for their class. Where PSNR "
        "falls by more than 2 dB the decoder has run away from the original: lower "
        "its learning rate, or the weight of realism.",
        "generator/fooled",
        (
            Panel("generator/lpips", "LPIPS of the crops", "lpips"),
            Panel("generator/psnr", "PSNR of the crops, dB", "psnr"),
            Panel("discriminator/accuracy_fake", "seen to be fake, share", "fake"),
            Panel("generator/fooled", "taken for their class, share", "fooled"),
        ),
    ),
    "stage3": Stage(
        "Stage 3: the head",
        "It begins as a copy of the decoder's end, which is a picture already, and "
        "gains some tenths of a dB, about as much as crops differ from line to line.",
        "head/psnr",
        (Panel("head/psnr", "PSNR of the crops at alpha 0, dB", "psnr"),),
    ),
}


def main(argv: Sequence[str]) -> None:
    """Takes over the runs' numbers, then draws all there are."""
    folder = DOCS / "curves"
    for argument in argv:
        name, _, runs = argument.partition("=")
        if not re.fullmatch(r"[\w.]+(-[\w.]+)*", name) or not runs:
            sys.exit(f"{argument!r} is not NAME=RUN,RUN,…")
        for run in runs.split(","):
            rows = read(pathlib.Path(run))
            write(folder / f"{stage_of(rows)}-{name}.csv", rows)
    (DOCS / "curves.md").write_text(draw(folder))


def read(run: pathlib.Path) -> list[dict[str, float]]:
    """The lines of a run's metrics, with the seconds of all its processes summed up."""
    rows, before, last = [], 0.0, 0.0
    for text in (run / "metrics.jsonl").read_text().splitlines():
        row = json.loads(text)
        seconds = row.get("seconds", last)
        if seconds < last:  # The run was stopped and went on.
            before += last
        last = seconds
        rows.append({**row, "seconds": before + seconds})
    return rows


def stage_of(rows: Iterable[Mapping[str, float]]) -> str:
    """The stage that logs such metrics.

    Raises:
        ValueError: None does.
    """
    names = {name for row in rows for name in row}
    for stage, shown in STAGES.items():
        if shown.tell in names:
            return stage
    raise ValueError(f"No stage logs {', '.join(sorted(names)) or 'nothing'}.")


def thin(pairs: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """At most POINTS points, each the mean of neighbours, the last of them the last."""
    size = max(1, -(-len(pairs) // POINTS))
    groups = [pairs[i : i + size] for i in range(0, len(pairs), size)]
    return [
        (group[-1][0], sum(value for _, value in group) / len(group))
        for group in groups
    ]


def write(path: pathlib.Path, rows: Sequence[Mapping[str, float]]) -> None:
    """Writes `metric,step,value`; the last line is of the seconds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(("metric", "step", "value"))
        for panel in STAGES[path.name.partition("-")[0]].panels:
            pairs = [(r["step"], r[panel.metric]) for r in rows if panel.metric in r]
            # What is 0 at first did not count yet, as LPIPS where it begins later.
            for step, value in thin([*itertools.dropwhile(_nothing, pairs)]):
                table.writerow((panel.metric, f"{step:.0f}", f"{value:.5g}"))
        last = rows[-1]
        table.writerow(("seconds", f"{last['step']:.0f}", f"{last['seconds']:.0f}"))


def _nothing(pair: tuple[float, float]) -> bool:
    return pair[1] == 0


def load(path: pathlib.Path) -> dict[str, list[tuple[float, float]]]:
    """Metric -> points (step, value)."""
    curves: dict[str, list[tuple[float, float]]] = {}
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            point = float(row["step"]), float(row["value"])
            curves.setdefault(row["metric"], []).append(point)
    return curves


def draw(folder: pathlib.Path) -> str:
    """Writes every chart and returns the page around them."""
    parts = [_HEAD]
    for stage in STAGES:
        models = {
            path.stem.partition("-")[2]: load(path)
            for path in sorted(folder.glob(f"{stage}-*.csv"))
        }
        if models:
            parts += [f"## {STAGES[stage].title}", _wrapped(STAGES[stage].text)]
            parts += [_charts(folder, stage, models), _table(stage, models)]
    return "\n\n".join(parts) + "\n"


def _charts(folder: pathlib.Path, stage: str, models: Mapping) -> str:
    shown = []
    for panel in STAGES[stage].panels:
        lines = [
            Line(name, *zip(*curves[panel.metric], strict=True))
            for name, curves in models.items()
            if panel.metric in curves
        ]
        if lines:
            name = f"{stage}-{panel.file}.svg"
            (folder / name).write_text(chart(panel.title, lines))
            shown.append(f"![{panel.title}](curves/{name})")
    return "\n".join(shown)


def _table(stage: str, models: Mapping) -> str:
    """The last tenth of each curve in numbers, and what the run took."""
    panels = [
        panel
        for panel in STAGES[stage].panels
        if any(panel.metric in curves for curves in models.values())
    ]
    lines = [
        "| model | steps | minutes | " + " | ".join(p.title for p in panels) + " |",
        "|---|" + "---:|" * (len(panels) + 2),
    ]
    for name, curves in models.items():
        step, seconds = curves["seconds"][0]
        ends = [_end(curves.get(panel.metric, ())) for panel in panels]
        cells = (f"`{name}`", f"{step:,.0f}", f"{seconds / 60:.0f}", *ends)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _end(points: Sequence[tuple[float, float]]) -> str:
    tail = [value for _, value in points[-max(1, len(points) // 10) :]]
    return f"{sum(tail) / len(tail):.4g}" if tail else "–"


def _wrapped(text: str, width: int = 92) -> str:
    lines, line = [], ""
    for word in text.split():
        if line and len(line) + len(word) >= width:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}".strip()
    return "\n".join([*lines, line])


_HEAD = """\
# Expected curves

What runs of these commands logged, so that yours can be told from one that goes wrong.
Small models on two shared CPU cores; the recipes are in [Results](results.md). Faint:
the lines of `metrics.jsonl`, at most 120 points, each the mean of neighbours; bold: the
mean of nine points. Crops are random, so curves of two runs differ by that noise. Under
each stage the mean of the last tenth, and minutes of training.

Written by `python -m drawings.curves`; the numbers lie beside the drawings in
`docs/curves/`. For a run of your own: `python -m drawings.curves NAME=RUN,RUN,…`, or
TensorBoard on its `logs/`."""


if __name__ == "__main__":
    main(sys.argv[1:])
