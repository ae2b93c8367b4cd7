import math

import numpy as np
import pytest
import tensorflow as tf

from egic import diff_augment
from egic.discriminators import projected
from egic.discriminators.efficientnet_lite4 import STAGES, EfficientNetLite4
from hific.conditioning import Concatenation, Conditioning, Projection
from hific.weight_norms import WEIGHT_NORMS, TrainingSpectralConv2D

NARROW = [stage._replace(filters=4, repeats=1) for stage in STAGES]
FREE = (Conditioning(),) * 4


@pytest.fixture(scope="module")
def golden(shared):
    with np.load(shared / "golden" / "gan" / "projected_blocks.npz") as data:
        return dict(data)


def pyramid_of(mixed=(4, 5, 6, 7), channels=(3, 4, 5, 6), stages=NARROW, **kwargs):
    return projected.Pyramid(EfficientNetLite4(4, stages), mixed, channels, **kwargs)


def narrow(conditionings=FREE, **kwargs):
    """Takes images from 128 pixels, for one logit from each map."""
    pyramid = pyramid_of(smallest=128)
    return projected.ProjectedDiscriminator(
        pyramid, conditionings, (4, 5, 6, 7), **kwargs
    )


def an_image(number=1, side=128):
    return tf.random.stateless_uniform((number, side, side, 3), (0, 1), maxval=255.0)


@pytest.mark.parametrize("case", ["lowest", "mid", "last"])
def test_maps_are_fused_as_in_the_reference(golden, case):
    w, b = golden[f"{case}_w"], golden[f"{case}_b"]
    conv = tf.keras.layers.Conv2D(w.shape[-1], 1)
    conv.build((None, None, None, w.shape[-2]))
    conv.set_weights([w, b])
    y = projected.fuse(conv, golden[f"{case}_x0"], golden.get(f"{case}_x1"))
    np.testing.assert_allclose(y, golden[f"{case}_y"], atol=1e-4)


def test_doubling_keeps_the_corners():
    x = tf.reshape((0.0, 9.0), (1, 1, 2, 1))
    np.testing.assert_allclose(
        projected.double(x)[0, :, :, 0], [[0, 3, 6, 9]] * 2, rtol=1e-6
    )


def test_the_published_size_has_the_published_parameters_and_logits():
    pyramid = projected.Pyramid(EfficientNetLite4())
    critic = projected.ProjectedDiscriminator(pyramid, FREE)
    trained = critic.trainable_variables
    assert sum(math.prod(v.shape) for v in trained) == 10_331_328
    assert pyramid.trainable_variables == []
    traced = tf.function(lambda image: critic(image, training=True))
    shape = traced.get_concrete_function(
        tf.TensorSpec((3, 256, 256, 3), tf.float32)
    ).output_shapes
    assert tuple(shape) == (3, 100)


def test_maps_are_at_strides_2_to_16():
    traced = tf.function(pyramid_of()).get_concrete_function(
        tf.TensorSpec((2, 256, 256, 3), tf.float32)
    )
    assert [tuple(shape) for shape in traced.output_shapes] == [
        (2, 128, 128, 3),
        (2, 64, 64, 4),
        (2, 32, 32, 5),
        (2, 16, 16, 6),
    ]


def test_small_images_are_enlarged_for_the_backbone():
    seen = []
    pyramid = pyramid_of()
    backbone = pyramid.backbone.call
    pyramid.backbone.call = lambda image: (
        seen.append(image.shape[1:3]) or backbone(image)
    )
    tf.function(pyramid).get_concrete_function(tf.TensorSpec((1, 64, 64, 3)))
    tf.function(pyramid).get_concrete_function(tf.TensorSpec((1, 256, 256, 3)))
    assert [tuple(shape) for shape in seen] == [(224, 224), (256, 256)]


def test_each_map_sees_the_latent_by_itself():
    doors = [Concatenation(3, 2, TrainingSpectralConv2D) for _ in range(4)]
    critic = narrow(doors)
    first = [one.blocks[0].conv.kernel.shape[2] for one in critic.discriminators]
    assert first == [5, 6, 7, 8]
    image = an_image()
    latents = [tf.random.stateless_normal((1, 8, 8, 3), (0, i)) for i in range(2)]
    one, other = (critic(image, latent).numpy() for latent in latents)
    assert one.shape == (1, 4) and np.all(one != other)
    with pytest.raises(ValueError, match="Projection changes logits"):
        narrow([Projection(3, 4, TrainingSpectralConv2D)] * 4)


def test_the_image_has_a_gradient_and_frozen_parts_have_no_variables():
    critic, image = narrow(), an_image(2)
    before = [variable.numpy() for variable in critic.pyramid.weights]
    with tf.GradientTape() as tape:
        tape.watch(image)
        loss = tf.reduce_sum(critic(image, training=True, seed=(1, 2)) ** 2)
    d_image, *gradients = tape.gradient(loss, [image, *critic.trainable_variables])
    assert np.any(d_image)
    assert all(gradient is not None for gradient in gradients)
    frozen = {id(variable) for variable in critic.pyramid.weights}
    assert not frozen & {id(variable) for variable in critic.trainable_variables}
    for variable, value in zip(critic.pyramid.weights, before, strict=True):
        np.testing.assert_array_equal(variable, value)


def test_batch_statistics_are_learnt_in_training_only():
    critic, image = narrow(), an_image(2)
    mean = critic.discriminators[3].blocks[0].norm.moving_mean
    before = mean.numpy()
    critic(image)
    np.testing.assert_array_equal(mean, before)
    critic(image, training=True)
    assert np.any(mean != before)


def test_a_seed_augments_the_image_on_its_own_scale():
    critic, image = narrow(), an_image()
    changed = diff_augment.augment(image / 127.5 - 1.0, (3, 4))
    expected = critic((changed + 1.0) * 127.5)
    np.testing.assert_allclose(critic(image, seed=(3, 4)), expected, atol=1e-4)
    assert np.any(critic(image, seed=(3, 5)) != critic(image))


def test_channels_that_cannot_be_added_are_refused():
    with pytest.raises(ValueError, match=r"channels \(3, 4, 4, 6\)"):
        pyramid_of(channels=(3, 4, 4, 6))


@pytest.mark.parametrize("norm", ["spectral", "spectral_training", "weight", "none"])
def test_the_norm_is_a_choice(norm):
    judge = projected.MiniDiscriminator(3, (4, 5), WEIGHT_NORMS[norm])
    assert judge(tf.zeros((1, 32, 32, 3))).shape == (1, 5, 5, 1)
