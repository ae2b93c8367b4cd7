"""Stops an installation early, and in words, on a machine that cannot run this.

    python3 tools/check_platform.py [PATH_OF_PYTHON_3_11]

Runs on any Python from 3.6. tensorflow-compression, which this project stands on, ships
wheels for Linux x86-64 and for no Python newer than 3.11; without this check, pip
answers with "No matching distribution found". Exits with 0 when all is well, else 1.
"""

import platform
import subprocess
import sys

VERSION = (3, 11)


def platform_problem(system, machine):
    """Returns what is wrong with the machine, or None."""
    if system == "Linux" and machine in ("x86_64", "AMD64"):
        return None
    return (
        "This needs Linux on x86-64 (also under WSL 2 or in a container), and this is "
        f"{system} on {machine}: tensorflow-compression has no wheels for it."
    )


def python_problem(python, found):
    """Returns what is wrong with the interpreter, or None.

    Args:
        python: The command that was tried.
        found: Its (major, minor) version, or None when it did not run.
    """
    if found == VERSION:
        return None
    what = "does not run" if found is None else "is Python {}.{}".format(*found)
    return (
        f"This needs Python 3.11, and {python} {what}. Install Python 3.11 (on Debian "
        "and Ubuntu: apt install python3.11 python3.11-venv), or name it: "
        "make PYTHON=/path/to/python3.11 ..."
    )


def version_of(python):
    """Returns (major, minor) of an interpreter, or None when it does not run."""
    code = "import sys; print(sys.version_info[0], sys.version_info[1])"
    try:
        output = subprocess.check_output([python, "-c", code])
    except (OSError, subprocess.CalledProcessError):
        return None
    return tuple(int(number) for number in output.split())


def main(argv):
    python = argv[1] if len(argv) > 1 else sys.executable
    problems = [
        platform_problem(platform.system(), platform.machine()),
        python_problem(python, version_of(python)),
    ]
    problems = [problem for problem in problems if problem]
    for problem in problems:
        sys.stderr.write(problem + "\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
