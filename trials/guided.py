"""Fuzz targets led by coverage, where Atheris is installed: `pip install atheris`.

    python -m trials.guided container CORPUS_DIR -max_total_time=60

Takes libFuzzer's flags. The corpus begins with the files that `trials.material` and
`trials.pictures` hold, and grows by those that reach new lines; a run goes on from what
the last one left. What breaks a promise is written to crash-*, timeout-* or oom-* in
the folder CORPUS_DIR.found, and is tried again by naming that file instead of a folder.
"""

import importlib
import pathlib
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

# Modules whose lines are followed; they must not have been imported before.
_FOLLOWED = (
    "hific.bitstream",
    "hific.images",
    "hific.limits",
    "hific.magic",
    "hific.range_decoder",
    "hific.tile_table",
    "hific.tiles",
    "hific.varints",
    "PIL",
)
# Seconds on the clock, for a machine that may be busy.
_FLAGS = ("-timeout=10", "-rss_limit_mb=4096", "-max_len=8192")


class Guided(NamedTuple):
    """A target of bytes.

    Attributes:
        module, function: What is called with them; whatever it raises is a finding.
        seeds: Returns what the corpus begins with.
        prepare: Function of the module that is called once, before; "" for none.
    """

    module: str
    function: str
    seeds: Callable[[], Sequence[bytes]]
    prepare: str = ""


def _containers() -> Sequence[bytes]:
    from trials import material

    return material.containers()


def _unsealed() -> Sequence[bytes]:
    from trials import material, parsing

    return [parsing.unsealed(data) for data in material.containers()]


def _pictures() -> Sequence[bytes]:
    from trials import pictures

    return pictures.originals()


TARGETS: Mapping[str, Guided] = {
    "container": Guided("trials.parsing", "canonical", _containers),
    "sealed": Guided("trials.parsing", "canonical_once_sealed", _unsealed),
    "coder": Guided(
        "trials.coding", "decoded", lambda: [b"", b"\x2e", bytes(40)], "prepare"
    ),
    "picture": Guided("trials.reading", "read", _pictures, "prepare"),
}


def main(argv: Sequence[str]) -> None:
    """Runs one target until libFuzzer ends the process.

    Raises:
        SystemExit: Wrong usage, or Atheris is absent.
    """
    if len(argv) < 2 or argv[0] not in TARGETS or argv[1].startswith("-"):
        raise SystemExit(
            f"usage: python -m trials.guided TARGET CORPUS_DIR [FLAGS]; targets: "
            f"{', '.join(TARGETS)}"
        )
    try:
        import atheris
    except ModuleNotFoundError as error:
        raise SystemExit(
            "Atheris is not installed; `pip install atheris` gets it."
        ) from error
    name, corpus, *flags = argv
    target = TARGETS[name]
    with atheris.instrument_imports(include=list(_FOLLOWED)):
        for followed in _FOLLOWED[:-1]:
            importlib.import_module(followed)
    module = importlib.import_module(target.module)
    function = getattr(module, target.function)
    if target.prepare:
        getattr(module, target.prepare)()
    found = _prepare(pathlib.Path(corpus), target)
    arguments = [sys.argv[0], corpus, *_FLAGS, f"-artifact_prefix={found}/", *flags]
    atheris.Setup(arguments, lambda data: _called(function, data))
    atheris.Fuzz()


def _prepare(corpus: pathlib.Path, target: Guided) -> pathlib.Path:
    """Fills a new corpus; returns the folder of what is found."""
    if corpus.is_file():
        return corpus.parent
    if not corpus.exists():
        corpus.mkdir(parents=True)
        for i, data in enumerate(target.seeds()):
            (corpus / f"seed-{i}").write_bytes(data)
    found = corpus.with_name(f"{corpus.name}.found")
    found.mkdir(exist_ok=True)
    return found


def _called(function: Callable[[bytes], object], data: bytes) -> None:
    function(data)  # libFuzzer wants None back.


if __name__ == "__main__":
    main(sys.argv[1:])
