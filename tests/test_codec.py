import dataclasses
import json

import numpy as np
import pytest

import egic
from egic import codec as builder
from egic.charm import SliceWalk
from egic.config import PRESETS
from egic.initialisers import Blank
from hific import bitstream, building, padding, tables
from hific.errors import (
    DecodeMismatchError,
    InvalidImageError,
    ModelLoadError,
    UnknownModelError,
)
from hific.names import named_variables


@pytest.fixture(scope="module", params=["egic-tiny", "hific-tiny"])
def bundle(request, tmp_path_factory):
    config = PRESETS[request.param]
    model = builder.build_model(config)
    folder = tmp_path_factory.mktemp("models") / request.param
    builder.save(config, model, folder)
    return folder, model


@pytest.fixture(scope="module")
def codec(bundle):
    return egic.load(bundle[0])


def picture(height, width, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize("size", [(1, 1), (1, 70), (65, 3), (64, 128), (33, 31)])
def test_any_size_comes_back_with_the_same_latents(codec, size):
    data, report = codec.compress_with_report(picture(*size))
    packet, (coded,) = codec.decode_latents(data)
    assert (packet.height, packet.width) == size
    assert coded.crc() == packet.latents_crc
    image = codec.decompress(data)
    assert image.shape == (*size, 3) and image.dtype == np.uint8
    assert 8 * len(packet.payload) == pytest.approx(report.ideal_bits, rel=2e-3, abs=40)


def test_the_decoded_image_is_the_synthesis_of_the_coded_latents(bundle, codec):
    """The trainable graph in float32 and the loaded codec agree to a grey level."""
    image = picture(64, 64) // 4 + 64
    _, (coded,) = codec.decode_latents(codec.compress(image))
    expected = bundle[1].synthesis(coded.y_hat).numpy()[0]
    decoded = codec.decompress(codec.compress(image)).astype(float)
    assert np.abs(np.clip(expected, 0, 255) - decoded).max() <= 0.51


def test_a_file_of_another_model_is_refused(codec):
    packet = bitstream.unpack(codec.compress(picture(5, 5)))
    other = bitstream.Packet(b"\0\0\0\0", 5, 5, packet.payload, packet.latents_crc)
    with pytest.raises(UnknownModelError, match=codec.model_id.hex()):
        codec.decompress(bitstream.pack(other))


def test_latents_that_differ_from_the_encoders_are_never_shown(codec):
    packet = bitstream.unpack(codec.compress(picture(5, 5)))
    other = bitstream.Packet(
        packet.model_id, 5, 5, packet.payload, packet.latents_crc ^ 1
    )
    with pytest.raises(DecodeMismatchError, match="would be wrong"):
        codec.decompress(bitstream.pack(other))


@pytest.mark.parametrize(
    "image", [np.zeros((4, 4)), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)]
)
def test_what_is_no_image_is_refused(codec, image):
    with pytest.raises(InvalidImageError):
        codec.compress(image)


def test_alpha_needs_a_head_to_interpolate_with(codec):
    with pytest.raises(egic.UnsupportedAlphaError, match="output-residual head"):
        codec.decompress(codec.compress(picture(5, 5)), alpha=0.5)


def test_padding_reflects_and_repeats():
    row = np.arange(3, dtype=np.uint8)[np.newaxis, :, np.newaxis].repeat(3, 2)
    padded = padding.pad(row, 8)
    assert padded.shape == (8, 8, 3)
    assert padded[7, :, 0].tolist() == [0, 1, 2, 1, 0, 1, 2, 1]


def test_a_damaged_model_is_refused(bundle, tmp_path):
    for name in ("weights.safetensors", "tables.safetensors", "config.json"):
        for file in bundle[0].iterdir():
            (tmp_path / file.name).write_bytes(file.read_bytes())
        data = bytearray((tmp_path / name).read_bytes())
        data[len(data) // 2] ^= 1
        (tmp_path / name).write_bytes(data)
        with pytest.raises(ModelLoadError, match=name):
            egic.load(tmp_path)


def test_a_folder_without_a_model_says_how_to_make_one(tmp_path):
    with pytest.raises(ModelLoadError, match="egic export"):
        egic.load(tmp_path)


def test_the_model_id_begins_the_hash_of_the_whole(bundle, codec):
    manifest = json.loads((bundle[0] / "manifest.json").read_text())
    assert codec.model_id.hex() == manifest["sha256"][:8]


@pytest.mark.parametrize(
    "preset, part, count",
    [
        ("egic", "analysis", 9_139_416),
        ("egic", "synthesis", 9_139_300),
        ("egic", "prior.hyper_analysis", 3_065_892),
        ("egic", "prior.hyper_synthesis", 3_314_020),
        ("egic", "prior.density", 5_376),
        ("egic", "prior.walk", 7_892_236),
        ("egic", "", 32_556_240),
        ("egic-tiny", "", 2_179_566),
    ],
)
def test_parameters_are_those_of_the_paper(preset, part, count):
    module = builder.build_egic(PRESETS[preset])
    for name in part.split(".") if part else []:
        module = getattr(module, name)
    assert (
        sum(v.shape.num_elements() for v in named_variables(module).values()) == count
    )


def test_a_slice_without_support_beyond_five_has_the_counted_parameters():
    config = dataclasses.replace(PRESETS["egic"].charm, max_support=5)
    walk = SliceWalk(config, 320, Blank())
    assert sum(v.shape.num_elements() for v in walk.trainable_variables) == 6_665_932


def test_hifics_prior_has_the_published_parameters():
    """tfc 1.3 also trained three quantiles for each of 320 channels."""
    prior = building.build_hific(PRESETS["hific-lo"]).prior
    density = sum(v.shape.num_elements() for v in prior.density.trainable_variables)
    assert density == 320 * 43
    assert 5_754_560 + 2 * 5_754_460 + density + 3 * 320 == 17_278_200


def test_the_compatible_switch_pads_as_released(bundle):
    folder, model = bundle
    config = json.loads((folder / "config.json").read_text())
    if "compatible" not in config:
        pytest.skip("a switch of EGIC's codec")
    compatible = dataclasses.replace(PRESETS["egic-tiny"], compatible=True)
    released = builder.build_codec(compatible, model, tables.build(model.prior.density))
    assert released.latents(picture(100, 300)).shape[1:3] == (16, 32)
