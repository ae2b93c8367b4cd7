"""What an evaluation measures, built from plain data that any process can be given."""

import dataclasses
import functools
import hashlib
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import egic
from egic import codec, interpolation
from hific import bitstream, bundle, lpips, lpips_weights, pictures
from hific.checkpoints import valid_checkpoints
from hific.errors import ModelLoadError
from hific.evaluation import baselines, metrics, run, store, subjects
from hific.evaluation.extractors import EXTRACTORS
from hific.evaluation.patches import PATCH_GRIDS
from hific.evaluation.weight_files import sha256_of


class Model(NamedTuple):
    """A model to be measured.

    Attributes:
        label: What its rows are called; of "family/member", models of one family are
            points of one curve.
        path: Of a bundle, or of a training run.
        first: A model with the same E and P whose image is alpha = 0, or none.
        mode: What is mixed with it, see `egic.blends.MODES`.
    """

    label: str
    path: str
    first: str | None = None
    mode: str = "image"


class SetMetric(NamedTuple):
    """Features to compare sets of pictures by.

    Attributes:
        extractor: A key of `EXTRACTORS`.
        weights: Its file.
        protocol: A key of `PATCH_GRIDS`.
        side: Of the patches, pixels.
    """

    extractor: str
    weights: str
    protocol: str
    side: int


@dataclasses.dataclass(frozen=True)
class Measured:
    """What is asked for. Plain data: it travels to other processes.

    Attributes:
        images: See `hific.pictures.find_pictures`.
        out: Folder of the results.
        models: In the order of the report.
        alphas: Realism asked of each model.
        baselines: Keys of `baselines.BASELINES`, at the bytes of each model's files.
        curves: The same, each at several qualities.
        lpips_weights: File, or none: then LPIPS is left out.
        set_metrics: Column -> features.
        save_images: Keep all reconstructions.
    """

    images: str
    out: str
    models: Sequence[Model] = ()
    alphas: Sequence[float] = (1.0,)
    baselines: Sequence[str] = ()
    curves: Sequence[str] = ()
    lpips_weights: str | None = None
    set_metrics: Mapping[str, SetMetric] = dataclasses.field(default_factory=dict)
    save_images: bool = False


def models(
    wanted: Sequence[str], first: str | None = None, mode: str = "image"
) -> list[Model]:
    """Reads what `--model` says.

    Args:
        wanted: "DIR" or "LABEL=DIR" each. A model alone is called "model", several are
            called as their folders, numbered where two have one name.
        first, mode: See `Model`; of every model.

    Raises:
        ValueError: Two models have one label.
    """
    given = [text.rpartition("=")[::2] for text in wanted]
    defaults = ["model"]
    if len(given) > 1:
        defaults = run.unique_names([f"{pathlib.Path(p).name}.x" for _, p in given])
    labels = [
        label or default for (label, _), default in zip(given, defaults, strict=True)
    ]
    if len(set(labels)) < len(labels):
        raise ValueError(f"--model={','.join(wanted)} gives two models one label.")
    return [
        Model(label, path, first, mode)
        for label, (_, path) in zip(labels, given, strict=True)
    ]


def work(measured: Measured) -> Callable[[int], list[str]]:
    """Returns what measures the picture of a number; see `hific.evaluation.workers`."""
    found = pictures.find_pictures(measured.images)
    names = run.unique_names([found.name(i) for i in range(len(found))])
    evaluation = build(measured)
    return lambda task: evaluation.measure(names[task], found.read(task))


def build(measured: Measured) -> run.Evaluation:
    """Builds the evaluation; models and metrics are loaded when they are needed.

    Raises:
        ModelLoadError: A folder holds no model.
        ValueError: A baseline is unknown.
    """
    return run.Evaluation(
        store=store.Store(pathlib.Path(measured.out)),
        subjects=[*_learned(measured), *_matched(measured), *_curves(measured)],
        metrics=_metrics(measured),
        features={name: _features(each) for name, each in measured.set_metrics.items()},
        save_images=measured.save_images,
    )


def identify(path: str) -> str:
    """What names a model's weights and config: its bundle's SHA-256, or a run's.

    Raises:
        ModelLoadError: There is no model.
    """
    folder = pathlib.Path(path)
    if not _is_run(folder):
        return bundle.read_manifest(folder)["sha256"]
    newest = next(iter(valid_checkpoints(folder)), None)
    if newest is None:
        raise ModelLoadError(f"The run in {folder} has no checkpoint yet.")
    files = [folder / "config.json"]
    files += sorted(newest.parent.glob(f"{newest.name}.*"))
    hashes = "".join(sha256_of(file) for file in files)
    return hashlib.sha256(hashes.encode()).hexdigest()


def open_model(model: Model) -> subjects.Codec:
    """Loads a model, or what lies between two."""
    if model.first:
        return interpolation.load(model.first, model.path, model.mode)
    if _is_run(pathlib.Path(model.path)):
        return codec.build_codec(*interpolation.read(model.path))
    return egic.load(model.path)


def _is_run(folder: pathlib.Path) -> bool:
    return (folder / "checkpoints").is_dir()


def _learned(measured: Measured) -> list[subjects.Subject]:
    return [
        subjects.Learned(
            name=model.label,
            fingerprint=_fingerprint(model, measured.alphas),
            load=functools.partial(open_model, model),
            payload_bytes=lambda data: len(bitstream.unpack(data).payload),
            alphas=measured.alphas,
            family=model.label.partition("/")[0],
        )
        for model in measured.models
    ]


def _fingerprint(model: Model, alphas: Sequence[float]) -> str:
    first = [identify(model.first), model.mode] if model.first else []
    return store.fingerprint(
        identify(model.path), first, list(alphas), bitstream.VERSION
    )


def _matched(measured: Measured) -> list[subjects.Subject]:
    """Every baseline at the bytes of every model's files."""
    chosen = baselines.choose(measured.baselines)
    several = len(measured.models) > 1
    return [
        subjects.Matched(
            name=f"{name} at {model.label}'s bytes" if several else name,
            family=f"{name} matched",
            baseline=baseline,
            fingerprint=store.fingerprint(
                baseline.fingerprint, _fingerprint(model, measured.alphas)
            ),
            limited_by=model.label,
        )
        for model in measured.models
        for name, baseline in chosen.items()
    ]


def _curves(measured: Measured) -> list[subjects.Subject]:
    return [
        subjects.Sweep(name, baseline, list(baseline.curve))
        for name, baseline in baselines.choose(measured.curves).items()
    ]


def _metrics(measured: Measured) -> run.Metrics:
    description: dict[str, Any] = {"names": list(metrics.METRICS)}
    if measured.lpips_weights:
        description["lpips"] = sha256_of(pathlib.Path(measured.lpips_weights))
    return run.Metrics(description, functools.partial(_load_metrics, measured))


def _load_metrics(measured: Measured) -> Mapping[str, metrics.Metric]:
    if not measured.lpips_weights:
        return metrics.METRICS
    distance = lpips.load(measured.lpips_weights)
    return {**metrics.METRICS, "lpips": metrics.lpips_of(distance)}


def _features(wanted: SetMetric) -> run.Features:
    extractor = EXTRACTORS[wanted.extractor].load(wanted.weights)
    cut = PATCH_GRIDS[wanted.protocol]
    return run.Features(
        {
            "extractor": extractor.to_json(),
            "protocol": wanted.protocol,
            "side": wanted.side,
        },
        lambda image: extractor.measure(cut(image, wanted.side)),
    )


def default_lpips(given: str | None) -> str | None:
    """The LPIPS weights to use: those given, else those in the cache, else none."""
    if given:
        return given
    path = lpips_weights.default_path()
    return str(path) if path.is_file() else None
