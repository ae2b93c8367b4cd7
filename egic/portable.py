"""The networks of a model as engines other than TensorFlow take them."""

import pathlib
from collections.abc import Callable

from hific import engine_cache
from hific.codec import CodecModel
from hific.engines import Source
from hific.model import Model
from hific.names import copy_variables

_ROOT = pathlib.Path(__file__).resolve().parents[1]
# What they are made from: with these texts they change, and are compiled again; so may
# what weights a config asks for.
_TEXTS = [
    _ROOT / package / f"{module}.py"
    for package, modules in (
        (
            "egic",
            ("charm", "codec", "kernels", "portable", "swin", "transforms", "windows"),
        ),
        ("hific", ("entropy", "heads", "layers", "networks", "openvino_conversion")),
    )
    for module in modules
]


def source_of(
    model: Model, headed: bool, blank: Callable[[], CodecModel], sha256: str
) -> Source:
    """What engines are made from.

    Args:
        model: With its weights.
        headed: Whether it has a head.
        blank: Makes the same networks of portable operations, weights to be set.
        sha256: Of the bundle the weights are from; "" keeps nothing on the disk.
    """

    def portable() -> CodecModel:
        twin = blank()
        for name in ("analysis", "synthesis", "head"):
            part = getattr(model, name)
            if part is not None:
                copy_variables(part, getattr(twin, name))
        return twin

    return Source(model, model.channels, headed, portable, key_of(sha256))


def key_of(sha256: str) -> str:
    """Names a bundle's networks and what they are written in; "" names none."""
    return sha256 and f"{sha256} {engine_cache.code_digest(_TEXTS)}"
