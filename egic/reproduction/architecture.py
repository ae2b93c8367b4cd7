"""Tables 3 and 7: networks are built at full size and their parameters counted."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from egic import codec, config
from egic.discriminators import build
from egic.pretraining_config import DiscriminatorConfig
from hific.layers import FourierKernel
from hific.network_config import HeadConfig

_CROP, _LATENT_STRIDE = 256, 16
_LATENTS = 320  # Of SwinT-ChARM.
_OUTPUTS = 135  # COCO's 134 classes with void, and "fake".


class LayerFacts(NamedTuple):
    """One line of a model summary.

    Attributes:
        channels: In.
        shape: Out, [H, W, C], for a crop of 256x256.
        parameters: Trainable numbers.
    """

    channels: int
    shape: tuple[int, ...]
    parameters: int


def parameters(module: Any) -> int:
    """Counts the trainable numbers of a network.

    A kernel that is kept as Fourier coefficients, of which there are more, counts as
    the kernel it stands for: that is how published counts have it.
    """
    counts = {id(v): int(np.prod(v.shape)) for v in module.trainable_variables}
    for kernel in _fourier_kernels(module):
        counts[id(kernel.coefficients)] = int(np.prod(kernel().shape))
    return sum(counts.values())


def _fourier_kernels(module: Any) -> list[FourierKernel]:
    view, found, seen = tf.train.TrackableView(module), [], {id(module)}
    queue = [module]
    while queue:
        node = queue.pop()
        if isinstance(node, FourierKernel):
            found.append(node)
        for child in view.children(node).values():
            if id(child) not in seen:
                seen.add(id(child))
                queue.append(child)
    return found


def oasis_c() -> dict[str, LayerFacts]:
    """Table 3: every block of OASIS-C, and sums, by the names of the table."""
    critic = _oasis_c(_OUTPUTS)
    trunk, found = critic.trunk, {}
    shape: tuple[int, ...] = (_CROP, _CROP, 3)
    seen = []
    for i, block in enumerate(trunk.down, 1):
        found[f"d{i}"] = _facts(block, shape)
        shape = found[f"d{i}"].shape
        seen.append(shape)
    seen.pop()
    for i, block in enumerate(trunk.up, 1):
        if i > 1:
            shape = (*shape[:2], shape[2] + seen.pop()[2])
        found[f"u{i}"] = _facts(block, shape)
        shape = found[f"u{i}"].shape
    found["out"] = _facts(critic.to_logits, shape)
    side = _CROP // _LATENT_STRIDE
    latent = _facts(critic.conditioning.conv, (side, side, _LATENTS))
    found["latent"] = latent._replace(shape=(*shape[:2], latent.shape[2]))
    body, all_of_it = parameters(trunk), parameters(critic)
    found["body"] = LayerFacts(3, shape, body)
    for key, outputs in (("total", _OUTPUTS), ("total-134", 134), ("total-20", 20)):
        other = critic if outputs == _OUTPUTS else _oasis_c(outputs)
        count = all_of_it if outputs == _OUTPUTS else parameters(other)
        found[key] = LayerFacts(3, (*shape[:2], outputs), count)
    return found


def _oasis_c(outputs: int):
    return build.build(
        DiscriminatorConfig(conditioning="projection"), outputs, _LATENTS
    )


def _facts(layer: Callable, shape: tuple[int, ...]) -> LayerFacts:
    """Traces a layer for its output's shape."""
    spec = tf.TensorSpec((1, *shape), tf.float32)
    traced = tf.function(layer, autograph=False).get_concrete_function(spec)
    out = tuple(traced.structured_outputs.shape[1:])
    return LayerFacts(shape[2], out, parameters(layer))


class SystemFacts(NamedTuple):
    """Parameters of a codec: encoder, decoder, what conditions it, prior."""

    E: int
    G: int
    conditioning: int
    P: int

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self)


# Row of Table 7 -> preset, and stages of the head.
_SYSTEMS: Mapping[str, tuple[str, int]] = {
    "hific": ("hific-lo", 0),
    "egic": ("egic", 1),
}

# What the released code has, counted; where print rounds otherwise, this is right.
# HiFiC's P has 960 numbers more there, quantiles that tfc 1 trained beside the density.
COUNTED: Mapping[str, SystemFacts] = {
    "hific": SystemFacts(7_423_420, 156_774_683, 0, 17_277_240),
    "egic": SystemFacts(9_139_416, 9_139_300, 399_892, 14_277_524),
}


def systems() -> dict[str, SystemFacts]:
    """Table 7: the two codecs that are built here, at full size."""
    found = {}
    for row, (preset, stages) in _SYSTEMS.items():
        chosen = config.get_config(preset)
        chosen.head = HeadConfig(stages=stages)
        model = codec.build_model(chosen)
        found[row] = SystemFacts(
            parameters(model.analysis),
            parameters(model.synthesis),
            parameters(model.head) if model.head is not None else 0,
            sum(parameters(part) for part in _parts(model.prior)),
        )
        del model
    return found


def _parts(prior: Any) -> list[Any]:
    """The networks of P."""
    return [part for part in vars(prior).values() if isinstance(part, tf.Module)]


def published_sum(published: Mapping[str, float]) -> float:
    """What the parts of a line of Table 7 add up to."""
    return sum(published.get(part, 0.0) for part in ("E", "G", "conditioning", "P"))
