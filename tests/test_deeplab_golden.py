"""The networks against DeepLab2's own outputs, variables and parameter counts."""

import dataclasses
import json
import math

import numpy as np
import pytest
import tensorflow as tf

from deeplab2_tf.networks import decoder, layers
from deeplab2_tf.networks.decoder import Decoder, DecoderPlan, FusionPlan
from deeplab2_tf.networks.deeplab import SemanticDeepLab
from hific.names import named_variables
from tests import deeplab_golden

TINY = DecoderPlan(
    aspp=8,
    dropout=0.0,
    fusions=(FusionPlan("res3", 6, 12), FusionPlan("res2", 4, 12)),
    head_filters=10,
)


def close(ours, theirs):
    """1e-4 of the largest value, which is what float32 keeps over 60 layers."""
    np.testing.assert_allclose(ours, theirs, atol=1e-4 * np.abs(theirs).max(), rtol=0)


@pytest.fixture(scope="module")
def tiny(shared):
    return np.load(shared / "golden/deeplab2/tiny_deeplab_resnet50.npz")


@pytest.fixture
def network(tiny):
    network = SemanticDeepLab(
        5, crop=(64, 64), stem=8, widths=(4, 8, 16, 32), decoder=TINY
    )
    deeplab_golden.fill(network, deeplab_golden.with_prefix(tiny, "w/"))
    return network


def test_every_endpoint_of_the_encoder_and_decoder_is_deeplab2s(tiny, network):
    endpoints = network.endpoints(tiny["image"])
    for key in tiny.files:
        if key.startswith("enc_"):
            close(endpoints[key.removeprefix("enc_")], tiny[key])
    close(endpoints["aspp"], tiny["eval_aspp"])
    close(endpoints["features"], tiny["eval_semantic_features"])
    close(endpoints["logits"], tiny["eval_logits_stride4"])


def test_logits_and_predictions_are_deeplab2s(tiny, network):
    logits = network(tiny["image"])
    close(logits, tiny["eval_semantic_logits"])
    close(tf.nn.softmax(logits), tiny["eval_semantic_probs"])
    np.testing.assert_array_equal(tf.argmax(logits, -1), tiny["eval_semantic_pred"])


def test_training_has_deeplab2s_logits_and_moves_its_statistics(tiny, network):
    logits, theirs = (
        network(tiny["image"], training=True),
        tiny["train_semantic_logits"],
    )
    # The pooling branch normalises over two pixels: to change the picture by 1e-7 of
    # itself moves single logits by 3e-4 of the largest.
    error = np.abs(logits - theirs) / np.abs(theirs).max()
    assert error.max() < 1e-3
    assert error.mean() < 3e-5
    after = deeplab_golden.with_prefix(tiny, "after_train/")
    ours = named_variables(network)
    assert len(after) == 134
    for name, value in after.items():
        np.testing.assert_allclose(ours[name], value, atol=1e-5, rtol=1e-4)


@pytest.fixture(scope="module")
def arrays(shared):
    return np.load(shared / "golden/deeplab2/layers.npz")


@pytest.mark.parametrize(
    "k, s, r", [(7, 2, 1), (3, 2, 1), (3, 1, 3), (1, 2, 1), (5, 1, 1)]
)
def test_a_convolution_pads_as_deeplab2_does(arrays, k, s, r):
    case = f"conv_k{k}_s{s}_r{r}"
    conv = layers.Conv2DSame(3, k, s, dilation_rate=r, use_bias=False)
    layers.built(conv, 2).kernel.assign(arrays[f"{case}_w"])
    close(conv(arrays["conv_x"]), arrays[f"{case}_y"])


@pytest.mark.parametrize("key", ["ac_out_11x9", "ac_out_v1"])
def test_resizing_aligns_corners_as_deeplab2_does(arrays, key):
    close(layers.resize_bilinear(arrays["ac_in"], (11, 9)), arrays[key])


@pytest.mark.parametrize(
    "key, window", [("v3p_logits_pool2x2", (2, 2)), ("v3p_logits_globalpool", None)]
)
def test_deeplab_v3_plus_is_deeplab2s(arrays, key, window):
    plan = dataclasses.replace(
        decoder.DEEPLAB_V3_PLUS, aspp=8, fusions=(FusionPlan("res2", 4, 6, (3, 3)),)
    )
    network = tf.Module()
    network.decoder = Decoder(5, {"res2": 12, "res5": 20}, plan, window)
    deeplab_golden.fill(network, deeplab_golden.with_prefix(arrays, "v3p_w/"))
    endpoints = {"res2": arrays["v3p_res2"], "res5": arrays["v3p_res5"]}
    close(network.decoder(endpoints)["logits"], arrays[key])


@pytest.fixture(scope="module")
def full_size():
    return SemanticDeepLab(134)


def _parameters(variables) -> int:
    return sum(math.prod(variable.shape) for variable in variables)


def test_parameters_are_as_many_as_deeplab2s(full_size):
    trainable = full_size.trainable_variables
    assert _parameters(full_size.encoder.trainable_variables) == 23_508_032
    assert _parameters(full_size.decoder.trainable_variables) == 15_856_742
    assert (len(trainable), _parameters(trainable)) == (203, 39_364_774)
    everything = full_size.variables
    assert (len(everything), _parameters(everything)) == (337, 39_424_422)


def test_variables_are_deeplab2s(shared, full_size):
    path = shared / "golden/deeplab2/deeplab_resnet50_semseg_coco_variables.json"
    theirs = {
        deeplab_golden.our_name(item["name"]): (item["shape"], item["trainable"])
        for item in json.loads(path.read_text())
    }
    ours = {
        name: (list(variable.shape), variable.trainable)
        for name, variable in named_variables(full_size).items()
    }
    assert len(theirs) == 337
    assert ours == theirs


@pytest.mark.parametrize(
    "side, sides", [(256, (128, 64, 32, 16, 8)), (641, (321, 161, 81, 41, 21))]
)
def test_endpoints_have_deeplab2s_shapes(full_size, side, sides):
    spec = tf.TensorSpec((1, side, side, 3))
    endpoints = tf.function(full_size.endpoints).get_concrete_function(spec)
    shapes = endpoints.structured_outputs
    for i, (size, width) in enumerate(
        zip(sides, (64, 256, 512, 1024, 2048), strict=True), 1
    ):
        assert shapes[f"res{i}"].shape == (1, size, size, width)
    logits = tf.function(full_size).get_concrete_function(spec).structured_outputs
    assert shapes["logits"].shape == (1, sides[1], sides[1], 134)
    assert logits.shape == (1, side, side, 134)
