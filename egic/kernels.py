"""The three operations a Swin transformer spends its time in, in several executions.

A network names its operations once, as a `Kernels`; which functions those are decides
whether it can be trained, frozen into a graph of public operations, or runs at the
speed of the CPU's fused primitives. All agree to float32 rounding.

    KERNELS["portable"]   public operations, in patterns that other engines know
    KERNELS["plain"]      public TensorFlow operations, any dtype and device
    KERNELS["trainable"]  the same values, with gradients that need fewer passes
    KERNELS["fused"]      oneDNN primitives of the CPU build; inference only
"""

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import tensorflow as tf
from tensorflow.python.framework import ops

EPSILON = 1e-5  # Of every LayerNorm in SwinT-ChARM.


class Kernels(NamedTuple):
    """How to compute on tokens; every function keeps the dtype of its first argument.

    Attributes:
        layer_norm: (x [N, C], gamma [C], beta [C]) -> [N, C], over channels.
        dense_gelu: (x [N, C], kernel [C, D], bias [D]) -> gelu(x @ kernel + bias), with
            the exact (erf) GELU.
        dense_add: (x [N, C], kernel [C, D], bias [D], shortcut [N, D]) -> shortcut + x
            @ kernel + bias.
        tokens_at_once: How many a block takes at a time, None for all of them. Saves
            memory when coding; costs it in training, which keeps what it computes.
    """

    layer_norm: Callable[..., tf.Tensor]
    dense_gelu: Callable[..., tf.Tensor]
    dense_add: Callable[..., tf.Tensor]
    tokens_at_once: int | None = None


def dense(x: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
    """x @ kernel + bias for x [N, C]; one fused kernel once the graph is optimised."""
    return tf.nn.bias_add(tf.matmul(x, kernel), bias)


def _layer_norm(x, gamma, beta):
    mean, variance = tf.nn.moments(x, axes=[-1], keepdims=True)
    return (x - mean) * tf.math.rsqrt(variance + EPSILON) * gamma + beta


def _divided_layer_norm(x, gamma, beta):
    """LayerNorm as OpenVINO's compiler finds it, to make one primitive of it."""
    centred = x - tf.reduce_mean(x, [-1], keepdims=True)
    variance = tf.reduce_mean(tf.square(centred), [-1], keepdims=True)
    return centred / tf.sqrt(variance + EPSILON) * gamma + beta


def _dense_gelu(x, kernel, bias):
    return tf.nn.gelu(dense(x, kernel, bias), approximate=False)


def _dense_add(x, kernel, bias, shortcut):
    return shortcut + dense(x, kernel, bias)


def _op(kind: str, inputs: Sequence[Any], shape: Any, **attributes) -> tf.Tensor:
    """Adds an operation that TensorFlow registers but does not wrap in Python.

    Grappler inserts these where its patterns match, which for LayerNorm needs constant
    weights and for the exact GELU depends on the operations around it; asking for them
    by name does not depend on luck. Graph mode only, without a gradient.
    """
    inputs = [tf.convert_to_tensor(value) for value in inputs]
    dtype = inputs[0].dtype
    values = {"T": tf.compat.v1.AttrValue(type=dtype.as_datatype_enum), **attributes}
    operation = ops.get_default_graph().create_op(
        kind, inputs, [dtype], name=kind.strip("_"), attrs=values
    )
    (output,) = operation.outputs
    output.set_shape(shape)
    return output


def _fused_layer_norm(x, gamma, beta):
    attribute = tf.compat.v1.AttrValue(f=EPSILON)
    return _op("_MklLayerNorm", [x, gamma, beta], x.shape, epsilon=attribute)


def _fused_dense(x, kernel, args, fused_ops):
    names = tf.compat.v1.AttrValue.ListValue(s=[name.encode() for name in fused_ops])
    return _op(
        "_FusedMatMul",
        [x, kernel, *args],
        (x.shape[0], kernel.shape[1]),
        num_args=tf.compat.v1.AttrValue(i=len(args)),
        fused_ops=tf.compat.v1.AttrValue(list=names),
    )


def _fused_dense_gelu(x, kernel, bias):
    return _fused_dense(x, kernel, [bias], ["BiasAdd", "GeluExact"])


def _fused_dense_add(x, kernel, bias, shortcut):
    return _fused_dense(x, kernel, [bias, shortcut], ["BiasAdd", "Add"])


@tf.custom_gradient
def _lean_layer_norm(x, gamma, beta):
    """LayerNorm whose gradient is written out, which needs fewer passes.

    With n = (x - mean) / std and u = dy * gamma:

        dx = (u - mean(u) - n * mean(u * n)) / std
    """
    mean, variance = tf.nn.moments(x, axes=[-1], keepdims=True)
    scale = tf.math.rsqrt(variance + EPSILON)
    normal = (x - mean) * scale

    def gradient(dy):
        inner = dy * gamma
        mean_inner = tf.reduce_mean(inner, axis=-1, keepdims=True)
        mean_product = tf.reduce_mean(inner * normal, axis=-1, keepdims=True)
        dx = (inner - mean_inner - normal * mean_product) * scale
        return dx, tf.reduce_sum(dy * normal, axis=0), tf.reduce_sum(dy, axis=0)

    return normal * gamma + beta, gradient


@tf.custom_gradient
def _lean_gelu(x):
    """Exact GELU; the gradient Phi(x) + x phi(x) reuses Phi from the forward pass."""
    cdf = 0.5 * (1.0 + tf.math.erf(x * math.sqrt(0.5)))

    def gradient(dy):
        density = tf.exp(-0.5 * tf.square(x)) * (1.0 / math.sqrt(2.0 * math.pi))
        return dy * (cdf + x * density)

    return x * cdf, gradient


def _lean_dense_gelu(x, kernel, bias):
    return _lean_gelu(dense(x, kernel, bias))


KERNELS: Mapping[str, Kernels] = {
    "portable": Kernels(_divided_layer_norm, _dense_gelu, _dense_add),
    "plain": Kernels(_layer_norm, _dense_gelu, _dense_add),
    "trainable": Kernels(_lean_layer_norm, _lean_dense_gelu, _dense_add),
    "fused": Kernels(_fused_layer_norm, _fused_dense_gelu, _fused_dense_add),
}


@functools.cache
def fastest() -> str:
    """The key of KERNELS for inference here: "fused" where this build can run it."""

    @tf.function(autograph=False)
    def probe():
        x, vector = tf.ones((2, 4)), tf.ones(4)
        return _fused_dense_gelu(
            _fused_layer_norm(x, vector, vector), tf.ones((4, 4)), vector
        )

    if tf.config.list_logical_devices("GPU"):
        return "plain"
    try:
        probe()
    except (tf.errors.UnimplementedError, tf.errors.NotFoundError, RuntimeError):
        return "plain"  # oneDNN is switched off, or this build has none.
    return "fused"
