import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from deeplab2_tf.networks import layers
from deeplab2_tf.networks.aspp import ASPP, drop, pooling_window
from deeplab2_tf.networks.decoder import DECODERS, DecoderPlan, FusionPlan
from deeplab2_tf.networks.deeplab import SemanticDeepLab
from deeplab2_tf.networks.resnet50 import Bottleneck, ResNet50
from deeplab2_tf.networks.warm_start import warm_start

TINY = {"crop": (64, 64), "stem": 4, "widths": (2, 2, 3, 4), "depths": (1, 2, 1, 1)}
PLAN = DecoderPlan(
    aspp=4, fusions=(FusionPlan("res3", 3, 5), FusionPlan("res2", 2, 5)), head_filters=6
)


def tiny(num_outputs=3, decoder=PLAN, **kwargs):
    return SemanticDeepLab(num_outputs, decoder=decoder, **TINY, **kwargs)


def pictures(batch=2, side=64):
    return tf.random.stateless_uniform((batch, side, side, 3), (1, 2), 0.0, 255.0)


def shake(network):
    """Random weights, so that nothing is hidden by a zero; variances stay positive."""
    for i, variable in enumerate(network.variables):
        noise = tf.random.stateless_uniform(variable.shape, (i, 0), -0.5, 0.5)
        variable.assign(noise + (1.0 if variable.shape.rank == 1 else 0.0))


def test_a_strided_convolution_is_centred_on_every_second_pixel():
    conv = layers.Conv2DSame(1, 3, 2, use_bias=False)
    kernel = layers.built(conv, 1).kernel
    kernel.assign(tf.scatter_nd([[1, 1, 0, 0]], [1.0], (3, 3, 1, 1)))
    x = tf.reshape(tf.range(16.0), (1, 4, 4, 1))
    np.testing.assert_array_equal(conv(x)[0, ..., 0], [[0, 2], [8, 10]])
    keras = tf.nn.conv2d(x, kernel, 2, "SAME")
    np.testing.assert_array_equal(keras[0, ..., 0], [[5, 7], [13, 15]])


def test_a_strided_1x1_convolution_picks_its_pixels_before_it_convolves():
    conv = layers.built(layers.Conv2DSame(1, 1, 2, use_bias=False), 1)
    conv.kernel.assign([[[[3.0]]]])
    x = tf.reshape(tf.range(9.0), (1, 3, 3, 1))
    np.testing.assert_array_equal(conv(x)[0, ..., 0], [[0, 6], [18, 24]])
    assert conv.strides == (1, 1)  # Strided, its gradient crashes: see Conv2DSame.


def test_a_resized_map_keeps_its_corners():
    x = tf.constant([[0.0, 3.0]])[..., tf.newaxis, tf.newaxis]
    resized = layers.resize_bilinear(tf.transpose(x, (0, 2, 1, 3)), (1, 4))
    np.testing.assert_allclose(resized[0, 0, :, 0], [0, 1, 2, 3], atol=1e-6)


def test_running_variance_moves_towards_the_unbiased_one():
    norm = layers.built(layers.batch_norm(), 1)
    x = tf.reshape(tf.constant([1.0, -1.0] * 4), (1, 2, 4, 1))
    norm(x, training=True)
    assert norm.moving_variance.numpy() == pytest.approx(0.99 + 0.01 * 8 / 7)


def test_appended_features_repeat_their_pixels_after_the_others():
    extra = tf.reshape([1.0, 2.0, 3.0, 4.0], (1, 2, 2, 1))
    y = layers.appended(tf.zeros((1, 4, 4, 2)), [extra])
    assert y.shape == (1, 4, 4, 3)
    np.testing.assert_array_equal(
        y[0, :, :, 2], np.kron([[1, 2], [3, 4]], np.ones((2, 2)))
    )


def test_a_new_bottleneck_adds_nothing():
    x = tf.random.stateless_normal((1, 5, 5, 8), (0, 1))
    np.testing.assert_array_equal(Bottleneck(8, 2)(x), tf.nn.relu(x))


def test_output_stride_16_computes_what_32_skips():
    coarse, fine = (ResNet50(4, (2, 2, 3, 4), (1, 1, 1, 3), s) for s in (32, 16))
    shake(coarse)
    for ours, theirs in zip(fine.variables, coarse.variables, strict=True):
        ours.assign(theirs)
    x = pictures(1, 96) / 127.5 - 1.0
    fine, coarse = fine(x), coarse(x)
    np.testing.assert_array_equal(fine["stage4"], coarse["stage4"])
    assert fine["stage5"].shape == (1, 6, 6, 16)
    np.testing.assert_allclose(fine["stage5"][:, ::2, ::2], coarse["stage5"], rtol=1e-4)


def test_other_output_strides_are_refused():
    with pytest.raises(ValueError, match=r"one of \[16, 32\], got 8"):
        ResNet50(output_stride=8)


@pytest.mark.parametrize("side, window", [(256, 8), (640, 20), (641, 21), (1025, 33)])
def test_the_pooling_window_covers_a_training_crop(side, window):
    assert pooling_window((side, 64), 32) == (window, 2)


def test_larger_pictures_are_pooled_by_a_sliding_window_and_smaller_refused():
    aspp = ASPP(3, 4, window=(2, 2))
    assert aspp(tf.ones((1, 5, 3, 3))).shape == (1, 5, 3, 4)
    with pytest.raises(ValueError, match=r"\(1, 3\) feature map is smaller"):
        aspp(tf.ones((1, 1, 3, 3)))


def test_what_is_dropped_follows_from_the_features():
    x = tf.random.stateless_uniform((4, 20, 20, 8), (3, 4), 1.0, 2.0)
    once = drop(x, 0.1)
    np.testing.assert_array_equal(once, drop(x, 0.1))
    assert np.mean((once == 0) != (drop(x + 0.1, 0.1) == 0)) > 0.1
    kept = once != 0
    assert np.mean(kept) == pytest.approx(0.9, abs=0.01)
    np.testing.assert_allclose(once[kept], x[kept] / 0.9, rtol=1e-6)
    np.testing.assert_array_equal(drop(x, 0.0), x)


def test_dropout_is_for_training_only():
    network = tiny(decoder=dataclasses.replace(PLAN, dropout=0.5))
    plain = tiny(decoder=dataclasses.replace(PLAN, dropout=0.0))
    shake(network)
    shake(plain)
    x = pictures()
    np.testing.assert_array_equal(network(x), plain(x))
    assert np.abs(network(x, training=True) - plain(x, training=True)).max() > 1e-3


@pytest.mark.parametrize("decoder", [PLAN, DECODERS["deeplabv3plus"]])
def test_logits_are_as_large_as_the_picture_and_train_everything(decoder):
    network = tiny(decoder=decoder)
    with tf.GradientTape() as tape:
        logits = network(pictures(), training=True)
        loss = tf.reduce_mean(logits**2)
    assert logits.shape == (2, 64, 64, 3)
    gradients = tape.gradient(loss, network.trainable_variables)
    assert all(gradient is not None for gradient in gradients)


def test_logits_start_near_zero_and_kernels_as_wide_as_he_has_them():
    plan = dataclasses.replace(PLAN, head_filters=500)
    decoder = tiny(40, decoder=plan).decoder
    assert np.std(decoder.to_logits.kernel) == pytest.approx(0.0088, rel=0.05)
    pointwise = decoder.head.convs[0].pointwise.conv.kernel  # [1, 1, 5, 500]
    assert np.std(pointwise) == pytest.approx((2 / 5) ** 0.5, rel=0.1)
    depthwise = decoder.head.convs[0].depthwise.conv.depthwise_kernel  # [5, 5, 5, 1]
    limit = (6 / (25 * 5 + 25)) ** 0.5
    assert 0.8 * limit < np.abs(depthwise).max() <= limit


def test_sides_that_the_strides_do_not_divide_are_kept():
    assert tiny()(pictures(1, 71)).shape == (1, 71, 71, 3)


def test_half_precision_gives_float32_logits_close_by():
    whole, half = tiny(), tiny(dtype="mixed_float16")
    for network in (whole, half):
        shake(network)
    logits = half(pictures())
    assert logits.dtype == tf.float32
    theirs = whole(pictures())
    error = np.abs(logits - theirs).max() / np.abs(theirs).max()
    assert error < 0.02


def test_a_few_steps_lower_the_loss():
    network = tiny(2)
    labels = tf.constant([[[0, 1], [1, 0]], [[1, 1], [0, 0]]])
    labels = tf.repeat(tf.repeat(labels, 32, axis=1), 32, axis=2)
    image = tf.repeat(tf.cast(labels, tf.float32)[..., tf.newaxis], 3, axis=-1) * 255.0
    cross_entropy = tf.nn.sparse_softmax_cross_entropy_with_logits
    losses = []
    for _ in range(8):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(cross_entropy(labels, network(image, training=True)))
        losses.append(float(loss))
        variables = network.trainable_variables
        gradients = tape.gradient(loss, variables)
        for variable, gradient in zip(variables, gradients, strict=True):
            variable.assign_sub(0.3 * gradient)
    assert losses[-1] < 0.95 * losses[0]


@pytest.mark.parametrize("places", [("res3", "res2"), ("res2",), ("head",)])
@pytest.mark.parametrize("training", [False, True])
def test_a_warm_start_answers_as_the_network_it_comes_from(places, training):
    trained = tiny()
    shake(trained)
    network = tiny(extra_channels=2, extra_at=places)
    warm_start(network, trained)
    extra = tf.random.stateless_normal((2, 4, 4, 2), (5, 6))
    ours = network(pictures(), training, extra)
    np.testing.assert_allclose(
        ours, trained(pictures(), training), rtol=1e-4, atol=1e-4
    )


def test_after_a_warm_start_training_can_listen_to_the_extra_features():
    network = tiny(extra_channels=2)
    trained = tiny()
    shake(trained)
    warm_start(network, trained)
    extra = tf.random.stateless_normal((2, 4, 4, 2), (5, 6))
    conv = network.decoder.fusions[0].stack.convs[0]
    kernel = conv.pointwise.conv.kernel
    assert kernel.shape == (1, 1, 4 + 3 + 2, 5)
    np.testing.assert_array_equal(kernel[0, 0, 7:], np.zeros((2, 5)))
    assert np.abs(conv.depthwise.conv.depthwise_kernel[:, :, 7:]).min() > 0
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(network(pictures(), True, extra) ** 2)
    assert np.abs(tape.gradient(loss, kernel)[0, 0, 7:]).max() > 0


def test_extra_features_change_the_answer_of_a_network_made_for_them():
    network = tiny(extra_channels=2)
    shake(network)
    a, b = (network(pictures(), False, tf.fill((2, 4, 4, 2), v)) for v in (0.0, 1.0))
    assert np.abs(a - b).max() > 1e-3


def test_a_warm_start_from_another_network_is_refused():
    with pytest.raises(ValueError, match="may differ in their extra channels only"):
        warm_start(tiny(3, extra_channels=2), tiny(4))


def test_extra_features_must_be_those_the_network_was_made_for():
    with pytest.raises(ValueError, match="made for 2 extra channels and is given 0"):
        tiny(extra_channels=2)(pictures())
    with pytest.raises(ValueError, match="made for 0 extra channels and is given 2"):
        tiny()(pictures(), False, tf.zeros((2, 4, 4, 2)))


def test_a_place_that_the_decoder_lacks_is_refused():
    with pytest.raises(ValueError, match=r"names 'head', .*; there are res2\."):
        tiny(decoder=DECODERS["deeplabv3plus"], extra_channels=2, extra_at=("head",))
