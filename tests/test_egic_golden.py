"""SwinT-ChARM against the outputs of the released implementation."""

import numpy as np
import pytest
import tensorflow as tf

from egic import transforms
from egic.charm import SliceWalk
from egic.codec import build_egic
from egic.config import CharmConfig, EgicConfig, HyperConfig, TransformConfig
from egic.initialisers import Blank
from egic.kernels import KERNELS, fastest
from hific import entropy
from hific.engines import TensorFlowEngine
from hific.network_config import HeadConfig
from hific.rendering import Rendering
from tests import egic_golden
from tests.egic_golden import Golden

EXECUTIONS = ["plain", "trainable", "fused"]


@pytest.fixture
def golden(shared):
    return Golden(shared / "golden" / "egic")


def kernels(name):
    if name == "fused" and fastest() != "fused":
        pytest.skip("this TensorFlow has no oneDNN kernels for this CPU")
    return KERNELS[name]


def assert_close(ours, theirs):
    """Max abs error at most 1e-4 of the output's range."""
    assert ours.shape == theirs.shape
    span = theirs.max() - theirs.min()
    assert np.abs(ours - theirs).max() <= 1e-4 * span


@pytest.mark.parametrize("execution", EXECUTIONS)
def test_analysis_is_the_released_one(golden, execution):
    network = transforms.Analysis(
        TransformConfig(), Blank(), kernels(execution), tf.float32
    )
    golden.fill_transform(network, "analysis", egic_golden.ANALYSIS)
    arrays = golden.arrays("analysis")
    y = tf.function(network, autograph=False)(tf.constant(arrays["x"], tf.float32))
    assert_close(y.numpy(), arrays["y"])


@pytest.mark.parametrize("execution", EXECUTIONS)
def test_synthesis_is_the_released_one(golden, execution):
    network = transforms.Synthesis(
        TransformConfig(), Blank(), kernels(execution), tf.float32
    )
    golden.fill_transform(network, "synthesis", egic_golden.SYNTHESIS)
    arrays = golden.arrays("synthesis")
    x_hat = tf.function(network, autograph=False)(tf.constant(arrays["y_hat"]))
    assert_close(x_hat.numpy(), arrays["x_hat"])


@pytest.fixture
def released_codec(golden):
    """The decoder's side of a codec with the released G and its head."""
    model = build_egic(EgicConfig(head=HeadConfig(1)), init=Blank())
    golden.fill_transform(model.synthesis, "synthesis", egic_golden.SYNTHESIS)
    golden.fill_transform(model.head, "orp", egic_golden.HEAD)
    return TensorFlowEngine(model, 320, headed=True)


def test_the_head_and_every_alpha_are_the_released_ones(golden, released_codec):
    y_hat = tf.constant(golden.arrays("synthesis")["y_hat"])
    rendering = Rendering(released_codec, y_hat, 128, 128)
    arrays = golden.arrays("orp")
    assert_close(rendering.faithful[np.newaxis], arrays["pred_mse"])
    for alpha in (0.0, 0.5, 1.0):
        ours = rendering.exact(alpha)[np.newaxis]
        assert_close(ours, arrays[f"x_hat_alpha_{alpha}"])


def test_hyper_analysis_is_the_released_one(golden):
    network = transforms.HyperAnalysis(HyperConfig(), 320, Blank(), KERNELS["plain"])
    golden.fill_transform(network, "hyper_analysis", egic_golden.HYPER_ANALYSIS)
    arrays = golden.arrays("hyper_analysis")
    assert_close(network(tf.constant(arrays["y"])).numpy(), arrays["z"])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_hyper_synthesis_is_the_released_one(golden, dtype):
    init = Blank(dtype=dtype)
    network = transforms.HyperSynthesis(HyperConfig(), 320, init, KERNELS["plain"])
    golden.fill_transform(network, "hyper_synthesis", egic_golden.HYPER_SYNTHESIS)
    arrays = golden.arrays("hyper_synthesis")
    output = tf.concat(network(tf.constant(arrays["z_hat"], dtype)), -1).numpy()
    assert_close(output[..., ::3], arrays["out_chan_stride3"])


def test_slice_nets_are_the_released_ones(golden):
    walk = SliceWalk(CharmConfig(), 320, Blank())
    golden.fill_slices(walk.mean_nets, "cc_mean")
    golden.fill_slices(walk.scale_nets, "cc_scale")
    arrays = golden.arrays("slices")
    for k in range(10):
        rng = np.random.default_rng(500 + k)
        x = rng.standard_normal((1, 8, 8, 32 * (k + 1))).astype(np.float32)
        assert_close(walk.mean_nets[k](x).numpy(), arrays[f"mean_{k}"])
        assert_close(walk.scale_nets[k](x).numpy(), arrays[f"scale_{k}"])


@pytest.fixture(scope="module")
def released_model(shared):
    golden = Golden(shared / "golden" / "egic")
    model = build_egic(EgicConfig(), init=Blank())
    prior = model.prior
    golden.fill_transform(model.analysis, "analysis", egic_golden.ANALYSIS)
    golden.fill_transform(model.synthesis, "synthesis", egic_golden.SYNTHESIS)
    golden.fill_transform(
        prior.hyper_analysis, "hyper_analysis", egic_golden.HYPER_ANALYSIS
    )
    golden.fill_transform(
        prior.hyper_synthesis, "hyper_synthesis", egic_golden.HYPER_SYNTHESIS
    )
    golden.fill_slices(prior.walk.mean_nets, "cc_mean")
    golden.fill_slices(prior.walk.scale_nets, "cc_scale")
    density = prior.density.distribution.trainable_variables
    variables = {variable.name.split("/")[-1]: variable for variable in density}
    for role, value in golden.values("hyperprior"):
        variables[role.split("/")[-1] + ":0"].assign(value)
    return model


def test_the_whole_codec_is_the_released_one(released_model, shared):
    arrays = Golden(shared / "golden" / "egic").arrays("full")
    y = released_model.analysis(tf.constant(arrays["x"], tf.float32))
    means, indexes = [], []
    released = released_model.prior.walk

    def walk(hyper, code_slice):
        def remember(i, mean, index):
            means.append(mean)
            indexes.append(index)
            return code_slice(i, mean, index)

        return released(hyper, remember)

    released_model.prior.walk = walk
    rate = released_model.prior.rate(y)
    released_model.prior.walk = released
    assert_close(rate.y_hat.numpy(), arrays["y_hat"])
    assert_close(tf.concat(means, -1).numpy()[..., ::2], arrays["mu_chan_stride2"])
    assert_close(
        tf.concat(indexes, -1).numpy()[..., ::2], arrays["sigma_index_raw_chan_stride2"]
    )
    x_hat = released_model.synthesis(rate.y_hat)
    assert_close(x_hat.numpy()[:, ::2, ::2], arrays["x_hat_stride2"])
    assert rate.hard_z_bits.numpy()[0] == pytest.approx(arrays["z_bits"][0], rel=1e-4)


@pytest.mark.parametrize("variant, added", [("A", 0.0), ("B", 15.0)])
def test_bits_of_each_slice_are_the_released_ones(
    released_model, shared, variant, added
):
    """With the continuous scale index, which is what the released estimate uses."""
    arrays = Golden(shared / "golden" / "egic").arrays("full")
    y_hat = tf.constant(arrays["y_hat"])
    hyper = released_model.prior.hyper_synthesis(tf.constant(arrays["z_hat"]))
    bits = []

    def code_slice(i, mean, index):
        known = y_hat[..., 32 * i : 32 * (i + 1)]
        residual = tf.round(known - mean)
        slice_bits = entropy.gaussian_bits(residual, index + added)
        bits.append(float(tf.reduce_sum(slice_bits)))
        return known

    released_model.prior.walk(hyper, code_slice)
    np.testing.assert_allclose(bits, arrays[f"y_slice_bits{variant}"], rtol=1e-4)
    total = (sum(bits) + arrays["z_bits"][0]) / 256**2
    assert total == pytest.approx(arrays[f"bpp{variant}"][0], rel=1e-4)
