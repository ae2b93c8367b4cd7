"""Facts about the machine this runs on; `egic.doctor` judges them."""

import importlib.metadata
import json
import os
import pathlib
import re
import subprocess
import sys
from collections.abc import Sequence

from egic import default_model
from hific import bundle
from hific.errors import ModelLoadError

# Says in one line of JSON whether TensorFlow starts and which GPUs it can use.
_PROBE = """
import json, tensorflow as tf, tensorflow_compression
print(json.dumps([device.name for device in tf.config.list_physical_devices("GPU")]))
"""


def installed(names: Sequence[str]) -> dict[str, str | None]:
    """Returns the version of each distribution, None where it is not installed."""
    found: dict[str, str | None] = {}
    for name in names:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = None
    return found


def extra(name: str) -> list[str]:
    """Returns the distributions of one of our extras, from our own metadata."""
    try:
        requirements = importlib.metadata.requires("egic") or []
    except importlib.metadata.PackageNotFoundError:
        return []
    marker = re.compile(rf"extra\s*==\s*['\"]{name}['\"]")
    return [
        re.split(r"[^\w.-]", requirement)[0]
        for requirement in requirements
        if marker.search(requirement)
    ]


def nvidia_smi() -> list[str]:
    """Returns "name, compute capability, driver" of every GPU; none without driver."""
    command = [
        "nvidia-smi",
        "--query-gpu=name,compute_cap,driver_version",
        "--format=csv,noheader",
    ]
    try:
        output = subprocess.run(
            command, capture_output=True, text=True, timeout=60, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    return [line for line in output.splitlines() if line.count(",") >= 2]


def start_tensorflow() -> tuple[list[str] | None, str]:
    """Imports it in a process of its own, which may crash; returns (GPUs, error)."""
    command = [sys.executable, "-c", _PROBE]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=300, env=environment
        )
    except subprocess.TimeoutExpired:
        return None, "no answer after 5 minutes"
    if done.returncode == 0:
        return json.loads(done.stdout.splitlines()[-1]), ""
    lines = done.stderr.strip().splitlines()
    return None, lines[-1] if lines else f"it ended with code {done.returncode}"


def own_model() -> tuple[str | None, str]:
    """Reads the model that comes with the program; returns (its id, error)."""
    try:
        return bundle.read(default_model.directory()).model_id.hex(), ""
    except ModelLoadError as error:
        return None, str(error)


def cpu_flags() -> list[str]:
    """Returns the feature names of the first CPU, such as "avx2"."""
    for line in _text("/proc/cpuinfo").splitlines():
        if line.startswith("flags"):
            return line.partition(":")[2].split()
    return []


def available_memory() -> int:
    """Returns bytes: what the system has left, or what a container is allowed."""
    match = re.search(r"MemAvailable:\s+(\d+) kB", _text("/proc/meminfo"))
    free = int(match[1]) * 1024 if match else 0
    allowed = _text("/sys/fs/cgroup/memory.max").strip()
    return min(free, int(allowed)) if allowed.isdigit() else free


def _text(path: str) -> str:
    try:
        return pathlib.Path(path).read_text()
    except OSError:
        return ""
