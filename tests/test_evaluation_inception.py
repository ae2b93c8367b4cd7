"""FID's Inception against torch-fidelity's, and its oddities by hand."""

import hashlib
import math
import pathlib

import numpy as np
import pytest
import tensorflow as tf

from hific.evaluation import inception
from tests import inception_weights, pth_files

GOLDEN = pathlib.Path(__file__).parent / "golden/fid_inception.npz"


@pytest.fixture(scope="module")
def arrays():
    return inception_weights.weights(inception.shapes())


def _as_state_dict(arrays):
    """With the counters that batch normalisations have in PyTorch."""
    counters = {
        name.replace("running_var", "num_batches_tracked"): np.zeros(1, "<i8")
        for name in arrays
        if name.endswith("running_var")
    }
    return {name: x.astype("<f4") for name, x in arrays.items()} | counters


def test_weights_are_as_many_and_of_the_shapes_of_the_original():
    shapes = inception.shapes()
    trained = [x for name, x in shapes.items() if "running" not in name]
    assert len(shapes) == 94 * 5 + 2
    # `sum(p.numel() for p in module.parameters())` of torch-fidelity's class, and the
    # digest of its state dict's sorted names and shapes.
    assert sum(math.prod(shape) for shape in trained) == 23_850_960
    lines = "\n".join(f"{name} {shape}" for name, shape in sorted(shapes.items()))
    assert hashlib.sha256(lines.encode()).hexdigest() == (
        "d84f693f2abd7fea61cb31c87d3b2f268bf707c1bae1db219afdad3363959cb0"
    )


def test_features_are_those_of_torch_fidelity(arrays):
    with np.load(GOLDEN) as golden:
        expected = golden["features"]
    resized = inception.resize_as_tensorflow_1(inception_weights.patches())
    found = inception.features(arrays)(resized).numpy()
    assert found.shape == (2, inception.NUM_FEATURES)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_the_resizing_is_that_of_torch_fidelity():
    with np.load(GOLDEN) as golden:
        expected = golden["resized"]
    found = inception.resize_as_tensorflow_1(inception_weights.patches()).numpy()
    assert found.shape == (2, 299, 299, 3) and found.dtype == np.float32
    np.testing.assert_allclose(found[:, ::37, ::41], expected, atol=1e-4)


def test_the_resizing_by_hand():
    ramp = np.zeros((1, 256, 512, 1), np.uint8)
    ramp[0, :, :, 0] = np.arange(256)[:, np.newaxis]
    found = inception.resize_as_tensorflow_1(ramp).numpy()[0, :, 0, 0]
    # Row i looks at 256 i / 299, without half a pixel; the last ones repeat the edge.
    expected = np.minimum(np.arange(299) * 256 / 299, 255)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    # Going down from 512 it takes single columns, nothing in between is seen.
    comb = np.zeros((1, 4, 598, 1), np.uint8)
    comb[:, :, 1::2] = 255
    assert inception.resize_as_tensorflow_1(comb).numpy().max() == 0.0


def test_average_pooling_counts_only_what_lies_inside():
    operations = inception._Tensors({})
    ones = tf.ones((1, 4, 4, 2))
    np.testing.assert_allclose(operations.average_pool(ones), ones)
    corner = tf.reshape([4.0, 0.0, 0.0, 0.0], (1, 2, 2, 1))
    np.testing.assert_allclose(operations.average_pool(corner), np.ones((1, 2, 2, 1)))


def test_only_the_last_block_pools_by_maximum():
    pooled = []

    class Listening(inception._Shapes):
        def conv(self, x, name, *args, **kwargs):
            if name.endswith("branch_pool"):
                pooled.append((name.split(".")[0], self.last))
            return super().conv(x, name, *args, **kwargs)

        def average_pool(self, x):
            self.last = "average"
            return x

        def max_pool(self, x, stride, padding):
            self.last = "max"
            return x

    inception._network(Listening(), 3)
    kinds = dict(pooled)
    assert kinds.pop("Mixed_7c") == "max"
    assert len(kinds) == 8 and set(kinds.values()) == {"average"}


def test_a_normalisation_is_folded_into_its_convolution():
    arrays = {
        "a.conv.weight": np.full((1, 1, 1, 1), 3.0, np.float32),
        "a.bn.weight": np.float32([2.0]),
        "a.bn.bias": np.float32([5.0]),
        "a.bn.running_mean": np.float32([7.0]),
        "a.bn.running_var": np.float32([0.999]),
    }
    found = inception._Tensors(arrays).conv(tf.ones((1, 1, 1, 1)) * 4, "a", 1, (1, 1))
    # 2 (3 * 4 - 7) / sqrt(0.999 + 0.001) + 5.
    assert float(found[0, 0, 0, 0]) == pytest.approx(15.0, rel=1e-6)


def test_weights_are_read_from_a_pth_file(tmp_path, arrays):
    path = tmp_path / "weights.pth"
    pth_files.write_legacy(path, *pth_files.whole(_as_state_dict(arrays)))
    read = inception.read(path)
    for name, array in arrays.items():
        np.testing.assert_array_equal(read[name], array)


def test_another_inception_is_refused(tmp_path):
    arrays = {"Conv2d_1a_3x3.conv.weight": np.zeros((32, 3, 5, 5), "<f4")}
    path = tmp_path / "weights.pth"
    pth_files.write_zip(path, *pth_files.whole(arrays))
    with pytest.raises(ValueError, match=r"it holds \(32, 3, 5, 5\); is it FID's"):
        inception.read(path)
