"""`egic doctor`: what is known to go wrong on a machine, and the command that mends it.

Every check is a function of plain values (versions, a line of nvidia-smi, the flags of
a CPU), so that tests can show it any machine. Only `examine` looks at this one, through
`egic.machine`.
"""

import dataclasses
import os
import platform
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Literal

from egic import default_model, machine

Versions = Mapping[str, str | None]  # Distribution -> version; None: not installed.

_PACKAGES = (
    "tensorflow",
    "tensorflow-compression",
    "numpy",
    "protobuf",
    "tensorflow-datasets",
    "tensorflow-metadata",
    "torch-fidelity",
    "torchmetrics",
    "torchvision",
)
_INSTALL_GPU = "pip install -e '.[gpu]' -c constraints.txt"
_ON_CPU = "export CUDA_VISIBLE_DEVICES="


@dataclasses.dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes:
        name: Of what was looked at.
        verdict: "warn" is slow or will hurt later, "fail" does not work.
        found: What is there, and what follows from it.
        mend: A command that makes it right; empty where there is none.
    """

    name: str
    verdict: Literal["ok", "warn", "fail"]
    found: str
    mend: str = ""


def check_python(version: tuple[int, int, int]) -> Finding:
    """tensorflow-compression has wheels for nothing newer than 3.11."""
    found = ".".join(map(str, version))
    if version[:2] == (3, 11):
        return Finding("Python", "ok", found)
    return Finding(
        "Python", "fail", f"{found}, but 3.11 is needed", "python3.11 -m venv .venv"
    )


def check_platform(system: str, processor: str) -> Finding:
    """tensorflow-compression has wheels for Linux on x86-64."""
    found = f"{system} {processor}"
    if (system, processor) == ("Linux", "x86_64"):
        return Finding("platform", "ok", found)
    return Finding(
        "platform", "fail", f"{found}; needs Linux x86-64 (WSL 2 or a container do)"
    )


def check_versions(versions: Versions) -> list[Finding]:
    """The pinned versions beside which everything else has been tried."""
    return [
        _version(versions, "tensorflow", (2, 14), (2, 15), "tensorflow==2.14.1"),
        _version(
            versions,
            "tensorflow-compression",
            (2, 14),
            (2, 15),
            "tensorflow-compression==2.14.1",
        ),
        _version(versions, "numpy", (1, 26), (2,), "'numpy>=1.26,<2'"),
        _version(versions, "protobuf", (4, 21), (5,), "'protobuf>=4.21,<5'"),
    ]


def check_datasets(versions: Versions) -> Finding:
    """tensorflow-metadata 1.18 needs protobuf 6, which TensorFlow 2.14 cannot load."""
    name = "tensorflow-datasets"
    metadata = versions.get("tensorflow-metadata")
    if metadata is None:
        return Finding(name, "ok", "not installed; only needed for TFDS data sets")
    if _numbers(metadata) < (1, 18):
        return Finding(name, "ok", f"tensorflow-metadata {metadata}")
    return Finding(
        name,
        "fail",
        f"tensorflow-metadata {metadata} does not import beside TensorFlow 2.14",
        "pip install 'tensorflow-metadata<1.18' 'protobuf>=4.21,<5'",
    )


def check_metrics(versions: Versions) -> Finding:
    """torchmetrics imports torch-fidelity if present, and that imports torchvision."""
    name = "torch metrics"
    fidelity = versions.get("torch-fidelity")
    trapped = (
        fidelity and versions.get("torchmetrics") and not versions.get("torchvision")
    )
    if not trapped:
        return Finding(name, "ok", "no known clash")
    return Finding(
        name,
        "fail",
        f"torch-fidelity {fidelity} without torchvision breaks torchmetrics",
        "pip uninstall -y torch-fidelity",
    )


def check_cpu(flags: Sequence[str]) -> Finding:
    """TensorFlow's wheels are built for AVX; more makes the networks faster.

    Args:
        flags: Feature names as in /proc/cpuinfo.
    """
    if "avx" not in flags:
        return Finding("CPU", "fail", "no AVX: TensorFlow would stop at once")
    wanted = {"AVX2": "avx2", "AVX-512": "avx512f", "AMX": "amx_tile"}
    found = ", ".join(name for name, flag in wanted.items() if flag in flags)
    if "avx2" not in flags:
        return Finding("CPU", "warn", "AVX without AVX2: coding will be slow")
    note = "; bfloat16 is fast here" if "amx_bf16" in flags else ""
    return Finding("CPU", "ok", found + note)


def check_memory(available: int) -> Finding:
    """Coding with the largest models takes up to 2 GB.

    Args:
        available: Bytes.
    """
    found = f"{available / 1e9:.1f} GB available"
    if available >= 2.5e9:
        return Finding("memory", "ok", found)
    return Finding(
        "memory", "warn", f"{found}; large models and pictures need 2 GB and more"
    )


def check_model(model_id: str | None, error: str = "") -> Finding:
    """Whether the model that comes with the program is there, whole.

    Args:
        model_id: Of the bundle, if its hashes are right; else None.
        error: What was wrong instead.
    """
    if model_id is not None:
        return Finding("own model", "ok", f"{default_model.PATH.name}, {model_id}")
    return Finding(
        "own model",
        "warn",
        f"{error} Commands need --model=DIR.",
        "pip install -e '.[dev]' -c constraints.txt --force-reinstall",
    )


def check_start(gpus: Sequence[str] | None, error: str = "") -> Finding:
    """Whether TensorFlow and tensorflow-compression import together.

    Args:
        gpus: What TensorFlow listed after it started; None if it did not.
        error: The last line of what it said instead.
    """
    if gpus is not None:
        return Finding("import", "ok", "TensorFlow and tensorflow-compression start")
    return Finding(
        "import",
        "fail",
        f"TensorFlow does not start: {error}",
        "pip install -e '.[dev]' -c constraints.txt --force-reinstall",
    )


def check_gpu(line: str | None, visible: bool, gpus: Sequence[str] | None) -> Finding:
    """What TensorFlow 2.14.1, built for CUDA 11.8, makes of a GPU.

    Its code is for compute capabilities 3.5 to 8.0 and, as intermediate code, beyond.

    Args:
        line: One line of nvidia-smi, "name, compute capability, driver"; None: no GPU.
        visible: Whether CUDA_VISIBLE_DEVICES leaves any GPU to be used.
        gpus: What TensorFlow listed; None if it did not start.
    """
    if line is None:
        return Finding("GPU", "ok", "none; everything runs on the CPU")
    name, capability, driver = (part.strip() for part in line.rsplit(",", 2))
    found = f"{name}, compute capability {capability}, driver {driver}"
    if not visible:
        return Finding("GPU", "ok", f"{found}; hidden by CUDA_VISIBLE_DEVICES")
    if _numbers(capability) < (3, 5):
        return Finding("GPU", "fail", f"{found}: too old for this TensorFlow", _ON_CPU)
    if _numbers(capability) >= (10,):
        return Finding(
            "GPU",
            "fail",
            f"{found}: Blackwell and newer are not supported by CUDA 11.8",
            _ON_CPU,
        )
    if _numbers(driver) < (450, 80):
        return Finding(
            "GPU", "fail", f"{found}: CUDA 11.8 needs driver 450.80 or newer", _ON_CPU
        )
    if not gpus:
        return Finding(
            "GPU",
            "warn",
            f"{found}: TensorFlow cannot use it; are its CUDA 11.8 libraries there?",
            _INSTALL_GPU,
        )
    if _numbers(capability) >= (9,):
        return Finding(
            "GPU",
            "warn",
            f"{found}: Hopper's code is compiled at first use, which takes minutes; "
            "a large cache keeps it",
            "export CUDA_CACHE_MAXSIZE=4294967296",
        )
    return Finding("GPU", "ok", found)


def check_gpu_libraries(versions: Versions, gpu: bool) -> Finding:
    """The CUDA wheels of the [gpu] extra, all or none.

    Args:
        versions: Of the distributions the extra names.
        gpu: Whether there is a GPU to use.
    """
    if not versions:
        return Finding("CUDA libraries", "ok", "not looked for: egic is not installed")
    missing = sorted(name for name, version in versions.items() if version is None)
    if not missing:
        return Finding("CUDA libraries", "ok", f"all {len(versions)} wheels")
    if len(missing) == len(versions):
        found = "no wheels; the system's are used if there are any"
        return Finding("CUDA libraries", "ok", found if gpu else "none needed")
    return Finding(
        "CUDA libraries", "warn", f"missing: {', '.join(missing)}", _INSTALL_GPU
    )


def examine() -> list[Finding]:
    """Runs every check on this machine; takes some seconds to start TensorFlow."""
    versions = machine.installed(_PACKAGES)
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "all") not in ("", "-1")
    gpu_lines = machine.nvidia_smi()
    found_gpus: list[str | None] = [*gpu_lines] if gpu_lines else [None]
    gpus, error = machine.start_tensorflow()
    libraries = machine.installed(machine.extra("gpu"))
    return [
        check_python(sys.version_info[:3]),
        check_platform(platform.system(), platform.machine()),
        *check_versions(versions),
        check_start(gpus, error),
        check_datasets(versions),
        check_metrics(versions),
        *(check_gpu(line, visible, gpus) for line in found_gpus),
        check_gpu_libraries(libraries, bool(gpu_lines) and visible),
        check_cpu(machine.cpu_flags()),
        check_memory(machine.available_memory()),
        check_model(*machine.own_model()),
    ]


def report(findings: Sequence[Finding]) -> int:
    """Prints the findings and returns 1 if any of them failed, else 0."""
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        print(f"{finding.verdict:4}  {finding.name:{width}}  {finding.found}")
        if finding.mend and finding.verdict != "ok":
            print(f"{'':4}  {'':{width}}  $ {finding.mend}")
    return int(any(finding.verdict == "fail" for finding in findings))


def _version(
    versions: Versions, name: str, low: tuple, high: tuple, requirement: str
) -> Finding:
    """Judges low <= version < high."""
    version, mend = versions.get(name), f"pip install {requirement}"
    if version is None:
        return Finding(name, "fail", "not installed", mend)
    if low <= _numbers(version) < high:
        return Finding(name, "ok", version)
    wanted = f"{'.'.join(map(str, low))} up to, not including, "
    wanted += ".".join(map(str, high))
    return Finding(name, "fail", f"{version}, but {wanted} is needed", mend)


def _numbers(version: str) -> tuple[int, ...]:
    """Returns "2.14.1rc0" as (2, 14, 1)."""
    match = re.match(r"\d+(\.\d+)*", version)
    return tuple(int(part) for part in match[0].split(".")) if match else ()
