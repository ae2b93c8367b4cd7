"""What an evaluation measures, built from plain data that any process can be given."""

import dataclasses
import errno
import functools
import hashlib
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import egic
import egic.config
from egic import codec, interpolation
from hific import bitstream, bundle, lpips, pictures
from hific.checkpoints import valid_checkpoints
from hific.errors import ModelLoadError
from hific.evaluation import (
    baselines,
    dists,
    figures,
    metrics,
    run,
    store,
    subjects,
)
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
        identity: What decides its pictures, as `identified` finds it; empty before.
    """

    label: str
    path: str
    first: str | None = None
    mode: str = "image"
    identity: str = ""


class SetMetric(NamedTuple):
    """Features to compare sets of pictures by.

    Attributes:
        extractor: A key of `EXTRACTORS`.
        weights: Its file.
        protocol: A key of `PATCH_GRIDS`.
        side: Of the patches, pixels; None for the extractor's own.
    """

    extractor: str
    weights: str
    protocol: str
    side: int | None = None


@dataclasses.dataclass(frozen=True)
class Measured:
    """What is asked for. Plain data: it travels to other processes.

    Attributes:
        images: See `hific.pictures.find_pictures`.
        out: Folder of the results.
        models: In the order of the report.
        alphas: Realism asked of each model, see `alphas_of`.
        baselines: Keys of `baselines.BASELINES`, at the bytes of each model's files.
        curves: The same, each at several qualities.
        lpips_weights, dists_weights: Files, or none: then the metric is left out.
        set_metrics: For what is said of all pictures together.
        save_images: Keep all reconstructions.
    """

    images: str
    out: str
    models: Sequence[Model] = ()
    alphas: Sequence[float] = (1.0,)
    baselines: Sequence[str] = ()
    curves: Sequence[str] = ()
    lpips_weights: str | None = None
    dists_weights: str | None = None
    set_metrics: Sequence[SetMetric] = ()
    save_images: bool = False


def models(
    wanted: Sequence[str], first: str | None = None, mode: str = "image"
) -> list[Model]:
    """Reads what `--model` says.

    Args:
        wanted: "DIR" or "LABEL=DIR" each. A model alone is called "model", several are
            called as their folders, numbered where two have one name. What is a folder
            as it stands has no label.
        first, mode: See `Model`; of every model.

    Raises:
        ValueError: Two models have one label.
    """
    given = [_split(text) for text in wanted]
    defaults = ["model"][: len(given)]  # None with --curves alone.
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


def _split(text: str) -> tuple[str, str]:
    """Returns label, or none, and folder."""
    label, equals, folder = text.partition("=")
    if not equals or pathlib.Path(text).is_dir():
        return "", text
    return label, folder


def alphas_of(model: Model, measured: Measured) -> Sequence[float]:
    """The alphas a model has rows at: those that were asked for.

    Beside others, a model that makes one picture of a file, alpha = 1, is measured at
    that alone where it was asked for.
    """
    if len(measured.models) == 1 or model.first or 1.0 not in measured.alphas:
        return measured.alphas
    config = egic.config.load(pathlib.Path(model.path) / "config.json")
    return measured.alphas if config.head.stages else (1.0,)


def work(measured: Measured, named: Sequence[str]) -> Callable[[int], list[str]]:
    """Returns what measures the picture of a number; see `hific.workers`.

    Args:
        measured: What is asked for.
        named: The pictures when the evaluation began, in order. Others may have come
            to their folder since.
    """
    found = pictures.find_pictures(measured.images)
    places = {found.name(i): i for i in range(len(found))}
    names = run.unique_names(named)
    evaluation = build(measured)

    def measure(task: int) -> list[str]:
        if named[task] not in places:
            raise FileNotFoundError(errno.ENOENT, "is gone by now", named[task])
        return evaluation.measure(names[task], found.read(places[named[task]]))

    return measure


def build(measured: Measured) -> run.Evaluation:
    """Builds the evaluation; models and metrics are loaded when they are needed.

    Raises:
        ModelLoadError: A folder holds no model.
        ValueError: A baseline is unknown.
    """
    measured = identified(measured)
    chosen = baselines.choose([*measured.baselines, *measured.curves])
    files = {name: baselines.Files(codec) for name, codec in chosen.items()}
    return run.Evaluation(
        store=store.Store(pathlib.Path(measured.out)),
        subjects=[
            *_learned(measured),
            *_matched(measured, files),
            *_curves(measured, files),
        ],
        metrics=_metrics(measured),
        features={each.extractor: _features(each) for each in measured.set_metrics},
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


def identified(measured: Measured) -> Measured:
    """Returns the same with the identity of every model, once and for all processes.

    Weights are large, and those of a run may be others a minute later.

    Raises:
        ModelLoadError: A folder holds no model.
    """
    models = [
        model if model.identity else model._replace(identity=_identity(model))
        for model in measured.models
    ]
    return dataclasses.replace(measured, models=models)


def _identity(model: Model) -> str:
    first = [identify(model.first), model.mode] if model.first else []
    return store.fingerprint(identify(model.path), first)


def open_model(model: Model) -> subjects.Codec:
    """Loads a model, or what lies between two.

    Raises:
        ModelLoadError: There is none, or it is another than when it was identified.
    """
    opened = _open(model)
    if model.identity and _identity(model) != model.identity:
        raise ModelLoadError(
            f"{model.path} has changed since the evaluation began; is it still being "
            "trained? Measure a bundle of it, or the run when it is over."
        )
    return opened


def _open(model: Model) -> subjects.Codec:
    if model.first:
        return interpolation.load(model.first, model.path, model.mode)
    if _is_run(pathlib.Path(model.path)):
        return codec.build_codec(*interpolation.read(model.path))
    return egic.load(model.path, "tensorflow")


def _is_run(folder: pathlib.Path) -> bool:
    return (folder / "checkpoints").is_dir()


def _learned(measured: Measured) -> list[subjects.Subject]:
    return [
        subjects.Learned(
            name=model.label,
            fingerprint=_fingerprint(model, alphas_of(model, measured)),
            load=functools.partial(open_model, model),
            payload_bytes=lambda data: bitstream.stream_bytes(bitstream.unpack(data)),
            alphas=alphas_of(model, measured),
            family=model.label.partition("/")[0],
        )
        for model in measured.models
    ]


def _fingerprint(model: Model, alphas: Sequence[float]) -> str:
    return store.fingerprint(model.identity, list(alphas), bitstream.VERSION)


_Files = Mapping[str, baselines.Files]  # Of the baselines that are here, by name.


def _matched(measured: Measured, files: _Files) -> list[subjects.Subject]:
    """Every baseline at the bytes of every model's files."""
    several = len(measured.models) > 1
    return [
        subjects.Matched(
            name=f"{name} at {model.label}'s bytes" if several else name,
            family=figures.matched(name),
            files=files[name],
            fingerprint=store.fingerprint(
                files[name].codec.fingerprint,
                _fingerprint(model, alphas_of(model, measured)),
            ),
            limited_by=model.label,
        )
        for model in measured.models
        for name in baselines.choose(measured.baselines)
    ]


def _curves(measured: Measured, files: _Files) -> list[subjects.Subject]:
    return [
        subjects.Sweep(name, files[name], list(codec.curve))
        for name, codec in baselines.choose(measured.curves).items()
    ]


# Column -> file of its weights -> the metric. Beside those that need no weights.
_WEIGHTED: Mapping[str, Callable[[str], metrics.Metric]] = {
    "lpips": lambda path: metrics.lpips_of(lpips.load(path)),
    "dists": dists.Dists,
}


def _metrics(measured: Measured) -> run.Metrics:
    files = {"lpips": measured.lpips_weights, "dists": measured.dists_weights}
    given = {name: path for name, path in files.items() if path}
    description = {
        "names": list(metrics.METRICS),
        **{name: sha256_of(pathlib.Path(path)) for name, path in given.items()},
    }
    return run.Metrics(description, functools.partial(_load_metrics, given))


def _load_metrics(weights: Mapping[str, str]) -> Mapping[str, metrics.Metric]:
    loaded = {name: _WEIGHTED[name](path) for name, path in weights.items()}
    return {**metrics.METRICS, **loaded}


def _features(wanted: SetMetric) -> run.Features:
    extractor = EXTRACTORS[wanted.extractor].load(wanted.weights)
    cut = PATCH_GRIDS[wanted.protocol]
    side = wanted.side or extractor.side
    return run.Features(
        {"extractor": extractor.to_json(), "protocol": wanted.protocol, "side": side},
        lambda image: extractor.measure(cut(image, side)),
    )
