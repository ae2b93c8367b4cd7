import math
import pathlib

import numpy as np
import pytest
import safetensors.numpy
import tensorflow as tf

from egic.discriminators import efficientnet_lite4 as lite4

NARROW = {
    "stem_filters": 4,
    "stages": [stage._replace(filters=4 + i) for i, stage in enumerate(lite4.STAGES)],
}


@pytest.fixture(scope="module")
def full():
    return lite4.EfficientNetLite4()


def state_dict(network):
    """Random weights under timm's names, and what it has besides."""
    rng = np.random.default_rng(0)
    arrays = {"classifier.weight": np.zeros((10, 4)), "bn2.bias": np.zeros(3)}
    for variable, name, axes in lite4._weights(network):
        shape = [variable.shape[axis] for axis in np.argsort(axes)]
        arrays[name] = rng.random(shape, np.float32)
    return arrays


def test_it_has_the_published_parameters_up_to_stage_7(full):
    statistics = ("moving_mean", "moving_variance")
    counted = [v for v in full.weights if not v.name.split(":")[0].endswith(statistics)]
    assert sum(math.prod(v.shape) for v in counted) == 11_149_568


def test_nothing_in_it_trains(full):
    assert full.trainable_variables == []


def test_features_of_256_pixels_have_the_published_shapes(full):
    traced = tf.function(full).get_concrete_function(
        tf.TensorSpec((None, 256, 256, 3), tf.float32)
    )
    assert [tuple(shape)[1:] for shape in traced.output_shapes] == [
        (64, 64, 32),
        (32, 32, 56),
        (16, 16, 160),
        (8, 8, 448),
    ]
    assert full.channels == (32, 56, 160, 448)


def test_a_block_adds_its_input_only_where_the_shape_stays():
    zero = tf.zeros((1, 8, 8, 6))
    for stage, strides, adds in (
        (lite4.Stage(3, 1, 6, 1, 6), 1, True),
        (lite4.Stage(3, 2, 6, 1, 6), 2, False),
        (lite4.Stage(3, 1, 6, 1, 7), 1, False),
    ):
        block = lite4.InvertedResidual(6, stage, strides)
        block.convs[-1].norm.gamma.assign(tf.zeros(stage.filters))
        out = block(zero + 1.0)
        assert np.all(out == (1.0 if adds else 0.0))


def test_a_block_by_hand():
    # 1x1 to two channels, of which ReLU6 stops one at 0 and one at 6; a depthwise
    # layer that doubles, to 12 and so 6; 1x1 down to their difference; plus x.
    block = lite4.InvertedResidual(1, lite4.Stage(3, 1, 2, 1, 1), 1)
    expand, depthwise, project = block.convs
    expand.conv.kernel.assign(tf.reshape((-1.0, 3.0), (1, 1, 1, 2)))
    middle = np.zeros((3, 3, 2, 1), np.float32)
    middle[1, 1] = 2.0
    depthwise.conv.depthwise_kernel.assign(middle)
    project.conv.kernel.assign(tf.reshape((1.0, -1.0), (1, 1, 2, 1)))
    for part in block.convs:
        part.norm.moving_variance.assign(tf.ones_like(part.norm.gamma) - 1e-3)
    y = block(tf.fill((1, 2, 2, 1), 10.0), training=True)
    np.testing.assert_allclose(y, np.full((1, 2, 2, 1), 10.0 - 6.0), rtol=1e-6)


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_weights_come_from_a_file_of_timms_names(tmp_path, suffix):
    arrays = state_dict(lite4.EfficientNetLite4(**NARROW))
    path = tmp_path / f"lite4{suffix}"
    if suffix == ".npz":
        np.savez(path, **arrays)
    else:
        safetensors.numpy.save_file(arrays, path)
    network = lite4.pretrained(path, **NARROW)
    block = network.stages[1][0]
    expected = arrays["blocks.1.0.conv_pw.weight"][3, 1, 0, 0]
    assert block.convs[0].conv.kernel[0, 0, 1, 3] == expected
    expected = arrays["blocks.1.0.conv_dw.weight"][3, 0, 2, 1]
    assert block.convs[1].conv.depthwise_kernel[2, 1, 3, 0] == expected
    stem = arrays["conv_stem.weight"][2, 1, 0, 2]
    assert network.stem.conv.kernel[0, 2, 1, 2] == stem
    norm = network.stages[0][0].convs[1].norm
    for ours, theirs in (
        (norm.gamma, "weight"),
        (norm.beta, "bias"),
        (norm.moving_mean, "running_mean"),
        (norm.moving_variance, "running_var"),
    ):
        np.testing.assert_array_equal(ours, arrays[f"blocks.0.0.bn2.{theirs}"])


def test_other_weights_are_refused_whole():
    network = lite4.EfficientNetLite4(**NARROW)
    before = network.stem.conv.kernel.numpy()
    arrays = state_dict(network)
    arrays["blocks.6.0.conv_pwl.weight"] = np.zeros((11, 54, 1, 1), np.float32)
    with pytest.raises(ValueError, match=r"conv_pwl.weight.*\(1, 1, 54, 11\)"):
        lite4.load(network, arrays)
    del arrays["blocks.2.3.bn1.running_var"]
    with pytest.raises(ValueError, match=r"2\.3\.bn1\.running_var.*hold nothing"):
        lite4.load(network, arrays)
    np.testing.assert_array_equal(network.stem.conv.kernel, before)


def test_without_a_file_random_features_must_be_asked_for(caplog):
    missing = pathlib.Path("nowhere/lite4.npz")
    for weights in (missing, None):
        with pytest.raises(ValueError, match="not found at .*nothing is downloaded"):
            lite4.pretrained(weights, **NARROW)
    lite4.pretrained(missing, allow_random_features=True, **NARROW)
    assert "random weights" in caplog.text


def test_gradients_come_back_to_the_image_and_statistics_stay():
    network = lite4.EfficientNetLite4(**NARROW)
    image = tf.random.stateless_uniform((1, 32, 32, 3), (0, 1), -1.0, 1.0)
    before = [variable.numpy() for variable in network.weights]
    with tf.GradientTape() as tape:
        tape.watch(image)
        loss = tf.add_n([tf.reduce_sum(f**2) for f in network(image, training=True)])
    assert np.any(tape.gradient(loss, image))
    for variable, value in zip(network.weights, before, strict=True):
        np.testing.assert_array_equal(variable, value)
