import collections
import os

import numpy as np
import pytest

from hific import state_dicts
from tests import pth_files

# Arrays that are contiguous, transposed, and a part of what they look into.
WHOLE = np.arange(24, dtype="<f4")
TENSORS = {
    "conv.weight": WHOLE.reshape(2, 3, 4).transpose(0, 2, 1),
    "conv.bias": WHOLE[5:8],
    "steps": np.array(7, "<i8"),
}


def _state():
    floats, steps = (
        pth_files.Storage("0", WHOLE),
        pth_files.Storage("1", TENSORS["steps"].reshape(1)),
    )
    state = collections.OrderedDict(
        zip(
            TENSORS,
            (
                pth_files.Tensor(floats, TENSORS["conv.weight"], 0),
                pth_files.Tensor(floats, TENSORS["conv.bias"], 5),
                pth_files.Tensor(steps, TENSORS["steps"], 0),
            ),
            strict=True,
        )
    )
    state._metadata = {"": {"version": 1}}  # As nn.Module.state_dict leaves it.
    return state, [floats, steps]


WRITERS = pytest.mark.parametrize(
    "write", [pth_files.write_zip, pth_files.write_legacy]
)


@WRITERS
def test_tensors_come_back_with_their_shapes(tmp_path, write):
    write(tmp_path / "x.pth", *_state())
    read = state_dicts.read(tmp_path / "x.pth")
    assert list(read) == list(TENSORS)
    for name, tensor in read.items():
        assert tensor.dtype == TENSORS[name].dtype
        np.testing.assert_array_equal(tensor, TENSORS[name])


@WRITERS
def test_a_file_cut_anywhere_is_refused(tmp_path, write):
    path = tmp_path / "x.pth"
    write(path, *_state())
    whole = path.read_bytes()
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match="x.pth"):
            state_dicts.read(path)


@WRITERS
def test_a_tensor_cannot_reach_beyond_its_storage(tmp_path, write):
    state, storages = _state()
    state["conv.bias"].offset = 22
    write(tmp_path / "x.pth", state, storages)
    with pytest.raises(ValueError, match="beyond its storage"):
        state_dicts.read(tmp_path / "x.pth")


class _Attack:
    def __reduce__(self):
        return os.mkdir, ("attacked",)


@WRITERS
def test_pickled_code_is_not_run(tmp_path, write, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "x.pth", {"weight": _Attack()}, [])
    with pytest.raises(ValueError, match="mkdir has no place in a state dict"):
        state_dicts.read(tmp_path / "x.pth")
    assert not (tmp_path / "attacked").exists()


def test_other_values_than_tensors_are_refused(tmp_path):
    pth_files.write_zip(tmp_path / "x.pth", {"epoch": 3}, [])
    with pytest.raises(ValueError, match="other values than tensors"):
        state_dicts.read(tmp_path / "x.pth")


@pytest.mark.parametrize("zipped", [True, False])
def test_what_torch_writes_is_read(tmp_path, zipped):
    torch = pytest.importorskip("torch")
    state = torch.nn.Conv2d(3, 4, 5).state_dict()
    torch.save(state, tmp_path / "x.pth", _use_new_zipfile_serialization=zipped)
    read = state_dicts.read(tmp_path / "x.pth")
    assert list(read) == ["weight", "bias"]
    for name, tensor in state.items():
        np.testing.assert_array_equal(read[name], tensor.numpy())
