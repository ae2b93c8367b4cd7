r"""Measures codecs on pictures: real files, written, read back and decoded.

    python evaluate.py --images='/data/kodak/*.png' --out=runs/kodak
    python evaluate.py --model=lo=models/lo,hi=models/hi --alpha=0,1 --processes=8 \
        --baselines=all --curves=all --images=/data/kodak --out=runs/kodak

Writes to --out: results.csv with a line per picture and row, summary.json with the
means, report.html with tables, curves and crops, and the compressed files. The same
command goes on where an earlier one was stopped. docs/evaluation.md explains it all.
"""

import contextlib
import functools
import os
import pathlib
import signal
import sys
from collections.abc import Sequence

from absl import app, flags, logging

import egic

# TensorFlow has to be loaded before app.run: inside, 2.14 starts as version 1.
from egic import batch, blends, default_model, measured, measured_facts
from hific import lpips, workers
from hific.evaluation import (
    baselines,
    dists,
    extractors,
    publish,
    published,
    report,
    run,
)
from hific.evaluation.patches import PATCH_GRIDS
from hific.evaluation.store import Plan, Store, StoreError
from hific.pictures import Pictures, find_pictures

_MODEL = flags.DEFINE_list(
    "model",
    None,
    "Model bundles or training runs, as DIR or LABEL=DIR; by default the model that "
    "comes with this program, empty for none.",
)
_IMAGES = flags.DEFINE_string(
    "images", None, "Glob, folder or comma-separated list of pictures."
)
_OUT = flags.DEFINE_string("out", None, "Folder for the results.", required=True)
_LPIPS = flags.DEFINE_string(
    "lpips_weights",
    None,
    "LPIPS weights (.npz), by default those in the cache; without, LPIPS and FD-alex "
    "are left out.",
)
_DISTS = flags.DEFINE_string(
    "dists_weights",
    None,
    "DISTS weights (.npz of python -m hific.evaluation.dists), by default those in the "
    "cache; without, DISTS is left out.",
)
_FID = flags.DEFINE_list(
    "fid_weights",
    [],
    "EXTRACTOR=FILE, of clean-fid and torch-fidelity; by default where these tools "
    "keep them; without, FID and KID are left out.",
)
_FETCHED = [
    name for name, of in extractors.EXTRACTORS.items() if "://" in of.weights.address
]
_FETCH = flags.DEFINE_list(
    "fetch_weights", [], f"Download those of {' or '.join(_FETCHED)}, once."
)
_FD_PATCH = flags.DEFINE_integer(
    "fd_patch", 128, "Side of FD-alex' patches, pixels.", lower_bound=lpips.MIN_SIDE
)
_PROTOCOL = flags.DEFINE_enum(
    "fid_protocol",
    "neuralcompression",
    list(PATCH_GRIDS),
    "How patches are cut for FID, KID and FD-alex.",
)
_ALPHA = flags.DEFINE_list(
    "alpha", ["1"], "Realism asked of the decoder, 0 to 1; several make a row each."
)
flags.DEFINE_alias("alphas", "alpha")
_FIRST = flags.DEFINE_string(
    "interpolate_from",
    None,
    "Bundle or run with the same E and P as --model: its image is --alpha=0.",
)
_INTERPOLATION = flags.DEFINE_enum(
    "interpolation", "image", list(blends.MODES), "What --interpolate_from mixes."
)
_BASELINES = flags.DEFINE_list(
    "baselines",
    ["jpeg", "webp"],
    f"At the bytes of each model's files; of {', '.join(baselines.BASELINES)}, bpg, "
    "vtm; or all; may be empty.",
)
_CURVES = flags.DEFINE_list(
    "curves", [], "Baselines to draw curves of, at several qualities; or all."
)
_SAVE_IMAGES = flags.DEFINE_bool(
    "save_images", False, "Keep reconstructions, and set them side by side."
)
_PROCESSES = flags.DEFINE_integer(
    "processes", 1, "Pictures that are measured at a time.", lower_bound=1
)
_SHARD = flags.DEFINE_string(
    "shard", None, "I/N: measure only every N-th picture, from the I-th; 1 <= I <= N."
)
_MERGE = flags.DEFINE_list(
    "merge", [], "Folders of shards: measure nothing, publish what they hold."
)
_ANCHOR = flags.DEFINE_string(
    "bd_anchor",
    "",
    "Row or curve that BD-rate compares with, by default the curve of jpeg444, else "
    "the first baseline's.",
)
_PUBLISHED = flags.DEFINE_string(
    "published",
    "",
    f"Published curves to draw behind: {', '.join(published.datasets())} or "
    f"{publish.NO_DATA_SET}; by default those of Kodak where its pictures are.",
)


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"Unknown arguments: {argv[1:]}. Flags start with --.")
    signal.signal(signal.SIGTERM, _interrupt)
    store = Store(pathlib.Path(_OUT.value))
    try:
        if _MERGE.value and _SHARD.value is not None:
            raise app.UsageError("--shard measures and --merge publishes: give one.")
        if _MERGE.value:
            store.gather([pathlib.Path(folder) for folder in _MERGE.value])
            exit_code, failed = 0, []
        else:
            exit_code, failed = _measure(store)
        if _SHARD.value is None:
            _publish(store, failed)
    except (egic.UnsupportedAlphaError, StoreError) as error:
        raise app.UsageError(str(error)) from error
    except (egic.CodecError, OSError) as error:
        print(f"evaluate.py: {error}", file=sys.stderr)
        exit_code = batch.exit_code_of(error)
    except KeyboardInterrupt:
        print("Interrupted; the same command goes on from here.", file=sys.stderr)
        exit_code = batch.EXIT_INTERRUPTED
    sys.exit(exit_code)


def _interrupt(*_):
    raise KeyboardInterrupt


def _measure(store: Store) -> tuple[int, list[str]]:
    """Measures what is not finished.

    Returns:
        The exit code of the first failure, and the names of pictures that failed.
    """
    if _PROCESSES.value > 1:  # Processes that share a GPU take of it what they need.
        os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    try:
        wanted = _wanted()
        pictures = find_pictures(wanted.images)
        _check_outside(pictures, store.out)
        evaluation = measured.build(wanted)
        tasks = _tasks(len(pictures))
    except ValueError as error:
        raise app.UsageError(str(error)) from error
    named = [pictures.name(i) for i in range(len(pictures))]
    names = run.unique_names(named)
    subjects, features = evaluation.described(), evaluation.described_features
    store.write_plan(Plan(names, subjects, features, _settings(wanted)))
    failures = {}
    outcomes = workers.run(
        functools.partial(measured.work, wanted, named),
        tasks,
        max(1, min(_PROCESSES.value, len(tasks))),
    )
    with contextlib.closing(outcomes):
        for done, outcome in enumerate(outcomes, 1):
            where = f"{done}/{len(tasks)}"
            if outcome.error is None:
                for line in outcome.value or [
                    f"{names[outcome.task]}: finished before"
                ]:
                    logging.info("%s %s", where, line)
                continue
            if isinstance(outcome.error, _FOR_ALL_ALIKE):
                raise outcome.error
            failures[outcome.task] = outcome.error
            batch.complain(pictures.name(outcome.task), outcome.error)
    first = failures[min(failures)] if failures else None
    exit_code = batch.exit_code_of(first) if first else 0
    return exit_code, [names[task] for task in failures]


# What would fail every picture alike.
_FOR_ALL_ALIKE = (egic.ModelLoadError, egic.UnsupportedAlphaError)


def _publish(store: Store, failed: Sequence[str]) -> None:
    findings = publish.collect(store, failed)
    if findings is None:
        print(f"No picture is measured; nothing was written to {store.out}.")
        return
    try:
        publish.publish(findings, _ANCHOR.value, _PUBLISHED.value)
    except ValueError as error:
        raise app.UsageError(str(error)) from error
    report.print_table(findings.but_curves, of_all=findings.of_all)
    for line in publish.remarks(findings):
        print(line)
    print(f"Wrote {store.out}/results.csv, summary.json and report.html")


def _wanted() -> measured.Measured:
    """Turns the flags into what is to be measured."""
    _check_published()
    for flag in (_LPIPS, _DISTS):
        if flag.value and not pathlib.Path(flag.value).is_file():
            raise ValueError(f"--{flag.name}={flag.value} is no file.")
    named = _named_models()
    if not _IMAGES.value or not (named or _CURVES.value):
        raise ValueError(
            "--images is needed, and --curves where --model= names none; or --merge."
        )
    weights = {"alex": _LPIPS.value, **_fid_weights()}
    found = extractors.choose(weights)
    if "alex" in found and not lpips.load(found["alex"]).official:
        logging.warning("These LPIPS weights are not those published as version 0.1.")
    sides = {"alex": _FD_PATCH.value}
    wanted = measured.Measured(
        images=_IMAGES.value,
        out=_OUT.value,
        models=measured.models(named, _FIRST.value, _INTERPOLATION.value),
        alphas=_alphas(),
        baselines=list(baselines.choose(_BASELINES.value)),
        curves=list(baselines.choose(_CURVES.value)),
        lpips_weights=str(found["alex"]) if "alex" in found else None,
        dists_weights=_DISTS.value or _if_there(dists.default_path()),
        set_metrics=[
            measured.SetMetric(name, str(path), _PROTOCOL.value, sides.get(name))
            for name, path in found.items()
        ],
        save_images=_SAVE_IMAGES.value,
    )
    return measured.identified(wanted)


def _named_models() -> list[str]:
    """What --model says, or the model that comes with this program, by its name."""
    if _MODEL.value is not None:
        return _MODEL.value
    own = default_model.directory()
    return [f"{own.name}={own}"]


def _check_published() -> None:
    """Raises ValueError now rather than when all is measured."""
    known = [*published.datasets(), publish.NO_DATA_SET]
    if _PUBLISHED.value and _PUBLISHED.value not in known:
        raise ValueError(
            f"--published={_PUBLISHED.value} is none of {', '.join(known)}."
        )


def _fid_weights() -> dict[str, str]:
    """Extractor -> file, as the flags name it, or fetched."""
    given = {}
    for text in _FID.value:
        name, equals, path = text.partition("=")
        if not equals:
            raise ValueError(f"--fid_weights={text} should be EXTRACTOR=FILE.")
        given[name] = path
    for name in _FETCH.value:
        if name not in _FETCHED:
            raise ValueError(
                f"--fetch_weights={name} is none of {', '.join(_FETCHED)}."
            )
        weights = extractors.EXTRACTORS[name].weights
        given.setdefault(name, str(weights.find() or weights.fetch()))
    return given


def _if_there(path: pathlib.Path) -> str | None:
    return str(path) if path.is_file() else None


def _settings(wanted: measured.Measured) -> dict:
    """What the report repeats."""
    used = [_IMAGES, _PROTOCOL, _FD_PATCH, _PROCESSES]
    if _FIRST.value:
        used += [_FIRST, _INTERPOLATION]
    return {flag.name: flag.value for flag in used} | measured_facts.facts(wanted)


def _check_outside(pictures: Pictures, out: pathlib.Path) -> None:
    """Raises ValueError where pictures to be measured are results."""
    for i in range(len(pictures)):
        if pathlib.Path(pictures.name(i)).resolve().is_relative_to(out.resolve()):
            raise ValueError(
                f"{pictures.name(i)} lies in --out={out}, where results are; name a "
                "folder outside of --images."
            )


def _tasks(count: int) -> list[int]:
    if _SHARD.value is None:
        return list(range(count))
    first, _, step = _SHARD.value.partition("/")
    if not (first.isdigit() and step.isdigit() and 1 <= int(first) <= int(step)):
        raise ValueError(
            f"--shard={_SHARD.value} should be I/N, as 1/4 to 4/4 of four shards."
        )
    return list(range(int(first) - 1, count, int(step)))


def _alphas() -> list[float]:
    try:
        alphas = [float(text) for text in _ALPHA.value]
    except ValueError:
        alphas = []
    good = alphas and all(0 <= alpha <= 1 for alpha in alphas)
    if not good or len(set(alphas)) < len(alphas):
        raise ValueError(
            f"--alpha={','.join(_ALPHA.value)} must be numbers from 0 to 1, separated "
            "by commas, none of them twice."
        )
    return alphas


if __name__ == "__main__":
    app.run(main)
