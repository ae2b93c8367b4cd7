"""Convolutions next to a change of resolution, against the two steps one by one."""

import collections

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.eager import context

from egic.discriminators import oasis
from egic.discriminators.resolution import (
    convolve_and_halve,
    double,
    double_and_convolve,
    halve,
)
from hific.conditioning import Conditioning
from hific.layers import built
from hific.objectives import Terms
from hific.training import Group, Player, make_train_step, set_seeds
from hific.weight_norms import WEIGHT_NORMS, calibrate

ONE_AFTER_THE_OTHER = {
    convolve_and_halve: lambda layer, x: halve(layer(x)),
    double_and_convolve: lambda layer, x: layer(double(x)),
}


def made(norm, size):
    """A layer of 3 channels to 2 and a picture; biases are not 0."""
    set_seeds(3)
    layer = built(WEIGHT_NORMS[norm](2, size), 3)
    if hasattr(layer, "bias"):
        layer.bias.assign([0.5, -1.0])
    return layer, tf.random.stateless_normal((2, 6, 4, 3), (1, 2))


def with_gradients(step, layer, x):
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = step(layer, x)
        loss = tf.reduce_sum(tf.sin(y) * y[:, ::-1])
    return [y, *tape.gradient(loss, [x, *layer.trainable_variables])]


# Power iterations of "spectral" would go on between the two, so it is not here.
@pytest.mark.parametrize("norm", ["weight", "spectral_training", "layer", "none"])
@pytest.mark.parametrize("step", ONE_AFTER_THE_OTHER)
def test_values_and_gradients_are_those_of_the_two_steps(step, norm):
    layer, x = made(norm, 3)
    ours = with_gradients(step, layer, x)
    theirs = with_gradients(ONE_AFTER_THE_OTHER[step], layer, x)
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=2e-5)


def test_a_convolution_of_one_pixel_sees_the_small_picture():
    layer, x = made("weight", 1)
    seen = []
    layer.convolve = lambda x, kernel: (
        seen.append(x.shape) or tf.nn.conv2d(x, kernel, 1, "SAME")
    )
    np.testing.assert_allclose(convolve_and_halve(layer, x), halve(layer(x)), atol=1e-6)
    assert seen == [(2, 3, 2, 3), (2, 6, 4, 3)]


def test_the_large_tensor_between_the_steps_is_never_made():
    layer, _ = made("weight", 3)

    @tf.function(autograph=False)
    def both(x):
        return convolve_and_halve(layer, x), double_and_convolve(layer, x)

    graph = both.get_concrete_function(tf.TensorSpec((2, 8, 12, 3))).graph
    kinds = [op.type for op in graph.get_operations()]
    assert not {"AvgPool", "ResizeNearestNeighbor"} & set(kinds)
    halved, doubled = graph.structured_outputs
    assert halved.shape == (2, 4, 6, 2) and doubled.shape == (2, 16, 24, 2)


def test_sides_may_be_unknown():
    layer, x = made("weight", 3)
    step = tf.function(
        lambda x: double_and_convolve(layer, x),
        input_signature=[tf.TensorSpec((None, None, None, 3))],
    )
    np.testing.assert_allclose(step(x), layer(double(x)), atol=1e-5)


@pytest.mark.parametrize("step", ONE_AFTER_THE_OTHER)
def test_calibration_sees_what_the_convolution_gives(step):
    results = []
    for way in (step, ONE_AFTER_THE_OTHER[step]):
        layer, x = made("weight", 3)
        assert calibrate(Network(layer, way), x) == 1
        results.append((layer.gain.numpy(), layer.bias.numpy()))
    np.testing.assert_array_equal(results[0], results[1])


class Network(tf.Module):
    """A layer that is called in some way."""

    def __init__(self, layer, way):
        super().__init__()
        self.layer, self.way = layer, way

    def __call__(self, x):
        return self.way(self.layer, x)


def optimised(critic):
    """How many operations of each kind are left of a step that trains it."""

    def objective(image, step):
        del step
        return Terms({"t": tf.reduce_mean(tf.square(critic(image, training=True)))})

    optimizer = tf.keras.optimizers.SGD(0.1)
    player = Player("d", objective, [Group(critic.trainable_variables, optimizer)])
    step = make_train_step([player])
    image = tf.random.stateless_uniform((1, 8, 8, 3), (1, 2), 0.0, 255.0)
    with tf.device("/CPU:0"):
        context.enable_run_metadata()
        try:
            step((image,), tf.constant(0, tf.int64))
            graphs = context.export_run_metadata().function_graphs
        finally:
            context.disable_run_metadata()
    nodes = [node for graph in graphs for node in graph.post_optimization_graph.node]
    return collections.Counter(node.op for node in nodes)


def test_convolutions_are_fused_although_sums_are_used_twice():
    critic = oasis.OasisDiscriminator(Conditioning(), 5, (4, 6), (6, 4))
    counts = optimised(critic)
    # conv_0, conv_1 and a shortcut of each block, and the logits; one shortcut is its
    # input, and where sides are doubled a transposed convolution learns by a plain one.
    assert counts["_FusedConv2D"] == 4 * 3 + 1 - 1 - 2
    assert counts["Conv2D"] == 2
    assert counts["Conv2DBackpropFilter"] == 4 * 3 + 1 - 1
