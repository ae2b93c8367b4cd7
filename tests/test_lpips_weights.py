import hashlib

import numpy as np
import pytest
import tensorflow as tf

from hific import lpips_weights
from tests import pth_files


@pytest.fixture(scope="module")
def official(shared):
    return lpips_weights.read_npz(shared / "data/lpips/alex_v0.1.npz")


@pytest.fixture
def made_up():
    rng = np.random.default_rng(0)
    shapes = lpips_weights.SHAPES.items()
    return {name: rng.random(shape, np.float32) for name, shape in shapes}


def _state_dicts(arrays):
    """As PyTorch lays the weights out: [out, in, h, w], heads [1, C, 1, 1]."""
    alexnet, heads = {"classifier.1.bias": np.zeros(3, "f4")}, {}
    for i, layer in enumerate((0, 3, 6, 8, 10), 1):
        kernel = arrays[f"conv{i}/kernel"].transpose(3, 2, 0, 1)
        alexnet[f"features.{layer}.weight"] = kernel
        alexnet[f"features.{layer}.bias"] = arrays[f"conv{i}/bias"]
        head = arrays[f"lin{i}/kernel"].reshape(1, -1, 1, 1)
        heads[f"lin{i - 1}.model.1.weight"] = head
    return alexnet, heads


def _frozen_graph(path, arrays):
    graph = tf.compat.v1.GraphDef()
    for i, array in enumerate(arrays):
        node = graph.node.add(op="Const", name=f"c{i}")
        node.attr["dtype"].type = tf.as_dtype(array.dtype).as_datatype_enum
        node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(array))
    graph.node.add(op="Relu", name="relu", input=["c0"])
    path.write_bytes(graph.SerializeToString())
    return path


def _assert_equal(ours, theirs):
    assert set(ours) == set(theirs)
    for name in ours:
        np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)


def test_the_given_weights_are_official(official):
    lpips_weights.check_official(official)


def test_one_changed_bit_is_noticed(official):
    changed = {name: array.copy() for name, array in official.items()}
    changed["lin3/kernel"][7] = np.nextafter(changed["lin3/kernel"][7], np.float32(1))
    with pytest.raises(ValueError, match="^lin3/kernel: not the weights"):
        lpips_weights.check_official(changed)


def test_state_dicts_are_transposed_and_renamed(made_up):
    _assert_equal(lpips_weights.from_state_dicts(*_state_dicts(made_up)), made_up)


def test_state_dicts_the_wrong_way_round_are_refused(made_up):
    alexnet, heads = _state_dicts(made_up)
    with pytest.raises(ValueError, match="the right way round"):
        lpips_weights.from_state_dicts(heads, alexnet)


@pytest.mark.parametrize("transposed", [False, True])
def test_frozen_graph_is_read_by_shape(tmp_path, made_up, transposed):
    constants = [np.array([1, 2, 3], "i4"), np.zeros((1, 3, 1, 1), "f4")]
    for i in range(1, 6):
        kernel = made_up[f"conv{i}/kernel"]
        constants += [
            kernel.transpose(3, 2, 0, 1) if transposed else kernel,
            made_up[f"conv{i}/bias"],
            made_up[f"lin{i}/kernel"].reshape(1, -1, 1, 1),
        ]
    constants += constants[2:5]  # The second picture's branch repeats its weights.
    path = _frozen_graph(tmp_path / "net.pb", constants)
    found = lpips_weights.from_constants(lpips_weights.read_frozen_graph(path))
    _assert_equal(found, made_up)


def test_checksums_decide_where_shapes_do_not(tmp_path, official):
    # Backwards, with biases of rank 4: nothing but the checksum tells them apart.
    constants = [
        array.reshape(1, -1, 1, 1) if array.ndim == 1 else array
        for array in reversed(official.values())
    ]
    out = tmp_path / "out.npz"
    graph = _frozen_graph(tmp_path / "net.pb", constants)
    lpips_weights.main([f"--frozen_graph={graph}", f"--out={out}"])
    _assert_equal(lpips_weights.read_npz(out), official)


def test_other_weights_are_written_only_when_allowed(tmp_path, made_up, capsys):
    constants = [
        array
        if name.endswith("bias") or array.ndim == 4
        else array.reshape(1, -1, 1, 1)
        for name, array in made_up.items()
    ]
    out = tmp_path / "out.npz"
    graph = _frozen_graph(tmp_path / "net.pb", constants)
    with pytest.raises(SystemExit):
        lpips_weights.main([f"--frozen_graph={graph}", f"--out={out}"])
    assert "--allow_other_weights" in capsys.readouterr().err
    assert not out.exists()
    lpips_weights.main(
        [f"--frozen_graph={graph}", f"--out={out}", "--allow_other_weights"]
    )
    _assert_equal(lpips_weights.read_npz(out), made_up)


def test_a_graph_of_something_else_is_refused(tmp_path):
    path = _frozen_graph(tmp_path / "net.pb", [np.zeros((3, 3, 8, 8), "f4")])
    with pytest.raises(ValueError, match="conv1/bias"):
        lpips_weights.from_constants(lpips_weights.read_frozen_graph(path))


def test_the_command_reads_the_official_pair_of_files(tmp_path, official):
    alexnet, heads = _state_dicts(official)
    alexnet = {name: np.ascontiguousarray(array) for name, array in alexnet.items()}
    pth_files.write_zip(tmp_path / "alexnet.pth", *pth_files.whole(alexnet))
    pth_files.write_legacy(tmp_path / "heads.pth", *pth_files.whole(heads))
    out = tmp_path / "out.npz"
    flags = [f"--{name}={tmp_path}/{name}.pth" for name in ("alexnet", "heads")]
    lpips_weights.main([*flags, f"--out={out}"])
    _assert_equal(lpips_weights.read_npz(out), official)


def test_fetching_downloads_checks_and_converts(tmp_path, official, monkeypatch):
    states = dict(zip(("ALEXNET", "HEADS"), _state_dicts(official), strict=True))
    for name, state in states.items():
        file = tmp_path / f"{name}.pth"
        state = {key: np.ascontiguousarray(array) for key, array in state.items()}
        pth_files.write_zip(file, *pth_files.whole(state))
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        monkeypatch.setattr(lpips_weights, name, (file.as_uri(), digest[:8]))
    lpips_weights.fetch(tmp_path / "cache/out.npz")
    _assert_equal(lpips_weights.read_npz(tmp_path / "cache/out.npz"), official)


def test_downloads_are_checked(tmp_path):
    source = tmp_path / "source"
    source.write_bytes(b"weights")
    digest = hashlib.sha256(b"weights").hexdigest()
    lpips_weights._download(source.as_uri(), digest[:8], tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"weights"
    with pytest.raises(ValueError, match="expected 12345678: not the official file"):
        lpips_weights._download(source.as_uri(), "12345678", tmp_path / "copy")


def test_no_network_says_what_else_to_do(tmp_path):
    nowhere = (tmp_path / "nowhere").as_uri()
    with pytest.raises(ValueError, match="could not be fetched.*perceptual_weight=0"):
        lpips_weights._download(nowhere, "", tmp_path / "copy")


def test_an_incomplete_file_is_refused(tmp_path, made_up):
    del made_up["lin2/kernel"]
    lpips_weights.write_npz(tmp_path / "w.npz", made_up)
    with pytest.raises(ValueError, match=r"lin2/kernel \(192,\), it holds nothing"):
        lpips_weights.read_npz(tmp_path / "w.npz")
