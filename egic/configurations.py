"""Ways of computing in which a file has to decode to the same latents.

Each is a process of its own: environment variables that TensorFlow and its libraries
read when they are loaded, and a mode of `hific.reexecution`. What differs between
machines differs between these: how many threads share a sum, which library multiplies,
which instructions it may use, what a compiler made of the networks.
"""

import dataclasses
import os
import pathlib
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from egic.remote_codec import PROGRAM, RemoteCodec
from hific import conformance
from hific.errors import CodecError, LimitExceededError, UnsupportedAlphaError


@dataclasses.dataclass(frozen=True)
class Configuration:
    """One way of computing.

    Attributes:
        environment: What is set in its process, beside what all have.
        mode: A key of `hific.reexecution.MODES`.
        shows: Whether pictures are computed in this way as well as latents.
    """

    environment: Mapping[str, str]
    mode: str = "graph"
    shows: bool = True


def _threads(count: int) -> dict[str, str]:
    names = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")
    return {name: str(count) for name in names}


_ONE = _threads(1)
_NO_ONEDNN = {"TF_ENABLE_ONEDNN_OPTS": "0"}
_CLUSTERS = {"TF_XLA_FLAGS": "--tf_xla_cpu_global_jit"}
# exp, tanh and their kind as on a processor without these: other last bits. Older glibc
# has the second names.
_OLD_LIBC = {
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA,-FMA4,-AVX512F,-AVX512VL,"
    "-AVX2_Usable,-FMA_Usable,-FMA4_Usable,-AVX512F_Usable"
}


def _isa(most: str) -> dict[str, str]:
    """Lets oneDNN use no newer instructions; a cap, where a machine has fewer."""
    return {"ONEDNN_MAX_CPU_ISA": most}


# Whatever this process was started with, configurations differ by what they name only.
_PLAIN = {
    "TF_ENABLE_ONEDNN_OPTS": "1",
    "ONEDNN_MAX_CPU_ISA": "ALL",
    "TF_XLA_FLAGS": "",
    "GLIBC_TUNABLES": "",
}

REFERENCE = "1 thread"

# Name -> configuration. The first is what the others are compared with: oneDNN on, all
# instructions, graph, batches of one.
CONFIGURATIONS: Mapping[str, Configuration] = {
    REFERENCE: Configuration(_ONE),
    "2 threads": Configuration(_threads(2)),
    "8 threads": Configuration(_threads(8)),
    "oneDNN off": Configuration({**_ONE, **_NO_ONEDNN}),
    "SSE4.1": Configuration({**_ONE, **_isa("SSE41")}),
    "AVX2": Configuration({**_ONE, **_isa("AVX2")}),
    "AVX-512": Configuration({**_ONE, **_isa("AVX512_CORE")}),
    # oneDNN's fused kernels of E and G exist in graphs only.
    "eager": Configuration(_ONE, "eager", shows=False),
    "XLA, clusters": Configuration({**_ONE, **_CLUSTERS}, "clusters"),
    "XLA, one function": Configuration(_ONE, "xla", shows=False),
    "batch 4": Configuration(_ONE, "batch4", shows=False),
    "libc without FMA": Configuration({**_ONE, **_OLD_LIBC}),
    "8 threads, oneDNN off, eager": Configuration(
        {**_threads(8), **_NO_ONEDNN}, "eager"
    ),
    "2 threads, SSE4.1, libc without FMA": Configuration(
        {**_threads(2), **_isa("SSE41"), **_OLD_LIBC}
    ),
    "8 threads, AVX2, XLA, clusters": Configuration(
        {**_threads(8), **_isa("AVX2"), **_CLUSTERS}, "clusters"
    ),
    "8 threads, oneDNN off, batch 4": Configuration(
        {**_threads(8), **_NO_ONEDNN}, "batch4", shows=False
    ),
}


def second() -> Configuration:
    """Another way of computing than this process': what an encoder checks itself with.

    Eager, without oneDNN, and with another number of threads than TensorFlow takes
    where it is not told.
    """
    here = os.environ.get("TF_NUM_INTRAOP_THREADS", "")
    told = here.isdecimal() and int(here) > 0
    cores = int(here) if told else len(os.sched_getaffinity(0))
    return Configuration({**_threads(1 if cores > 1 else 2), **_NO_ONEDNN}, "eager")


@dataclasses.dataclass(frozen=True)
class File:
    """A compressed file, decoded.

    Attributes:
        name: Of the file.
        digest: Of its latents; None where it did not decode.
        error: What was raised instead.
        pictures: Alpha -> [H, W, 3] uint8.
    """

    name: str
    digest: conformance.Digest | None = None
    error: str = ""
    pictures: Mapping[float, np.ndarray] = dataclasses.field(default_factory=dict)


def decode(
    configuration: Configuration,
    model: pathlib.Path,
    files: Mapping[str, bytes],
    alphas: Sequence[float] = (),
    program: str = PROGRAM,
) -> Iterator[File]:
    """Decodes files in one process of a configuration, and yields each.

    Args:
        configuration: See above.
        model: A bundle.
        files: Name -> compressed file.
        alphas: Of the pictures to make, if this configuration shows any.
        program: See `RemoteCodec`.
    """
    codec = _start(configuration, model, program)
    try:
        for name, data in files.items():
            try:
                found = codec.digest(data)
                pictures = {}
                if configuration.shows and alphas:
                    rendering = codec.decode(data)
                    pictures = {alpha: rendering.image(alpha) for alpha in alphas}
                yield File(name, found, pictures=pictures)
            except (UnsupportedAlphaError, LimitExceededError):
                raise  # Of what was asked for, and of memory: nothing is compared.
            except CodecError as error:
                yield File(name, error=f"{type(error).__name__}: {error}")
    finally:
        codec.close()


def _start(configuration, model, program) -> RemoteCodec:
    environment = {**_PLAIN, **configuration.environment}
    return RemoteCodec(model, environment, configuration.mode, program=program)


@dataclasses.dataclass
class Comparison:
    """What a configuration made of files, beside what it should have.

    Attributes:
        files, pictures: How many were compared.
        failed: Files that did not decode.
        indexes, symbols, values: Files whose `Digest` differs there.
        intolerable: Pictures that differ by more than machines may.
        worst, worst_mean: Of all pictures, levels of 255.
        complaints: A line for each file with a mismatch.
    """

    files: int = 0
    pictures: int = 0
    failed: int = 0
    indexes: int = 0
    symbols: int = 0
    values: int = 0
    intolerable: int = 0
    worst: float = 0.0
    worst_mean: float = 0.0
    complaints: list[str] = dataclasses.field(default_factory=list)

    @property
    def mismatches(self) -> int:
        """Files that are not as they should be."""
        return len(self.complaints)

    def add(
        self,
        found: File,
        expected: conformance.Digest,
        pictures: Mapping[float, np.ndarray],
        fields: Sequence[str] = conformance.Digest._fields,
    ) -> None:
        """Compares one file.

        Args:
            found: What became of it.
            expected: Of its latents.
            pictures: Its pictures by alpha, of which those found are compared.
            fields: Of the digest, those that are compared.
        """
        self.files += 1
        if found.digest is None:
            self.failed += 1
            self.complaints.append(f"{found.name}: {found.error}")
            return
        wrong = []
        for name in fields:
            if getattr(found.digest, name) != getattr(expected, name):
                setattr(self, name, getattr(self, name) + 1)
                wrong.append(f"other {name}")
        for alpha, picture in found.pictures.items():
            distance = conformance.distance(picture, pictures[alpha])
            self.pictures += 1
            self.worst = max(self.worst, distance.max)
            self.worst_mean = max(self.worst_mean, distance.mean)
            if not distance.tolerated:
                self.intolerable += 1
                wrong.append(
                    f"alpha {alpha:g} differs by {distance.max:g} grey levels, "
                    f"{distance.mean:.3g} in the mean"
                )
        if wrong:
            self.complaints.append(f"{found.name}: {', '.join(wrong)}")


def table(rows: Mapping[str, Comparison]) -> str:
    """The comparisons of configurations, in Markdown."""
    head = (
        "configuration",
        "files",
        "not decoded",
        "other indexes",
        "other symbols",
        "other y_hat",
        "pictures",
        "beyond tolerance",
        "largest difference",
        "largest mean difference",
    )
    lines = [head, ("---",) * len(head)]
    for name, row in rows.items():
        shown = (f"{row.worst:g}", f"{row.worst_mean:.2g}")
        lines.append(
            (
                name,
                *map(str, (row.files, row.failed, row.indexes, row.symbols)),
                *map(str, (row.values, row.pictures, row.intolerable)),
                *(shown if row.pictures else ("", "")),
            )
        )
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
