"""Discriminators by name, and handing over what was pre-trained."""

import copy

import numpy as np
import pytest
import tensorflow as tf

from egic.discriminators import build
from egic.pretraining_config import (
    DeepLabConfig,
    DiscriminatorConfig,
    OasisConfig,
)
from hific.conditioning import CONDITIONINGS
from hific.names import named_variables
from hific.weight_norms import calibrate

NARROW = DiscriminatorConfig(
    oasis=OasisConfig(down=(4, 6), up=(6, 4)),
    deeplab=DeepLabConfig((64, 64), stem=8, widths=(2, 4, 4, 4), depths=(1, 1, 1, 1)),
)
IMAGE = tf.random.stateless_uniform((2, 64, 64, 3), (0, 1), maxval=255.0)
LATENT = tf.random.stateless_normal((2, 4, 4, 3), (0, 2))


def changed(**fields):
    config = copy.deepcopy(NARROW)
    for name, value in fields.items():
        setattr(config, name, value)
    return config


@pytest.mark.parametrize("kind", build.DISCRIMINATORS)
@pytest.mark.parametrize("conditioning", CONDITIONINGS)
def test_every_kind_has_logits_at_the_size_of_the_image(kind, conditioning):
    critic = build.build(changed(kind=kind, conditioning=conditioning), 5, 3)
    assert critic(IMAGE, LATENT).shape == (2, 64, 64, 5)


@pytest.mark.parametrize("kind", build.DISCRIMINATORS)
def test_the_latent_matters_where_there_is_a_condition(kind):
    critic = build.build(changed(kind=kind, conditioning="concat"), 5, 3)
    changed_latent = critic(IMAGE, 3.0 + LATENT) - critic(IMAGE, LATENT)
    assert np.abs(changed_latent).max() > 0


def test_an_unknown_kind_is_named_with_those_there_are():
    with pytest.raises(ValueError, match="No discriminator 'patch'; there are oasis"):
        build.build(changed(kind="patch"), 5)


@pytest.mark.parametrize("conditioning", ["none", "projection", "projection_classwise"])
def test_taking_over_covers_body_and_last_layer(conditioning):
    pretrained = build.build(NARROW, 5)
    calibrate(pretrained, IMAGE)
    critic = build.build(changed(conditioning=conditioning), 5, 3)
    new = build.take_over(critic, pretrained)
    ours, theirs = named_variables(critic), named_variables(pretrained)
    for name, variable in theirs.items():
        np.testing.assert_array_equal(ours[name], variable)
    assert set(new) == ours.keys() - theirs.keys()
    assert all(name.startswith("conditioning.") for name in new)
    # The body was calibrated in pre-training; only the new layer may be.
    assert calibrate(critic, IMAGE, LATENT) == (conditioning != "none")


def test_without_a_condition_the_one_that_took_over_is_the_same_network():
    pretrained, critic = build.build(NARROW, 5), build.build(NARROW, 5)
    build.take_over(critic, pretrained)
    np.testing.assert_array_equal(critic(IMAGE), pretrained(IMAGE))


@pytest.mark.parametrize(
    "other, outputs, complaint",
    [
        ({}, 6, r"of another shape: to_logits.bias \(6,\) to \(5,\)"),
        (
            {"oasis": OasisConfig(down=(4, 6, 6), up=(6, 6, 4))},
            5,
            r"without a place: trunk.down.2.conv_0.bias",
        ),
        (
            {"oasis": OasisConfig(down=(4,), up=(4,))},
            5,
            "not pre-trained: trunk.down.1",
        ),
        (
            {"oasis": OasisConfig(down=(4, 6), up=(6, 4), norm="spectral")},
            5,
            "not pre-trained: trunk.down.0.conv_0.calibrated.*a place: .*conv_0.u",
        ),
    ],
)
def test_what_does_not_fit_is_named_and_nothing_assigned(other, outputs, complaint):
    critic = build.build(NARROW, 5)
    before = [variable.numpy() for variable in critic.variables]
    with pytest.raises(ValueError, match=complaint):
        build.take_over(critic, build.build(changed(**other), outputs))
    for variable, value in zip(critic.variables, before, strict=True):
        np.testing.assert_array_equal(variable, value)


def test_a_condition_beyond_the_front_of_the_body_is_refused():
    # Concatenation widens the first layer, which pre-training has not seen.
    critic = build.build(changed(conditioning="concat"), 5, 3)
    with pytest.raises(ValueError, match="trunk.down.0.conv_0.kernel .* to "):
        build.take_over(critic, build.build(NARROW, 5))


def test_a_directory_that_is_no_run_is_named(tmp_path):
    with pytest.raises(ValueError, match="config.json does not exist"):
        build.load_pretrained(tmp_path)


def test_deeplab_with_a_condition_answers_at_first_as_it_was_pre_trained():
    pretrained = build.build(changed(kind="deeplab"), 5)
    critic = build.build(changed(kind="deeplab", conditioning="concat"), 5, 3)
    new = build.take_over(critic, pretrained)
    assert new and all(name.startswith("conditioning.") for name in new)
    np.testing.assert_allclose(
        critic(IMAGE, LATENT), pretrained(IMAGE), rtol=1e-4, atol=1e-6
    )


def test_deeplab_of_another_size_is_refused_also_with_a_condition():
    config = changed(kind="deeplab")
    config.deeplab.widths = (2, 4, 4, 6)
    critic = build.build(changed(kind="deeplab", conditioning="concat"), 5, 3)
    with pytest.raises(ValueError, match="may differ in their extra channels only"):
        build.take_over(critic, build.build(config, 5))


def test_deeplab_has_both_decoders():
    config = changed(kind="deeplab", conditioning="concat")
    config.deeplab.decoder = "deeplabv3plus"
    config.deeplab.conditioned_at = "last_fusion"
    critic = build.build(config, 5, 3)
    assert critic(IMAGE, LATENT).shape == (2, 64, 64, 5)
    assert [one.endpoint for one in critic.trunk.decoder.fusions] == ["res2"]
