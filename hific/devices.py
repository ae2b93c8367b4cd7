"""Which devices do a training step, and how a batch is shared among them.

One device needs no strategy, and then nothing here does anything. Several of one
machine mirror the variables (`tf.distribute.MirroredStrategy`); several processes,
workers, do so over the network (`MultiWorkerMirroredStrategy`). The batch size is that
of the step; every device gets an equal share of it, in order.
"""

import contextlib
import contextvars
import dataclasses
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import tensorflow as tf
from tensorflow.python.eager import context
from tensorflow.tsl.protobuf import coordination_config_pb2

from hific import shares

NONE, ALL = "none", "all"
# How long a worker may be silent before it counts as lost.
HEARTBEAT, HEARTBEAT_SECONDS = "EGIC_HEARTBEAT_SECONDS", 60


@dataclasses.dataclass(frozen=True)
class Devices:
    """What a training step runs on.

    Attributes:
        strategy: Mirrors the variables; None for one device.
        worker: Which of the processes this is; 0 is the chief, which alone writes.
        workers: How many there are.
        accumulate: Micro-batches of a step, one after the other, on each device.
        xla: Whether steps are compiled by XLA.
    """

    strategy: tf.distribute.Strategy | None = None
    worker: int = 0
    workers: int = 1
    accumulate: int = 1
    xla: bool = False

    @property
    def count(self) -> int:
        """Devices of all workers."""
        return 1 if self.strategy is None else self.strategy.num_replicas_in_sync

    @property
    def here(self) -> int:
        """Devices of this worker."""
        return self.count // self.workers

    @property
    def is_chief(self) -> bool:
        """Whether this process writes the run directory."""
        return self.worker == 0

    def check(self, batch_size: int) -> None:
        """Raises ValueError where a player's batch cannot be shared equally."""
        parts = self.count * self.accumulate
        if batch_size % parts:
            raise ValueError(
                f"batch_size (={batch_size}) is that of all devices and must be a "
                f"multiple of {parts}: {self.count} devices times --accumulate="
                f"{self.accumulate}."
            )

    def rows(self, batch_size: int, players: int = 1) -> list[int]:
        """Which images of the batch of a step this worker reads, in order.

        Every player has `batch_size` images that follow each other, and every worker an
        equal share of each player's, also images that follow each other.

        Raises:
            ValueError: See `check`.
        """
        self.check(batch_size)
        share = batch_size // self.workers
        first = self.worker * share
        return [
            player * batch_size + first + i
            for player in range(players)
            for i in range(share)
        ]

    def run(
        self, function: Callable[..., Any], batch: Any, *args: Any, part: Any = 0
    ) -> Any:
        """What the first device returns of what `each` does; all return the same."""
        return self.each(function, batch, *args, part=part)[0]

    def each(
        self, function: Callable[..., Any], batch: Any, *args: Any, part: Any = 0
    ) -> list:
        """Calls function(share, *args) on every device of this worker, in a graph.

        Args:
            function: Called inside `shares.of`.
            batch: Nested tensors, the images of this worker and of one micro-batch, or
                all of them without accumulation.
            *args: Passed on.
            part: Which micro-batch it is, an int or a [] int32.

        Returns:
            What each device of this worker returned, in order.
        """
        if self.strategy is None:
            with shares.of(part, self.accumulate):
                return [function(batch, *args)]
        with tf.device("/device:CPU:0"):
            pieces = split(batch, self.here)

        def on_one(pieces, *args):
            replica = tf.distribute.get_replica_context()
            index = replica.replica_id_in_sync_group * self.accumulate + part
            with shares.of(index, self.count * self.accumulate):
                return function(pieces[replica._replica_id], *args)

        result = self.strategy.run(on_one, (pieces, *args))
        results = self.strategy.experimental_local_results
        found = [results(value) for value in tf.nest.flatten(result)]
        # What is one and the same tensor on all devices is there once.
        flat = [value * self.here if len(value) == 1 else value for value in found]
        return [
            tf.nest.pack_sequence_as(result, [value[i] for value in flat])
            for i in range(self.here)
        ]

    def total(self, value: Any) -> tf.Tensor:
        """Sum over the workers of what each says, in float32, in a graph."""

        def on_one(value):
            here = tf.identity(tf.cast(value, tf.float32))  # On this device.
            return shares.summed_over_devices([here])[0]

        if self.strategy is None:
            return tf.cast(value, tf.float32)
        results = self.strategy.experimental_local_results
        return results(self.strategy.run(on_one, (value,)))[0] / self.here

    def meet(self, number: int, what: str) -> None:
        """Waits for all workers, each with a number that should be the same.

        Raises:
            ValueError: It is not.
        """
        if self.workers == 1:
            return
        digits = [number % 4096, number // 4096]  # Their sums are exact in float32.
        means = tf.function(self.total)(tf.constant(digits)).numpy() / self.workers
        if list(means) != digits:
            raise ValueError(
                f"Worker {self.worker} is at {what} {number}, the mean of all workers "
                f"is {means @ [1, 4096]:.10g}. Do all have the same --workdir?"
            )


def split(batch: Any, parts: int) -> list:
    """Equal parts of a batch: every tensor is split along its first axis."""
    if parts == 1:
        return [batch]
    pieces = [tf.split(part, parts) for part in tf.nest.flatten(batch)]
    return [
        tf.nest.pack_sequence_as(batch, [piece[i] for piece in pieces])
        for i in range(parts)
    ]


ONE = Devices()
_CURRENT = contextvars.ContextVar("devices", default=ONE)


def current() -> Devices:
    """The devices of the innermost `using`; by default one, without a strategy."""
    return _CURRENT.get()


@contextlib.contextmanager
def using(devices: Devices) -> Iterator[Devices]:
    """Makes variables on these devices, and trains on them, inside."""
    token = _CURRENT.set(devices)
    try:
        with contextlib.ExitStack() as stack:
            if devices.strategy is not None:
                stack.enter_context(devices.strategy.scope())
                stack.enter_context(tf.variable_creator_scope(_written_alike))
            yield devices
    finally:
        _CURRENT.reset(token)


def _written_alike(next_creator, **kwargs):
    """Keeps all copies of running statistics equal: the mean of what devices write.

    By default each device would have its own until somebody reads them, which takes all
    workers, at every read. In micro-batches, where devices do not meet, each writes its
    own; `hific.accumulation` takes the mean.
    """
    if kwargs.get("synchronization") == tf.VariableSynchronization.ON_READ:
        kwargs["synchronization"] = tf.VariableSynchronization.ON_WRITE
        if current().accumulate > 1:
            kwargs["aggregation"] = tf.VariableAggregation.NONE
    return next_creator(**kwargs)


def choose(wanted: str = NONE, accumulate: int = 1, xla: bool = False) -> Devices:
    """The devices that a flag and the environment name. Before anything is computed.

    Args:
        wanted: "none" for one device, "all" for all GPUs of this machine or, without
            one, the CPU; or how many of them. On a machine without GPUs a number makes
            as many virtual CPUs, which is for trying out.
        accumulate: See `Devices`.
        xla: See `Devices`.

    Raises:
        ValueError: There are not so many devices, it is no number, or the environment
            contradicts itself.
    """
    if wanted == NONE:
        return Devices(accumulate=accumulate, xla=xla)
    cluster = next((found for find in CLUSTERS if (found := find(os.environ))), None)
    names = _take(wanted, cluster is not None)
    if cluster is None:
        if len(names) == 1:
            return Devices(accumulate=accumulate, xla=xla)
        strategy = tf.distribute.MirroredStrategy(names)
        return Devices(strategy, accumulate=accumulate, xla=xla)
    return _of_cluster(cluster, bool(names), accumulate, xla)


def _take(wanted: str, in_cluster: bool) -> list[str]:
    """Names of the devices to use; others become invisible. None of them: a CPU."""
    gpus = tf.config.list_physical_devices("GPU")
    number = len(gpus) if wanted == ALL else _count(wanted)
    if gpus:
        if number > len(gpus):
            raise ValueError(
                f"--strategy_devices={wanted}: this machine shows {len(gpus)} GPUs."
            )
        tf.config.set_visible_devices(gpus[:number], "GPU")
        return [f"GPU:{i}" for i in range(number)]
    if in_cluster:
        if number > 1:
            raise ValueError(
                f"--strategy_devices={wanted}: without GPUs a worker has one device."
            )
        return []
    (cpu,) = tf.config.list_physical_devices("CPU")
    virtual = [tf.config.LogicalDeviceConfiguration()] * max(number, 1)
    tf.config.set_logical_device_configuration(cpu, virtual)
    return [f"CPU:{i}" for i in range(len(virtual))]


def _count(wanted: str) -> int:
    if not wanted.isdecimal() or not int(wanted):
        raise ValueError(
            f"--strategy_devices must be {NONE}, {ALL} or a number, got {wanted!r}."
        )
    return int(wanted)


def _of_cluster(resolver, gpus: bool, accumulate: int, xla: bool) -> Devices:
    communication = tf.distribute.experimental.CommunicationImplementation
    options = tf.distribute.experimental.CommunicationOptions(
        implementation=communication.NCCL if gpus else communication.RING
    )
    spec = resolver.cluster_spec()
    jobs: Sequence[str] = [job for job in ("chief", "worker") if job in spec.jobs]
    _wait_for_heartbeats({job: spec.num_tasks(job) for job in jobs})
    strategy = tf.distribute.MultiWorkerMirroredStrategy(resolver, options)
    before = jobs[: jobs.index(resolver.task_type)]
    return Devices(
        strategy,
        sum(spec.num_tasks(job) for job in before) + resolver.task_id,
        sum(spec.num_tasks(job) for job in jobs),
        accumulate,
        xla,
    )


def _wait_for_heartbeats(jobs: Mapping[str, int]) -> None:
    """Lets a worker be silent for a minute, or as EGIC_HEARTBEAT_SECONDS says.

    By default the strategy asks for this service itself, with 10 seconds, which a busy
    or suspended machine is silent for now and then.
    """
    service = context.context()
    seconds = os.environ.get(HEARTBEAT, str(HEARTBEAT_SECONDS))
    if not seconds.isdecimal() or not int(seconds):
        raise ValueError(f"{HEARTBEAT} must be a number of seconds, got {seconds!r}.")
    if service.coordination_service is None:
        service.configure_coordination_service(
            service_type="standalone",
            service_leader=f"/job:{next(iter(jobs))}/replica:0/task:0",
            heartbeat_timeout_in_ms=int(seconds) * 1000,
            coordinated_jobs=[
                coordination_config_pb2.CoordinatedJob(name=job, num_tasks=number)
                for job, number in jobs.items()
            ],
        )


def _from_tf_config(environment: Mapping[str, str]):
    """Of several workers that TF_CONFIG lists, or None."""
    text = environment.get("TF_CONFIG")
    if not text:
        return None
    try:
        cluster = json.loads(text).get("cluster", {})
    except ValueError as error:
        raise ValueError(f"TF_CONFIG is not JSON: {error}.") from error
    if sum(len(cluster.get(job, ())) for job in ("chief", "worker")) < 2:
        return None
    return tf.distribute.cluster_resolver.TFConfigClusterResolver()


class _Slurm(tf.distribute.cluster_resolver.SlurmClusterResolver):
    """Slurm's tasks, each with the GPUs that Slurm shows it."""

    def num_accelerators(self, *args, **kwargs):
        del args, kwargs
        return {"GPU": len(tf.config.get_visible_devices("GPU"))}


def _from_slurm(environment: Mapping[str, str]):
    """Of several tasks of one `srun`, or None."""
    tasks = int(environment.get("SLURM_STEP_NUM_TASKS", 1))
    if tasks < 2 or "SLURM_PROCID" not in environment:
        return None
    # Slurm gives out GPUs itself (--gpus-per-task); with none TensorFlow's own
    # arithmetic about them divides by zero.
    resolver = _Slurm(gpus_per_node=tasks, gpus_per_task=1, auto_set_gpu=False)
    spec = resolver.cluster_spec()
    host = spec.task_address(resolver.task_type, resolver.task_id).rpartition(":")[0]
    named = environment.get("SLURMD_NODENAME", host)
    if host != named:
        raise ValueError(
            f"Task {resolver.task_id} runs on {named}, where TensorFlow expects "
            f"{host}: it sorts hosts by name, Slurm by number. Set TF_CONFIG instead."
        )
    return resolver


# Where several workers may be described: environment -> a resolver, or None. The first
# that finds some counts.
CLUSTERS: Sequence[Callable[[Mapping[str, str]], Any]] = (_from_tf_config, _from_slurm)
