import math

import numpy as np
import pytest
import tensorflow as tf

from hific import networks
from hific.config import get_config
from hific.layers import NORMALISATIONS, FourierKernel

TINY = get_config("hific-tiny")


def count(variables):
    return sum(math.prod(v.shape) for v in variables)


def effective_count(conv_layers):
    """Parameters of the kernels and biases that are applied, however stored."""
    return sum(math.prod(x.kernel.shape) + math.prod(x.bias.shape) for x in conv_layers)


@pytest.fixture
def paper():
    """The paper's config in a graph, where variables have shapes and no memory."""
    with tf.Graph().as_default():
        yield get_config("hific-lo")


def test_encoder_has_the_published_parameters(paper):
    assert count(networks.build_encoder(paper).trainable_variables) == 7_423_420


def test_decoder_has_the_published_parameters(paper):
    decoder = networks.build_decoder(paper)
    assert count(decoder.trainable_variables) == 156_774_683
    assert count(decoder.blocks[0].trainable_variables) == 16_594_560


def test_encoder_layers_have_the_published_parameters(paper):
    encoder = networks.build_encoder(paper)
    convs = [count(layer.trainable_variables) for layer in encoder.convs]
    norms = [count(layer.trainable_variables) for layer in encoder.norms]
    assert convs == [8_880, 64_920, 259_440, 1_037_280, 4_148_160]
    assert norms == [120, 240, 480, 960, 1_920]
    assert count(encoder.to_latent.trainable_variables) == 1_901_020


def test_hyper_transforms_have_the_published_parameters():
    analysis = networks.build_hyper_analysis(get_config("hific-lo"))
    synthesis = networks.build_hyper_synthesis(get_config("hific-lo"))
    assert effective_count(analysis.layers) == 5_754_560
    assert effective_count(synthesis.mean_layers) == 5_754_460
    assert effective_count(synthesis.scale_layers) == 5_754_460
    assert count(synthesis.trainable_variables) == 2 * 5_754_460
    # 30 Fourier coefficients for a 5x5 kernel, 12 for a 3x3 one.
    assert count(analysis.trainable_variables) == 6_989_760


def test_the_tiny_preset_has_two_million_parameters():
    parts = [
        networks.build_encoder(TINY),
        networks.build_decoder(TINY),
        networks.build_hyper_analysis(TINY),
        networks.build_hyper_synthesis(TINY),
    ]
    assert count(v for part in parts for v in part.trainable_variables) < 2.2e6


@pytest.mark.parametrize("dtype", ["float32", "float64", "mixed_bfloat16"])
def test_shapes_and_types(dtype):
    wide = "float64" if dtype == "float64" else "float32"
    encoder = networks.build_encoder(TINY, dtype)
    decoder = networks.build_decoder(TINY, dtype)
    weights = len(encoder.trainable_variables), len(decoder.trainable_variables)
    y = encoder(tf.zeros((2, 64, 128, 3)))
    image = decoder(y)
    assert (y.shape, y.dtype) == ((2, 4, 8, 64), wide)
    assert (image.shape, image.dtype) == ((2, 64, 128, 3), wide)
    # Nothing was created by running: 5 + 1 convolutions and 5 norms; 2 + 3 blocks of 2
    # + 4 convolutions and as many norms. Each has two weights.
    assert weights == (2 * 11, 2 * 24)
    assert len(encoder.trainable_variables) == 2 * 11
    assert len(decoder.trainable_variables) == 2 * 24
    assert {v.dtype for v in decoder.trainable_variables} == {tf.as_dtype(wide)}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_hyper_shapes_and_types(dtype):
    y = tf.random.stateless_normal((2, 4, 8, 64), (0, 0))
    z = tf.function(networks.build_hyper_analysis(TINY, dtype))(y)
    mean, index = tf.function(networks.build_hyper_synthesis(TINY, dtype))(z)
    assert (z.shape, z.dtype) == ((2, 1, 2, 64), dtype)
    assert (mean.shape, mean.dtype) == (y.shape, dtype)
    assert (index.shape, index.dtype) == (y.shape, dtype)


def test_the_encoder_takes_grey_levels():
    encoder = networks.build_encoder(TINY)
    for norm in encoder.norms:
        norm.gamma.assign(tf.zeros_like(norm.gamma))
    first = encoder.convs[0](tf.fill((1, 8, 8, 3), 1.0))
    seen = []
    encoder.convs[0] = lambda x: seen.append(x) or first
    encoder(tf.fill((1, 8, 8, 3), 255.0))
    np.testing.assert_array_equal(seen[0], np.ones((1, 8, 8, 3), np.float32))


def test_the_decoder_returns_unclipped_grey_levels():
    decoder = networks.build_decoder(TINY)
    decoder.to_image.kernel.assign(tf.zeros_like(decoder.to_image.kernel))
    decoder.to_image.bias.assign((-1.0, 0.5, 2.0))
    image = decoder(tf.zeros((1, 2, 2, 64)))
    np.testing.assert_allclose(image[0, 31, 31], (-255.0, 127.5, 510.0), rtol=1e-6)


def test_mixed_bfloat16_stays_near_float32():
    image = tf.random.stateless_uniform((1, 64, 64, 3), (0, 5)) * 255.0
    wide, narrow = (
        networks.build_encoder(TINY, d) for d in ("float32", "mixed_bfloat16")
    )
    for a, b in zip(narrow.trainable_variables, wide.trainable_variables, strict=True):
        a.assign(b)
    reference = wide(image)
    error = tf.sqrt(tf.reduce_mean((narrow(image) - reference) ** 2))
    assert 0.0 < error.numpy() < 0.02 * tf.math.reduce_std(reference).numpy()


def test_hyper_synthesis_in_float64_agrees_with_float32():
    single = networks.build_hyper_synthesis(TINY)
    double = networks.build_hyper_synthesis(TINY, "float64")
    for a, b in zip(
        double.trainable_variables, single.trainable_variables, strict=True
    ):
        a.assign(tf.cast(b, tf.float64))
    z = tf.round(tf.random.stateless_normal((1, 2, 3, 64), (0, 6), stddev=4.0))
    for a, b in zip(double(z), single(z), strict=True):
        assert a.dtype == tf.float64
        np.testing.assert_allclose(a, b, atol=1e-5 * np.max(np.abs(a)))


def test_every_weight_of_the_hyper_transforms_gets_a_gradient():
    analysis = networks.build_hyper_analysis(TINY)
    synthesis = networks.build_hyper_synthesis(TINY)
    variables = analysis.trainable_variables + synthesis.trainable_variables
    with tf.GradientTape() as tape:
        mean, index = synthesis(analysis(tf.ones((1, 4, 4, 64))))
        loss = tf.reduce_sum(mean) + tf.reduce_sum(index)
    assert None not in tape.gradient(loss, variables)


@pytest.mark.parametrize(
    "raw, index",
    [(0.11, 0.0), (0.05, 0.0), (-3.0, 0.0), (0.11 * 1.1309464, 1.0), (256.0, 63.0)],
)
def test_scale_index(raw, index):
    assert networks.scale_index(tf.constant(raw)).numpy() == pytest.approx(
        index, abs=1e-5
    )


@pytest.mark.parametrize("sign, passes", [(-1.0, True), (1.0, False)])
def test_below_the_bound_only_a_gradient_that_raises_the_scale_passes(sign, passes):
    raw = tf.constant(0.05)
    with tf.GradientTape() as tape:
        tape.watch(raw)
        loss = sign * networks.scale_index(raw)
    assert (tape.gradient(loss, raw).numpy() != 0.0) == passes


def test_initial_scale_is_where_the_scale_network_starts():
    synthesis = networks.HyperSynthesis(8, 4, initial_scale=1.0)
    index = synthesis(tf.zeros((1, 1, 1, 4))).scale_index
    # log(1 / 0.11) / 0.12305 = 17.94
    np.testing.assert_allclose(index, np.full((1, 4, 4, 8), 17.9375), rtol=1e-4)


def test_initial_values_are_the_papers_unless_configured():
    paper = networks.Encoder((8,), 2), networks.Decoder(2, 8, 0, (8,))
    assert not np.any(paper[0].convs[0].bias)
    assert not np.any(paper[1].to_image.bias)
    encoder = networks.Encoder((512, 2), 2, input_bias=0.5)
    decoder = networks.Decoder(2, 8, 0, (8,), output_bias=0.45, output_gain=0.2)
    assert np.std(encoder.convs[0].bias) == pytest.approx(0.5, rel=0.1)
    assert not np.any(encoder.convs[1].bias)
    np.testing.assert_allclose(decoder.to_image.bias, np.full(3, 0.45))
    ratio = np.std(decoder.to_image.kernel) / np.std(paper[1].to_image.kernel)
    assert ratio == pytest.approx(0.2, rel=0.1)
    kernels = [
        networks.Encoder((64,), 32, latent_gain=gain).to_latent.kernel
        for gain in (1.0, 8.0)
    ]
    assert np.std(kernels[1]) / np.std(kernels[0]) == pytest.approx(8.0, rel=0.05)


def one_row(kernel, row):
    """A 3x3 kernel of zeros but for one row, for one channel in and out."""
    weights = np.zeros((3, 3, 1, 1), np.float32)
    weights[row, :, 0, 0] = kernel
    return weights


def test_strided_convolutions_align_as_tensorflow_same():
    conv = networks.Encoder((1, 1), 1, NORMALISATIONS["none"]).convs[1]
    conv.kernel.assign(one_row((1, 10, 100), row=1))
    x = tf.constant((1.0, 2.0, 3.0, 4.0))[tf.newaxis, tf.newaxis, :, tf.newaxis]
    np.testing.assert_array_equal(tf.squeeze(conv(x)), (321.0, 43.0))


def test_transposed_convolutions_align_as_tensorflow_same():
    up = networks.build_decoder(TINY).ups[0]
    kernel = np.zeros(up.kernel.shape, np.float32)
    kernel[0, :, 0, 0] = (1, 10, 100)
    up.kernel.assign(kernel)
    x = np.zeros((1, 1, 3, 128), np.float32)
    x[0, 0, :, 0] = (1, 2, 3)
    np.testing.assert_array_equal(up(x)[0, 0, :, 0], (1, 10, 102, 20, 203, 30))


def test_hyper_synthesis_puts_sample_0_under_the_kernel_centre():
    up = networks.HyperSynthesis(1, 1).mean_layers[0]
    kernel = np.zeros((5, 5, 1, 1), np.float32)
    kernel[2, 2], kernel[2, 3] = 1.0, 10.0
    up.kernel_parameter.assign(kernel)
    x = tf.constant((1.0, 2.0))[tf.newaxis, tf.newaxis, :, tf.newaxis]
    y = up(x)[0, :, :, 0]
    # A convolution: what lies right of the centre shows right of the sample.
    np.testing.assert_array_equal(y, [[1.0, 10.0, 2.0, 20.0], [0.0, 0.0, 0.0, 0.0]])


def test_hyper_analysis_correlates_with_sample_0_under_the_kernel_centre():
    down = networks.HyperAnalysis(1, 1).layers[2]
    kernel = np.zeros((5, 5, 1, 1), np.float32)
    kernel[2, 2], kernel[2, 3] = 1.0, 10.0
    coefficients = FourierKernel(tf.constant(kernel)).coefficients
    down.kernel_parameter.coefficients.assign(coefficients)
    x = tf.constant((1.0, 2.0, 3.0, 4.0))[tf.newaxis, tf.newaxis, :, tf.newaxis]
    np.testing.assert_allclose(tf.squeeze(down(x)), (21.0, 43.0), atol=1e-4)
