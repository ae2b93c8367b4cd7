import math

import numpy as np
import pytest
import tensorflow as tf

from egic.discriminators import sesame
from hific.conditioning import Concatenation, Conditioning, Projection
from hific.losses import ADVERSARIAL_LOSSES
from hific.weight_norms import WEIGHT_NORMS, TrainingSpectralConv2D


@pytest.fixture(scope="module")
def golden(shared):
    with np.load(shared / "golden" / "gan" / "gan_losses.npz") as data:
        return dict(data)


def narrow(conditioning=None, **kwargs):
    kwargs = {"num_classes": 3, "filters": (4, 5, 6, 7), **kwargs}
    return sesame.SesameDiscriminator(conditioning or Conditioning(), **kwargs)


def parameters(critic):
    return sum(math.prod(v.shape) for v in critic.trainable_variables)


@pytest.mark.parametrize("size", [9, 8])
def test_pooling_leaves_its_border_out_as_the_reference_does(golden, size):
    y = sesame.pool(golden[f"pool_x{size}"])
    np.testing.assert_allclose(y, golden[f"pool_y{size}"], atol=1e-6)


def test_pooling_by_hand():
    # Means of 0, 1 and 1, 2, 3: the border does not count.
    row = tf.reshape(tf.range(4.0), (1, 1, 4, 1))
    np.testing.assert_allclose(sesame.pool(row)[0, 0, :, 0], (0.5, 2.0))


@pytest.mark.parametrize("stride", [1, 2])
def test_convolutions_are_padded_by_two_as_in_the_reference(golden, stride):
    conv = tf.keras.layers.Conv2D(3, 4, stride)
    conv.build((None, None, None, 2))
    conv.set_weights([golden["conv_w"], golden["conv_b"]])
    y = sesame.padded_4x4(conv, golden["conv_x"])
    np.testing.assert_allclose(y, golden[f"conv_y_s{stride}"], atol=1e-5)


def test_the_streams_are_merged_as_in_the_reference(golden):
    y = sesame.merge(golden["dot_img"], golden["dot_sem"])
    np.testing.assert_allclose(y, golden["dot_y"], atol=1e-5)


@pytest.mark.parametrize(
    "ours, theirs", [("hinge", "hinge"), ("non_saturating", "original")]
)
def test_games_over_two_scales_equal_the_reference(golden, ours, theirs):
    game = sesame.over_scales(ADVERSARIAL_LOSSES[ours])
    real = golden["real_s0"], golden["real_s1"]
    fake = golden["fake_s0"], golden["fake_s1"]
    expected = golden[f"{theirs}_D_real"], golden[f"{theirs}_D_fake"]
    np.testing.assert_allclose(game.discriminator(real, fake), expected, rtol=1e-5)
    expected = golden[f"{theirs}_G"]
    np.testing.assert_allclose(game.generator(fake), expected, rtol=1e-5)


def test_games_of_one_map_equal_the_reference(golden):
    real, fake = golden["logit_real"], golden["logit_fake"]
    game = ADVERSARIAL_LOSSES["hinge"]
    loss = sum(game.discriminator(real, fake))
    np.testing.assert_allclose(loss, golden["hinge_d"], rtol=1e-5)
    np.testing.assert_allclose(game.generator(fake), golden["hinge_g"], rtol=1e-5)
    game = ADVERSARIAL_LOSSES["non_saturating"]
    terms = game.discriminator(real, fake)
    expected = golden["ns_d_real"], golden["ns_d_fake"]
    np.testing.assert_allclose(terms, expected, rtol=1e-5)
    np.testing.assert_allclose(sum(terms), golden["ns_d"], rtol=1e-5)
    np.testing.assert_allclose(game.generator(fake), golden["ns_g"], rtol=1e-5)


def test_scales_count_alike_whatever_their_size():
    game = sesame.over_scales(ADVERSARIAL_LOSSES["hinge"])
    maps = tf.fill((1, 3, 3, 1), 1.0), tf.fill((1, 1, 1, 1), -3.0)
    assert game.generator(maps).numpy() == 1.0


@pytest.mark.parametrize(
    "conditioning, expected", [("none", 11_071_746), ("concat", 11_096_322)]
)
def test_the_published_size_has_the_published_parameters(conditioning, expected):
    # The latent's own convolution is not in the reference's count.
    door = {
        "none": Conditioning,
        "concat": lambda: Concatenation(220, 12, TrainingSpectralConv2D),
    }[conditioning]()
    critic = sesame.SesameDiscriminator(door, 19, unlabelled_channel=False)
    assert parameters(critic) - parameters(door) == expected


def test_maps_of_256_pixels_have_35_and_19_logits():
    critic = narrow(Concatenation(6, 2, TrainingSpectralConv2D))
    images, latents = tf.zeros((2, 256, 256, 3)), tf.zeros((2, 16, 16, 6))
    maps = critic(images, latents, labels=tf.zeros((2, 256, 256), tf.int32))
    assert [tuple(one.shape) for one in maps] == [(2, 35, 35, 1), (2, 19, 19, 1)]


def test_instance_norm_is_of_each_image_and_channel():
    x = tf.random.stateless_normal((2, 8, 8, 3), (0, 1)) * 5.0 + 2.0
    y = sesame.instance_norm(x).numpy()
    np.testing.assert_allclose(y.mean((1, 2)), np.zeros((2, 3)), atol=1e-5)
    np.testing.assert_allclose(y.std((1, 2)), np.ones((2, 3)), atol=1e-5)


def test_only_inner_layers_are_normalised():
    critic = narrow()
    norms = [m for m in critic.submodules if isinstance(m, TrainingSpectralConv2D)]
    plain = [m for m in critic.submodules if isinstance(m, tf.keras.layers.Conv2D)]
    # At each of two scales: three in two streams; the first of both, and the last.
    assert len(norms) == 2 * 6 and len(plain) == 2 * 3
    assert not any(conv.use_bias for conv in norms)


def test_unlabelled_pixels_have_a_channel_of_their_own_or_none():
    labels = tf.constant([[[0, 2, 3, 255]]])
    with_channel = narrow()._one_hot(labels)
    np.testing.assert_array_equal(
        with_channel[0, 0],
        [[1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0, 1]],
    )
    without = narrow(unlabelled_channel=False)._one_hot(labels)
    np.testing.assert_array_equal(
        without[0, 0], [[1, 0, 0], [0, 0, 1], [0, 0, 0], [0, 0, 0]]
    )


def test_image_and_labels_both_matter_and_train():
    critic = narrow()
    image = tf.random.stateless_uniform((1, 32, 32, 3), (0, 2), maxval=255.0)
    stripes = tf.tile([[0, 1] * 16], (32, 1))[tf.newaxis]
    with tf.GradientTape() as tape:
        tape.watch(image)
        maps = critic(image, training=True, labels=stripes)
        loss = tf.add_n([tf.reduce_sum(one**2) for one in maps])
    d_image, *gradients = tape.gradient(loss, [image, *critic.trainable_variables])
    assert np.any(d_image)
    assert all(gradient is not None for gradient in gradients)
    other = critic(image, labels=tf.transpose(stripes, (0, 2, 1)))
    assert np.any(other[0] != critic(image, labels=stripes)[0])


def test_spectral_norm_iterates_in_training_only():
    critic = narrow()
    call = {"image": tf.ones((1, 32, 32, 3)), "labels": tf.zeros((1, 32, 32), tf.int32)}
    before = critic.scales[1].image.normalised[0].u.numpy()
    critic(**call)
    np.testing.assert_array_equal(critic.scales[1].image.normalised[0].u, before)
    critic(**call, training=True)
    assert np.any(critic.scales[1].image.normalised[0].u != before)


def test_what_it_cannot_do_is_refused():
    with pytest.raises(ValueError, match="Projection changes logits"):
        narrow(Projection(3, 4, TrainingSpectralConv2D))
    with pytest.raises(ValueError, match="pass labels="):
        narrow()(tf.zeros((1, 32, 32, 3)))


@pytest.mark.parametrize("norm", ["spectral", "spectral_training", "weight", "none"])
def test_the_norm_is_a_choice(norm):
    critic = narrow(convolution=WEIGHT_NORMS[norm])
    maps = critic(tf.zeros((1, 32, 32, 3)), labels=tf.zeros((1, 32, 32), tf.int32))
    assert [one.shape[1] for one in maps] == [7, 5]
