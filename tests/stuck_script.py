"""The `egic` command of `egic_script`, whose disk never ends writing a .egic file.

Worker processes import the script they were started from, and find that disk too.
"""

import os
import pathlib
import signal
import sys
import time

import egic
from egic import cli
from tests import egic_script

STUCK = "STUCK"  # The path of a file that appears once a file is being written.
_fsync = os.fsync


def _sync(file) -> None:
    descriptor = file if isinstance(file, int) else file.fileno()
    if ".egic.tmp-" in os.readlink(f"/proc/self/fd/{descriptor}"):
        pathlib.Path(os.environ[STUCK]).touch()
        time.sleep(600)
    _fsync(descriptor)


if __name__ in ("__main__", "__mp_main__"):  # Here and in the processes it starts.
    egic.load = egic_script.load
    os.fsync = _sync

if __name__ == "__main__":
    # Jobs in the background of a shell are told to ignore it, and their children too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(cli.main())
