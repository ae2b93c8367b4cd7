"""What is computed in 16 bits under precision=bfloat16, and what never is.

E, G, the head and D multiply in bfloat16. What says how probable a latent is, every
loss, LPIPS, gradients and variables are float32, and so is all that passes between
these parts, but for the features that the head shares with G.
"""

import collections
import dataclasses
import functools
import re
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest
import tensorflow as tf

import egic.systems
import hific.systems
from deeplab2_tf import labels
from egic import orp, transforms
from egic.bench.stages import Size, lpips_of
from egic.codec import build_model
from egic.discriminators.build import build
from egic.discriminators.oasis import OasisDiscriminator
from egic.orp_config import OrpConfig
from egic.pretraining_config import (
    DiscriminatorConfig,
    OasisConfig,
    PretrainingConfig,
)
from egic.stage2 import POLICIES
from egic.stage2_config import Stage2Config
from hific import players
from hific.discriminator import PatchDiscriminator, build_discriminator
from hific.entropy import FactorizedDensity, Prior
from hific.lpips import Lpips
from hific.network_config import HeadConfig
from hific.networks import Decoder, Encoder
from hific.training import make_train_step, set_seeds
from tests.micro_codec import CONFIG as MICRO_EGIC
from tests.stage_runs import CODECS, DATA, MICRO_HIFIC

LABELS = labels.load("synthetic")
CRITIC = DiscriminatorConfig(
    conditioning="projection", oasis=OasisConfig(down=(4, 6), up=(6, 4))
)
IMAGE = tf.random.stateless_uniform((1, 64, 64, 3), (2, 2), 0.0, 255.0)
LABELLED = {
    "image": IMAGE,
    "semantic": tf.ones((1, 64, 64), tf.int32),
    "weights": tf.ones((1, 64, 64)),
}


# --- The stages, at their smallest ----------------------------------------------------


def pretraining(precision):
    config = PretrainingConfig(discriminator=CRITIC, data=DATA)
    part = dataclasses.replace(CRITIC, conditioning="none")
    critic = build(part, LABELS.num_outputs, dtype=POLICIES[precision])
    return egic.systems.pretraining(critic, config, LABELS), LABELLED


def stage1(precision):
    config = dataclasses.replace(
        MICRO_EGIC,
        perceptual_weight=1.0,
        perceptual_start=0,
        optimizer=dataclasses.replace(MICRO_EGIC.optimizer, horizon=1),
    )
    model = build_model(config, precision)
    return hific.systems.stage1(model, config, lpips_of(Size())[0]), IMAGE


def stage2(precision):
    model = build_model(MICRO_EGIC, precision)
    policy = POLICIES[precision]
    critic = build(CRITIC, LABELS.num_outputs, model.channels, policy)
    config = Stage2Config(data=DATA)
    lpips = lpips_of(Size())[0]
    return egic.systems.stage2(model, critic, config, LABELS, lpips), LABELLED


def hific_stage2(precision):
    config = dataclasses.replace(MICRO_HIFIC, perceptual_weight=1.0)
    critic = build_discriminator(config, POLICIES[precision])
    model = build_model(config, precision)
    return hific.systems.stage2(model, critic, config, lpips_of(Size())[0]), IMAGE


def head(precision):
    config = dataclasses.replace(MICRO_EGIC, head=HeadConfig(stages=1))
    return orp.players(build_model(config, precision), OrpConfig()), IMAGE


STAGES = {
    "pre-training": pretraining,
    "stage 1": stage1,
    "stage 2": stage2,
    "stage 2 of HiFiC": hific_stage2,
    "ORP": head,
}


# --- What the parts of a step take and give -------------------------------------------

# Part -> the functions that are its doors. G has two: images, and what the head sees.
DOORS = {
    "E": ((transforms.Analysis, "__call__"), (Encoder, "__call__")),
    "P": ((Prior, "rate"), (FactorizedDensity, "bits")),
    "G": ((transforms.Synthesis, "__call__"), (Decoder, "__call__")),
    "features": ((transforms.Synthesis, "features"),),
    "head": ((transforms.Head, "__call__"),),
    "D": ((OasisDiscriminator, "__call__"), (PatchDiscriminator, "__call__")),
    "LPIPS": ((Lpips, "__call__"),),
    "losses": (
        (orp, "mse_255"),
        (hific.systems, "mse_255"),
        (egic.systems, "mse_255"),
        (egic.systems, "semantic_cross_entropy"),
        (egic.systems, "semantic_discriminator_loss"),
        (egic.systems, "consistency_loss"),
        (egic.systems, "top_k_cross_entropy"),
    ),
    "update": ((players, "settle"),),
}
LOW, FULL = {"bfloat16"}, {"float32"}
# Part, kind of product -> its types. D's matrices are kernels that are normalised.
PRODUCTS = {
    **{(part, "MatMul"): LOW for part in ("E", "G", "features", "head")},
    **{("P", kind): FULL for kind in ("MatMul", "Conv2D")},
    **{("LPIPS", kind): FULL for kind in ("MatMul", "Conv2D")},
    ("D", "Conv2D"): LOW,
    ("D", "MatMul"): FULL,
    # HiFiC's; all but the layers that make latents and pixels.
    ("E", "Conv2D"): LOW | FULL,
    ("G", "Conv2D"): LOW | FULL,
}
# Stage -> the parts that its step is made of.
_CODEC = {"E", "P", "features", "G"}
PARTS = {
    "pre-training": {"D"},
    "stage 1": {*_CODEC, "LPIPS"},
    "stage 2": {*_CODEC, "LPIPS", "D"},
    "stage 2 of HiFiC": {"E", "P", "G", "LPIPS", "D"},
    "ORP": {"E", "P", "features", "head"},
}
NEVER_LOW = {"P", "LPIPS", "losses", "update"}


def types(values):
    """Names of the types of the floating-point tensors in nested values."""
    tensors = [x for x in tf.nest.flatten(values) if isinstance(x, tf.Tensor)]
    return {x.dtype.name for x in tensors if x.dtype.is_floating}


def operations(graph, part=None):
    """(part or None, operation) of a graph and the functions it calls."""
    for op in graph.get_operations():
        named = re.findall(r"in_([A-Za-z]+)", op.name)
        here = named[-1] if named else part
        yield here, op
        for name in ("f", "then_branch", "else_branch"):
            if called := op.node_def.attr[name].func.name:
                yield from operations(graph._get_function(called).graph, here)


class Step(NamedTuple):
    """What was seen of one step while it was traced.

    Attributes:
        players: Who moves.
        doors: Part -> the types it takes and those it gives.
        products: (part, kind) -> the types of matrix products and convolutions.
        inside: Part, or None for what is in no part -> the types of everything there.
        total: Does the step; player -> what it minimised.
    """

    players: tuple
    doors: dict
    products: dict
    inside: dict
    total: Callable[[], dict]


def watched(part, function, doors):
    """The function; its operations bear the part's name."""

    def call(*args, **kwargs):
        with tf.name_scope(f"in_{part}"):
            result = function(*args, **kwargs)
        taken, given = doors[part]
        taken.update(types((args, kwargs)))
        given.update(types(result))
        return result

    return call


@functools.cache
def step_of(stage, precision="bfloat16"):
    """The first step of a stage."""
    set_seeds(5)
    made, batch = STAGES[stage](precision)
    args = ((batch,) * len(made), tf.constant(0, tf.int64))
    doors = collections.defaultdict(lambda: (set(), set()))
    with pytest.MonkeyPatch.context() as patch:
        for part, places in DOORS.items():
            for owner, name in places:
                function = watched(part, getattr(owner, name), doors)
                patch.setattr(owner, name, function)
        step = make_train_step(made)
        graph = step.get_concrete_function(*args).graph
    inside, products = collections.defaultdict(set), collections.defaultdict(set)
    for part, op in operations(graph):
        inside[part] |= types([*op.inputs, *op.outputs])
        for kind in ("MatMul", "Conv2D"):
            if kind in op.type:
                products[part, kind] |= types(op.outputs)

    def total():
        metrics = step(*args)
        return {one.name: float(metrics[f"{one.name}/total"]) for one in made}

    return Step(made, dict(doors), dict(products), dict(inside), total)


@pytest.mark.parametrize("stage", STAGES)
def test_parts_give_each_other_float32_but_for_what_the_head_sees(stage):
    doors = step_of(stage).doors
    assert set(doors) == PARTS[stage] | {"losses", "update"}
    for part, (taken, given) in doors.items():
        assert taken == (LOW if part == "head" else FULL), part
        assert given == (LOW if part == "features" else FULL), part


@pytest.mark.parametrize("stage", STAGES)
def test_networks_multiply_in_16_bits_and_nothing_else_does(stage):
    products = step_of(stage).products
    assert {part for part, _ in products} == PARTS[stage]
    for what, found in products.items():
        assert found == PRODUCTS[what], what


@pytest.mark.parametrize("stage", STAGES)
def test_nothing_in_an_entropy_model_a_loss_or_an_update_is_in_16_bits(stage):
    inside = step_of(stage).inside
    for part in NEVER_LOW & inside.keys():
        assert inside[part] == FULL, part
    assert {"losses", "update"} <= inside.keys()


@pytest.mark.parametrize("stage", STAGES)
def test_what_is_trained_and_what_optimizers_keep_is_float32(stage):
    kept = []
    for player in step_of(stage).players:
        kept += [*player.variables, *player.statistics]
        for group in player.groups:
            kept += group.optimizer.variables()
    assert {v.dtype.name for v in kept if v.dtype.is_floating} == FULL


@pytest.mark.parametrize("stage", ["pre-training", "ORP"])
def test_losses_are_those_of_float32_to_the_precision_of_16_bits(stage):
    full = step_of(stage, "float32")
    assert not any("bfloat16" in found for found in full.inside.values())
    expected = full.total()
    assert step_of(stage).total() == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize("config", CODECS.values(), ids=CODECS)
def test_latents_cost_the_same_bits_whatever_the_precision_of_the_networks(config):
    rates = []
    for precision in POLICIES:
        set_seeds(5)
        model = build_model(config, precision)
        y = 3.0 * tf.random.stateless_normal((1, 4, 4, model.channels), (1, 4))
        rates.append(model.prior.rate(y, seed=tf.constant((0, 1))))
    for one, other in zip(*rates, strict=True):
        np.testing.assert_array_equal(one, other)
