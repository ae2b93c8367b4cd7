import numpy as np
import pytest
import tensorflow as tf

from deeplab2_tf import labels
from deeplab2_tf.config import PolyConfig
from deeplab2_tf.networks.decoder import DecoderPlan, FusionPlan
from deeplab2_tf.networks.warm_start import warm_start
from egic import systems
from egic.discriminators.deeplab import CONDITIONED_AT, DeepLabDiscriminator
from egic.pretraining_config import PretrainingConfig
from hific import training
from hific.conditioning import CONDITIONINGS, Widths
from hific.weight_norms import SpectralConv2D

PLAN = DecoderPlan(
    aspp=4, fusions=(FusionPlan("res3", 3, 5), FusionPlan("res2", 2, 5)), head_filters=6
)
WIDTHS = Widths(latent=7, entering=12, trunk=6, logits=3)


def critic(conditioning="concat", **kwargs):
    return DeepLabDiscriminator(
        CONDITIONINGS[conditioning](WIDTHS, SpectralConv2D),
        3,
        crop=(64, 64),
        stem=4,
        widths=(2, 2, 3, 4),
        depths=(1, 1, 1, 1),
        decoder=PLAN,
        **kwargs,
    )


def batch():
    image = tf.random.stateless_uniform((2, 64, 64, 3), (1, 2), 0.0, 255.0)
    latent = tf.random.stateless_normal((2, 4, 4, 7), (3, 4))
    return image, latent


@pytest.mark.parametrize("conditioning", CONDITIONINGS)
def test_there_are_logits_for_every_pixel(conditioning):
    logits = critic(conditioning)(*batch(), training=True)
    assert logits.shape == (2, 64, 64, 3)
    assert logits.dtype == tf.float32


def test_without_conditioning_no_latent_is_needed():
    image, latent = batch()
    plain = critic("none")
    np.testing.assert_array_equal(plain(image), plain(image, latent))
    np.testing.assert_array_equal(plain(image), plain.trunk(image))


def test_a_batch_that_is_not_finite_spoils_no_running_average():
    network = critic("none")
    config = PretrainingConfig(optimizer=PolyConfig(warmup_steps=0), steps=9)
    players = systems.pretraining(network, config, labels.load("camvid"))
    step = training.make_train_step(players)
    averages = network.non_trainable_variables

    def after(image):
        shape = image.shape[:3]
        batch = {
            "image": image,
            "semantic": tf.ones(shape, tf.int32),
            "weights": tf.ones(shape),
        }
        metrics = step((batch,), tf.constant(0, tf.int64))
        return float(metrics["discriminator/applied"]), [v.numpy() for v in averages]

    image, _ = batch()
    applied, good = after(image)
    assert applied
    applied, kept = after(tf.fill(image.shape, np.nan))
    assert not applied
    assert any("moving" in variable.name for variable in averages)
    for one, other in zip(good, kept, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    "place, inputs",
    [("fusion", (19, 19, 5)), ("last_fusion", (7, 19, 5)), ("head", (7, 7, 17))],
)
def test_the_latent_is_seen_where_it_is_asked_to_be(place, inputs):
    network = critic(extra_at=CONDITIONED_AT[place])
    decoder = network.trunk.decoder
    stacks = (*(fusion.stack for fusion in decoder.fusions), decoder.head)
    kernels = [stack.convs[0].pointwise.conv.kernel for stack in stacks]
    assert tuple(kernel.shape[2] for kernel in kernels) == inputs
    assert network.trunk.encoder.stem.conv.kernel.shape == (7, 7, 3, 4)
    image, latent = batch()
    assert np.abs(network(image, latent) - network(image, -latent)).max() > 0


def test_projection_adds_the_same_to_all_logits_of_a_pixel():
    network = critic("projection")
    image, latent = batch()
    added = network(image, latent) - network.trunk(image)
    assert np.abs(added).max() > 0
    spread = tf.reduce_max(added, -1) - tf.reduce_min(added, -1)
    assert np.abs(spread).max() < 1e-4 * np.abs(added).max()


@pytest.mark.parametrize("place", CONDITIONED_AT)
def test_it_starts_from_a_network_that_saw_no_latent(place):
    trained, network = critic("none"), critic(extra_at=CONDITIONED_AT[place])
    warm_start(network.trunk, trained.trunk)
    image, latent = batch()
    np.testing.assert_allclose(network(image, latent), trained(image), atol=1e-6)


def test_gradients_reach_the_picture_and_every_variable():
    network = critic()
    image, latent = batch()
    with tf.GradientTape() as tape:
        tape.watch(image)
        loss = tf.reduce_mean(network(image, latent, training=True) ** 2)
    gradients = tape.gradient(loss, [image, *network.trainable_variables])
    assert all(gradient is not None for gradient in gradients)
    assert np.abs(gradients[0]).max() > 0
