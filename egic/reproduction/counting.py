"""Floating-point operations of a network, counted in its traced graph."""

import math
from collections.abc import Callable

import tensorflow as tf


def forward_flops(network: Callable, *shapes: tuple[int, ...]) -> int:
    """Counts one pass: two operations for each multiply-accumulate.

    Matrix products and convolutions count, all else is left out.

    Args:
        network: Of float32 tensors of these shapes.
        *shapes: With a batch of 1.

    Raises:
        ValueError: A shape inside is not known before it runs.
    """
    specs = [tf.TensorSpec(shape, tf.float32) for shape in shapes]
    traced = tf.function(network, autograph=False).get_concrete_function(*specs)
    return graph_flops(traced.graph)


def graph_flops(graph: tf.Graph) -> int:
    """Counts what a traced function computes, gradients included.

    Raises:
        ValueError: A shape inside is not known before it runs.
    """
    return 2 * _macs(graph)


def needed(graph) -> list[tf.Operation]:
    """The operations of a traced function that its results or effects depend on.

    Gradients of a convolution are traced for both of its inputs, wanted or not; what
    nobody asks for is pruned before the graph is run.
    """
    todo = [tensor.op for tensor in graph.outputs] + list(graph.control_outputs)
    seen = {op.name: op for op in todo}
    while todo:
        op = todo.pop()
        for before in [tensor.op for tensor in op.inputs] + list(op.control_inputs):
            if before.name not in seen:
                seen[before.name] = before
                todo.append(before)
    return list(seen.values())


def _macs(graph) -> int:
    total = 0
    for op in needed(graph):
        if op.type in _COUNTED:
            total += _COUNTED[op.type](op)
        elif op.type in ("PartitionedCall", "StatefulPartitionedCall"):
            total += _macs(graph._get_function(op.get_attr("f").name).graph)
    return total


def _size(tensor) -> int:
    if not tensor.shape.is_fully_defined():
        raise ValueError(f"{tensor.name} has shape {tensor.shape}.")
    return math.prod(tensor.shape)


def _convolution(op) -> int:
    """Each output needs a kernel of all input channels."""
    kernel = op.inputs[1]
    return _size(op.outputs[0]) * _size(kernel) // kernel.shape[-1]


def _depthwise(op) -> int:
    kernel = op.inputs[1]
    return _size(op.outputs[0]) * kernel.shape[0] * kernel.shape[1]


def _transposed(op) -> int:
    """Each input is spread over a kernel; the inputs are sizes, kernel, input."""
    kernel, spread = op.inputs[1], op.inputs[2]
    return _size(spread) * _size(kernel) // kernel.shape[-1]


def _kernel_gradient(op) -> int:
    """Each output of the convolution reaches every weight of its channel."""
    upstream, kernel = op.inputs[2], op.outputs[0]
    return _size(upstream) * _size(kernel) // kernel.shape[-1]


def _product(op) -> int:
    a = op.inputs[0]
    transposed = op.get_attr("adj_x" if "Batch" in op.type else "transpose_a")
    return _size(op.outputs[0]) * a.shape[-2 if transposed else -1]


_COUNTED = {
    "Conv2D": _convolution,
    "Conv2DBackpropFilter": _kernel_gradient,
    "Conv2DBackpropInput": _transposed,
    "DepthwiseConv2dNative": _depthwise,
    "MatMul": _product,
    "_FusedMatMul": _product,
    "BatchMatMul": _product,
    "BatchMatMulV2": _product,
}
