"""The same latents from the same file, however TensorFlow computes."""

import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from skimage import data

import egic
from egic import closed_form
from egic import codec as builder
from egic.config import PRESETS

ROOT = pathlib.Path(__file__).resolve().parent.parent
ENCODER = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
DECODERS = {
    "two threads": ({"TF_NUM_INTRAOP_THREADS": "2", "TF_NUM_INTEROP_THREADS": "2"}, ()),
    "oneDNN off": ({"TF_ENABLE_ONEDNN_OPTS": "0"}, ()),
    "XLA": ({"TF_XLA_FLAGS": "--tf_xla_cpu_global_jit"}, ("--xla",)),
}
PHOTOGRAPHS = ("coffee", "rocket", "astronaut", "chelsea")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """egic-tiny as its closed-form start leaves it: latents as a trained model has."""
    crops = [
        getattr(data, name)()[top : top + 128, left : left + 128]
        for name in PHOTOGRAPHS
        for top in (0, 64, 128)
        for left in (0, 100, 200)
    ]
    config = PRESETS["egic-tiny"]
    network = builder.build_model(config)
    closed_form.initialise(network, np.stack(crops), config)
    folder = tmp_path_factory.mktemp("model") / "bundle"
    builder.save(config, network, folder)
    return folder


def latents_of(arguments, environment):
    """Runs a process and returns its lines."""
    return subprocess.run(
        [sys.executable, "-m", "tests.latents_of", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()


def assert_all_decoders_agree(model, pictures, folder):
    encoded = latents_of([model, "encode", folder, *pictures], ENCODER)
    assert len(encoded) == len(pictures)
    files = [folder / f"{picture.stem}.egic" for picture in pictures]
    for name, (environment, options) in DECODERS.items():
        assert latents_of([model, "decode", *options, *files], environment) == (
            encoded
        ), name


@pytest.mark.slow
def test_every_way_of_computing_decodes_the_same_latents(model, tmp_path):
    pictures = []
    for name in PHOTOGRAPHS:
        pictures.append(tmp_path / f"{name}.png")
        Image.fromarray(getattr(data, name)()[:200, :300]).save(pictures[-1])
    assert_all_decoders_agree(model, pictures, tmp_path)


@pytest.mark.slow
def test_every_way_of_computing_decodes_the_same_latents_of_kodak(
    model, tmp_path, shared
):
    pictures = sorted((shared / "data" / "kodak").glob("*.png"))
    assert len(pictures) == 24
    assert_all_decoders_agree(model, pictures, tmp_path)


@pytest.mark.slow
def test_two_hundred_sizes_come_back_with_the_same_latents(model):
    codec = egic.load(model)
    rng = np.random.default_rng(0)
    photograph = data.astronaut()
    sizes = [(1, 1), (1, 300), (300, 1), (64, 64), (65, 63)]
    sizes += [tuple(rng.integers(1, 301, 2)) for _ in range(200 - len(sizes))]
    for height, width in sizes:
        top, left = rng.integers(0, 512 - 300, 2)
        image = photograph[top : top + height, left : left + width]
        _, sent = codec.coder.encode(codec.latents(image))
        packet, (received,) = codec.decode_latents(codec.compress(image))
        assert (packet.height, packet.width) == (height, width)
        for name in ("z_symbols", "y_indexes", "y_symbols", "y_hat"):
            np.testing.assert_array_equal(getattr(sent, name), getattr(received, name))
