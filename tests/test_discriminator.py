import math

import numpy as np
import pytest
import tensorflow as tf

from hific import conditioning, discriminator
from hific.config import DiscriminatorConfig, HificConfig, get_config
from hific.weight_norms import WEIGHT_NORMS, SpectralConv2D


def tiny(**changes):
    part = DiscriminatorConfig(filters=(4, 8, 8, 8), latent_features=2, **changes)
    return HificConfig(latent_channels=6, discriminator=part)


def test_it_has_the_published_parameters():
    with tf.Graph().as_default():
        critic = discriminator.build_discriminator(get_config("hific-lo"))
    assert sum(math.prod(v.shape) for v in critic.trainable_variables) == 2_800_797


@pytest.mark.parametrize("side, logits", [(128, 256), (256, 1024)])
@pytest.mark.parametrize("name", conditioning.CONDITIONINGS)
def test_one_logit_per_patch_of_8_pixels(name, side, logits):
    critic = discriminator.build_discriminator(tiny(conditioning=name))
    latent = tf.zeros((2, side // 16, side // 16, 6))
    shape = critic(tf.zeros((2, side, side, 3)), latent).shape
    assert shape == (2, side // 8, side // 8, 1)
    assert shape[1] * shape[2] == logits


def test_images_are_mapped_to_the_input_range():
    critic = discriminator.build_discriminator(
        tiny(conditioning="none", weight_norm="none", input_range=(-1.0, 1.0))
    )
    seen = []
    critic.conditioning.enter = lambda image, latent: seen.append(image) or image
    critic(tf.reshape((0.0, 127.5, 255.0), (1, 1, 1, 3)), tf.zeros((1, 1, 1, 6)))
    np.testing.assert_allclose(seen[0][0, 0, 0], (-1.0, 0.0, 1.0), atol=1e-6)


def test_concatenation_repeats_each_latent_pixel_over_its_block():
    door = conditioning.Concatenation(1, 1, WEIGHT_NORMS["none"])
    kernel = np.zeros((3, 3, 1, 1), np.float32)
    kernel[1, 1] = 1.0
    door.conv.kernel.assign(kernel)
    image = tf.fill((1, 4, 4, 3), 7.0)
    latent = tf.reshape((1.0, -2.0, 3.0, 4.0), (1, 2, 2, 1))
    y = door.enter(image, latent)
    np.testing.assert_array_equal(y[..., :3], image)
    # Leaky ReLU of slope 0.2.
    np.testing.assert_allclose(
        y[0, :, :, 3],
        [[1, 1, -0.4, -0.4], [1, 1, -0.4, -0.4], [3, 3, 4, 4], [3, 3, 4, 4]],
        rtol=1e-6,
    )


def test_without_conditioning_the_latent_changes_nothing():
    critic = discriminator.build_discriminator(
        tiny(conditioning="none", weight_norm="none")
    )
    image = tf.random.stateless_uniform((1, 32, 32, 3), (0, 0)) * 255.0
    zero, one = (critic(image, tf.fill((1, 2, 2, 6), v)) for v in (0.0, 1.0))
    np.testing.assert_array_equal(zero, one)


def test_the_doors_of_the_conditioning_frame_the_trunk():
    class Marked(conditioning.Conditioning):
        def leave(self, logits, features, latent):
            return logits * 0.0 + tf.cast(tf.shape(features)[-1], tf.float32)

    critic = discriminator.PatchDiscriminator(Marked(), (4, 5), (2, 2))
    logits = critic(tf.zeros((1, 8, 8, 3)), tf.zeros((1, 1, 1, 6)))
    np.testing.assert_array_equal(logits, np.full((1, 2, 2, 1), 5.0))


def test_every_convolution_is_spectrally_normalised():
    critic = discriminator.build_discriminator(tiny())
    convs = [critic.conditioning.conv, *critic.trunk, critic.to_logits]
    assert all(isinstance(conv, SpectralConv2D) for conv in convs)
    assert len(critic.trainable_variables) == 2 * len(convs)
    assert len(critic.non_trainable_variables) == len(convs)


def test_unknown_names_are_answered_with_the_known_ones():
    with pytest.raises(ValueError, match="No conditioning 'film'; there are none"):
        discriminator.build_discriminator(tiny(conditioning="film"))
    with pytest.raises(ValueError, match="No weight norm 'batch'; there are spectral"):
        discriminator.build_discriminator(tiny(weight_norm="batch"))


def test_bfloat16_gives_float32_logits():
    critic = discriminator.build_discriminator(tiny(), "mixed_bfloat16")
    logits = critic(tf.zeros((1, 32, 32, 3)), tf.zeros((1, 2, 2, 6)))
    assert logits.dtype == tf.float32


@pytest.fixture
def projection(shared):
    with np.load(shared / "golden" / "gan" / "projection.npz") as data:
        return dict(data)


def projecting_door(latent_channels, features):
    door = conditioning.Projection(latent_channels, features, WEIGHT_NORMS["none"])
    kernel = np.zeros((3, 3, latent_channels, features), np.float32)
    kernel[1, 1] = np.eye(latent_channels, features)
    door.conv.kernel.assign(kernel)
    return door


def test_projection_adds_the_inner_product_to_every_logit():
    door = projecting_door(2, 2)
    logits = tf.reshape((1.0, 2.0, 3.0), (1, 1, 1, 3))
    features = tf.reshape((4.0, -3.0), (1, 1, 1, 2))
    latent = tf.reshape((2.0, -5.0), (1, 1, 1, 2))  # Leaky ReLU: (2, -1).
    y = door.leave(logits, features, latent)
    np.testing.assert_allclose(y[0, 0, 0], (12.0, 13.0, 14.0), rtol=1e-6)


def test_projection_is_the_originals(projection):
    door = projecting_door(4, 4)
    # Undo the leaky ReLU beforehand, as the golden features come after it.
    latent = projection["latent_prep"]
    latent = np.where(latent < 0, 5.0 * latent, latent)
    y = door.leave(projection["logits"], projection["feat"], latent)
    np.testing.assert_allclose(y, projection["out"], rtol=1e-5, atol=1e-5)


def test_latents_are_enlarged_to_the_nearest_neighbour_as_in_the_original(projection):
    door = projecting_door(4, 4)
    latent = projection["latent_small"]
    latent = np.where(latent < 0, 5.0 * latent, latent)
    ones = np.zeros((2, 8, 8, 4), np.float32)
    for channel in range(4):
        features = ones.copy()
        features[..., channel] = 1.0
        y = door.leave(np.zeros((2, 8, 8, 1), np.float32), features, latent)
        expected = projection["latent_nearest_x4"][..., channel]
        np.testing.assert_allclose(y[..., 0], expected, rtol=1e-5, atol=1e-6)


def test_a_softmax_does_not_see_the_projection(projection):
    cross_entropy = tf.nn.sparse_softmax_cross_entropy_with_logits
    without = cross_entropy(projection["label"], projection["logits"])
    with_it = cross_entropy(projection["label"], projection["out"])
    np.testing.assert_allclose(with_it, without, atol=1e-5)
    np.testing.assert_allclose(
        tf.reduce_mean(without), projection["ce_without_proj"], rtol=1e-5
    )
