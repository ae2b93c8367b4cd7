"""Writes .pth files as torch.save does, without torch."""

import collections
import io
import pickle
import struct
import zipfile


class Global:
    """Pickles as the name of something, whether or not it can be imported."""

    def __init__(self, module, name):
        self.name = f"{module}\n{name}\n"


class Storage:
    def __init__(self, key, array):
        self.key, self.array = key, array


class Tensor:
    def __init__(self, storage, array, offset):
        self.storage, self.array, self.offset = storage, array, offset


class _Pickler(pickle._Pickler):
    """Pickles the way torch.save does, without torch."""

    def __init__(self, file, legacy):
        super().__init__(file, protocol=2)
        self.legacy = legacy

    def persistent_id(self, value):
        if not isinstance(value, Storage):
            return None
        name = {"f": "FloatStorage", "i": "LongStorage"}[value.array.dtype.kind]
        pid = ("storage", Global("torch", name), value.key, "cpu", value.array.size)
        return (*pid, None) if self.legacy else pid

    def save(self, value, *args, **kwargs):
        if isinstance(value, Global):
            self.write(pickle.GLOBAL + value.name.encode())
        elif isinstance(value, Tensor):
            strides = tuple(s // value.array.itemsize for s in value.array.strides)
            rebuild = (value.storage, value.offset, value.array.shape, strides)
            self.save(Global("torch._utils", "_rebuild_tensor_v2"))
            self.save((*rebuild, False, collections.OrderedDict()))
            self.write(pickle.REDUCE)
        else:
            super().save(value, *args, **kwargs)


def whole(arrays):
    """Returns the state dict of contiguous arrays and the storages they fill."""
    storages = [Storage(str(i), a.ravel()) for i, a in enumerate(arrays.values())]
    tensors = (
        Tensor(storage, array, 0)
        for storage, array in zip(storages, arrays.values(), strict=True)
    )
    return collections.OrderedDict(zip(arrays, tensors, strict=True)), storages


def write_zip(path, state, storages):
    """Writes the layout of PyTorch 1.6 and later."""
    pickled = io.BytesIO()
    _Pickler(pickled, legacy=False).dump(state)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickled.getvalue())
        for storage in storages:
            archive.writestr(f"archive/data/{storage.key}", storage.array.tobytes())
        archive.writestr("archive/version", "3\n")


def write_legacy(path, state, storages):
    """Writes the layout before PyTorch 1.6."""
    with path.open("wb") as file:
        for value in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}):
            pickle.dump(value, file, protocol=2)
        _Pickler(file, legacy=True).dump(state)
        pickle.dump([storage.key for storage in storages], file, protocol=2)
        for storage in storages:
            file.write(struct.pack("<q", storage.array.size) + storage.array.tobytes())
