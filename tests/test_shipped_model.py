"""The model that comes with the program, against files that have to decode for ever."""

import json

import numpy as np
import pytest

import egic
from egic import cli, default_model
from hific import bundle, conformance, patterns
from hific.images import read_image
from tests import shipped_golden

NAMES = ("cat", "cup")


@pytest.fixture(scope="module")
def stored():
    if not shipped_golden.FOLDER.is_dir():
        pytest.fail(
            f"The model in {default_model.PATH} has no golden files; once it is the "
            "one to be shipped, `python -m tests.shipped_golden` makes them."
        )
    found = shipped_golden.read()
    if found["model"] != shipped_golden.model():
        pytest.fail(
            f"The golden files are of model {found['model'][:8]}, the one that comes "
            f"with the program is {shipped_golden.model()[:8]}. If it is meant to be "
            "another, `python -m tests.shipped_golden` makes new ones."
        )
    return found["latents"]


@pytest.fixture(scope="module")
def codec():
    return egic.load()


@pytest.mark.parametrize("name", NAMES)
def test_golden_files_decode_to_the_same_latents_to_the_bit(stored, codec, name):
    data = shipped_golden.path(name).read_bytes()
    packet, latents = codec.decode_latents(data)
    height, width, _ = shipped_golden.photographs()[name].shape
    assert (packet.height, packet.width) == (height, width)
    assert conformance.digest(latents)._asdict() == stored[name]


@pytest.mark.parametrize("name", NAMES)
def test_golden_files_decode_to_the_same_pictures(stored, codec, name):
    data = shipped_golden.path(name).read_bytes()
    pictures = codec.decompress_all(data, shipped_golden.ALPHAS)
    for alpha, picture in zip(shipped_golden.ALPHAS, pictures, strict=True):
        expected = read_image(shipped_golden.path(name, alpha))
        assert conformance.distance(picture, expected).tolerated, alpha


@pytest.mark.parametrize("name", NAMES)
def test_the_photographs_still_take_as_many_bytes(stored, codec, name):
    """Latents on the edge of two integers may round the other way elsewhere."""
    data = codec.compress(shipped_golden.photographs()[name])
    expected = len(shipped_golden.path(name).read_bytes())
    assert len(data) == pytest.approx(expected, rel=0.02)


def test_golden_pictures_are_like_the_photographs(stored):
    """What was made with a model that is not trained is no golden file."""
    for name, image in shipped_golden.photographs().items():
        faithful, realistic = (
            read_image(shipped_golden.path(name, alpha)).astype(float)
            for alpha in shipped_golden.ALPHAS
        )
        errors = [np.square(each - image).mean() for each in (faithful, realistic)]
        assert errors[0] < errors[1] < 255**2 / 10**2.2  # 22 dB.


def test_the_bundle_is_small_enough_for_a_repository():
    files = [path for path in default_model.PATH.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 14_000_000
    manifest = json.loads((default_model.PATH / bundle.MANIFEST).read_text())
    assert manifest["storage"] == "float16"


def test_the_model_is_what_it_is_said_to_be():
    found = bundle.read(default_model.PATH)
    assert sum(value.size for value in found.weights.values()) <= 6_000_000
    assert found.config["kind"] == "EgicConfig"
    assert found.config["head"]["stages"] > 0  # alpha is a choice.


@pytest.mark.slow
def test_without_a_model_selftest_tests_it(capsys, monkeypatch):
    monkeypatch.delenv("EGIC_MODEL", raising=False)
    assert cli.main(["selftest"]) == 0
    out = capsys.readouterr().out
    assert f"{default_model.PATH}: {len(patterns.VECTORS)} vectors" in out
    assert f"{len(patterns.VECTORS)} decoded, 0 mismatches\n" in out
