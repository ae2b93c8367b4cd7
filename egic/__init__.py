"""EGIC: generative image compression with one file for every realism.

    codec = egic.load()                        # the model that comes with it
    data = codec.compress(image)               # uint8 [H, W, 3] -> bytes
    image = codec.decompress(data, alpha=1.0)  # bytes -> uint8 [H, W, 3]
    images = codec.decompress_all(data, [0.0, 0.5, 1.0])  # decodes the bits once

Whatever `compress`, `decompress` and `load` refuse, they refuse with a child of
`CodecError`; an alpha that is none, or that the model does not have, is a ValueError,
`UnsupportedAlphaError`, and an engine that is none or not installed is another,
`EngineError`. Importing this package needs no TensorFlow; `load` does.
"""

import pathlib
import typing
from concurrent import futures

from hific.engine_names import EngineError, candidates
from hific.errors import (
    CodecError,
    CorruptError,
    DecodeMismatchError,
    InvalidImageError,
    LimitExceededError,
    ModelLoadError,
    NonFiniteError,
    NotThisFormatError,
    TruncatedError,
    UnknownModelError,
    UnsupportedAlphaError,
    UnsupportedVersionError,
)

if typing.TYPE_CHECKING:
    from hific.codec import Codec

__all__ = [
    "CodecError",
    "CorruptError",
    "DecodeMismatchError",
    "EngineError",
    "InvalidImageError",
    "LimitExceededError",
    "ModelLoadError",
    "NonFiniteError",
    "NotThisFormatError",
    "TruncatedError",
    "UnknownModelError",
    "UnsupportedAlphaError",
    "UnsupportedVersionError",
    "load",
]


def load(
    directory: str | pathlib.Path | None = None, engine: str | None = None
) -> "Codec":
    """Returns the codec of a model bundle, as `egic export` writes it.

    Args:
        directory: Holds config.json, the weights and the coding tables. None is the
            model that comes with this program, `egic.default_model.PATH`.
        engine: Executes the transforms: "tensorflow", "openvino", "openvino-float32",
            or "auto", the fastest installed, and TensorFlow of pictures for which that
            one lacks memory; `codec.engine` says which is the fastest. None is the
            environment variable EGIC_ENGINE, else "auto".

    Raises:
        EngineError: There is no such engine, or it is not installed.
        ModelLoadError: The bundle is absent, incomplete, damaged or of an unknown kind.
    """
    from egic import default_model
    from hific import bundle, garbage

    engines = candidates(engine)
    if directory is None:
        directory = default_model.directory()
    with garbage.put_off(), futures.ThreadPoolExecutor(1) as thread:
        read_bundle = _begun(thread, bundle.read, pathlib.Path(directory))

        from egic.stored import load as load_bundle  # Loads TensorFlow: takes seconds.

        return load_bundle(directory, *engines, read_bundle=read_bundle)


def _begun(thread, read, path: pathlib.Path):
    """Begins to read in a thread; returns a function that waits for what was read."""
    try:
        reading = thread.submit(read, path)
    except RuntimeError:  # There is no thread to be had.
        return read
    return lambda path: reading.result()
