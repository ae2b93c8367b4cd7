"""A page as a real browser sees it once its scripts have run."""

import contextlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
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
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--enable-logging=stderr",
    "--virtual-time-budget=10000",
    "--dump-dom",
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
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        pytest.skip(f"none of {', '.join(_NAMES)} is on PATH")
    with subprocess.Popen(
        [found, *_OPTIONS, f"--user-data-dir={profile}", url],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"HOME": str(profile)},
        start_new_session=True,
        text=True,
    ) as browser:
        try:
            dom, log = browser.communicate(timeout=_SECONDS)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(browser.pid, signal.SIGKILL)
    assert browser.returncode == 0, log
    return Loaded(dom, re.findall(r"CONSOLE.*", log))
