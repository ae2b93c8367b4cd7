"""What sharing a training step costs on one machine: two devices, and two workers.

One device keeps all cores of a machine without GPUs busy, so that sharing wins nothing
here; what is found is what it costs.
"""

import dataclasses
import functools
import json
import multiprocessing
import os
import socket
import time
from typing import Any, NamedTuple

PRESET = "egic-tiny"
BATCH, CROP = 4, 128
STEPS = 20


class Sharing(NamedTuple):
    """Who shares a step.

    Attributes:
        title: What the page calls them.
        wanted: As `--strategy_devices` says it.
        workers: Processes.
    """

    title: str
    wanted: str
    workers: int


SHARINGS = (
    Sharing("one", "none", 1),
    Sharing("two virtual CPUs of one process", "2", 1),
    Sharing("two processes over loopback", "all", 2),
)


def measure() -> list[dict[str, Any]]:
    """Seconds of a step of stage 1 for each of SHARINGS."""
    return [
        {
            "stage": f"stage 1, `{PRESET}`, {BATCH} crops of {CROP}",
            "devices": sharing.title,
            "seconds": round(_seconds(sharing), 3),
        }
        for sharing in SHARINGS
    ]


def _seconds(sharing: Sharing) -> float:
    """Of the slowest worker; every worker is a process that has done nothing else."""
    addresses = [f"127.0.0.1:{port}" for port in _free_ports(sharing.workers)]
    step = functools.partial(_seconds_of_worker, sharing.wanted, addresses)
    with multiprocessing.get_context("spawn").Pool(sharing.workers) as pool:
        return max(pool.map(step, range(sharing.workers), chunksize=1))


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def _seconds_of_worker(wanted: str, addresses: list[str], worker: int) -> float:
    """Mean over STEPS, after one that is traced."""
    if len(addresses) > 1:
        task = {"type": "worker", "index": worker}
        cluster = {"worker": addresses}
        os.environ["TF_CONFIG"] = json.dumps({"cluster": cluster, "task": task})
    import tensorflow as tf

    from hific import devices, training

    found = devices.choose(wanted)
    with devices.using(found):
        step = training.make_train_step(_players(), devices=found)
    images = tf.random.stateless_uniform(
        (BATCH // len(addresses), CROP, CROP, 3), (0, worker), 0.0, 255.0
    )
    number = tf.constant(0, tf.int64)
    tf.nest.map_structure(lambda metric: metric.numpy(), step((images,), number))
    start = time.perf_counter()
    for _ in range(STEPS):
        metrics = step((images,), number)
    tf.nest.map_structure(lambda metric: metric.numpy(), metrics)
    return (time.perf_counter() - start) / STEPS


def _players():
    """Stage 1 without LPIPS, whose weights are a file of their own."""
    from egic import codec
    from egic.config import PRESETS
    from hific import systems

    config = PRESETS[PRESET]
    optimizer = dataclasses.replace(config.optimizer, horizon=1)
    config = dataclasses.replace(config, perceptual_weight=0.0, optimizer=optimizer)
    return systems.stage1(codec.build_model(config), config)
