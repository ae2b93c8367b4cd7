"""Networks that are not trained, in their fastest execution.

A frozen network needs no gradient, so it may run with the kernels that have none. Its
twin computes the same, to float32 rounding, from the same variables; whoever asks for a
gradient through it gets an error (LookupError), not a slow step.

Rounding decides where a latent lies halfway between two integers. Such a one, in one of
six pictures at full size, may go up in the one execution and down in the other, and the
slices after it follow: the loss of that picture then differs by 1e-4 to 1e-3. So it
does between a graph and the same operations outside of one. Of the same integers it
differs by 1e-7.
"""

import copy
from typing import Any

import tensorflow as tf

from egic.kernels import KERNELS, fastest
from egic.transforms import Analysis, HyperAnalysis, HyperSynthesis, Synthesis
from hific import devices
from hific.codec import CodecModel
from hific.entropy import Prior

SWIN = (Analysis, Synthesis, HyperAnalysis, HyperSynthesis)


def frozen(model: CodecModel) -> CodecModel:
    """The model, without a head, of the same variables, for what does not train it.

    A model whose networks have no other execution is returned as it is, and so is any
    where steps are compiled by XLA, which knows only public operations.
    """
    prior = model.prior
    if devices.current().xla or not isinstance(model.analysis, SWIN):
        return model
    twin = Prior(
        _twin(prior.hyper_analysis),
        prior.density,
        _twin(prior.hyper_synthesis),
        prior.walk,
        prior.noisy_hyper,
        prior.likelihood_floor,
    )
    return CodecModel(
        _twin(model.analysis), _twin(model.synthesis), twin, model.channels
    )


def _twin(network: Any) -> Any:
    """A copy that shares the variables and has the fastest kernels."""
    kept = {id(variable): variable for variable in network.variables}
    return copy.deepcopy(network, kept | _replaced())


def _replaced() -> dict[int, object]:
    """id of each kernel that can be trained -> what stands for it."""
    slow, fast = KERNELS["trainable"], KERNELS[fastest()]
    names = ("layer_norm", "dense_gelu", "dense_add")
    return {
        id(getattr(slow, name)): _in_graphs(getattr(fast, name), getattr(slow, name))
        for name in names
    }


def _in_graphs(fast, slow):
    """Fused operations exist in graphs only; elsewhere the others do."""

    def kernel(*tensors: tf.Tensor) -> tf.Tensor:
        return (slow if tf.executing_eagerly() else fast)(*tensors)

    return kernel
