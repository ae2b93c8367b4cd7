"""Distances of sets as columns of a report, by hand."""

import numpy as np
import pytest

from hific.evaluation import sets
from hific.evaluation.extractors import Description
from hific.evaluation.kernel import squared_mmd

ALEX = Description("alex", "ab12", "none", dimension=2, side=128)
# Mean 0, covariance the identity: 4 samples, in two pictures of 3 and 1 patches.
SQUARE = np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]]) * np.sqrt(0.75)
PICTURES = [SQUARE[:3], SQUARE[3:]]


def _distances(originals, reconstructions, description=ALEX):
    return sets.distances(originals, reconstructions, description, "hific", 64)


def test_every_column_by_hand():
    shifted = [features + (3.0, 4.0) for features in PICTURES]
    found = _distances(PICTURES, shifted)
    kernel = squared_mmd(SQUARE, SQUARE + (3.0, 4.0))
    assert found == {
        "fd_alex": pytest.approx(25.0),
        "fd_alex_patches": 4,
        "fd_alex_note": None,
        "fd_alex_protocol": "hific",
        "fd_alex_side": 64,
        "fd_alex_resize": "none",
        "fd_alex_sha256": "ab12",
        "kd_alex": pytest.approx(kernel),
        "kd_alex_std": None,
        "kd_alex_paired": pytest.approx(squared_mmd(SQUARE, SQUARE + (3.0, 4.0), True)),
    }


def test_it_matters_only_what_the_set_is_not_which_picture_has_it():
    found = _distances([SQUARE[:2], SQUARE[2:]], [SQUARE[2:], SQUARE[:2]])
    assert found["fd_alex"] == pytest.approx(0.0, abs=1e-12)


def test_pictures_without_patches_count_for_nothing():
    nothing = np.zeros((0, 2))
    found = _distances([*PICTURES, nothing], [*PICTURES, nothing])
    assert found["fd_alex_patches"] == 4
    found = _distances([nothing], [nothing])
    assert found["fd_alex"] is None and found["kd_alex"] is None
    assert found["fd_alex_note"] == "no covariance of 0 patches"


def test_too_few_patches_are_said_so():
    found = _distances([SQUARE[:2]], [SQUARE[2:]])
    assert found["fd_alex"] is not None
    assert found["fd_alex_note"].startswith("2 patches for 2 features")
    assert sets.shortage(3, 2) is None


def test_other_weights_than_the_published_are_said_so():
    published = Description("torch-fidelity", "6726825d" + 56 * "0", "", 2, 256)
    other = Description("torch-fidelity", 64 * "0", "", 2, 256)
    found = _distances(PICTURES, PICTURES, published)
    assert found["fid_torch_fidelity_note"] is None
    found = _distances(PICTURES, PICTURES, other)
    assert found["fid_torch_fidelity_note"] == "its weights are not the published ones"
    found = _distances([SQUARE[:2]], [SQUARE[2:]], other)
    assert "singular" in found["fid_torch_fidelity_note"]


def test_features_of_other_patches_are_refused():
    with pytest.raises(ValueError, match=r"shapes \[\(3, 2\), \(1, 2\)\] and"):
        _distances(PICTURES, PICTURES[::-1])
    with pytest.raises(ValueError, match=r"alex are \[N, 2\], got \(4, 3\)"):
        _distances([np.zeros((4, 3))], [np.zeros((4, 3))])


def test_a_description_survives_json():
    assert Description(**ALEX.to_json()) == ALEX
