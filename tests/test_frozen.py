"""Networks that are not trained: their fast twins, and what a step asks of them."""

import collections

import numpy as np
import pytest
import tensorflow as tf

from deeplab2_tf import labels
from egic import codec, stage2_config, systems
from egic.config import get_config
from egic.discriminators import build
from egic.frozen import frozen
from egic.reproduction.counting import needed
from hific import devices
from hific.training import make_train_step


@pytest.fixture(scope="module")
def model():
    return codec.build_model(get_config("egic-tiny"))


def picture(seed):
    return tf.random.stateless_uniform((1, 64, 64, 3), (0, seed), 0.0, 255.0)


def test_the_twin_has_the_same_variables_and_other_kernels(model):
    twin = frozen(model)
    assert {v.ref() for v in twin.variables} == {v.ref() for v in model.variables}
    coded = tf.function(lambda image: systems.coded(twin, image), autograph=False)
    graph = coded.get_concrete_function(picture(0)).graph
    if codec.fastest() == "fused":
        assert "_MklLayerNorm" in {op.type for op in graph.get_operations()}


def test_the_twin_gives_the_same_to_rounding_in_graphs_and_without(model):
    twin = frozen(model)
    ours, theirs = twin.analysis(picture(0)), model.analysis(picture(0))
    np.testing.assert_array_equal(ours, theirs)
    traced = tf.function(twin.analysis, autograph=False)
    np.testing.assert_allclose(traced(picture(0)), theirs, rtol=1e-4, atol=1e-5)


PARTS = {
    "h_a": (lambda model: model.prior.hyper_analysis, (1, 4, 4, 128)),
    "h_s": (lambda model: model.prior.hyper_synthesis, (1, 1, 1, 64)),
    "G": (lambda model: model.synthesis, (1, 4, 4, 128)),
}


@pytest.mark.parametrize("part", PARTS)
def test_every_part_of_the_twin_gives_the_same_for_the_same_latents(part, model):
    choose, shape = PARTS[part]
    x = tf.round(3.0 * tf.random.stateless_normal(shape, (0, 5)))
    parts = choose(frozen(model)), choose(model)
    ours, theirs = (tf.function(one, autograph=False)(x) for one in parts)
    for one, other in zip(tf.nest.flatten(ours), tf.nest.flatten(theirs), strict=True):
        scale = np.abs(other).max()
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5 * scale)


def test_the_twin_has_the_slices_and_the_density_of_the_model(model):
    prior = frozen(model).prior
    assert prior.walk is model.prior.walk
    assert prior.density is model.prior.density
    assert prior.noisy_hyper == model.prior.noisy_hyper


def test_a_gradient_through_the_twin_is_refused(model):
    twin = frozen(model)

    @tf.function(autograph=False)
    def slope(image):
        return tf.gradients(twin.analysis(image), image)

    if codec.fastest() == "fused":
        with pytest.raises(LookupError, match="No gradient"):
            slope(picture(0))


def test_xla_keeps_public_operations(model):
    with devices.using(devices.Devices(xla=True)):
        assert frozen(model) is model


@pytest.fixture(scope="module")
def step_graph(model):
    """The traced step of stage 2, and the discriminator."""
    config = stage2_config.get_config("egic-tiny")
    config.strategy_1.perceptual = 0.0
    label_set = labels.load(config.data.label_set)
    critic = build.build(config.discriminator, label_set.num_outputs, model.channels)
    players = systems.stage2(model, critic, config, label_set)
    batch = {
        "image": picture(1),
        "semantic": tf.ones((1, 64, 64), tf.int32),
        "weights": tf.ones((1, 64, 64)),
    }
    step = make_train_step(players)
    traced = step.get_concrete_function((batch, batch), tf.constant(0, tf.int64))
    yield traced.graph, critic
    del players  # Their variables had to live as long as the graph.


def reads(graph, variables):
    """The operations that read some variables, each in a list of its own."""
    found = {id(v.handle): [] for v in variables}
    outer_of = {id(inner): id(outer) for outer, inner in graph.captures}
    for op in needed(graph):
        if op.type in ("ReadVariableOp", "ResourceGather"):
            found.get(outer_of.get(id(op.inputs[0])), []).append(op)
    return list(found.values())


def test_no_gradient_uses_a_weight_of_e_or_p(step_graph, model):
    graph, _ = step_graph
    still = [*model.analysis.variables, *model.prior.hyper_synthesis.variables]
    for ops in reads(graph, still):
        assert len(ops) == 2, "E and P run once for each player."
        for op in ops:
            direct = [user for output in op.outputs for user in output.consumers()]
            assert not [user for user in direct if "gradient_tape" in user.name]


def test_the_discriminator_runs_once_for_each_player_and_learns_in_its_own(step_graph):
    graph, critic = step_graph
    kernels = [v for v in critic.trainable_variables if v.shape.rank == 4]
    assert [len(ops) for ops in reads(graph, kernels)] == [2] * len(kernels)
    in_gradients = collections.Counter(
        op.type for op in needed(graph) if op.name.startswith("gradient_tape")
    )
    # Transposed convolutions learn by one, too.
    assert in_gradients["Conv2DBackpropFilter"] == len(kernels)
