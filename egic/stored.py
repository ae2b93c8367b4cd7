"""Trained models on the disk: bundles read back, and codecs of them."""

import contextlib
import pathlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

import egic.config
import hific.config
from egic.codec import SYSTEMS, build_codec
from egic.portable import key_of
from hific import bundle, engine_cache, tables
from hific.bundle import Bundle
from hific.codec import Codec, CodecModel
from hific.engine_names import TENSORFLOW
from hific.errors import LimitExceededError, ModelLoadError
from hific.model import LaterModel
from hific.names import named_variables

# What building from values of the wrong type or size has been seen to raise.
_BAD_CONFIG = (
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    ArithmeticError,
    tf.errors.InvalidArgumentError,
)


class Loaded(NamedTuple):
    """A trained model, for inference, and what a codec needs besides."""

    config: Any
    model: CodecModel
    tables: tables.Tables
    model_id: bytes
    sha256: str = ""  # Of the bundle; "" is of none.


def read(directory: str | pathlib.Path) -> Loaded:
    """Reads the model of a bundle.

    Raises:
        ModelLoadError: The folder holds no bundle, a damaged one, or one whose weights
            or tables do not fit its config.
        LimitExceededError: The memory of this machine does not suffice for it.
    """
    with _memory_for(directory):
        return _loaded(bundle.read(pathlib.Path(directory)), directory)


def load(
    directory: str | pathlib.Path,
    *engines: str,
    read_bundle: Callable[[pathlib.Path], Bundle] = bundle.read,
) -> Codec:
    """Loads a model bundle.

    Where an engine other than TensorFlow comes first, TensorFlow's networks are built
    when they are asked for; but at once where this machine never loaded the bundle, to
    see that its weights fit.

    Args:
        directory: Holds it.
        engines: Keys of `hific.engines.ENGINES`, see `egic.codec.build_codec`.
        read_bundle: Reads it.

    Raises:
        ModelLoadError, LimitExceededError: See `read`.
        EngineError: The engine does not run here.
    """
    with _memory_for(directory):
        data = read_bundle(pathlib.Path(directory))
        seen = engine_cache.Cache(engine_cache.folder())
        fits = {"fits": key_of(data.sha256)}
        exact = not engines or engines[0] == TENSORFLOW
        if not exact and seen.read(fits) is not None:
            return _codec_of_later(data, engines, directory)
        loaded = _loaded(data, directory)
        if not exact:
            seen.write(fits, b"")
        return build_codec(*loaded, *engines, weights=data.weights)


def _codec_of_later(data: Bundle, engines: Iterable[str], directory) -> Codec:
    config = hific.config.from_dict(data.config, egic.config.KINDS)
    channels = SYSTEMS[type(config)].channels(config)
    return build_codec(
        config,
        LaterModel(lambda: _loaded(data, directory).model, channels),
        tables.Tables(**data.tables),
        data.model_id,
        data.sha256,
        *engines,
        weights=data.weights,
    )


def _loaded(data: Bundle, directory) -> Loaded:
    config, model = _empty(data.config, directory)
    _assign(model, data.weights, directory)
    coding_tables = _tables(data.tables, model, directory)
    return Loaded(config, model, coding_tables, data.model_id, data.sha256)


@contextlib.contextmanager
def _memory_for(directory) -> Iterator[None]:
    try:
        yield
    except (MemoryError, tf.errors.ResourceExhaustedError) as error:
        raise LimitExceededError(
            f"The memory of this machine does not suffice for the model in {directory}."
        ) from error


def _empty(plain: dict[str, Any], directory) -> tuple[Any, CodecModel]:
    """The config of a bundle, and a model of it whose weights are to be read."""
    try:
        config = hific.config.from_dict(plain, egic.config.KINDS)
        return config, SYSTEMS[type(config)].infer(config)
    except _BAD_CONFIG as error:
        raise ModelLoadError(
            f"The model in {directory} is not understood: {error}"
        ) from error


def _tables(arrays: dict[str, np.ndarray], model: CodecModel, directory):
    try:
        coding_tables = tables.Tables(**arrays)
        coding_tables.check(model.prior.density.channels)
    except (ValueError, TypeError) as error:
        raise ModelLoadError(f"The tables in {directory} fail: {error}") from error
    return coding_tables


def _assign(model: CodecModel, weights: dict[str, np.ndarray], directory) -> None:
    variables = named_variables(model)
    if set(variables) != set(weights):
        odd = sorted(set(variables) ^ set(weights))
        raise ModelLoadError(
            f"The weights in {directory} do not fit its config: {len(odd)} names "
            f"differ, the first is {odd[0]!r}."
        )
    for name, variable in variables.items():
        if tuple(variable.shape) != weights[name].shape:
            raise ModelLoadError(
                f"{name} in {directory} has shape {weights[name].shape}, the config "
                f"asks for {tuple(variable.shape)}."
            )
        variable.assign(weights[name])
