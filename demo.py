r"""Shows the codec on two photographs, and all four training stages in two minutes.

    python demo.py

Needs the extra [dev], no data and no network. Two photographs that ship with scikit-
image, which nothing was trained on, are compressed with the model that comes with EGIC,
decoded at alpha 0, 0.5 and 1, and set beside JPEG, WebP and AVIF of the same bytes.
Then the scripts of all four stages run for some dozens of steps on painted scenes.
Writes to --out: report.html, which opens by a double click, strip.png, photographs/
(every file that was compared) and training/ (the run directories). --nosmoke leaves out
the training, --smoke_only the photographs. To see that everything runs:
--smoke_steps=2.
"""

import os
import pathlib
import sys
import time
from collections.abc import Sequence

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

try:
    import skimage.data
except ImportError:
    sys.exit("demo.py needs scikit-image: pip install -e '.[dev]', or make demo.")
from absl import app, flags

import egic
from egic import default_model

# These load TensorFlow, which must happen before app.run: imported inside it, version
# 2.14 takes itself for version 1, and `==` in a graph compares identities, not values.
from egic.demonstration import crops, page, photographs, stages, trained
from egic.demonstration.photographs import Photograph
from hific.files import write_atomically
from hific.images import write_png

_OUT = flags.DEFINE_string("out", "demo", "Folder; what the demo writes is replaced.")
_MODEL = flags.DEFINE_string(
    "model", None, "Model bundle, by default the one that comes with EGIC."
)
_SMOKE = flags.DEFINE_bool("smoke", True, "Train all four stages for a moment.")
_SMOKE_ONLY = flags.DEFINE_bool("smoke_only", False, "Leave out the photographs.")
_SMOKE_STEPS = flags.DEFINE_integer(
    "smoke_steps", None, "Of each stage, instead of its own number.", 2
)

_INTERRUPTED = 130
_ROOT = pathlib.Path(__file__).resolve().parent
_PHOTOGRAPHS = {
    "chelsea": "Photograph by Stefan van der Walt (CC0), shipped with scikit-image.",
    "coffee": "Photograph by Rachel Michetti (CC0), shipped with scikit-image.",
}


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"Unknown arguments: {argv[1:]}. Flags start with --.")
    if _SMOKE_ONLY.value and not _SMOKE.value:
        raise app.UsageError("--nosmoke and --smoke_only leave nothing to be done.")
    start, out = time.monotonic(), stages.near(pathlib.Path(_OUT.value))
    try:
        shown = [] if _SMOKE_ONLY.value else _photographs(out)
        if shown:  # Before minutes of training, for who does not wait.
            _report(out, shown)
        if _SMOKE.value:
            _report(out, shown, _train(out / "training"))
    except stages.StageFailed as failure:
        print(failure, file=sys.stderr)
        sys.exit(failure.code)
    except (egic.CodecError, OSError) as error:
        sys.exit(f"demo.py: {error}")
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        sys.exit(_INTERRUPTED)
    _say_what_is_where(out, time.monotonic() - start)


def _photographs(out: pathlib.Path) -> list[Photograph]:
    """Compresses, decodes, compares, prints and writes the photographs."""
    names = " and ".join(_PHOTOGRAPHS)
    print(f"{names} through {_model()}, and others at no more bytes\n", flush=True)
    codec = egic.load(_MODEL.value)
    measured = photographs.measures()
    shown = []
    for name, about in _PHOTOGRAPHS.items():
        image = getattr(skimage.data, name)()
        shown.append(photographs.show(codec, name, about, image, measured))
        print(f"{photographs.table(shown[-1])}\n", flush=True)
        photographs.write(shown[-1], out / "photographs")
    write_png(out / "strip.png", crops.strip(shown))
    return shown


def _train(out: pathlib.Path) -> page.Training:
    """Runs the four stages and codes a scene with what comes of them."""
    print("All four training stages, for a moment each, on painted scenes")
    folders = stages.prepare(out)
    outcomes = []
    for outcome in stages.train(folders, _ROOT, _SMOKE_STEPS.value):
        outcomes.append(outcome)
        print("\n".join(f"  {line}" for line in stages.moved(outcome)), flush=True)
    shown = trained.show(folders)
    print(f"\nExported to {folders.model}; {trained.line(shown.comparison)}")
    return page.Training(outcomes, shown)


def _report(
    out: pathlib.Path,
    shown: Sequence[Photograph],
    training: page.Training | None = None,
) -> None:
    write_atomically(out / "report.html", page.render(shown, _model(), training))


def _model() -> str:
    """The model, in words."""
    shipped = f"{default_model.PATH.name}, the model that comes with the program"
    return f"the model in {_MODEL.value}" if _MODEL.value else shipped


def _say_what_is_where(out: pathlib.Path, seconds: float) -> None:
    command = pathlib.Path(sys.executable).with_name("egic")
    command = stages.near(command) if command.exists() else pathlib.Path("egic")
    found = {
        "report.html": "all of it as one page: open it",
        "strip.png": "the same square of every version",
        "photographs": "every file that was compared",
        "training": "the four run directories, and the model they end in",
    }
    lines = [
        f"  {name:12} {what}" for name, what in found.items() if (out / name).exists()
    ]
    print(f"\nIn {seconds:.0f} s, written to {out}/", *lines, sep="\n")
    if not _SMOKE_ONLY.value:
        print(
            "\nNext\n"
            f"  {command} compress YOUR.jpg\n"
            f"  {command} decompress YOUR.egic --alpha=0,0.5,1 --strip"
        )


if __name__ == "__main__":
    app.run(main)
