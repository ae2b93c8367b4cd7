"""`egic selftest`: whether this machine decodes as the one that made a model's vectors.

Without a model it tests the one that comes with the program. With --matrix, whether it
does so in every way of computing that `egic.configurations` knows.
"""

import argparse
import pathlib
import sys
from collections.abc import Mapping, Sequence

import egic
import egic.config
from egic import batch, commands, configurations
from egic.configurations import Comparison, Configuration, File
from egic.models import Models
from egic.remote_codec import PROGRAM
from hific import bundle, conformance, patterns
from hific.conformance import Vector
from hific.errors import CodecError, DecodeMismatchError, LimitExceededError

_COMPARED = ("indexes", "symbols")  # What vectors say of latents.


def selftest(args: argparse.Namespace) -> int:
    """Decodes the vectors of each model, or writes them."""
    models = Models(commands.model_directory(args.model))
    if args.write:
        return _write(models.only())
    exit_code = 0
    for folder in models.folders.values():
        right = _matrix(folder) if args.matrix else _once(folder)
        exit_code = exit_code if right else DecodeMismatchError.exit_code
    return exit_code


def _write(folder: pathlib.Path) -> int:
    count = write_vectors(folder)
    print(f"{folder / conformance.FOLDER}: {count} vectors")
    return 0


def write_vectors(folder: pathlib.Path) -> int:
    """Makes conformance vectors for a bundle; returns how many.

    Raises:
        FileExistsError: It has vectors, see `hific.conformance.write`.
        ModelLoadError: There is no model.
    """
    codec = egic.load(folder, "tensorflow")
    config = egic.config.load(folder / "config.json")
    alphas = (0.0, 1.0) if config.head.stages else (1.0,)
    vectors = []
    for name, image in patterns.pictures().items():
        data = codec.compress(image)
        _, latents = codec.decode_latents(data)
        digest = conformance.digest(latents)
        pictures = dict(zip(alphas, codec.decompress_all(data, alphas), strict=True))
        vectors.append(Vector(name, data, digest.indexes, digest.symbols, pictures))
    conformance.write(folder, bundle.read_manifest(folder)["sha256"], vectors)
    return len(vectors)


def read_vectors(folder: pathlib.Path) -> list[Vector]:
    """The vectors of a bundle.

    Raises:
        ModelLoadError: There are none, or they are damaged.
    """
    return conformance.read(folder, bundle.read_manifest(folder)["sha256"])


def run_here(codec, vectors: Sequence[Vector]) -> dict[str, Comparison]:
    """Decodes vectors in this process; name of each -> what was found."""
    return {
        vector.name: _compared([_decoded(codec, vector)], [vector])
        for vector in vectors
    }


def _decoded(codec, vector: Vector) -> File:
    try:
        _, latents = codec.decode_latents(vector.data)
        shown = codec.decompress_all(vector.data, list(vector.pictures))
    except LimitExceededError:  # Says nothing of latents.
        raise
    except CodecError as error:
        return File(vector.name, error=f"{type(error).__name__}: {error}")
    pictures = dict(zip(vector.pictures, shown, strict=True))
    return File(vector.name, conformance.digest(latents), pictures=pictures)


def run_matrix(
    folder: pathlib.Path,
    vectors: Sequence[Vector],
    chosen: Mapping[str, Configuration] = configurations.CONFIGURATIONS,
    program: str = PROGRAM,
) -> dict[str, Comparison]:
    """Decodes vectors in every configuration; name of each -> what was found."""
    files = {vector.name: vector.data for vector in vectors}
    alphas = sorted({alpha for vector in vectors for alpha in vector.pictures})
    found = {}
    for name, configuration in chosen.items():
        decoded = configurations.decode(configuration, folder, files, alphas, program)
        found[name] = _compared(decoded, vectors)
        print(f"  {name}: {found[name].mismatches} mismatches", file=sys.stderr)
    return found


def _compared(decoded, vectors: Sequence[Vector]) -> Comparison:
    comparison = Comparison()
    for file, vector in zip(decoded, vectors, strict=True):
        expected = conformance.Digest(vector.indexes, vector.symbols, "")
        comparison.add(file, expected, vector.pictures, _COMPARED)
    return comparison


def _once(folder: pathlib.Path) -> bool:
    vectors = read_vectors(folder)
    return _report(
        folder, run_here(egic.load(folder, "tensorflow"), vectors), "vectors"
    )


def _matrix(folder: pathlib.Path) -> bool:
    vectors = read_vectors(folder)
    return _report(folder, run_matrix(folder, vectors), "configurations")


def _report(folder: pathlib.Path, found: Mapping[str, Comparison], what: str) -> bool:
    """Prints a table and returns whether all is well."""
    width = max(map(len, found))
    print(f"{folder}: {len(found)} {what}")
    print(f"  {'':{width}}  decoded  same latents  pictures  largest difference")
    for name, row in found.items():
        decoded = row.files - row.failed
        same = decoded - max(row.indexes, row.symbols)
        levels = f"{row.worst:g} of 255" if row.pictures else "-"
        pictures = f"{row.pictures - row.intolerable}/{row.pictures}"
        print(
            f"  {name:{width}}  {f'{decoded}/{row.files}':>7}  "
            f"{f'{same}/{row.files}':>12}  {pictures:>8}  {levels:>18}"
        )
    for name, row in found.items():
        for complaint in row.complaints:
            where = folder if complaint.startswith(f"{name}:") else f"{folder}, {name}"
            batch.complain(str(where), CodecError(complaint))
    mismatches = sum(row.mismatches for row in found.values())
    files = sum(row.files for row in found.values())
    print(f"  {files} decoded, {mismatches} mismatches")
    return mismatches == 0
