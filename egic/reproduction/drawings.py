"""Figures that programs draw: curves of numbers, and pictures side by side."""

import dataclasses
import pathlib
from collections.abc import Callable, Mapping

import numpy as np

from egic.reproduction import label_drawings
from egic.reproduction.documents import Block
from egic.reproduction.experiment import Axes
from egic.reproduction.label_drawings import Drawn, Scene, png
from egic.reproduction.plans import pictures_folder
from egic.reproduction.results import training_log
from hific.evaluation import plots, published
from hific.evaluation.baselines import BASELINES, at_matched_bits
from hific.evaluation.metrics import bits_per_pixel, psnr
from hific.evaluation.pictures import side_by_side
from hific.pictures import find_pictures

_BY_ALPHA = Axes("alpha", "psnr", "alpha", "PSNR in dB")
_SHOWN = 384  # Side of a crop, pixels.


def curves(scene: Scene) -> Drawn:
    """A panel for each pair of axes: ours strong, published ones behind them."""
    drawn = Drawn()
    panels = list(scene.experiment.axes)
    if scene.scale.name == "smoke" and not any(_points(scene, one) for one in panels):
        drawn.notes.append("FID takes weights and more pictures: PSNR over alpha.")
        panels = [_BY_ALPHA]
    for axes in panels:
        points = _points(scene, axes)
        if not points:
            drawn.notes.append(
                f"{axes.y_title} over {axes.x_title}: nothing of ours was measured yet."
            )
            continue
        name = f"{scene.experiment.name}-{axes.y}-{axes.x}.svg"
        drawn.pictures[name] = plots.figure(
            points,
            _published(scene, axes),
            _axis(axes.x, axes.x_title),
            _axis(axes.y, axes.y_title),
            models={point.curve for point in points},
        )
    return drawn


def _points(scene: Scene, axes: Axes) -> list[plots.Point]:
    points = []
    for row in scene.experiment.rows:
        ours = {"alpha": row.alpha, **scene.ours.get(row.key, {})}
        if axes.x in ours and axes.y in ours:
            curve = f"ours: {row.curve or row.label}"
            points.append(plots.Point(curve, ours[axes.x], ours[axes.y]))
    return sorted(points, key=lambda point: (point.curve, point.x))


def _published(scene: Scene, axes: Axes) -> list[plots.Point]:
    """What others published on the paper's data set; nothing beside painted scenes.

    Against the rate, all that is known of the data set. Without a rate, the figure's
    own points alone: others are of other rates.
    """
    if scene.scale.name != "paper":
        return []
    if axes.x != "bpp":
        found = [
            (row.curve or row.label, row.published) for row in scene.experiment.rows
        ]
        values = [(c, of.get(axes.x), of.get(axes.y)) for c, of in found]
    else:
        rows = published.load(scene.experiment.measured_on, published.PROMINENT)
        values = [
            (row.curve, getattr(row, axes.x), getattr(row, axes.y)) for row in rows
        ]
    return [
        plots.Point(curve, x, y)
        for curve, x, y in values
        if x is not None and y is not None
    ]


_BETTER = {"psnr": "higher", "fid": "lower"}


def _axis(column: str, title: str) -> plots.Axis:
    if column == "bpp":
        return plots.RATE
    return plots.Axis(title, better=_BETTER.get(column, ""))  # type: ignore[arg-type]


# Metric in a run's log -> what Fig. 10 calls it.
_LOSSES = {
    "generator/adversarial": "G adversarial",
    "discriminator/total": "D adversarial, with regulariser",
}


def training_curves(scene: Scene) -> Drawn:
    """Losses over steps, from the logs of the runs."""
    drawn = Drawn()
    logs = {
        name: training_log(scene.work / "runs" / name)
        for name in scene.scale.stages(scene.experiment)
    }
    for metric, title in _LOSSES.items():
        points = [
            plots.Point(name, line["step"], line[metric])
            for name, lines in logs.items()
            for line in lines
            if line.get(metric) is not None
        ]
        if points:
            name = f"{scene.experiment.name}-{metric.replace('/', '-')}.svg"
            drawn.pictures[name] = plots.figure(
                points,
                [],
                plots.Axis("step"),
                plots.Axis(title),
                models={point.curve for point in points},
            )
    absent = [name for name, lines in logs.items() if not lines]
    if absent:
        drawn.notes.append(f"Without a log yet: {', '.join(absent)}.")
    return drawn


@dataclasses.dataclass(frozen=True)
class _Coded:
    """A picture through one model: its rate, and it at both ends of alpha."""

    stage: str
    bpp: float
    size: int
    versions: Mapping[str, np.ndarray]


def crops(scene: Scene) -> Drawn:
    """Original, ours and JPEG at our bytes, cut from the middle."""
    drawn = Drawn()
    pattern = scene.pictures
    if pattern is None and scene.scale.name == "smoke":
        pattern = str(pictures_folder(scene.work, "test"))
    runs = _trained(scene)
    if pattern is None or not runs:
        drawn.notes.append(
            "Nothing is shown: pass --pictures, and train at least one of the runs."
        )
        return drawn
    picture = find_pictures(pattern)
    wanted = _bpp_in_figure(scene)
    rows = []
    for index in range(min(len(picture), 4)):
        name = pathlib.PurePath(picture.name(index)).stem
        image = picture.read(index)
        coded = [_code(run, image) for run in runs]
        best = min(coded, key=lambda one: abs(one.bpp - (wanted or one.bpp)))
        drawn.pictures[f"{scene.experiment.name}-{name}.png"] = _shown(image, best)
        rows.append([name, best.stage, f"{best.bpp:.4f}", f"{wanted or 0:g}"])
    header = ("picture", "ours, run", "bpp", "EGIC in the figure, bpp")
    drawn.tables.append(Block("Pictures", header, rows))
    return drawn


def _bpp_in_figure(scene: Scene) -> float | None:
    rows = {row.key: row for row in scene.experiment.rows}
    return rows["egic"].published["bpp"] if "egic" in rows else None


def _trained(scene: Scene) -> list[pathlib.Path]:
    runs = [scene.work / "runs" / one for one in scene.scale.stages(scene.experiment)]
    return [run for run in runs if (run / "checkpoints").is_dir()]


def _code(run: pathlib.Path, image: np.ndarray) -> _Coded:
    from egic import codec, interpolation

    model = codec.build_codec(*interpolation.read(run))
    data, _ = model.compress_with_report(image)
    faithful, realistic = model.decompress_all(data, (0.0, 1.0))
    versions = {"ours, alpha=0": faithful, "ours, alpha=1": realistic}
    bpp = bits_per_pixel(8 * len(data), *image.shape[:2])
    return _Coded(run.name, bpp, len(data), versions)


def _shown(image: np.ndarray, coded: _Coded) -> bytes:
    jpeg = BASELINES["jpeg444"]
    match = at_matched_bits(image, jpeg, coded.size)
    versions = {"original": image, **coded.versions}
    label = "JPEG 4:4:4" if match.fits else "JPEG 4:4:4, its smallest"
    versions[label] = jpeg.decode(match.data)
    labelled = {
        name if one is image else f"{name}: {psnr(one, image):.2f} dB": _middle(one)
        for name, one in versions.items()
    }
    return png(side_by_side(labelled))


def _middle(image: np.ndarray) -> np.ndarray:
    height, width = image.shape[:2]
    top, left = max(height - _SHOWN, 0) // 2, max(width - _SHOWN, 0) // 2
    return image[top : top + _SHOWN, left : left + _SHOWN]


# `Experiment.maker` -> what draws its pictures.
DRAWINGS: Mapping[str, Callable[[Scene], Drawn]] = {
    "curves": curves,
    "training_curves": training_curves,
    "crops": crops,
    "weight_maps": label_drawings.weight_maps,
    "segmentation": label_drawings.segmentation,
    "discriminator": label_drawings.discriminator,
}
