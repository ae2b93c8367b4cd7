r"""Reproduces a table or figure of the EGIC paper, by its name.

    python reproduce.py list
    python reproduce.py table7                          # full size, in seconds
    python reproduce.py table1                          # what it takes: data, GPU-hours
    python reproduce.py table1 --scale=smoke            # small, on two cores, minutes
    python reproduce.py table1 --work=/runs/paper       # filled from what is there

Ours stands beside what is published, with a verdict; percentages are computed. Writes
NAME.md, NAME.json and pictures to --out. docs/reproduction.md has scales, verdicts and
exit codes.
"""

import pathlib
import sys

from absl import app, flags

# These load TensorFlow, which must happen before app.run: imported inside it, version
# 2.14 takes itself for version 1.
from egic import labelled_flags
from egic.reproduction import costs, documents, registry, runner

_SCALE = flags.DEFINE_enum(
    "scale",
    "paper",
    ["paper", "smoke"],
    "paper: published data and steps, nothing is trained by this command; smoke: the "
    "same pipeline, tiny, on painted scenes, at once.",
)
_WORK = flags.DEFINE_string(
    "work",
    None,
    "Folder of runs/ and results/, shared by experiments; runs/reproduce/SCALE "
    "by default.",
)
_OUT = flags.DEFINE_string(
    "out", None, "Folder for tables and pictures; --work's reports/ by default."
)
_RESULTS = flags.DEFINE_string(
    "results", None, "Folder of evaluate.py's summaries, instead of --work's results/."
)
_GPU = flags.DEFINE_enum("gpu", "a100", list(costs.GPUS), "That hours are of.")
_SHARE = flags.DEFINE_float(
    "utilisation",
    costs.SHARE,
    "Share of the GPU's peak that training reaches.",
    0.01,
    1,
)
_MEASURE = flags.DEFINE_bool(
    "measure",
    False,
    "Time a step of every kind at full size here, and estimate from it; minutes and "
    "up to 6 GB.",
)
_CROPS = flags.DEFINE_integer("measure_crops", 1, "Batch of --measure.", 1)
_PICTURES = flags.DEFINE_string(
    "pictures", None, "Visual figures: pictures to show, a glob or folder."
)
labelled_flags.define("", "Labelled figures:")


def main(argv):
    if len(argv) != 2:
        raise app.UsageError("Name one experiment, or `list`.")
    if argv[1] == "list":
        documents.show(runner.listing())
        return
    try:
        experiment = registry.find(argv[1])
    except ValueError as error:
        raise app.UsageError(str(error)) from error
    work = pathlib.Path(_WORK.value or f"runs/reproduce/{_SCALE.value}")
    request = runner.Request(
        scale=_SCALE.value,
        work=work,
        results=pathlib.Path(_RESULTS.value) if _RESULTS.value else None,
        gpu=costs.GPUS[_GPU.value],
        share=_SHARE.value,
        measure_crops=_CROPS.value if _MEASURE.value else 0,
        pictures=_PICTURES.value,
        labelled=lambda data: labelled_flags.source("", data, seed=0),
        scripts=pathlib.Path(__file__).resolve().parent,
    )
    try:
        document = runner.reproduce(experiment, request)
    except runner.Failed as failure:
        print(f"reproduce.py: {failure}", file=sys.stderr)
        sys.exit(failure.exit_code)
    documents.show(document)
    files = documents.write(document, pathlib.Path(_OUT.value or work / "reports"))
    print(f"Wrote {', '.join(map(str, files))}")
    sys.exit(runner.exit_code(document))


if __name__ == "__main__":
    app.run(main)
