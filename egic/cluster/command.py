"""A program as a job that is begun again when it is preempted."""

import contextlib
import dataclasses
import os
import signal
import subprocess
from collections.abc import Sequence

from submitit import JobEnvironment
from submitit.helpers import DelayedSubmission

from hific.signals import EXIT_INTERRUPTED

# What a program of ours ends with when it was asked to: the last two, while Python
# still loaded.
_ASKED = (EXIT_INTERRUPTED, -signal.SIGUSR1, -signal.SIGTERM)


class ProgramFailed(RuntimeError):
    """A program ended with a code that another start would not change."""


@dataclasses.dataclass(frozen=True)
class Command:
    """Runs a program to its end; submitit calls it on the machine of the job.

    The wish to stop that submitit gets becomes SIGUSR1 for the program, which saves and
    ends with code 75; then the job is queued again, with the same command.

    Attributes:
        arguments: Of the program, whose path is the first.
        folder: Where it is started.
    """

    arguments: Sequence[str]
    folder: str

    def __call__(self) -> int:
        """Runs it; returns 0.

        Raises:
            ProgramFailed: It ended otherwise.
        """
        process = _started(self.arguments, self.folder)
        try:
            code = _ended(process)
            if code in _ASKED:  # By others than submitit; it is told, and queues.
                os.kill(os.getpid(), _number_of_submitit())
        finally:
            _running.remove(process)
            if process.poll() is None:  # Somebody ends this process.
                process.send_signal(signal.SIGTERM)
        if code:
            raise ProgramFailed(f"{' '.join(self.arguments)} ended with code {code}.")
        return code

    def checkpoint(self) -> DelayedSubmission | None:
        """Lets the program save and end; called by submitit when it gets a signal.

        Returns:
            What is queued again; None where the program failed on its own.
        """
        for process in _running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGUSR1)
            if _ended(process) not in (0, *_ASKED):
                return None
        return DelayedSubmission(self)


# The program of this process, at most one. No part of `Command`, which is pickled.
_running: list[subprocess.Popen] = []


def _started(arguments: Sequence[str], folder: str) -> subprocess.Popen:
    """Starts the program; a signal finds it noted, or comes later."""
    ours = {_number_of_submitit()}

    def prepare() -> None:
        # Slurm sends to all processes of a job what submitit waits for.
        signal.signal(_number_of_submitit(), signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ours)

    before = signal.pthread_sigmask(signal.SIG_BLOCK, ours)
    try:
        process = subprocess.Popen(arguments, cwd=folder, preexec_fn=prepare)
        _running.append(process)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return process


def _ended(process: subprocess.Popen) -> int:
    """Waits for the end; returns the code, or the signal with a minus.

    Not `Popen.wait`, whose lock the signal handler would wait for in vain.
    """
    ended = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert ended is not None  # Without WNOHANG it waits.
    exited = ended.si_code == os.CLD_EXITED
    return ended.si_status if exited else -ended.si_status


def _number_of_submitit() -> int:
    return signal.Signals[f"SIG{JobEnvironment.USR_SIG}"]
