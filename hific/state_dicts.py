"""PyTorch state dicts as numpy arrays, read without PyTorch and without running code.

A .pth file is a pickle, and a pickle may call anything. This reader knows the handful
of names a dict of tensors needs and refuses every other; it reads both layouts, the
zip of PyTorch 1.6 and later and the stream of pickles before.

Source: `save` and `_legacy_save` in pytorch/pytorch, torch/serialization.py.
"""

import collections
import io
import pathlib
import pickle
import struct
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_VERSION = 1001

_DTYPES: Mapping[str, np.dtype] = {
    "DoubleStorage": np.dtype("<f8"),
    "FloatStorage": np.dtype("<f4"),
    "HalfStorage": np.dtype("<f2"),
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
    "ByteStorage": np.dtype("u1"),
}


def read(path: pathlib.Path) -> dict[str, np.ndarray]:
    """Reads a state dict.

    Args:
        path: What `torch.save(module.state_dict(), path)` wrote, on a little-endian
            machine.

    Returns:
        Name -> array, in the file's order.

    Raises:
        ValueError: Not such a file, damaged, or it holds more than named tensors.
    """
    data = path.read_bytes()
    try:
        state = _read_zip(data) if data[:2] == b"PK" else _read_legacy(data)
    except (
        pickle.UnpicklingError,
        zipfile.BadZipFile,
        struct.error,
        KeyError,
        IndexError,
        TypeError,
        AttributeError,
        EOFError,
    ) as error:
        raise ValueError(f"{path} is no readable state dict: {error!r}") from error
    if not isinstance(state, dict):
        raise ValueError(f"{path} holds a {type(state).__name__}, not a state dict.")
    tensors = {name: tensor for name, tensor in state.items()}
    if not all(isinstance(tensor, np.ndarray) for tensor in tensors.values()):
        raise ValueError(f"{path} holds other values than tensors.")
    return tensors


class _Unpickler(pickle.Unpickler):
    """Builds arrays that look into zeroed storages, which are filled afterwards."""

    def __init__(self, file: io.BufferedIOBase, num_bytes: int):
        super().__init__(file, encoding="utf-8")
        self.storages: dict[str, np.ndarray] = {}
        self._num_bytes = num_bytes  # No storage is larger than the file.

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild
        if (module, name) == ("torch._utils", "_rebuild_parameter"):
            return lambda tensor, *_: tensor
        if module == "torch" and name in _DTYPES:
            return _DTYPES[name]
        raise pickle.UnpicklingError(f"{module}.{name} has no place in a state dict")

    def persistent_load(self, pid: Any) -> np.ndarray:
        kind, dtype, key, _, size, *view = pid
        if kind != "storage" or view not in ([], [None]):
            raise pickle.UnpicklingError(f"unknown reference {pid!r}")
        if not 0 <= size * dtype.itemsize <= self._num_bytes:
            raise pickle.UnpicklingError(f"storage {key} is larger than the file")
        if key not in self.storages:
            self.storages[key] = np.zeros(size, dtype)
        return self.storages[key]


def _rebuild(storage, offset, shape, strides, *_) -> np.ndarray:
    """A tensor as torch describes it; strides are in elements."""
    last = offset + sum((n - 1) * s for n, s in zip(shape, strides, strict=True))
    if min((offset, *shape, *strides)) < 0 or (0 not in shape and last >= storage.size):
        raise pickle.UnpicklingError("a tensor reaches beyond its storage")
    if 0 in shape:
        return np.zeros(shape, storage.dtype)
    bytes_apart = [s * storage.itemsize for s in strides]
    return np.lib.stride_tricks.as_strided(storage[offset:], shape, bytes_apart)


def _read_zip(data: bytes) -> Any:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        (pickled,) = (name for name in archive.namelist() if name.endswith("/data.pkl"))
        folder = pickled.removesuffix("data.pkl")
        unpickler = _Unpickler(io.BytesIO(archive.read(pickled)), len(data))
        state = unpickler.load()
        for key, storage in unpickler.storages.items():
            _fill(storage, archive.read(f"{folder}data/{key}"))
    return state


def _read_legacy(data: bytes) -> Any:
    file = io.BytesIO(data)
    header = [_Unpickler(file, len(data)).load() for _ in range(3)]
    if header[:2] != [_LEGACY_MAGIC, _LEGACY_VERSION]:
        raise pickle.UnpicklingError("not written by torch.save")
    unpickler = _Unpickler(file, len(data))
    state = unpickler.load()
    for key in _Unpickler(file, len(data)).load():
        storage = unpickler.storages[key]
        (size,) = struct.unpack("<q", file.read(8))
        if size != storage.size:
            raise pickle.UnpicklingError(f"storage {key} has another size")
        _fill(storage, file.read(storage.nbytes))
    return state


def _fill(storage: np.ndarray, data: bytes) -> None:
    if len(data) != storage.nbytes:
        raise pickle.UnpicklingError("a storage is cut off")
    storage[:] = np.frombuffer(data, storage.dtype)
