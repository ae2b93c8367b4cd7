"""OASIS' U-Net against the original blocks, and the released OASIS-C."""

import numpy as np
import pytest
import tensorflow as tf

from egic.discriminators import oasis
from hific.conditioning import (
    CONDITIONINGS,
    Concatenation,
    Conditioning,
    Projection,
    Widths,
)
from hific.names import named_variables
from hific.weight_norms import WEIGHT_NORMS, WeightNormConv2D, calibrate
from tests.egic_golden import Golden

PLAIN = WEIGHT_NORMS["none"]
KINDS = {
    "down_first": oasis.FirstBlock,
    "down_same": oasis.DownBlock,
    "down_diff": oasis.DownBlock,
    "up": oasis.UpBlock,
    "up_same": oasis.UpBlock,
}


def narrow(conditioning=None, **kwargs):
    """A U-Net of two levels, which takes images of 4 pixels."""
    kwargs = {"down": (4, 6), "up": (6, 4), **kwargs}
    return oasis.OasisDiscriminator(conditioning or Conditioning(), 5, **kwargs)


@pytest.mark.parametrize("case", KINDS)
def test_blocks_are_those_of_the_original(shared, case):
    with np.load(shared / "golden" / "gan" / "oasis_blocks.npz") as data:
        golden = {k: v for k, v in data.items() if k.startswith(case + "_")}
    x, y = golden.pop(f"{case}_x"), golden.pop(f"{case}_y")
    block = KINDS[case](x.shape[-1], y.shape[-1], PLAIN)
    parts = {"conv1": block.conv_0, "conv2": block.conv_1, "conv_s": block.shortcut}
    filled = 0
    for key, value in golden.items():
        if not key.startswith(f"{case}__"):
            continue
        part, *_, kind = key.removeprefix(f"{case}__").split(".")
        variable = {"weight": "kernel", "bias": "bias"}[kind]
        getattr(parts[part], variable).assign(value)
        filled += 1
    assert filled == len(block.trainable_variables)
    np.testing.assert_allclose(block(x), y, atol=1e-4)


@pytest.mark.parametrize(
    "outputs, conditioning, parameters",
    [
        (135, "projection", 22_450_247),
        (134, "projection", 22_450_182),
        (20, "projection", 22_442_772),
        (135, "none", 22_257_024 + 65 * 135),
    ],
)
def test_the_published_size_has_the_published_parameters(
    outputs, conditioning, parameters
):
    door = {
        "none": Conditioning,
        "projection": lambda: Projection(320, 64, WeightNormConv2D),
    }[conditioning]()
    critic = oasis.OasisDiscriminator(door, outputs)
    assert sum(v.shape.num_elements() for v in critic.trainable_variables) == parameters


def test_the_original_normalised_spectrally_has_its_parameters():
    for classes, parameters in ((19, 22_250_324), (133, 22_257_734)):
        critic = oasis.OasisDiscriminator(
            Conditioning(), classes + 1, convolution=WEIGHT_NORMS["spectral_training"]
        )
        sizes = [v.shape.num_elements() for v in critic.trainable_variables]
        assert sum(sizes) == parameters


def released_name(role: str) -> str:
    """Our name of a released variable, from its role such as "down_0/conv1/v"."""
    block, *rest = role.split("/")
    variable = {"g": "gain", "v": "kernel", "bias": "bias", "kernel": "kernel"}[
        rest[-1]
    ]
    if block == "out_conv":
        return f"to_logits.{variable}"
    if block == "latent_prep":
        return f"conditioning.conv.{variable}"
    way, number = block.split("_")
    layer = {"conv1": "conv_0", "conv2": "conv_1", "conv_s": "shortcut"}[rest[0]]
    return f"trunk.{way}.{number}.{layer}.{variable}"


def test_oasis_c_is_the_released_one(shared):
    golden = Golden(shared / "golden" / "egic")
    critic = oasis.OasisDiscriminator(
        Projection(320, 64, WeightNormConv2D), 135, input_range=(0.0, 255.0)
    )
    ours = {
        name: variable
        for name, variable in named_variables(critic).items()
        if variable.trainable
    }
    for role, value in golden.values("disc"):
        ours.pop(released_name(role)).assign(value)
    assert not ours
    image = golden.arrays("full")["x"].astype(np.float32)
    expected = golden.arrays("disc")
    logits = critic(image, golden.arrays("full")["y_hat"]).numpy()
    scale = np.abs(expected["logits_off0_stride16"]).max()
    for ours_, theirs in (
        (logits[:, ::16, ::16], expected["logits_off0_stride16"]),
        (logits[:, 5::16, 7::16], expected["logits_off5_7_stride16"]),
        (logits.mean((0, 1, 2)), expected["chan_mean"]),
        (logits.std((0, 1, 2)), expected["chan_std"]),
    ):
        np.testing.assert_allclose(ours_, theirs, atol=1e-4 * scale)


def test_all_conditionings_share_the_variables_of_the_body():
    doors = (Conditioning(), Concatenation(3, 2), Projection(3, 4))
    bodies = []
    for door in doors:
        names = named_variables(narrow(door))
        bodies.append({n for n in names if not n.startswith("conditioning.")})
    assert bodies[0] == bodies[1] == bodies[2]
    assert "trunk.down.0.conv_0.kernel" in bodies[0] and "to_logits.bias" in bodies[0]


@pytest.mark.parametrize("name", CONDITIONINGS)
def test_logits_are_as_large_as_the_image(name):
    door = CONDITIONINGS[name](
        Widths(latent=3, entering=2, trunk=4, logits=5), WeightNormConv2D
    )
    critic = narrow(door)
    logits = critic(tf.zeros((2, 8, 12, 3)), tf.zeros((2, 2, 3, 3)))
    assert logits.shape == (2, 8, 12, 5)


@pytest.mark.parametrize("norm", WEIGHT_NORMS)
def test_every_norm_trains_every_variable(norm):
    critic = narrow(convolution=WEIGHT_NORMS[norm])
    image = tf.random.stateless_uniform((1, 4, 4, 3), (0, 1), maxval=255.0)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(critic(image, training=True)[..., 0] ** 2)
    gradients = tape.gradient(loss, critic.trainable_variables)
    assert all(gradient is not None for gradient in gradients)


def test_black_and_white_are_mapped_to_the_input_range():
    critic = narrow(input_range=(-1.0, 1.0))
    seen = []
    critic.conditioning.enter = lambda image, latent: seen.append(image) or image
    critic(tf.concat([tf.zeros((1, 4, 4, 3)), tf.fill((1, 4, 4, 3), 255.0)], 0))
    assert seen[0][0, 0, 0, 0] == -1.0 and seen[0][1, 0, 0, 0] == 1.0


def test_calibration_reaches_every_layer_once():
    critic = narrow(Projection(3, 4, WeightNormConv2D))
    image = tf.random.stateless_uniform((2, 8, 8, 3), (0, 2), maxval=255.0)
    latent = tf.random.stateless_normal((2, 2, 2, 3), (0, 3))
    # conv_0 and conv_1 of 4 blocks, shortcuts where the width changes, the latent's.
    assert calibrate(critic, image, latent) == 8 + 3 + 1
    assert calibrate(critic, image, latent) == 0


def test_sides_that_cannot_be_halved_are_refused():
    with pytest.raises(ValueError, match=r"6x4\) must be multiples of 4"):
        narrow()(tf.zeros((1, 6, 4, 3)))
