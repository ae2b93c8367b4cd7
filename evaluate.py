r"""Measures a codec on pictures: real files, written, read back and decoded.

    python evaluate.py --model=models/egic --images='/data/kodak/*.png' --out=runs/kodak

Writes to --out: results.csv with a line per picture and codec, summary.json with the
means, the compressed files, and with --save_images a PNG per picture that shows the
original, the reconstruction and the baselines at the same number of bytes.
docs/evaluation.md explains every column.
"""

import pathlib
import sys

from absl import app, flags, logging

import egic

# TensorFlow has to be loaded before app.run: inside, 2.14 starts as version 1.
from egic import batch, blends, interpolation
from hific import bitstream, lpips, lpips_weights
from hific.evaluation import baselines, frechet, metrics, report, run
from hific.pictures import find_pictures

_MODEL = flags.DEFINE_string("model", None, "Model bundle.", required=True)
_IMAGES = flags.DEFINE_string(
    "images", None, "Glob, folder or comma-separated list of pictures.", required=True
)
_OUT = flags.DEFINE_string("out", None, "Folder for the results.", required=True)
_LPIPS = flags.DEFINE_string(
    "lpips_weights",
    None,
    "LPIPS weights (.npz), by default those in the cache; without, LPIPS and FD-alex "
    "are left out.",
)
_FD_PATCH = flags.DEFINE_integer(
    "fd_patch", 128, "Side of FD-alex' patches, pixels.", lower_bound=lpips.MIN_SIDE
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
    "baselines", ["jpeg", "webp"], f"Of {', '.join(baselines.BASELINES)}; may be empty."
)
_SAVE_IMAGES = flags.DEFINE_bool("save_images", False, "Write side-by-side PNGs.")


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"Unknown arguments: {argv[1:]}. Flags start with --.")
    out = pathlib.Path(_OUT.value)
    try:
        pictures, evaluation, sets = _prepare(out)
        _measure(pictures, evaluation, sets, out)
    except egic.UnsupportedAlphaError as error:
        raise app.UsageError(str(error)) from error
    except (egic.CodecError, OSError) as error:
        print(f"evaluate.py: {error}", file=sys.stderr)
        sys.exit(batch.exit_code_of(error))


def _prepare(out: pathlib.Path):
    """Turns the flags into pictures, and what is to be done with each and with all."""
    try:
        pictures = find_pictures(_IMAGES.value)
        compared = baselines.choose(_BASELINES.value)
        measured, sets = _metrics()
        alphas = _alphas()
    except ValueError as error:
        raise app.UsageError(str(error)) from error
    evaluation = run.Evaluation(
        codec=_codec(),
        out=out,
        metrics=measured,
        baselines=compared,
        payload_bytes=lambda data: len(bitstream.unpack(data).payload),
        alphas=alphas,
        save_images=_SAVE_IMAGES.value,
        collect=sets.add if sets else run.ignore,
    )
    return pictures, evaluation, sets


def _alphas() -> list[float]:
    alphas = [float(text) for text in _ALPHA.value]
    if not alphas or not all(0 <= alpha <= 1 for alpha in alphas):
        raise ValueError(
            f"--alpha={','.join(_ALPHA.value)} must be numbers from 0 to 1, separated "
            "by commas."
        )
    return alphas


def _codec():
    if _FIRST.value:
        return interpolation.load(_FIRST.value, _MODEL.value, _INTERPOLATION.value)
    return egic.load(_MODEL.value)


def _measure(pictures, evaluation, sets, out: pathlib.Path) -> None:
    """Measures every picture; results.csv grows as they are done."""
    names = run.unique_names([pictures.name(i) for i in range(len(pictures))])
    results: list[report.Result] = []
    for i, name in enumerate(names):
        ours, *others = evaluation.measure(name, pictures.read(i))
        results += [ours, *others]
        report.write_csv(results, out / "results.csv")
        logging.info(
            "%d/%d %s: %d bytes, %.4f bpp, %.2f dB",
            i + 1,
            len(names),
            name,
            ours.bytes,
            ours.bpp,
            ours.metrics["psnr"],
        )
    used = [_MODEL, _IMAGES, _LPIPS, _FD_PATCH]
    if _FIRST.value:
        used += [_FIRST, _INTERPOLATION]
    settings = {flag.name: flag.value for flag in used} | {"alpha": _alphas()}
    of_all = sets.summary() if sets else {}
    report.write_summary(results, settings, out / "summary.json", of_all)
    report.print_table(results, of_all=of_all)
    if sets and sets.shortage:
        print(sets.shortage)
    print(f"Wrote {out}/results.csv and summary.json")


def _metrics():
    """What is measured of each picture, and of all together (or None)."""
    if not (_LPIPS.value or lpips_weights.default_path().is_file()):
        logging.info("No --lpips_weights: LPIPS and FD-alex are left out.")
        return metrics.METRICS, None
    distance = lpips.load(_LPIPS.value)
    if not distance.official:
        logging.warning("These LPIPS weights are not those published as version 0.1.")
    features = frechet.alexnet_features(distance)
    return (
        {**metrics.METRICS, "lpips": metrics.lpips_of(distance)},
        frechet.FrechetAlex(features, _FD_PATCH.value),
    )


if __name__ == "__main__":
    app.run(main)
