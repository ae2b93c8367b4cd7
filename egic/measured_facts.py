"""What a report says of an evaluation besides its results."""

from typing import Any

from egic import machine, measured
from hific.evaluation import baselines, columns, publish
from hific.evaluation.external import EXTERNAL
from hific.evaluation.extractors import EXTRACTORS


def facts(wanted: measured.Measured) -> dict[str, Any]:
    """What a report says of the models, baselines and weights, and what it lacks."""
    lpips_file, dists_file = wanted.lpips_weights, wanted.dists_weights
    chosen = baselines.choose([*wanted.baselines, *wanted.curves])
    known = {**baselines.BASELINES, **EXTERNAL}
    left_out = {
        name: baseline.missing
        for name, baseline in known.items()
        if baseline.missing and name not in chosen
    }
    used = {each.extractor for each in wanted.set_metrics}
    for name, backend in EXTRACTORS.items():
        if name not in used:
            title = columns.of(backend.frechet).heading
            left_out[title] = f"no weights of {name}, {backend.weights.name}"
    if not lpips_file:
        left_out["LPIPS"] = "no --lpips_weights; python -m hific.lpips --help"
    if not dists_file:
        left_out["DISTS"] = (
            "no --dists_weights; python -m hific.evaluation.dists --help"
        )
    return {
        "alpha": list(wanted.alphas),
        "models": {
            model.label: {
                "path": model.path,
                "sha256": measured.identify(model.path),
                **({"from": model.first} if model.first else {}),
            }
            for model in wanted.models
        },
        "baselines": {name: each.version for name, each in chosen.items()},
        "curves": list(wanted.curves),
        "lpips_weights": lpips_file,
        "dists_weights": dists_file,
        "versions": machine.installed(_VERSIONS),
        publish.LEFT_OUT: left_out,
    }


_VERSIONS = ("tensorflow", "tensorflow-compression", "numpy", "pillow")
