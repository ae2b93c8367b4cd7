"""The engines that may execute E and G, by name; needs neither of them, nor TensorFlow.

`hific.engines` has what the names stand for.
"""

import importlib.util
import os
import pathlib
from collections.abc import Callable, Mapping
from typing import NamedTuple

VARIABLE = "EGIC_ENGINE"
AUTO = "auto"
TENSORFLOW = "tensorflow"
_OPENVINO = "pip install 'egic[fast]'"

_CPUINFO = pathlib.Path("/proc/cpuinfo")
_BFLOAT16 = {"amx_bf16", "avx512_bf16"}
_NVIDIA = pathlib.Path("/proc/driver/nvidia/version")


class EngineError(ValueError):
    """There is no engine of that name, or what it needs is not installed."""


class Needs(NamedTuple):
    """What an engine needs beside TensorFlow, which codes the bits.

    Attributes:
        module: The package to be installed; "" where it is there anyway.
        install: The command that does.
    """

    module: str = ""
    install: str = ""


class Memory(NamedTuple):
    """What executing E and G in an engine takes, against TensorFlow.

    Attributes:
        more: Bytes once the networks are compiled.
        times: As many bytes for each pixel.
    """

    more: int = 0
    times: float = 1.0


NEEDS: Mapping[str, Needs] = {
    TENSORFLOW: Needs(),
    "openvino": Needs("openvino", _OPENVINO),
    "openvino-float32": Needs("openvino", _OPENVINO),
}
# Measured with "egic" in one process, both networks compiled: 0.91 GB at the start and
# at most 690 bytes a pixel in TensorFlow. In OpenVINO 1.14 GB, and 3,260 bytes a pixel
# in bfloat16 (5,560 in float32) up to 2^19 pixels, for E and G keep theirs; of larger
# pictures the larger of the two, 1,510 (2,440).
_MEMORY = {True: Memory(1_100_000_000, 3.2), False: Memory(1_600_000_000, 6.5)}
_BFLOAT16_ENGINES = {"openvino"}  # Where the processor has it.
# What `auto` takes the first of that can be had, the fastest first.
_BY_SPEED: tuple[str, ...] = ("openvino", TENSORFLOW)


def choices() -> tuple[str, ...]:
    """Whatever may be asked for."""
    return (AUTO, *NEEDS)


def default() -> str:
    """What is asked for where nobody says: EGIC_ENGINE, else `auto`."""
    return os.environ.get(VARIABLE) or AUTO


def resolve(
    name: str | None = None, installed: Callable[[str], bool] | None = None
) -> str:
    """The engine that a name asks for, a key of NEEDS.

    Args:
        name: One of `choices`, or None for the `default`.
        installed: Whether a package can be imported; found out by default.

    Raises:
        EngineError: There is none of that name, or it is not installed.
    """
    name = default() if name is None else name
    there = _installed if installed is None else installed
    if name == AUTO:
        if has_gpu():
            return TENSORFLOW
        return next(each for each in _BY_SPEED if _can(each, there))
    if name not in NEEDS:
        raise EngineError(f"No engine {name!r}; there are {', '.join(choices())}.")
    if not _can(name, there):
        raise EngineError(f"The engine {name!r} needs OpenVINO: {NEEDS[name].install}")
    return name


def candidates(name: str | None = None) -> tuple[str, ...]:
    """The engines for what a name asks for: of each picture, the first that has memory.

    `auto` never refuses a picture that TensorFlow would code; others stand alone.

    Raises:
        EngineError: See `resolve`.
    """
    asked = default() if name is None else name
    first = resolve(asked)
    return (first,) if asked != AUTO or first == TENSORFLOW else (first, TENSORFLOW)


def memory_of(name: str) -> Memory:
    """What an engine, a key of NEEDS, takes of memory here."""
    if name == TENSORFLOW:
        return Memory()
    return _MEMORY[name in _BFLOAT16_ENGINES and has_bfloat16()]


def described(name: str) -> str:
    """A name, and what it computes in here."""
    precise = name not in _BFLOAT16_ENGINES or not has_bfloat16()
    return f"{name} ({'float32' if precise else 'bfloat16'})"


def has_bfloat16() -> bool:
    """Whether the processor multiplies matrices of bfloat16 itself."""
    try:
        words = set(_CPUINFO.read_text().split())
    except OSError:
        return False
    return bool(words & _BFLOAT16)


def _can(name: str, installed: Callable[[str], bool]) -> bool:
    module = NEEDS[name].module
    return not module or installed(module)


def _installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ValueError:  # Imported, and has no spec: somebody put it there.
        return True


def has_gpu() -> bool:
    """Whether TensorFlow may find a GPU: a driver, its libraries, and none hidden."""
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    return not hidden and _NVIDIA.exists() and _installed("nvidia")
