"""The output-residual head of both backbones, and G in the two parts it needs."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from egic.codec import build_egic, build_model
from egic.config import PRESETS, EgicConfig, TransformConfig
from egic.initialisers import Blank, Initialiser
from egic.kernels import KERNELS
from egic.transforms import Head, Synthesis
from hific import networks
from hific.names import named_variables
from hific.network_config import HeadConfig
from tests import micro_codec

LATENT = tf.random.stateless_normal((1, 4, 4, 128), seed=(0, 1))
HIFIC_LATENT = tf.random.stateless_normal((1, 2, 3, 64), seed=(0, 2))


def count(module):
    return sum(v.shape.num_elements() for v in named_variables(module).values())


def with_head(preset, stages):
    config = dataclasses.replace(PRESETS[preset], head=HeadConfig(stages))
    return build_model(config)


def egic_end(depth):
    """A tiny G and a head of it, with weights of their own."""
    shape, plain = PRESETS["egic-tiny"].transform, KERNELS["plain"]
    synthesis = Synthesis(shape, Initialiser(1), plain, tf.float32)
    return synthesis, Head(shape, depth, Initialiser(2), plain, tf.float32)


def hific_end(depth):
    model = with_head("hific-tiny", depth)
    return model.synthesis, model.head


ENDS = [(egic_end, LATENT, depth) for depth in (1, 2, 3, 4)]
ENDS += [(hific_end, HIFIC_LATENT, depth) for depth in (1, 2, 4)]


@pytest.mark.parametrize("make, latent, depth", ENDS)
def test_a_head_gives_gs_image_once_it_has_gs_weights(make, latent, depth):
    synthesis, head = make(depth)
    features = synthesis.features(latent, depth)
    assert features.shape[-1] == head.channels
    assert np.abs(head(features) - synthesis(latent)).max() > 1.0
    head.start_from(synthesis)
    np.testing.assert_array_equal(head(features), synthesis(latent))


@pytest.mark.parametrize("make, latent, depth", ENDS)
def test_g_in_two_parts_is_g(make, latent, depth):
    synthesis, _ = make(depth)
    image = synthesis.render(synthesis.features(latent, depth), depth)
    np.testing.assert_array_equal(image, synthesis(latent))


def test_a_copied_head_is_not_the_end_of_g_itself():
    synthesis, head = egic_end(1)
    head.start_from(synthesis)
    head.unpack.bias.assign_add(tf.ones(12))
    assert synthesis.unpack.bias.numpy().max() == 0.0


@pytest.mark.parametrize("depth, parameters", [(1, 399_892), (4, 9_139_300)])
def test_a_head_has_the_published_parameters(depth, parameters):
    """Four stages are the whole of G."""
    kernels = KERNELS["plain"]
    head = Head(TransformConfig(), depth, Blank(), kernels, tf.float32)
    assert count(head) == parameters


def test_hifics_head_has_the_counted_parameters():
    """One doubling, its norm, and the last convolution of 7x7."""
    model = build_model(dataclasses.replace(PRESETS["hific-lo"], head=HeadConfig(1)))
    up, norm, last = 9 * 120 * 60 + 60, 2 * 60, 49 * 60 * 3 + 3
    assert count(model.head) == up + norm + last


def test_a_head_leaves_every_other_first_weight_alone():
    plain, headed = (
        micro_codec.CONFIG,
        dataclasses.replace(micro_codec.CONFIG, head=HeadConfig(1)),
    )
    before = named_variables(build_egic(plain))
    after = named_variables(build_egic(headed))
    assert {name for name in after if name not in before} == {
        name for name in after if name.startswith("head.")
    }
    for name, variable in before.items():
        if ".density." not in name:  # TensorFlow's own random numbers.
            np.testing.assert_array_equal(variable, after[name])


def test_a_model_without_a_head_has_none():
    model = build_egic(micro_codec.CONFIG)
    assert model.head is None
    headed = build_egic(dataclasses.replace(micro_codec.CONFIG, head=HeadConfig(1)))
    assert set(named_variables(headed.without_head())) == set(named_variables(model))


@pytest.mark.parametrize("preset", ["egic-tiny", "hific-tiny"])
@pytest.mark.parametrize("stages", [-1, 5])
def test_a_head_of_more_stages_than_g_has_is_refused(preset, stages):
    with pytest.raises(ValueError, match=rf"head.stages \(={stages}\) must be 1 to 4"):
        with_head(preset, stages)


def test_hifics_decoder_is_what_it_was_before_it_had_parts():
    """norm, convolution, norm, blocks with a skip, doublings, last convolution."""
    decoder = networks.build_decoder(PRESETS["hific-tiny"])
    x = head = decoder.norm_head(decoder.conv_in(decoder.norm_in(HIFIC_LATENT)))
    for block in decoder.blocks:
        x = block(x)
    x = x + head
    for up, norm in zip(decoder.ups, decoder.norms, strict=True):
        x = tf.nn.relu(norm(up(x)))
    expected = 255.0 * decoder.to_image(x)
    np.testing.assert_allclose(decoder(HIFIC_LATENT), expected, rtol=1e-6)


def test_the_default_config_has_no_head():
    assert EgicConfig().head.stages == PRESETS["hific-lo"].head.stages == 0
