"""Extractors by hand, with toy networks where the published ones are not at hand."""

import hashlib
import pathlib
import sys

import numpy as np
import pytest
from skimage import data

from hific import lpips_weights
from hific.evaluation import extractors, inception
from hific.evaluation.extractors import EXTRACTORS
from tests import inception_weights, pth_files

GOLDEN = pathlib.Path(__file__).parent / "golden/fid_inception.npz"


@pytest.fixture
def alex(tmp_path):
    arrays = {
        name: np.zeros(shape, "f4") for name, shape in lpips_weights.SHAPES.items()
    }
    arrays["conv5/bias"][:3] = 2.0, -1.0, 5.0
    lpips_weights.write_npz(tmp_path / "w.npz", arrays)
    return EXTRACTORS["alex"].load(tmp_path / "w.npz")


def test_features_of_alex_are_conv5_averaged_over_the_patch(alex):
    found = alex.measure(np.zeros((2, 40, 40, 3), np.uint8))
    expected = np.zeros((2, 256))
    expected[:, 0], expected[:, 2] = 2.0, 5.0
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == np.float32


def test_an_extractor_says_which_file_its_weights_are(alex, tmp_path):
    digest = hashlib.sha256((tmp_path / "w.npz").read_bytes()).hexdigest()
    assert alex.to_json() == {
        "name": "alex",
        "weights_sha256": digest,
        "resize": "none",
        "dimension": 256,
        "side": 128,
    }


def test_no_patches_have_no_features(alex):
    assert alex.measure(np.zeros((0, 40, 40, 3), np.uint8)).shape == (0, 256)


def test_many_patches_pass_in_batches_in_their_order():
    seen = []

    def brightness(patches):
        seen.append(len(patches))
        return patches.mean((1, 2))[:, :1]

    extractor = extractors.Extractor("toy", "", "none", 1, 2, brightness)
    values = np.arange(40, dtype=np.uint8)
    patches = np.broadcast_to(values[:, None, None, None], (40, 2, 2, 3))
    np.testing.assert_array_equal(extractor.measure(patches)[:, 0], values)
    assert seen == [16, 16, 8]


@pytest.mark.parametrize(
    "patches", [np.zeros((4, 4, 3), np.uint8), np.zeros((1, 4, 4, 3), np.float32)]
)
def test_what_is_no_patches_is_refused(alex, patches):
    with pytest.raises(ValueError, match="Features are of patches"):
        alex.measure(patches)


def test_torch_fidelity_is_resizing_and_network(tmp_path):
    arrays = inception_weights.weights(inception.shapes())
    path = tmp_path / "weights.pth"
    pth_files.write_zip(path, *pth_files.whole(arrays))
    extractor = EXTRACTORS["torch-fidelity"].load(path)
    with np.load(GOLDEN) as golden:
        expected = golden["features"]
    found = extractor.measure(inception_weights.patches())
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert (extractor.dimension, extractor.side) == (2048, 256)


def test_the_resizing_is_that_of_clean_fid():
    with np.load(GOLDEN) as golden:
        expected = golden["clean"]
    found = [extractors.resize_as_clean_fid(x) for x in inception_weights.patches()]
    assert found[0].shape == (299, 299, 3) and found[0].dtype == np.float32
    np.testing.assert_allclose(np.stack(found)[:, ::37, ::41], expected, atol=1e-3)


def test_clean_resizing_neither_rounds_nor_overshoots():
    step = np.zeros((100, 100, 3), np.uint8)
    step[:, 50:] = 255
    found = extractors.resize_as_clean_fid(step)
    assert found.min() == 0.0 and found.max() == 255.0
    assert len(np.unique(found)) > 2 and np.any(found != np.round(found))
    same = data.chelsea()[:299, :299]
    np.testing.assert_array_equal(extractors.resize_as_clean_fid(same), same)


# What torch says of TorchScript, which is what clean-fid's file is.
DEPRECATED = pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")


@DEPRECATED
def test_clean_fid_is_resizing_scaling_and_the_layers_of_the_file(tmp_path):
    torch = pytest.importorskip("torch")

    class Layers(torch.nn.Module):
        def forward(self, x):
            means = x.mean((2, 3)).reshape(len(x), 3, 1, 1)
            return means.repeat(1, 683, 1, 1)[:, :2048]

    class Toy(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = Layers()

        def forward(self, x):
            return x * 0.0

    path = tmp_path / "inception-2015-12-05.pt"
    torch.jit.script(Toy()).save(str(path))
    extractor = EXTRACTORS["clean-fid"].load(path)
    patches = inception_weights.patches()
    found = extractor.measure(patches)
    resized = np.stack([extractors.resize_as_clean_fid(x) for x in patches])
    expected = (resized.mean((1, 2), np.float64) - 128) / 128
    assert found.shape == (2, 2048)
    np.testing.assert_allclose(found[:, :3], expected, atol=1e-5)


@DEPRECATED
def test_other_files_than_clean_fids_are_refused(tmp_path):
    pytest.importorskip("torch")
    (tmp_path / "x.pt").write_bytes(b"no TorchScript")
    with pytest.raises(ValueError, match="is no TorchScript file with the Inception"):
        EXTRACTORS["clean-fid"].load(tmp_path / "x.pt")


def test_without_torch_clean_fid_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ValueError, match=r'pip install "egic\[metrics\]"'):
        EXTRACTORS["clean-fid"].load(tmp_path / "x.pt")


def test_what_is_at_hand_is_used_and_what_was_given_comes_first(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    cached = lpips_weights.default_path()
    cached.parent.mkdir()
    cached.write_bytes(b"")
    given = tmp_path / "weights.pth"
    given.write_bytes(b"")
    assert extractors.choose({"clean-fid": None})["alex"] == cached
    found = extractors.choose({"torch-fidelity": str(given)})
    assert (found["alex"], found["torch-fidelity"]) == (cached, given)


def test_what_cannot_run_is_used_only_if_asked_for(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    cached = tmp_path / "hific/inception-2015-12-05.pt"
    cached.parent.mkdir()
    cached.write_bytes(b"")
    for torch, names in ((None, set()), (object(), {"clean-fid"})):
        monkeypatch.setattr("importlib.util.find_spec", lambda name, it=torch: it)
        assert set(extractors.choose({})) & {"clean-fid"} == names
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert extractors.choose({"clean-fid": str(cached)})["clean-fid"] == cached


def test_an_unknown_extractor_is_refused_by_name():
    with pytest.raises(ValueError, match="No extractor swav; there are alex, torch-"):
        extractors.choose({"swav": "x"})
