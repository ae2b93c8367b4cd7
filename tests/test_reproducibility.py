"""The same latents from the same file, however TensorFlow computes."""

import numpy as np
import pytest
from PIL import Image
from skimage import data

import egic
from egic import closed_form
from egic import codec as builder
from egic.config import PRESETS
from egic.configurations import CONFIGURATIONS, REFERENCE
from trials import matrix

# The others take minutes: `python -m trials.matrix` runs all.
DECODERS = (REFERENCE, "2 threads", "oneDNN off", "XLA, clusters")
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


def assert_all_decoders_agree(model, pictures, count):
    files = matrix.compress(model, pictures)
    assert len(files) == count
    chosen = {name: CONFIGURATIONS[name] for name in DECODERS}
    found = matrix.run(model, files, (), chosen)
    assert {name: row.complaints for name, row in found.items()} == {
        name: [] for name in DECODERS
    }


@pytest.mark.slow
def test_every_way_of_computing_decodes_the_same_latents(model, tmp_path):
    for name in PHOTOGRAPHS:
        picture = Image.fromarray(getattr(data, name)()[:200, :300])
        picture.save(tmp_path / f"{name}.png")
    assert_all_decoders_agree(model, f"{tmp_path}/*.png", len(PHOTOGRAPHS))


@pytest.mark.slow
def test_every_way_of_computing_decodes_the_same_latents_of_kodak(model, shared):
    assert_all_decoders_agree(model, str(shared / "data" / "kodak" / "*.png"), 24)


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
