"""A page as a real browser sees it once its scripts have run."""

import contextlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from typing import NamedTuple

import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
_OPTIONS = (
    "--headless",
    "--no-sandbox",  # Chromium refuses one where tests run as root.
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-breakpad",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--enable-logging=stderr",
)
_SECONDS = 120


class Loaded(NamedTuple):
    """What became of a page.

    Attributes:
        dom: HTML of its document after its scripts.
        console: What it, and the browser about it, wrote to the console.
    """

    dom: str
    console: list[str]


def load(url: str, profile: pathlib.Path) -> Loaded:
    """Opens a page in headless Chromium, and leaves no process behind.

    Skips the test where there is no Chromium.

    Args:
        url: As file:///report.html#fragment.
        profile: Empty folder for what the browser keeps.
    """
    arguments = ("--virtual-time-budget=10000", "--dump-dom", url)
    with started(*arguments, profile=profile) as browser:
        dom, log = browser.communicate(timeout=_SECONDS)
    assert browser.returncode == 0, log
    return Loaded(dom, re.findall(r"CONSOLE.*", log))


@contextlib.contextmanager
def started(
    *arguments: str, profile: pathlib.Path, output: int = subprocess.PIPE
) -> Iterator[subprocess.Popen]:
    """Headless Chromium, which is gone at the end with all its processes.

    Skips the test where there is no Chromium.

    Args:
        *arguments: Of its command line, besides what every page needs.
        profile: Empty folder for what the browser keeps.
        output: Where stdout and stderr go; a pipe has to be read.
    """
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        pytest.skip(f"none of {', '.join(_NAMES)} is on PATH")
    with subprocess.Popen(
        [found, *_OPTIONS, f"--user-data-dir={profile}", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        env=os.environ | {"HOME": str(profile)},
        start_new_session=True,
        text=True,
    ) as browser:
        try:
            yield browser
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(browser.pid, signal.SIGKILL)
