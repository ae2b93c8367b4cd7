"""Builds the codec of any config, and writes models as `egic.stored` reads them."""

import dataclasses
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

import egic.config
import hific.config
from egic import transforms
from egic.charm import SliceWalk
from egic.chunks import TOKENS_AT_ONCE
from egic.config import EgicConfig
from egic.initialisers import Blank, Initialiser
from egic.kernels import KERNELS, fastest
from egic.portable import source_of
from hific import bundle, checkpoints, tables
from hific.building import build_hific, build_hific_coding_prior
from hific.codec import Codec, CodecModel
from hific.config import HificConfig
from hific.engine_choice import made
from hific.engine_names import TENSORFLOW
from hific.entropy import FactorizedDensity, Prior
from hific.memory import LARGEST, SMALLEST, Footprint
from hific.model import Model
from hific.names import named_variables

RELEASED_STRIDE = 256  # What EGIC's released code pads pictures to.


def build_egic(
    config: EgicConfig,
    precision: str = "float32",
    kernels: str = "trainable",
    init: Initialiser | None = None,
    tokens_at_once: int | None = None,
) -> CodecModel:
    """SwinT-ChARM.

    Args:
        config: See `egic.config`.
        precision: Of the computation in E and G, "float32" or "bfloat16".
        kernels: A key of `egic.kernels.KERNELS`.
        init: Where first values come from; None draws them with seed 0.
        tokens_at_once: Of E and G, see `egic.kernels.Kernels`.
    """
    init = Initialiser() if init is None else init
    functions = KERNELS[kernels]
    chunked = functions._replace(tokens_at_once=tokens_at_once)
    latent = config.transform.dims[-1]
    dtype = tf.as_dtype(precision)
    analysis = transforms.Analysis(config.transform, init, chunked, dtype)
    synthesis = transforms.Synthesis(config.transform, init, chunked, dtype)
    prior = Prior(
        transforms.HyperAnalysis(config.hyper, latent, init, functions),
        FactorizedDensity(config.hyper.channels),
        transforms.HyperSynthesis(config.hyper, latent, init, functions),
        SliceWalk(config.charm, latent, init),
    )
    head = None
    if config.head.stages:  # Last, so that it leaves the other first values alone.
        head = transforms.Head(
            config.transform, config.head.stages, init, chunked, dtype
        )
    return CodecModel(analysis, synthesis, prior, latent, head)


def build_egic_coding_prior(config: EgicConfig) -> Prior:
    """P as coding computes it, h_s and the walk in float64; weights are yet to come."""
    init = Blank(dtype="float64")
    latent = config.transform.dims[-1]
    return Prior(
        transforms.HyperAnalysis(config.hyper, latent, Blank(), KERNELS[fastest()]),
        FactorizedDensity(config.hyper.channels),
        transforms.HyperSynthesis(config.hyper, latent, init, KERNELS["plain"]),
        SliceWalk(config.charm, latent, init),
    )


def _footprint(config: EgicConfig, parameters: int) -> Footprint:
    """What SwinT-ChARM takes; most of it is for tokens at stride 2.

    A line through what was measured with "egic-tiny" and "egic".
    """
    start, least = SMALLEST
    return Footprint(start + 11 * parameters, least + 3 * config.transform.dims[0])


@dataclasses.dataclass(frozen=True)
class System:
    """How to build one family of codecs.

    Attributes:
        train: (config, precision, seed) -> a model with fresh weights.
        infer: config -> a model for the fastest inference here, weights to be read.
        portable: The same of operations that other engines than TensorFlow know.
        channels: config -> C, of y.
        coding_prior: config -> its P as coding computes it, weights to be read.
        stride: config -> what pictures are padded to multiples of.
        footprint: (config, parameters) -> what coding takes of memory.
    """

    train: Callable[[Any, str, int], CodecModel]
    infer: Callable[[Any], CodecModel]
    portable: Callable[[Any], CodecModel]
    channels: Callable[[Any], int]
    coding_prior: Callable[[Any], Prior]
    stride: Callable[[Any], int]
    footprint: Callable[[Any, int], Footprint]


SYSTEMS: dict[type, System] = {
    EgicConfig: System(
        lambda config, precision, seed: build_egic(
            config, precision, init=Initialiser(seed)
        ),
        lambda config: build_egic(
            config, kernels=fastest(), init=Blank(), tokens_at_once=TOKENS_AT_ONCE
        ),
        lambda config: build_egic(config, kernels="portable", init=Blank()),
        lambda config: config.transform.dims[-1],
        build_egic_coding_prior,
        lambda config: RELEASED_STRIDE if config.compatible else transforms.STRIDE,
        _footprint,
    ),
    HificConfig: System(
        # Keras and the densities draw from the process' seeds, set for every run.
        lambda config, precision, seed: build_hific(config, precision),
        build_hific,
        build_hific,
        lambda config: config.latent_channels,
        build_hific_coding_prior,
        lambda config: transforms.STRIDE,
        lambda config, parameters: LARGEST,
    ),
}


def build_model(config: Any, precision: str = "float32", seed: int = 0) -> CodecModel:
    """The model of a config, with fresh weights, ready to be trained.

    Args:
        config: A `HificConfig` or an `EgicConfig`.
        precision: Of the computation in E and G, "float32" or "bfloat16".
        seed: Of the weights; see `hific.training.set_seeds` for those of Keras layers.
    """
    return SYSTEMS[type(config)].train(config, precision, seed)


def build_codec(
    config: Any,
    model: Model,
    coding_tables: tables.Tables,
    model_id: bytes = bytes(4),
    sha256: str = "",
    *engines: str,
    weights: Mapping[str, np.ndarray] | None = None,
) -> Codec:
    """A codec around a model whose weights are in place.

    Args:
        config: Of the model.
        model: See above.
        coding_tables: Of its prior.
        model_id: Of its bundle.
        sha256: Of its bundle, by which an engine keeps what it compiled; "" keeps
            nothing.
        engines: Keys of `hific.engines.ENGINES`; the first that has memory for a
            picture codes it. TensorFlow where none is named.
        weights: Of the model, by name. None reads them from it, a `CodecModel` then.

    Raises:
        EngineError: An engine does not run here.
    """
    system = SYSTEMS[type(config)]
    if weights is None:
        assert isinstance(model, tf.Module)
        weights = {name: each.numpy() for name, each in named_variables(model).items()}
    footprint = system.footprint(config, sum(each.size for each in weights.values()))
    headed = any(name.startswith("head.") for name in weights)
    source = source_of(model, headed, lambda: system.portable(config), sha256)
    first, *spare = made(engines or (TENSORFLOW,), source, footprint)
    prior = system.coding_prior(config)
    for name, variable in named_variables(prior).items():
        variable.assign(weights[f"prior.{name}"].astype(variable.dtype.as_numpy_dtype))
    return Codec(
        model,
        prior,
        coding_tables,
        model_id,
        system.stride(config),
        first.engine,
        footprint=first.footprint,
        spare=spare,
    )


def export(
    workdir: pathlib.Path,
    out: pathlib.Path,
    use_ema: bool = True,
    storage: str = "float32",
) -> str:
    """Turns the newest checkpoint of a run into a model bundle.

    Args:
        workdir: Of a training run.
        out: Folder to write.
        use_ema: Ship averaged weights where the run kept them.
        storage: Of the weights, a key of `hific.bundle.STORAGES`.

    Returns:
        The SHA-256 of the bundle.

    Raises:
        ValueError: The config is unknown, there is no checkpoint, or a weight cannot
            be stored so.
    """
    config = egic.config.load(pathlib.Path(workdir) / "config.json")
    model = build_model(config)
    checkpoints.load_weights(pathlib.Path(workdir), model, averaged=use_ema)
    round_weights(model, storage)
    return save(config, model, pathlib.Path(out), storage)


def round_weights(model: CodecModel, storage: str) -> None:
    """Gives a model the weights that a bundle of it will hold, see `hific.bundle`.

    Raises:
        ValueError: One is too large to be stored so.
    """
    for name, variable in named_variables(model).items():
        variable.assign(bundle.rounded(name, variable.numpy(), storage))


def save(
    config: Any, model: CodecModel, out: pathlib.Path, storage: str = "float32"
) -> str:
    """Writes a model as a bundle, building its tables; returns the bundle's SHA-256.

    Raises:
        ValueError: Storing a weight so would change it; see `round_weights`.
    """
    weights = {
        name: variable.numpy().astype(np.float32)
        for name, variable in named_variables(model).items()
    }
    built = dataclasses.asdict(tables.build(model.prior.density))
    return bundle.write(out, hific.config.to_dict(config), weights, built, storage)
