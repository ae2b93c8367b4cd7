"""Orders for a folder of tiny pictures, with a stand-in for models."""

import dataclasses
import errno
import os
import signal
import time

from PIL import Image

from egic import batch_folders, compression, folders, journal
from hific import images
from hific.errors import ModelLoadError
from tests.pixel_codec import PixelCodec


def working(trouble=None, processes=1):
    """Compresses pictures; what is named in `trouble` has it."""
    codec = PixelCodec()
    compress = compression.line_of(compression.Reading(), lambda: codec)

    def work(job):
        if trouble and job.source.name in trouble:
            trouble[job.source.name](job)
        return compress(job)

    return work


def die(job):
    os.kill(os.getpid(), signal.SIGKILL)


def fill_disk(job):
    raise OSError(errno.ENOSPC, "No space left on device")


def load_no_model(job):
    raise ModelLoadError("no model here")


def linger(job):
    time.sleep(0.3)


def tell_to_stop(job):
    os.kill(os.getppid(), signal.SIGTERM)


def order_in(tmp_path):
    """An order from one folder below to another."""
    return batch_folders.Order(
        root=tmp_path / "in",
        out=tmp_path / "out",
        reads=images.SUFFIXES,
        writes=(".egic",),
        make=working,
        line=compression.line,
        size=images.read_size,
        settings="settings",
        verb="compressing",
        shard=folders.WHOLE,
        processes=1,
        replace=False,
    )


def pictures(order, *names):
    for i, name in enumerate(names):
        path = order.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 2), (i, i, i)).save(path)


def changed(order, **changes):
    return dataclasses.replace(order, **changes)


def outputs(order):
    return {
        path.relative_to(order.out).as_posix(): path.stat().st_mtime_ns
        for path in order.out.rglob("*.egic")
    }


def begun(order):
    lines = journal.entries(order.out)
    return [line["target"] for line in lines if line["status"] == "begun"]
