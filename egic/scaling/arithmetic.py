"""What a collection costs, and how a training step shrinks with devices."""

from collections.abc import Mapping
from typing import NamedTuple

_FLOAT32 = 4


def core_hours(pictures: float, megapixels: float, rate: float) -> float:
    """Hours of one core.

    Args:
        pictures: How many.
        megapixels: Of each.
        rate: Megapixels per second and core.
    """
    return pictures * megapixels / rate / 3600


def stored_bytes(pictures: float, megapixels: float, bpp: float) -> float:
    """Bytes of the compressed files.

    Args:
        pictures, megapixels: See `core_hours`.
        bpp: Bits per pixel of whole files, headers included.
    """
    return pictures * megapixels * 1e6 * bpp / 8


class Link(NamedTuple):
    """What devices exchange gradients over.

    Attributes:
        title: Its name.
        bytes_per_second: One way, out of one device.
    """

    title: str
    bytes_per_second: float


# By data sheets; an exchange reaches less than a long transfer does.
LINKS: Mapping[str, Link] = {
    "nvlink": Link("NVLink of an A100, 300 GB/s", 300e9),
    "100g": Link("a node each, 100 Gbit/s", 12.5e9),
    "10g": Link("a node each, 10 Gbit/s", 1.25e9),
}


def exchange_seconds(parameters: int, devices: int, link: Link) -> float:
    """Seconds of a ring all-reduce of float32 gradients.

    Every device sends and receives 2 (n - 1) / n of them; nothing else is done in the
    meantime, and latency is left out.

    Args:
        parameters: That are trained.
        devices: n.
        link: Between any two neighbours.
    """
    return 2 * (devices - 1) / devices * _FLOAT32 * parameters / link.bytes_per_second


def step_seconds(alone: float, parameters: int, devices: int, link: Link) -> float:
    """Seconds of a step whose batch several devices share equally.

    Args:
        alone: Seconds of the step on one device.
        parameters, devices, link: See `exchange_seconds`.
    """
    return alone / devices + exchange_seconds(parameters, devices, link)
