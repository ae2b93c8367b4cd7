"""A fuzz target of model bundles: damaged ones are refused by a `ModelLoadError`.

In half of the cases the manifest's hashes are made again, so that the damage reaches
what reads config, weights and tables; then another bundle may come out, whole.
"""

import functools
import hashlib
import json
import pathlib
import random
import tempfile

import numpy as np

from hific import bundle
from hific.errors import ModelLoadError
from trials import damage
from trials.cases import Target, check, generator

_FILES = ("config.json", "weights.safetensors", "tables.safetensors")


@functools.cache
def _bundle() -> dict[str, bytes]:
    """The files of a small bundle."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name, "model")
        bundle.write(
            folder,
            {"kind": "egic", "transform": {"dims": [32, 32], "window": 8}},
            {"a.kernel": np.arange(6, dtype=np.float32), "b": np.ones(2, np.float32)},
            {"cdf": np.arange(9, dtype=np.int32), "offset": np.zeros(1, np.int32)},
        )
        return {path.name: path.read_bytes() for path in folder.iterdir()}


def read(seed: int, case: int) -> str:
    """One file of a bundle damaged, or absent."""
    rng = generator("bundles", seed, case)
    files = dict(_bundle())
    name = rng.choice(list(files))
    files[name] = damage.mutate(files[name], rng.choice(list(files.values())), rng)
    if rng.random() < 0.5:
        files["manifest.json"] = _manifest(files, rng)
    if rng.random() < 0.05:
        del files[rng.choice(list(files))]
    with tempfile.TemporaryDirectory() as folder:
        for path, data in files.items():
            pathlib.Path(folder, path).write_bytes(data)
        try:
            found = bundle.read(pathlib.Path(folder))
        except ModelLoadError:
            return "ModelLoadError"
    if files == _bundle():
        return "undamaged"
    sha256 = json.loads(files["manifest.json"])["sha256"]
    check(found.sha256 == sha256, "read as another model")
    parts = {name: files[name] for name in _FILES if name in files}
    check(_hashes(parts) == _whole_hashes(files), "damaged and accepted")
    return "another bundle"


def _hashes(files: dict[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(files[name]).hexdigest() for name in _FILES}


def _whole_hashes(files: dict[str, bytes]) -> dict[str, str]:
    return json.loads(files["manifest.json"])["files"]


def _manifest(files: dict[str, bytes], rng: random.Random) -> bytes:
    """A manifest that fits damaged files; rarely of odd values."""
    hashes = _hashes(files)
    text = "".join(f"{name} {hashes[name]}\n" for name in sorted(hashes))
    manifest: dict[str, object] = {
        "format": bundle.FORMAT,
        "storage": rng.choice(list(bundle.STORAGES)),
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
        "files": hashes,
    }
    if rng.random() < 0.2:
        odd: tuple[object, ...] = (
            None,
            7,
            [],
            {},
            "x",
            "00" * 32,
            {"config.json": 1},
            [["a", "b"]],
        )
        manifest[rng.choice(list(manifest))] = rng.choice(odd)
    return json.dumps(manifest).encode()


TARGETS = {"bundles": Target(read, _bundle)}
