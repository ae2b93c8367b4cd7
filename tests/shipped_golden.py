"""Golden files of the model that comes with the program, and what makes them.

    python -m tests.shipped_golden

compresses two photographs with the model in egic/shipped, and writes the files, their
pictures at alpha 0 and 1 and the fingerprints of their latents to tests/golden/shipped.
Run it once for each model that is shipped, on a machine that `egic selftest` trusts:
later releases have to decode what this one wrote.
"""

import json
import pathlib
import shutil
from typing import Any

import numpy as np
from skimage import data

import egic
from egic import default_model
from hific import bundle, conformance
from hific.images import write_png

FOLDER = pathlib.Path(__file__).parent / "golden" / "shipped"
ALPHAS = (0.0, 1.0)


def photographs() -> dict[str, np.ndarray]:
    """Pieces of two photographs that ship with scikit-image, [H, W, 3] uint8."""
    return {
        "cat": data.chelsea()[20:212, 100:356],  # 192 x 256.
        "cup": data.coffee()[141:290, 60:261],  # 149 x 201, which no stride divides.
    }


def model() -> str:
    """The SHA-256 of the model that comes with the program."""
    return bundle.read_manifest(default_model.directory())["sha256"]


def read() -> dict[str, Any]:
    """What was stored of the files.

    Raises:
        FileNotFoundError: They were not made.
    """
    return json.loads((FOLDER / "latents.json").read_text())


def path(name: str, alpha: float | None = None) -> pathlib.Path:
    """The file of a photograph, or its picture at an alpha."""
    return FOLDER / (f"{name}.egic" if alpha is None else f"{name}.alpha-{alpha:g}.png")


def make() -> None:
    """Writes all files, in the place of others."""
    codec = egic.load()
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    stored = {}
    for name, image in photographs().items():
        packed = codec.compress(image)
        path(name).write_bytes(packed)
        _, latents = codec.decode_latents(packed)
        stored[name] = conformance.digest(latents)._asdict()
        for alpha, picture in zip(
            ALPHAS, codec.decompress_all(packed, ALPHAS), strict=True
        ):
            write_png(path(name, alpha), picture)
        print(f"{path(name)}: {len(packed)} bytes")
    content = {"model": model(), "latents": stored}
    (FOLDER / "latents.json").write_text(json.dumps(content, indent=2) + "\n")


if __name__ == "__main__":
    make()
