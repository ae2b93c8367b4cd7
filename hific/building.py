"""Builds HiFiC from its config."""

from collections.abc import Mapping

import tensorflow as tf

from hific import networks
from hific.choices import choose
from hific.codec import CodecModel
from hific.config import HificConfig
from hific.entropy import FactorizedDensity, Prior
from hific.heads import DecoderHead

# `HificConfig.quantisation_z` -> whether h_s sees noisy z while training.
NOISY_HYPER: Mapping[str, bool] = {"noise": True, "ste": False}


def build_hific(config: HificConfig, precision: str = "float32") -> CodecModel:
    """HiFiC's networks with fresh weights.

    Args:
        config: See `hific.config`.
        precision: Of the computation in E and G, "float32" or "bfloat16".

    Raises:
        ValueError: The config names a choice that there is not.
    """
    dtype = {"float32": "float32", "bfloat16": "mixed_bfloat16"}[precision]
    prior = Prior(
        networks.build_hyper_analysis(config),
        FactorizedDensity(config.hyperprior.filters, config.hyperprior.density_filters),
        networks.build_hyper_synthesis(config),
        single_slice,
        noisy_hyper=choose(NOISY_HYPER, config.quantisation_z, "quantisation_z"),
        likelihood_floor=1e-9,
    )
    encoder = networks.build_encoder(config, dtype)
    decoder = networks.build_decoder(config, dtype)
    head = None
    if config.head.stages:
        head = DecoderHead(config.decoder, config.head.stages, dtype=dtype)
    return CodecModel(encoder, decoder, prior, config.latent_channels, head)


def build_hific_coding_prior(config: HificConfig) -> Prior:
    """HiFiC's P as coding computes it, h_s in float64; weights are yet to come."""
    return Prior(
        networks.build_hyper_analysis(config),
        FactorizedDensity(config.hyperprior.filters, config.hyperprior.density_filters),
        networks.build_hyper_synthesis(config, "float64"),
        single_slice,
    )


def single_slice(hyper, code_slice) -> tf.Tensor:
    """The slice walk of a prior without context: all channels are one slice."""
    mean, index = hyper
    return code_slice(0, mean, index)
