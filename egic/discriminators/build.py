"""Discriminators by name, and how one takes over the weights of another."""

import json
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

import hific.config
from deeplab2_tf import labels
from deeplab2_tf.networks.decoder import DECODERS
from deeplab2_tf.networks.warm_start import warm_start
from egic.discriminators.deeplab import CONDITIONED_AT, DeepLabDiscriminator
from egic.discriminators.oasis import OasisDiscriminator
from egic.pretraining_config import KINDS, DiscriminatorConfig, PretrainingConfig
from hific import checkpoints
from hific.choices import choose
from hific.conditioning import CONDITIONINGS, Conditioning, Widths
from hific.names import named_variables
from hific.weight_norms import WEIGHT_NORMS, LayerMaker, SpectralConv2D

# The part of a network that only a conditional one has, by attribute.
_CONDITIONING = "conditioning."

# Networks whose body a condition widens -> how one starts from one without.
_WIDENED: Mapping[type, Callable[[Any, Any], None]] = {
    DeepLabDiscriminator: lambda critic, trained: warm_start(
        critic.trunk, trained.trunk
    )
}


def _oasis(config: DiscriminatorConfig, num_outputs: int, latent_channels: int, dtype):
    part = config.oasis
    convolution = choose(WEIGHT_NORMS, part.norm, "norm")
    widths = Widths(latent_channels, config.latent_features, part.up[-1], num_outputs)
    return OasisDiscriminator(
        _conditioning(config, widths, convolution, dtype),
        num_outputs,
        part.down,
        part.up,
        convolution,
        part.input_range,
        dtype=dtype,
    )


def _deeplab(config: DiscriminatorConfig, num_outputs: int, latent_channels, dtype):
    part = config.deeplab
    plan = choose(DECODERS, part.decoder, "decoder")
    widths = Widths(latent_channels, config.latent_features, plan.features, num_outputs)
    return DeepLabDiscriminator(
        _conditioning(config, widths, SpectralConv2D, dtype),
        num_outputs,
        choose(CONDITIONED_AT, part.conditioned_at, "place of the condition"),
        crop=part.crop,
        stem=part.stem,
        widths=part.widths,
        depths=part.depths,
        decoder=plan,
        dtype=dtype,
    )


def _conditioning(
    config: DiscriminatorConfig, widths: Widths, convolution: LayerMaker, dtype
) -> Conditioning:
    make = choose(CONDITIONINGS, config.conditioning, "conditioning")
    return make(widths, convolution, dtype=dtype)


# `DiscriminatorConfig.kind` -> (config, num_outputs, latent_channels, dtype) -> critic.
DISCRIMINATORS: Mapping[str, Callable[..., tf.keras.layers.Layer]] = {
    "oasis": _oasis,
    "deeplab": _deeplab,
}


def build(
    config: DiscriminatorConfig,
    num_outputs: int,
    latent_channels: int = 0,
    dtype: str = "float32",
) -> tf.keras.layers.Layer:
    """Builds a discriminator with new weights.

    Args:
        config: Its kind, sizes and conditioning.
        num_outputs: N + 1, classes and "fake".
        latent_channels: C of y; not read without conditioning.
        dtype: A Keras policy.

    Returns:
        critic(image [B, H, W, 3] in [0, 255], latent [B, h, w, C] or None) -> logits
        [B, H, W, N + 1].

    Raises:
        ValueError: A name in the config is unknown.
    """
    make = choose(DISCRIMINATORS, config.kind, "discriminator")
    return make(config, num_outputs, latent_channels, dtype)


def load_pretrained(
    workdir: pathlib.Path,
) -> tuple[tf.keras.layers.Layer, PretrainingConfig]:
    """Rebuilds the discriminator of a pre-training run from its config and weights.

    Raises:
        ValueError: The directory holds no such run, or no valid checkpoint.
    """
    workdir = pathlib.Path(workdir)
    path = workdir / "config.json"
    if not path.is_file():
        raise ValueError(
            f"{path} does not exist; is {workdir} the --workdir of a pre-training?"
        )
    config = hific.config.from_dict(json.loads(path.read_text()), KINDS)
    critic = build(config.discriminator, labels.load(config.data.label_set).num_outputs)
    checkpoints.load_weights(workdir, critic, averaged=False, part="discriminator")
    return critic, config


def take_over(critic: tf.Module, pretrained: tf.Module) -> tuple[str, ...]:
    """Gives a discriminator all weights of a pre-trained one, by name.

    The conditioning alone may be new. Everything else must be covered, body, last layer
    and the flags that say weight norm was calibrated: an object-graph restore without
    that check leaves what does not match at random values and says nothing. Where the
    condition adds channels inside DeepLab's decoder, those are not heard at first.

    Args:
        critic: Conditional or not.
        pretrained: Of the same sizes.

    Returns:
        Names of the variables that stayed new, all of the conditioning.

    Raises:
        ValueError: A variable of either has no counterpart of its shape in the other;
            names them. Nothing was assigned.
    """
    source, target = named_variables(pretrained), named_variables(critic)
    body = {name for name in target if not name.startswith(_CONDITIONING)}
    missing = sorted(body - source.keys())
    unused = sorted(source.keys() - target.keys())
    shapes = [
        f"{name} {tuple(source[name].shape)} to {tuple(target[name].shape)}"
        for name in sorted(source.keys() & target.keys())
        if source[name].shape != target[name].shape
    ]
    if shapes and not (missing or unused) and type(critic) in _WIDENED:
        _WIDENED[type(critic)](critic, pretrained)
        return tuple(sorted(target.keys() - source.keys()))
    if missing or unused or shapes:
        raise ValueError(
            "The pre-trained discriminator does not fit: "
            + "; ".join(
                f"{what}: {', '.join(names[:4])}{' and more' * (len(names) > 4)}"
                for what, names in (
                    ("not pre-trained", missing),
                    ("without a place", unused),
                    ("of another shape", shapes),
                )
                if names
            )
            + ". Were both built with the same sizes and label set?"
        )
    for name, variable in source.items():
        target[name].assign(variable)
    return tuple(sorted(target.keys() - source.keys()))
