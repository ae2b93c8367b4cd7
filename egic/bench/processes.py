"""Commands in processes of their own, and what they take. Needs no TensorFlow."""

import os
import pathlib
import subprocess
import sys
import tempfile
import time


def command(verb: str, path: pathlib.Path, *flags: str) -> tuple[float, float]:
    """Wall seconds and peak gigabytes of one `egic` command in its own process.

    A process is charged with the memory of the one that starts it, so call this from
    one that has little.

    Args:
        verb: "compress" or "decompress".
        path: What is coded; the output is replaced where it exists.
        *flags: More of the command line.

    Raises:
        RuntimeError: It failed; says how.
    """
    argv = [sys.executable, "-m", "egic.cli", verb, str(path), *flags]
    with tempfile.TemporaryFile("w+") as errors:
        start = time.perf_counter()
        process = subprocess.Popen(
            [*argv, "--force"], stdout=subprocess.DEVNULL, stderr=errors
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            errors.seek(0)
            raise RuntimeError(f"{' '.join(argv)} failed: {errors.read()}")
    return seconds, usage.ru_maxrss / 2**20
