"""A trained model as a folder of plain data.

    config.json          what to build
    weights.safetensors  every variable by name, all float32 or all float16
    tables.safetensors   the integer tables of the range coder
    manifest.json        the SHA-256 of each file, and of all of them; which of the two

A model computes in float32 and float64, however its weights are stored: tables and
conformance vectors are made from the numbers that are in the file. The first four
bytes of the whole's SHA-256 are the model id in every compressed file.
Nothing in a bundle is executed: no pickles, no graphs. Reading one needs no TensorFlow.
"""

import dataclasses
import hashlib
import json
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from hific.choices import choose
from hific.errors import ModelLoadError
from hific.files import write_atomically

FORMAT = 1
# What manifests say of weights -> their type in the file. Those that say nothing are
# from before there was a choice.
STORAGES: Mapping[str, type[np.floating]] = {
    "float32": np.float32,
    "float16": np.float16,
}
_OLDEST = "float32"
_CONFIG, _WEIGHTS, _TABLES = "config.json", "weights.safetensors", "tables.safetensors"
MANIFEST = "manifest.json"  # Whatever folder holds it is a bundle, or was to be one.
_FILES = (_CONFIG, _WEIGHTS, _TABLES)

_NO_JSON = (ValueError, RecursionError)  # The latter where lists lie in lists for ever.


@dataclasses.dataclass(frozen=True)
class Bundle:
    """What a folder holds.

    Attributes:
        config: Plain data, see `hific.config.to_dict`.
        weights: Name -> float32 values.
        tables: Name -> int32 values, see `hific.tables.Tables`.
        sha256: Of the whole, hexadecimal.
    """

    config: dict[str, Any]
    weights: dict[str, np.ndarray]
    tables: dict[str, np.ndarray]
    sha256: str

    @property
    def model_id(self) -> bytes:
        """The 4 bytes by which a compressed file names its model."""
        return bytes.fromhex(self.sha256)[:4]


def write(
    directory: pathlib.Path,
    config: dict[str, Any],
    weights: dict[str, np.ndarray],
    tables: dict[str, np.ndarray],
    storage: str = "float32",
) -> str:
    """Writes a bundle and returns its SHA-256.

    The manifest is written last, so that a folder whose writing was cut off is refused.

    Args:
        directory: To write.
        config, weights, tables: See `Bundle`.
        storage: A key of `STORAGES`.

    Raises:
        FileExistsError: The folder already holds a bundle.
        ValueError: Storing a weight so would change it; see `rounded`.
    """
    stored = {name: rounded(name, value, storage) for name, value in weights.items()}
    for name, value in weights.items():
        if not np.array_equal(stored[name], value, equal_nan=True):
            raise ValueError(
                f"{name} is no {storage}: round weights before tables are built of "
                "them, or files would be coded with other networks than are stored."
            )
    directory.mkdir(parents=True, exist_ok=True)
    if (directory / MANIFEST).exists():
        raise FileExistsError(
            f"{directory} already holds a model; name another folder."
        )
    # safetensors' own writing lets nobody but the owner read the file.
    contents = {
        _CONFIG: (json.dumps(config, indent=2) + "\n").encode(),
        _WEIGHTS: safetensors.numpy.save(stored),
        _TABLES: safetensors.numpy.save(tables),
    }
    for name, data in contents.items():
        write_atomically(directory / name, data)
    files = {name: _sha256(directory / name) for name in _FILES}
    whole = _whole(files)
    manifest = {"format": FORMAT, "storage": storage, "sha256": whole, "files": files}
    write_atomically(
        directory / MANIFEST, (json.dumps(manifest, indent=2) + "\n").encode()
    )
    return whole


def rounded(name: str, value: np.ndarray, storage: str) -> np.ndarray:
    """A weight as it is stored; NaN and infinity stay what they are.

    Args:
        name: Of the weight.
        value: Numbers.
        storage: A key of `STORAGES`.

    Raises:
        ValueError: One of them is beyond the largest that can be stored.
    """
    kind = choose(STORAGES, storage, "storage")
    largest = np.finfo(kind).max
    finite = np.abs(value[np.isfinite(value)])
    if finite.size and finite.max() > largest:
        raise ValueError(
            f"{name} holds {finite.max():g}, beyond the largest {storage}, "
            f"{largest:g}; store the weights as float32."
        )
    return value.astype(kind)


def read(directory: pathlib.Path) -> Bundle:
    """Reads a bundle and checks every byte of it.

    Raises:
        ModelLoadError: A file is absent or damaged, or the format is unknown.
    """
    manifest = read_manifest(directory)
    for name, expected in manifest["files"].items():
        actual = _sha256(directory / name)
        if actual != expected:
            raise ModelLoadError(
                f"{directory / name} is damaged: its SHA-256 is {actual[:16]}..., the "
                f"manifest says {expected[:16]}...."
            )
    try:
        return Bundle(
            json.loads((directory / _CONFIG).read_text()),
            _weights(directory, manifest.get("storage", _OLDEST)),
            safetensors.numpy.load_file(directory / _TABLES),
            manifest["sha256"],
        )
    except (*_NO_JSON, KeyError, safetensors.SafetensorError) as error:
        raise ModelLoadError(
            f"The model in {directory} is as it was written, but is none: {error}."
        ) from error


def read_manifest(directory: pathlib.Path) -> dict[str, Any]:
    """Reads what a folder says of itself, checked for sense but not against its files.

    Raises:
        ModelLoadError: There is no bundle here, or none this version reads.
    """
    path = directory / MANIFEST
    if not path.is_file():
        raise ModelLoadError(
            f"No model in {directory}: {MANIFEST} is missing. A run directory becomes "
            "a model with `egic export --workdir=RUN --out=DIR`."
        )
    try:
        manifest = json.loads(path.read_text())
        files = manifest["files"]
        consistent = set(files) == set(_FILES) and manifest["sha256"] == _whole(files)
        known = manifest["format"] == FORMAT
        storable = manifest.get("storage", _OLDEST) in STORAGES
    except (*_NO_JSON, KeyError, TypeError, AttributeError) as error:
        raise ModelLoadError(f"{path} is no manifest of a model: {error}.") from error
    if not known:
        raise ModelLoadError(
            f"{path} has format {manifest['format']}, this version reads {FORMAT}."
        )
    if not consistent:
        raise ModelLoadError(f"{path} is damaged: its hashes contradict each other.")
    if not storable:
        raise ModelLoadError(
            f"{path} says that weights are stored as {manifest['storage']}, this "
            f"version reads {' and '.join(STORAGES)}."
        )
    for name in _FILES:
        if not (directory / name).is_file():
            raise ModelLoadError(f"The model in {directory} lacks {name}.")
    return manifest


def _weights(directory: pathlib.Path, storage: str) -> dict[str, np.ndarray]:
    """Every weight as float32, whatever it is stored as."""
    stored = safetensors.numpy.load_file(directory / _WEIGHTS)
    for name, value in stored.items():
        if value.dtype != STORAGES[storage]:
            raise ModelLoadError(
                f"{name} in {directory} is {value.dtype}, not {storage}."
            )
    return {name: value.astype(np.float32) for name, value in stored.items()}


def _whole(files: dict[str, str]) -> str:
    text = "".join(f"{name} {files[name]}\n" for name in sorted(files))
    return hashlib.sha256(text.encode()).hexdigest()


def _sha256(path: pathlib.Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
