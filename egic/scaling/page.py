"""docs/scaling.md from what was measured."""

from collections.abc import Mapping, Sequence
from typing import Any

from egic import estimates
from egic.reproduction import costs
from egic.reproduction.stages import STAGES
from egic.scaling.arithmetic import (
    LINKS,
    Link,
    core_hours,
    step_seconds,
    stored_bytes,
)

# Width and height of pictures that collections are made of.
PICTURES = ((768, 512), (4000, 3000))
COUNTS = {"a million": 1e6, "a billion": 1e9}
BPPS = (0.1, 0.23, 0.5)
DEVICES = (1, 2, 4, 8, 16)
_PREFIXES = (("PB", 1e15), ("TB", 1e12), ("GB", 1e9))


def page(measured: Mapping[str, Any]) -> str:
    """Returns docs/scaling.md.

    Args:
        measured: As `egic.scaling.measuring.measure` returns it.
    """
    height, width = measured["size"]
    versions = measured["versions"]
    return _PAGE.format(
        machine=measured["machine"],
        tensorflow=versions["tensorflow"],
        openvino=versions["openvino"],
        width=width,
        height=height,
        rates=_rates(measured["coding"]),
        collections=_collections(measured["coding"]),
        stored=_stored(),
        memory=_memory(measured["memory"]),
        sharing=_sharing(measured["devices"]),
        modelled="\n\n".join(_modelled(link, measured) for link in LINKS.values()),
        share=f"{costs.SHARE:.0%}",
        gpu=estimates.GPU.title,
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], text: int = 1) -> str:
    """A table whose first `text` columns are words and whose others are numbers."""
    rule = "|" + "---|" * text + "---:|" * (len(head) - text)
    return "\n".join([_row(head), rule, *map(_row, rows)])


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _rates(coding: Sequence[Mapping[str, Any]]) -> str:
    head = ("model", "engine", "compress, MP/s and core", "decompress, MP/s and core")
    return _table(
        head,
        [
            (
                f"`{row['model']}`",
                f"`{row['engine']}`",
                f"{row['compress']:.2f}",
                f"{row['decompress']:.2f}",
            )
            for row in coding
        ],
        text=2,
    )


def _collections(coding: Sequence[Mapping[str, Any]]) -> str:
    """Core-hours of compressing and of decompressing."""
    head = ["model", "engine", "pictures of"]
    for name in COUNTS:
        head += [f"{name}, compress", "decompress"]
    rows = []
    for row in coding:
        for width, height in PICTURES:
            megapixels = width * height / 1e6
            cells = [f"`{row['model']}`", f"`{row['engine']}`", f"{width} x {height}"]
            for count in COUNTS.values():
                for verb in ("compress", "decompress"):
                    cells.append(_hours(core_hours(count, megapixels, row[verb])))
            rows.append(cells)
    return _table(head, rows, text=3)


def _hours(hours: float) -> str:
    """Two digits, which is more than such a forecast deserves."""
    return f"{float(f'{hours:.2g}'):,.0f} h" if hours >= 10 else f"{hours:.1f} h"


def _stored() -> str:
    head = ["bits per pixel"]
    head += [
        f"{name} of {width} x {height}" for name in COUNTS for width, height in PICTURES
    ]
    rows = []
    for bpp in BPPS:
        sizes = [
            stored_bytes(count, width * height / 1e6, bpp)
            for count in COUNTS.values()
            for width, height in PICTURES
        ]
        rows.append([f"{bpp:g}", *map(_bytes, sizes)])
    return _table(head, rows, text=0)


def _bytes(number: float) -> str:
    unit, one = next((u, n) for u, n in _PREFIXES if number >= n)
    return f"{number / one:.3g} {unit}"


def _memory(memory: Sequence[Mapping[str, Any]]) -> str:
    """A row for each size, columns for each model and engine."""
    kinds = list(dict.fromkeys((row["model"], row["engine"]) for row in memory))
    sizes = list(dict.fromkeys((row["width"], row["height"]) for row in memory))
    found = {
        (row["model"], row["engine"], row["width"], row["height"]): (
            f"{row['compress']:.1f}, {row['decompress']:.1f}"
        )
        for row in memory
    }
    head = ["picture", *(f"`{model}`, `{engine}`" for model, engine in kinds)]
    rows = [
        [f"{width} x {height}"]
        + [found.get((*kind, width, height), "not measured") for kind in kinds]
        for width, height in sizes
    ]
    return _table(head, rows)


def _sharing(devices: Sequence[Mapping[str, Any]]) -> str:
    head = ("step of", "devices", "seconds of a step", "to one device")
    alone = {row["stage"]: row["seconds"] for row in devices if row["devices"] == "one"}
    return _table(
        head,
        [
            (
                row["stage"],
                row["devices"],
                f"{row['seconds']:.2f}",
                f"{row['seconds'] / alone[row['stage']]:.2f}",
            )
            for row in devices
        ],
        text=2,
    )


def _modelled(link: Link, measured: Mapping[str, Any]) -> str:
    """Hours of every command by devices, and what one of them still does."""
    head = ["command", "batch", "one", *(f"{n} of them" for n in DEVICES[1:])]
    rows = []
    for name in estimates.CHAIN:
        stage = STAGES[name]
        steps, batch = stage.recipe
        alone = 3600 * costs.hours(stage, estimates.GPU) / steps
        parameters = measured["parameters"][name]
        cells = [f"`{stage.script}.py`", f"{batch}"]
        for count in DEVICES:
            if count > batch:
                cells.append("")
                continue
            seconds = step_seconds(alone, parameters, count, link)
            share = alone / seconds / count
            cells.append(f"{_hours(steps * seconds / 3600)} ({share:.0%})")
        rows.append(cells)
    return f"Over {link.title}:\n\n{_table(head, rows, text=1)}"


_PAGE = """\
# Scaling

What many pictures, large pictures and many devices take. This page is written by
`python -m egic.scaling > docs/scaling.md`, and a test compares the two. Measured by
`python -m egic.scaling --measure` on {machine},
TensorFlow {tensorflow}, OpenVINO {openvino}. **What is modelled says so.**

## Pictures per core

Megapixels per second and core, coding a picture of {width} x {height} again and again
in as many processes as there are cores, each on a core of its own with one thread.
Reading and writing picture files is left out, start-up too. [Engines](engines.md) has
the seconds of a picture that has the machine to itself, `egic compress DIR` prints what
a folder reaches with its files, see [Commands](commands.md).

{rates}

`egic-small` is the model that ships, `egic` the published size with random weights,
whose files are far too large and take somewhat longer to code.

## A million pictures, a billion

Core-hours, **modelled** from the table above as `pictures x megapixels / (MP/s and
core) / 3600`; to two digits, without start-up, reading and writing. Cores of one
machine share memory and power, and many of them are slower than two.

{collections}

Bytes of the compressed files are `pictures x pixels x bpp / 8`:

{stored}

0.23 bits per pixel is what `egic-small` takes on Kodak ([Results](results.md)). A
folder is split over machines by `--shard=I/N`, a collection in a bucket by
[Beam](beam.md).

## Memory by picture size

Peak of `egic compress` and of `egic decompress`, gigabytes, whole processes, measured.
Pictures above 2^22 pixels are coded in tiles, so that the networks' share stops
growing there; what still grows is the picture itself.

{memory}

A picture that would not fit is refused before anything is allocated, see
[Reliability](reliability.md).

## Training on several devices

Measured: what sharing a step costs on this machine, whose two cores one device keeps
busy alone, so that nothing can be won here. The batch is the same in every row.

{sharing}

**Modelled**: hours at the presets of the paper on GPUs ({gpu}) at {share} of their peak
([Hours on a GPU](hours.md)), which share each batch equally. A step takes

    seconds(n) = seconds(1) / n + 2 (n - 1) / n x bytes of gradients / bytes a second

which is a ring all-reduce that nothing hides, without latency, and a device as busy
with a small share of a batch as with the whole, which flatters many devices. In
brackets is how much of n times one device is left.

{modelled}

[Many devices](devices.md) has the flags, [Clusters](clusters.md) the batch scripts.
"""
