"""What a picture needs of a machine's memory, and what there is of it.

Needs only the standard library, so that a picture can be refused by its header before
TensorFlow is loaded or anything of the picture's size is allocated.
"""

import math
import pathlib
import re
import resource
from collections.abc import Iterator
from typing import NamedTuple

from hific import engine_names
from hific.engine_names import Memory
from hific.errors import LimitExceededError
from hific.tiles import GRID


class Footprint(NamedTuple):
    """What a process takes that codes with a model.

    Attributes:
        at_start: Bytes once the model is loaded.
        per_pixel: Bytes for each pixel that the networks see at once.
    """

    at_start: int
    per_pixel: int

    def with_engine(self, engine: Memory) -> "Footprint":
        """That of the model where another engine than TensorFlow executes E and G."""
        per_pixel = round(self.per_pixel * engine.times)
        return Footprint(self.at_start + engine.more, per_pixel)


# Measured with "egic": 0.90 GB once loaded, then for each pixel 330 to 480 bytes of E
# and 450 to 460 of G, or 590 to 670 of HiFiC's; with "egic-tiny": 0.58 GB and 210.
LARGEST = Footprint(900_000_000, 700)
SMALLEST = Footprint(560_000_000, 130)  # Of any model; more is for those who know it.

# The networks see a window of a huge picture at a time; beside it stand the picture
# and its latents, and what Pillow makes of it.
_WINDOW_PIXELS = (GRID.core + 2 * GRID.margin) ** 2
BYTES_PER_PIXEL_BESIDE = 20
# The entropy path of one that was coded before there were tiles: 150 measured.
BYTES_PER_PIXEL_WHOLE = 160

STRIDE = 64  # What pictures are padded to multiples of, but by few models.

# Pillow keeps four bytes for a pixel; turned, converted and as an array it is there
# four times at most.
BYTES_PER_PIXEL_READ = 16

# TensorFlow reserves more addresses than it ever uses memory; RLIMIT_AS counts both.
_ADDRESSES_BESIDE_MEMORY = 1_500_000_000

# Where a machine says what it has. Cgroups of version 2 and 1, each with the names of
# what is allowed, what is used, and what of that is a cache to be dropped.
_PROC, _CGROUPS = pathlib.Path("/proc"), pathlib.Path("/sys/fs/cgroup")
_CONTROLLERS = {
    "": ("", "memory.max", "memory.current", "inactive_file"),
    "memory": (
        "memory",
        "memory.limit_in_bytes",
        "memory.usage_in_bytes",
        "total_inactive_file",
    ),
}


def needed(
    height: int,
    width: int,
    whole: bool = False,
    stride: int = STRIDE,
    model: Footprint = LARGEST,
) -> int:
    """Bytes that coding a picture takes at its peak, all of the process counted.

    Args:
        height, width: Of the picture, pixels.
        whole: It is coded as one stream, however large; drawn by tiles it is anyway.
        stride: What it is padded to multiples of, which makes much of a narrow one.
        model: What it takes.
    """
    pixels = math.prod(-(-side // stride) * stride for side in (height, width))
    if not GRID.cuts(height, width):
        return model.at_start + model.per_pixel * pixels
    seen = min(pixels, _WINDOW_PIXELS)
    beside = BYTES_PER_PIXEL_BESIDE + (BYTES_PER_PIXEL_WHOLE if whole else 0)
    return model.at_start + model.per_pixel * seen + beside * pixels


def largest_here() -> Footprint:
    """What the largest model takes in the engine that this process was told to use.

    Raises:
        EngineError: It cannot be had.
    """
    return LARGEST.with_engine(engine_names.memory_of(engine_names.resolve()))


def beside(height: int, width: int) -> int:
    """Bytes of a picture that a process of any model codes beside others."""
    model = largest_here()
    return needed(height, width, model=model) - model.at_start


def fits(pictures: int, processes: int = 1) -> bool:
    """Whether a process has memory to code several pictures at once.

    Args:
        pictures: Bytes of all of them, see `beside`.
        processes: That share what is free.
    """
    own = _resident()
    share = own + (available() - own) // processes
    return largest_here().at_start + pictures <= share


def check(
    height: int,
    width: int,
    budget: int | None = None,
    whole: bool = False,
    stride: int = STRIDE,
    model: Footprint = LARGEST,
) -> None:
    """Refuses a picture that is too large to be coded here.

    Args:
        height, width: Of the picture, pixels.
        budget: Bytes for the process; None takes what is `available`.
        whole, stride, model: See `needed`.

    Raises:
        LimitExceededError: With what is needed, and what there is.
    """
    need = needed(height, width, whole, stride, model)
    check_bytes(need, f"coding {width} x {height} pixels", budget)


def check_reading(height: int, width: int) -> None:
    """Refuses a picture that is too large to be read from an image file here.

    Raises:
        LimitExceededError: With what is needed, and what there is.
    """
    need = _resident() + BYTES_PER_PIXEL_READ * height * width
    check_bytes(need, f"reading {width} x {height} pixels")


def check_bytes(need: int, what: str, budget: int | None = None) -> None:
    """Refuses what takes more memory than there is.

    Args:
        need: Bytes, all of the process counted.
        what: They are needed for, to be read after a verb.
        budget: See `check`.

    Raises:
        LimitExceededError: With what is needed, and what there is.
    """
    budget = available() if budget is None else budget
    if need > budget:
        raise LimitExceededError(
            f"{what[:1].upper()}{what[1:]} takes {need / 1e9:.1f} GB of memory, and "
            f"{budget / 1e9:.1f} GB are to be had. Cut or shrink the picture, or use a "
            "machine with more."
        )


def available() -> int:
    """Bytes that this process may come to use: those it has, and what is free.

    The least of what the machine, its control groups (containers, Slurm jobs) and
    RLIMIT_AS leave.
    """
    return min(_offers())


def _offers() -> Iterator[int]:
    own = _resident()
    free = re.search(r"MemAvailable:\s+(\d+) kB", _text(_PROC / "meminfo"))
    yield own + 1024 * int(free[1]) if free else 2**63
    for line in _text(_PROC / "self/cgroup").splitlines():
        _, controller, path = line.split(":", 2)
        if controller in _CONTROLLERS:
            yield from (own + left for left in _left_in_groups(controller, path))
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    if soft != resource.RLIM_INFINITY:
        yield max(0, soft - _ADDRESSES_BESIDE_MEMORY)


def _left_in_groups(controller: str, path: str) -> Iterator[int]:
    """What the group of a process, and each one around it, leave of their limits."""
    mount, allowed, used, cache = _CONTROLLERS[controller]
    folder = _CGROUPS / mount / path.lstrip("/")
    for group in (folder, *folder.parents):
        limit = _text(group / allowed).strip()
        if limit.isdigit():
            taken = int(_text(group / used).strip() or 0)
            droppable = re.search(rf"(?m)^{cache} (\d+)$", _text(group / "memory.stat"))
            yield max(0, int(limit) - taken + int(droppable[1] if droppable else 0))
        if group == _CGROUPS / mount:
            return


def _resident() -> int:
    pages = _text(_PROC / "self/statm").split()
    return int(pages[1]) * resource.getpagesize() if len(pages) > 1 else 0


def _text(path: pathlib.Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
