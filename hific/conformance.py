"""Files of known content, by which a machine shows that it decodes as others do.

    conformance/conformance.json   what each file decodes to
    conformance/NAME.egic          a compressed picture
    conformance/NAME.alpha-1.png   how it looks, at each alpha the model has

These vectors lie in a model bundle but are no part of the model, nor of its id. Scale
indexes and symbols have to be exactly those of the machine that made the vectors: one
other index and all that follows is another picture. Pixels come out of networks in
float32, which no two machines round alike, and may differ by a little.

Needs no TensorFlow.
"""

import dataclasses
import hashlib
import io
import json
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from PIL import Image

from hific.errors import ModelLoadError
from hific.files import write_atomically

FORMAT = 1
FOLDER = "conformance"
_LIST = "conformance.json"

MAX_LEVELS, MEAN_LEVELS = 1.0, 0.01  # By how much pixels may differ, of 255.


class Latents(Protocol):
    """What is compared of decoded latents; see `hific.coding.Coded`."""

    @property
    def z_symbols(self) -> np.ndarray: ...

    @property
    def y_indexes(self) -> np.ndarray: ...

    @property
    def y_symbols(self) -> np.ndarray: ...

    @property
    def y_hat(self) -> np.ndarray: ...


class Digest(NamedTuple):
    """Fingerprints of one file's latents, SHA-256 in hexadecimal.

    Of a file in tiles, these go one after the other, in the order of the file.

    Attributes:
        indexes: Of the scale indexes of y, slice by slice, little-endian int32.
        symbols: Of the symbols of z and of y, likewise.
        values: Of y_hat, which the synthesis sees, little-endian float32.
    """

    indexes: str
    symbols: str
    values: str


def digest(latents: Iterable[Latents]) -> Digest:
    """Fingerprints of the latents of a file's tiles."""
    hashes = [hashlib.sha256() for _ in Digest._fields]
    indexes, symbols, values = hashes
    for coded in latents:
        indexes.update(coded.y_indexes.astype("<i4").tobytes())
        symbols.update(coded.z_symbols.astype("<i4").tobytes())
        symbols.update(coded.y_symbols.astype("<i4").tobytes())
        values.update(coded.y_hat.astype("<f4").tobytes())
    return Digest(*(each.hexdigest() for each in hashes))


class Distance(NamedTuple):
    """By how much two pictures differ, in levels of 255."""

    max: float
    mean: float

    @property
    def tolerated(self) -> bool:
        """Whether two machines that decode rightly may differ so much."""
        return self.max <= MAX_LEVELS and self.mean <= MEAN_LEVELS


def distance(image: np.ndarray, expected: np.ndarray) -> Distance:
    """Compares two pictures, uint8; those of two sizes are infinitely far apart."""
    if image.shape != expected.shape:
        return Distance(np.inf, np.inf)
    levels = np.abs(image.astype(np.int16) - expected)
    return Distance(float(levels.max()), float(levels.mean()))


@dataclasses.dataclass(frozen=True)
class Vector:
    """A compressed file, and what it decodes to.

    Attributes:
        name: Of the file, without its ending.
        data: The file.
        indexes, symbols: See `Digest`.
        pictures: Alpha -> [H, W, 3] uint8.
    """

    name: str
    data: bytes
    indexes: str
    symbols: str
    pictures: Mapping[float, np.ndarray]


def write(bundle: pathlib.Path, sha256: str, vectors: Sequence[Vector]) -> None:
    """Writes vectors into a bundle; their list last, so that half of them are none.

    Args:
        bundle: Folder of the model.
        sha256: Of the model, as its manifest has it.
        vectors: With different names.

    Raises:
        FileExistsError: The bundle has vectors. They say what another machine, or
            another release, decoded; new ones would say that this one is right.
    """
    folder = bundle / FOLDER
    if (folder / _LIST).exists():
        raise FileExistsError(
            f"{bundle} already has conformance vectors. They are what shows that this "
            "machine decodes as the one that made them; remove "
            f"{folder} if new ones are meant to take their place."
        )
    rows = [_write_vector(folder, vector) for vector in vectors]
    tolerance = {"max": MAX_LEVELS, "mean": MEAN_LEVELS}
    content = {"format": FORMAT, "model": sha256, "pixels": tolerance, "vectors": rows}
    write_atomically(folder / _LIST, (json.dumps(content, indent=2) + "\n").encode())


def _write_vector(folder: pathlib.Path, vector: Vector) -> dict:
    pictures = {}
    files = {f"{vector.name}.egic": vector.data}
    for alpha, image in vector.pictures.items():
        pictures[f"{alpha:g}"] = name = f"{vector.name}.alpha-{alpha:g}.png"
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, format="PNG")
        files[name] = buffer.getvalue()
    for name, data in files.items():
        write_atomically(folder / name, data)
    return {
        "name": vector.name,
        "indexes": vector.indexes,
        "symbols": vector.symbols,
        "pictures": pictures,
        "files": {name: _sha256(data) for name, data in files.items()},
    }


def read(bundle: pathlib.Path, sha256: str) -> list[Vector]:
    """Reads the vectors of a bundle and checks every byte of them.

    Args:
        bundle: Folder of the model.
        sha256: Of the model, as its manifest has it.

    Raises:
        ModelLoadError: There are none, or they are damaged or another model's: nothing
            is said of the machine then.
    """
    path = bundle / FOLDER / _LIST
    if not path.is_file():
        raise ModelLoadError(
            f"The model in {bundle} has no conformance vectors. `egic selftest "
            f"--model={bundle} --write` makes them, on a machine that is trusted."
        )
    try:
        content = json.loads(path.read_text())
        if content["format"] != FORMAT:
            raise ValueError(f"it has format {content['format']}, not {FORMAT}")
        if content["model"] != sha256:
            raise ValueError(f"it is of model {content['model'][:8]}, not {sha256[:8]}")
        if not content["vectors"]:
            raise ValueError("it lists no vectors, which would show nothing")
        return [_read_vector(path.parent, row) for row in content["vectors"]]
    except (
        ValueError,
        RecursionError,
        KeyError,
        TypeError,
        AttributeError,
        OSError,
    ) as error:
        raise ModelLoadError(
            f"{path} does not fit the model or its files: {error}."
        ) from error


def _read_vector(folder: pathlib.Path, row: dict) -> Vector:
    data = {}
    for name, expected in row["files"].items():
        if pathlib.PurePath(name).name != name:
            raise ValueError(f"{name!r} is not the name of a file beside it")
        data[name] = (folder / name).read_bytes()
        if _sha256(data[name]) != expected:
            raise ValueError(f"{name} is damaged")
    pictures = {
        float(alpha): np.asarray(Image.open(io.BytesIO(data[name])).convert("RGB"))
        for alpha, name in row["pictures"].items()
    }
    name = row["name"]
    return Vector(name, data[f"{name}.egic"], row["indexes"], row["symbols"], pictures)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
