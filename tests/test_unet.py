import math

import numpy as np
import pytest
import tensorflow as tf

from egic.discriminators import unet
from hific.conditioning import Concatenation, Conditioning, Projection
from hific.weight_norms import WEIGHT_NORMS, TrainingSpectralConv2D

KINDS = {"down_first": unet.FirstBlock, "down": unet.DownBlock, "up": unet.UpBlock}
PARTS = {"conv1": "conv_0", "conv2": "conv_1", "conv_sc": "shortcut"}


def plain(filters, kernel_size, **kwargs):
    return tf.keras.layers.Conv2D(filters, kernel_size, padding="same", **kwargs)


def narrow(conditioning=None, of_whole=None, **kwargs):
    """Two levels: images of 4 pixels have one deepest pixel, of 6 channels."""
    kwargs = {"down": (4, 6), "up": (5, 4), **kwargs}
    return unet.UNetDiscriminator(
        conditioning or Conditioning(), of_whole or Conditioning(), **kwargs
    )


def an_image(number=1, side=4):
    return tf.random.stateless_uniform((number, side, side, 3), (0, 1), maxval=255.0)


@pytest.mark.parametrize("case", KINDS)
def test_blocks_are_those_of_the_original(shared, case):
    with np.load(shared / "golden" / "gan" / "unet_blocks.npz") as data:
        golden = dict(data)
    x, y = golden[f"{case}_x"], golden[f"{case}_y"]
    block = KINDS[case](x.shape[-1], y.shape[-1], plain)
    for theirs, ours in PARTS.items():
        weights = [golden[f"{case}__{theirs}.{kind}"] for kind in ("weight", "bias")]
        getattr(block, ours).set_weights(weights)
    np.testing.assert_allclose(block(x), y, atol=1e-4)


def test_the_published_size_has_the_published_parameters_and_shapes():
    with tf.Graph().as_default():
        critic = unet.UNetDiscriminator(Conditioning(), Conditioning())
        logits = critic(tf.zeros((2, 256, 256, 3)), training=True)
    trained = critic.trainable_variables
    # The reference counts one layer more, from 64 channels to a logit, that is in none
    # of the published layers.
    unused = 64 + 1
    assert sum(math.prod(v.shape) for v in trained) == 44_067_651 - unused
    assert logits.local.shape == (2, 256, 256, 1)
    assert logits.whole.shape == (2, 1)


def test_the_picture_projects_1024_features_of_the_latent():
    door = unet.WholeProjection(220)
    logits = tf.zeros((2, 1, 1, 1))
    latent = tf.zeros((2, 16, 16, 220))
    assert door.leave(logits, tf.zeros((2, 1, 1, 1024)), latent).shape == (2, 1, 1, 1)
    with pytest.raises(ValueError, match=r"\(2, 16, 16, 4\) must be .* 512;"):
        door.leave(logits, tf.zeros((2, 1, 1, 512)), latent)


def test_the_projection_on_the_picture_by_hand():
    door = unet.WholeProjection(1, 1, plain)
    kernel = np.zeros((3, 3, 1, 1), np.float32)
    kernel[1, 1] = 1.0
    door.conv.kernel.assign(kernel)
    latent = tf.reshape((1.0, -10.0), (1, 1, 2, 1))
    features = tf.reshape((3.0, 4.0), (1, 1, 1, 2))
    # 5 + 3 * 1 + 4 * -2, as the leaky ReLU has slope 0.2.
    y = door.leave(tf.fill((1, 1, 1, 1), 5.0), features, latent)
    assert y.numpy().item() == pytest.approx(0.0)


@pytest.mark.parametrize("name", ["concat", "projection"])
def test_the_latent_matters_where_it_is_let_in(name):
    doors = {
        "concat": lambda: (Concatenation(3, 2, TrainingSpectralConv2D), None),
        "projection": lambda: (
            Projection(3, 4, TrainingSpectralConv2D),
            unet.WholeProjection(3, 6, TrainingSpectralConv2D),
        ),
    }
    critic, image = narrow(*doors[name]()), an_image()
    latents = [tf.random.stateless_normal((1, 1, 1, 3), (0, i)) for i in range(2)]
    one, other = (critic(image, latent) for latent in latents)
    assert np.any(one.local != other.local)
    assert np.any(one.whole != other.whole)


def test_it_is_told_a_skip_after_the_decoder():
    critic = narrow(convolution=plain)
    deep, shallow = 5, 4
    kernel = np.zeros((1, 1, deep + shallow, 4), np.float32)
    kernel[..., deep:, :] = np.eye(4)
    for conv in (critic.up[1].conv_0, critic.up[1].conv_1):
        conv.kernel.assign(tf.zeros_like(conv.kernel))
    critic.up[1].shortcut.kernel.assign(kernel)
    critic.to_local.kernel.assign(tf.ones_like(critic.to_local.kernel))
    image = an_image()
    skip = critic.down[0](image / 127.5 - 1.0)
    expected = np.sum(skip, axis=-1).repeat(2, axis=1).repeat(2, axis=2)
    np.testing.assert_allclose(critic(image).local[..., 0], expected, atol=1e-5)


def test_all_but_the_last_layer_of_the_pixels_is_normalised():
    critic = narrow()
    norms = [m for m in critic.submodules if isinstance(m, TrainingSpectralConv2D)]
    # Three in each of four blocks, and the picture's.
    assert len(norms) == 13
    assert isinstance(critic.to_local, tf.keras.layers.Conv2D)


def test_spectral_norm_iterates_in_training_only():
    critic, image = narrow(), an_image()
    for layer in (critic.up[1].conv_1, critic.down[0].shortcut):
        before = layer.u.numpy()
        critic(image)
        np.testing.assert_array_equal(layer.u, before)
        critic(image, training=True)
        assert np.any(layer.u != before)


def test_every_variable_and_the_image_train():
    critic, image = narrow(), an_image(2, 8)
    with tf.GradientTape() as tape:
        tape.watch(image)
        logits = critic(image, training=True)
        loss = tf.reduce_sum(logits.local**2) + tf.reduce_sum(logits.whole**2)
    d_image, *gradients = tape.gradient(loss, [image, *critic.trainable_variables])
    assert np.any(d_image)
    assert all(gradient is not None for gradient in gradients)


def test_sizes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"6x6\) must be multiples of 4"):
        narrow()(an_image(side=6))
    with pytest.raises(ValueError, match=r"up \(=\(4,\)\) must be as many"):
        narrow(up=(4,))


@pytest.mark.parametrize("norm", ["spectral", "spectral_training", "weight", "none"])
def test_the_norm_is_a_choice(norm):
    critic = narrow(convolution=WEIGHT_NORMS[norm])
    assert critic(an_image()).local.shape == (1, 4, 4, 1)
