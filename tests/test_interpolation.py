"""Eq. 9 and 10 on toys by hand, and between two bundles."""

import dataclasses
from typing import NamedTuple

import numpy as np
import pytest
import tensorflow as tf

import egic
import hific.config
from egic import blends, interpolation, stored
from egic import codec as builder
from egic.stored import Loaded
from hific import bitstream, images
from hific.checkpoints import Checkpoints
from hific.codec import CodecModel
from hific.coding import EntropyCoder
from hific.errors import ModelLoadError, UnknownModelError, UnsupportedAlphaError
from hific.names import copy_variables, named_variables
from tests import micro_codec
from tests.toy_codec import ToyCodec

PICTURE = micro_codec.picture()


class Weights(tf.Module):
    def __init__(self, *values):
        super().__init__()
        self.a, self.b = (tf.Variable(value, dtype=tf.float32) for value in values)


def grey(value):
    """A model whose generator paints one grey times the latent, 4 channels."""

    def paint(y_hat):
        image = tf.repeat(tf.repeat(y_hat[..., :1], 16, 1), 16, 2)
        return value * tf.repeat(image, 3, -1)

    return Loaded(None, CodecModel(None, paint, None, 4), None, b"grey")


def shown(first, second, alpha):
    render = blends.image_renderer(grey(first), grey(second))
    return render(tf.ones((1, 2, 2, 4)), 20, 30).image(alpha)


@pytest.mark.parametrize("alpha, value", [(0, 40), (0.25, 60), (0.5, 80), (1, 120)])
def test_images_are_mixed_in_proportion(alpha, value):
    np.testing.assert_array_equal(
        shown(40.0, 120.0, alpha), np.full((20, 30, 3), value)
    )


def test_images_are_mixed_before_they_are_clipped():
    # 300 shown alone is 255; mixed with 100 it counts as 300.
    assert shown(100.0, 300.0, 0.5)[0, 0, 0] == 200
    assert shown(100.0, 300.0, 1.0)[0, 0, 0] == 255


def test_an_array_mixes_images_pixel_by_pixel():
    alpha = np.zeros((20, 30))
    alpha[:, 15:] = 0.5
    image = shown(40.0, 120.0, alpha)
    assert (image[:, :15] == 40).all() and (image[:, 15:] == 80).all()


def test_weights_are_mixed_by_hand():
    target, first, second = Weights(0, [0, 0]), Weights(1, [2, 4]), Weights(5, [-2, 4])
    blends.blend_weights(target, first, second, 0.25)
    assert float(target.a) == 2.0
    assert target.b.numpy().tolist() == [1.0, 4.0]
    assert float(first.a) == 1.0 and float(second.a) == 5.0


def test_ends_of_mixed_weights_are_bit_for_bit_the_models():
    first, second = (
        Weights(0.1, tf.random.stateless_normal((1000,), (0, seed)) * 10.0**seed)
        for seed in (3, -30)
    )
    target = Weights(0, tf.zeros(1000))
    for alpha, end in ((0.0, first), (1.0, second)):
        blends.blend_weights(target, first, second, alpha)
        np.testing.assert_array_equal(target.b, end.b)


def test_weights_of_other_sizes_are_refused_with_their_names():
    with pytest.raises(ModelLoadError, match=r"b \(2,\), b \(3,\).*--mode=image"):
        blends.blend_weights(
            Weights(0, [0, 0]), Weights(1, [1, 1]), Weights(1, [1, 1, 1]), 0.5
        )


def test_both_are_the_same_for_a_generator_that_is_linear_in_its_weights():
    first, second, between = ToyCodec(), ToyCodec(), ToyCodec()
    second.synthesis.matrix.assign(second.synthesis.matrix * 2.0 + 0.01)
    blends.blend_weights(
        between.synthesis, first.synthesis, second.synthesis, alpha=0.3
    )
    y_hat = tf.random.stateless_normal((1, 2, 2, 4), (0, 1))
    image = 0.7 * first.synthesis(y_hat) + 0.3 * second.synthesis(y_hat)
    np.testing.assert_allclose(between.synthesis(y_hat), image, rtol=1e-4, atol=1e-3)


def test_models_that_do_not_share_e_and_p_are_refused():
    first, second = ToyCodec(), ToyCodec()
    second.synthesis.matrix.assign(second.synthesis.matrix + 1.0)
    blends.check_shared(first, second)
    second.prior.log_scale.assign([0.0, 0.0, 0.0, 1e-7])
    with pytest.raises(ModelLoadError, match="prior: 1 of 1 .* prior.log_scale"):
        blends.check_shared(first, second)
    second.analysis.matrix.assign(first.analysis.matrix * 0.0)
    with pytest.raises(ModelLoadError, match="analysis.matrix.*E and P frozen"):
        blends.check_shared(first, second)


def model_with_generator(factor):
    """The micro model, the weights of its generator times a factor."""
    model = builder.build_egic(micro_codec.CONFIG)
    copy_variables(micro_codec.model(), model)
    for variable in named_variables(model.synthesis).values():
        variable.assign(variable * factor)
    return model


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    for name, factor in (("g1", 1.0), ("g2", 0.8)):
        model = model_with_generator(factor)
        builder.save(micro_codec.CONFIG, model, folder / name)
    return folder


class End(NamedTuple):
    """A model on its own: its file of the picture, and what it makes of it."""

    data: bytes
    image: np.ndarray


@pytest.fixture(scope="module")
def ends(folders):
    def measure(name):
        codec = egic.load(folders / name)
        data = codec.compress(PICTURE)
        return End(data, codec.decompress(data))

    return [measure(name) for name in ("g1", "g2")]


@pytest.fixture(scope="module", params=blends.MODES)
def between(request, folders):
    return interpolation.load(folders / "g1", folders / "g2", request.param)


def test_the_ends_are_bit_for_bit_the_two_models(between, ends):
    assert (ends[0].image != ends[1].image).mean() > 0.5
    for file in ends:  # Either's files: they differ in the model's name only.
        for image, end in zip(
            between.decompress_all(file.data, (0.0, 1.0)), ends, strict=True
        ):
            np.testing.assert_array_equal(image, end.image)


def test_the_order_of_alphas_does_not_matter(between, ends):
    first, again, third, fourth = between.decompress_all(
        ends[0].data, (1.0, 0.3, 0.0, 0.3)
    )
    np.testing.assert_array_equal(again, fourth)
    np.testing.assert_array_equal(first, ends[1].image)
    np.testing.assert_array_equal(third, ends[0].image)


def test_half_way_images_are_means_and_half_way_weights_are_not(between, ends):
    mean = (ends[0].image.astype(float) + ends[1].image) / 2
    found = between.decompress(ends[0].data, 0.5)
    # Half a grey level from rounding each end and the result; more where one clipped.
    inside = (mean > 5) & (mean < 250)
    apart = np.abs(found - mean)[inside].mean()
    assert apart < 0.6 if between.mode == "image" else apart > 1.0


def test_bits_are_decoded_once_for_all_alphas(between, ends, monkeypatch):
    calls, decode = [], EntropyCoder.decode
    monkeypatch.setattr(
        EntropyCoder, "decode", lambda *args: calls.append(1) or decode(*args)
    )
    between.decompress_all(ends[0].data, (0.0, 0.5, 1.0))
    assert len(calls) == 1


def test_files_of_a_third_model_are_refused(between, ends):
    packet = bitstream.unpack(ends[0].data)
    third = bitstream.pack(dataclasses.replace(packet, model_id=b"none"))
    with pytest.raises(UnknownModelError, match="made with model"):
        between.decompress(third)


def test_no_alpha_beyond_the_ends(between, ends):
    with pytest.raises(UnsupportedAlphaError, match="from 0 .* to 1"):
        between.decompress(ends[0].data, 1.5)


def test_only_images_have_an_alpha_for_each_pixel(between, ends):
    alpha = np.zeros(PICTURE.shape[:2])
    if between.mode == "weights":
        with pytest.raises(UnsupportedAlphaError, match="--mode=image"):
            between.decompress(ends[0].data, alpha)
        return
    found = between.decompress(ends[0].data, alpha)
    np.testing.assert_array_equal(found, ends[0].image)


def test_a_run_is_as_good_as_a_bundle_and_files_are_the_seconds(
    tmp_path, folders, ends
):
    hific.config.save(micro_codec.CONFIG, tmp_path / "config.json")
    step = tf.Variable(7, dtype=tf.int64)
    Checkpoints(tmp_path, step=step, model=model_with_generator(1.0)).save(7)
    between = interpolation.load(tmp_path, folders / "g2")
    data, report = between.compress_with_report(PICTURE)
    assert data == ends[1].data
    assert 8 * len(data) > report.ideal_bits > 0 and between.estimate(PICTURE) > 0
    for alpha, end in enumerate(ends):
        np.testing.assert_array_equal(between.decompress(data, alpha), end.image)


def test_a_run_without_checkpoints_is_named(tmp_path, folders):
    (tmp_path / "checkpoints").mkdir()
    hific.config.save(micro_codec.CONFIG, tmp_path / "config.json")
    with pytest.raises(ModelLoadError, match="no valid checkpoint"):
        interpolation.load(tmp_path, folders / "g2")


def test_different_padding_is_refused(folders):
    first, second = (stored.read(folders / name) for name in ("g1", "g2"))
    compatible = dataclasses.replace(first.config, compatible=True)
    with pytest.raises(ModelLoadError, match="multiples of 256 and 64"):
        interpolation.InterpolatingCodec(
            first._replace(config=compatible), second, "image"
        )


def run(folders, *args):
    models = (f"--first={folders}/g1", f"--second={folders}/g2")
    return interpolation.main([*models, *map(str, args)])


def test_the_command_writes_a_picture_for_each_alpha(tmp_path, folders, ends, capsys):
    (tmp_path / "a.egic").write_bytes(ends[0].data)
    images.write_png(tmp_path / "b.png", PICTURE)
    out = tmp_path / "out"
    flags = ("--alphas=0,0.5,1", f"--out_dir={out}")
    assert run(folders, *flags, tmp_path / "a.egic", tmp_path / "b.png") == 0
    assert f"{out}/b.image-0.5.png" in capsys.readouterr().out
    for name in "ab":
        for alpha, end in enumerate(ends):
            shown = images.read_image(out / f"{name}.image-{alpha}.png")
            np.testing.assert_array_equal(shown, end.image)
    # Nothing is replaced unasked.
    assert run(folders, *flags, tmp_path / "a.egic") == 3


def test_the_command_names_what_is_wrong(tmp_path, folders, capsys):
    assert run(folders, "--alphas=0,0", "a.egic") == 2
    assert "an alpha or a file's name occurs twice" in capsys.readouterr().err
    assert run(folders, f"--second={tmp_path}", "a.egic") == ModelLoadError.exit_code
    with pytest.raises(SystemExit):
        run(folders, "--alphas=2", "a.egic")
