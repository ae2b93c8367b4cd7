import numpy as np
import pytest
import tensorflow as tf

from egic.charm import SliceNet, SliceWalk
from egic.config import PRESETS, CharmConfig
from egic.initialisers import Initialiser


def walk(slices=3, max_support=3):
    config = CharmConfig(max_support, ((4, 4),) * slices)
    return SliceWalk(config, 2 * slices, Initialiser())


def features(slices=3):
    return tuple(
        tf.random.stateless_normal((1, 3, 3, 2 * slices), (seed, 0)) for seed in (1, 2)
    )


def test_the_papers_widths_are_those_of_the_released_nets():
    widths = PRESETS["egic"].charm.widths
    assert [a for a, _ in widths] == [64, 64, 85, 106, 128, 149, 170, 192, 213, 234]
    assert [b for _, b in widths] == [32, 32, 42, 53, 64, 74, 85, 96, 106, 117]


def test_slices_come_in_order_and_are_joined_in_order():
    seen = []

    def code_slice(i, mean, scale):
        seen.append(i)
        return tf.fill(mean.shape, float(i))

    y_hat = walk()(features(), code_slice)
    assert seen == [0, 1, 2]
    assert y_hat.numpy()[0, 0, 0].tolist() == [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize("max_support, sees", [(3, [1, 2]), (1, [])])
def test_a_slice_depends_on_the_first_slices_it_may_see(max_support, sees):
    """Changing slice 1 changes the distribution of slice 2 if it is in its support."""
    found = {}
    for value in (0.0, 5.0):
        means = []

        def code_slice(i, mean, scale, value=value, means=means):
            means.append(mean)
            return tf.fill(mean.shape, value if i == 1 else 1.0)

        walk(max_support=max_support)(features(), code_slice)
        found[value] = means
    changed = [i + 0 for i in range(3) if not np.allclose(found[0.0][i], found[5.0][i])]
    assert changed == [i for i in sees if i > 1]


def test_a_slice_net_is_three_zero_padded_convolutions():
    net = SliceNet(2, (3, 4), 5, Initialiser(1))
    x = np.random.default_rng(0).standard_normal((1, 4, 4, 2)).astype(np.float32)
    expected = x
    for i, (kernel, bias) in enumerate(zip(net.kernels, net.biases, strict=True)):
        padded = np.pad(expected, ((0, 0), (1, 1), (1, 1), (0, 0)))
        kernel = kernel.numpy()
        expected = bias.numpy() + sum(
            padded[:, r : r + 4, c : c + 4] @ kernel[r, c]
            for r in range(3)
            for c in range(3)
        )
        if i < 2:
            expected = np.maximum(expected, 0)
    np.testing.assert_allclose(net(x), expected, rtol=1e-4, atol=1e-5)


def test_channels_must_divide_into_slices():
    with pytest.raises(ValueError, match="7 latent channels do not divide into 2"):
        SliceWalk(CharmConfig(2, ((4, 4),) * 2), 7, Initialiser())
