"""What lies between a model's two images, and what alphas are refused."""

import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf

import egic
import hific.config
from egic import codec as builder
from egic.config import PRESETS
from egic.initialisers import Initialiser
from hific import bitstream
from hific.errors import NonFiniteError, UnsupportedAlphaError
from hific.network_config import HeadConfig
from hific.rendering import Rendering, check_alpha
from tests import micro_codec

CONFIG = dataclasses.replace(micro_codec.CONFIG, head=HeadConfig(1))
PIXELS = (50, 70)


@pytest.fixture(scope="module")
def bundles(tmp_path_factory):
    """The same G with a head and without, as bundles; the head's weights differ."""
    folder = tmp_path_factory.mktemp("models")
    model = builder.build_egic(CONFIG, init=Initialiser(3))
    model.head.start_from(model.synthesis)
    for network, bias in ((model.synthesis, 0.5), (model.head, 0.25)):
        network.unpack.kernel.assign(0.1 * network.unpack.kernel)
        network.unpack.bias.assign(bias * tf.ones(12))
    builder.save(CONFIG, model, folder / "head")
    builder.save(micro_codec.CONFIG, model.without_head(), folder / "plain")
    return folder


@pytest.fixture(scope="module")
def headed(bundles):
    return egic.load(bundles / "head")


@pytest.fixture(scope="module")
def data(headed):
    return headed.compress(micro_codec.picture(*PIXELS))


@pytest.fixture(scope="module")
def rendering(headed, data):
    return headed.decode(data)


class FlatEnds:
    """Two grey images of 16 x 16 pixels, and how often each was asked for."""

    def __init__(self, realistic, faithful):
        self.asked = []
        self.ends, self.synthesis = self, None
        self._values = {"realistic": realistic, "faithful": faithful}

    def features(self, y_hat):
        self.asked.append("features")
        return y_hat

    def _image(self, name):
        self.asked.append(name)
        return tf.fill((1, 16, 16, 3), self._values[name])

    def realistic(self, _):
        return self._image("realistic")

    def faithful(self, _):
        return self._image("faithful")


def flat(realistic=100.0, faithful=180.0, size=(3, 5)):
    engine = FlatEnds(realistic, faithful)
    return engine, Rendering(engine, tf.zeros((1, 1, 1, 4)), *size)


@pytest.mark.parametrize(
    "alpha, value", [(0, 180), (0.0, 180), (0.25, 160), (0.5, 140), (1, 100)]
)
def test_alpha_runs_from_the_faithful_image_to_the_realistic_one(alpha, value):
    _, rendering = flat()
    image = rendering.image(alpha)
    assert image.shape == (3, 5, 3) and image.dtype == np.uint8
    assert (image == value).all()


def test_only_the_end_that_is_asked_for_is_computed_and_each_once():
    engine, rendering = flat()
    rendering.image(1.0)
    assert engine.asked == ["features", "realistic"]
    rendering.image(0.5)
    rendering.image(0.0)
    assert engine.asked == ["features", "realistic", "faithful"]
    engine, rendering = flat()
    rendering.image(np.zeros((3, 5)))
    assert engine.asked == ["features", "faithful"]


def test_a_map_chooses_for_each_pixel():
    _, rendering = flat()
    alpha = np.ones((3, 5))
    alpha[0], alpha[1, 2] = 0.0, 0.25
    image = rendering.image(alpha)[..., 0]
    assert image.tolist() == [[180] * 5, [100, 100, 160, 100, 100], [100] * 5]


def test_the_image_is_rounded_and_clipped_after_the_blend():
    _, rendering = flat(realistic=-100.0, faithful=301.0)
    assert rendering.exact(0.5)[0, 0].tolist() == [100.5] * 3
    assert rendering.image(0.5)[0, 0, 0] == 100  # Halves to even.
    assert rendering.image(1.0).max() == 0
    assert rendering.image(0.0).min() == 255


@pytest.mark.parametrize(
    "alpha, message",
    [
        (np.nan, "must be from 0 .* got nan"),
        (-0.01, "got -0.01"),
        (1.5, "got 1.5"),
        (np.inf, "got inf"),
        (np.full((3, 5), 255), "got 255; is a map still on the scale of 0 to 255"),
        (np.ones((5, 3)), r"height and width \(3, 5\), got shape \(5, 3\)"),
        (np.ones((3, 5, 1)), r"got shape \(3, 5, 1\)"),
        ([0.5, 0.5], r"got shape \(2,\)"),
        ("half", "must be numbers"),
        (0.5j, "must be numbers"),
    ],
)
def test_what_is_no_alpha_is_refused_with_its_value(alpha, message):
    with pytest.raises(UnsupportedAlphaError, match=message):
        check_alpha(alpha, 3, 5)


def test_an_image_that_is_not_finite_is_never_shown():
    _, rendering = flat(faithful=float("nan"))
    assert rendering.image(1.0).max() == 100
    with pytest.raises(NonFiniteError):
        rendering.image(0.5)


def test_alpha_1_is_bit_for_bit_the_plain_generator(bundles, data, rendering):
    plain = egic.load(bundles / "plain")
    packet = dataclasses.replace(bitstream.unpack(data), model_id=plain.model_id)
    expected = plain.decode(bitstream.pack(packet))
    np.testing.assert_array_equal(rendering.exact(1.0), expected.exact(1.0))
    np.testing.assert_array_equal(rendering.exact(np.ones(PIXELS)), expected.exact())


def test_alpha_0_is_bit_for_bit_the_head(rendering):
    np.testing.assert_array_equal(rendering.exact(0.0), rendering.faithful)
    np.testing.assert_array_equal(rendering.exact(np.zeros(PIXELS)), rendering.faithful)
    difference = rendering.realistic - rendering.faithful
    np.testing.assert_allclose(difference, 0.25 * 255, atol=1e-3)


def test_half_way_is_the_mean_of_the_ends(rendering):
    mean = (rendering.exact(0.0) + rendering.exact(1.0)) / 2
    np.testing.assert_allclose(rendering.exact(0.5), mean, atol=1e-4)


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
def test_a_constant_map_is_its_number(headed, data, alpha):
    number, constant = headed.decompress_all(data, [alpha, np.full(PIXELS, alpha)])
    np.testing.assert_array_equal(number, constant)
    np.testing.assert_array_equal(number, headed.decompress(data, alpha))


def test_bits_are_decoded_once_for_all_alphas(headed, data, monkeypatch):
    calls = []
    decode = headed.coder.decode
    monkeypatch.setattr(
        headed.coder, "decode", lambda *args: calls.append(1) or decode(*args)
    )
    assert len(headed.decompress_all(data, [0, 0.17, 0.33, 1])) == 4
    assert calls == [1]


def test_without_a_head_only_alpha_1_is_there(bundles):
    plain = egic.load(bundles / "plain")
    data = plain.compress(micro_codec.picture())
    plain.decompress(data, alpha=np.ones(PIXELS))
    for alpha in (0.0, 0.5, np.full(PIXELS, 0.5)):
        with pytest.raises(UnsupportedAlphaError, match="output-residual head"):
            plain.decompress(data, alpha)


def test_a_head_changes_the_model_id_and_the_lack_of_one_does_not_show(bundles):
    config = json.loads((bundles / "plain" / "config.json").read_text())
    assert "head" not in config
    config = json.loads((bundles / "head" / "config.json").read_text())
    assert config["head"] == {"stages": 1}
    ids = {egic.load(bundles / name).model_id for name in ("plain", "head")}
    assert len(ids) == 2


@pytest.mark.parametrize("preset", ["egic-tiny", "hific-tiny"])
def test_configs_written_before_there_were_heads_still_load(preset):
    config = PRESETS[preset]
    plain = hific.config.to_dict(config)
    assert "head" not in plain
    assert hific.config.from_dict(plain, egic.config.KINDS) == config
    headed = dataclasses.replace(config, head=HeadConfig(2))
    plain = hific.config.to_dict(headed)
    assert hific.config.from_dict(plain, egic.config.KINDS) == headed


def test_a_hific_bundle_with_a_head_comes_back(tmp_path):
    config = dataclasses.replace(PRESETS["hific-tiny"], head=HeadConfig(1))
    model = builder.build_model(config)
    model.head.start_from(model.synthesis)
    builder.save(config, model, tmp_path)
    codec = egic.load(tmp_path)
    rendering = codec.decode(codec.compress(micro_codec.picture()))
    np.testing.assert_allclose(rendering.faithful, rendering.realistic, atol=1e-3)
