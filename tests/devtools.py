"""A page of headless Chromium, driven over the DevTools protocol as a hand would."""

import base64
import contextlib
import io
import itertools
import json
import math
import pathlib
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image

from tests import browser

_OPTIONS = (
    "--remote-debugging-port=0",
    "--force-color-profile=srgb",  # Pixels of pictures are those of the screen.
    "--hide-scrollbars",
)
_SECONDS = 200  # Of a machine that has much else to do; most takes one.
_PAUSE = 0.05


class Box(NamedTuple):
    """Where an element is on the page, in CSS pixels."""

    x: float
    y: float
    width: float
    height: float

    def at(self, across: float, down: float) -> tuple[float, float]:
        """A point in it, by shares of its width and height."""
        return self.x + across * self.width, self.y + down * self.height


class Page:
    """One open page.

    Attributes:
        requested: URLs that it asked for, in order.
        problems: What it wrote to the console as an error, and exceptions of scripts.
    """

    def __init__(self, socket):
        """Takes over a tab.

        Args:
            socket: Of its DevTools, as `websockets.sync.client.connect` opens it.
        """
        self.requested: list[str] = []
        self.problems: list[str] = []
        self._socket = socket
        self._ids = itertools.count(1)
        for domain in ("Page", "Runtime", "Network", "Log", "DOM"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters) -> dict[str, Any]:
        """Sends a command and returns its result; events that come first are noted."""
        number = next(self._ids)
        command = {"id": number, "method": method, "params": parameters}
        self._socket.send(json.dumps(command))
        deadline = time.monotonic() + _SECONDS
        while True:
            message = json.loads(self._socket.recv(deadline - time.monotonic()))
            if message.get("id") == number:
                assert "error" not in message, f"{method}: {message['error']}"
                return message["result"]
            self._note(message.get("method", ""), message.get("params", {}))

    def _note(self, event: str, parameters: dict[str, Any]) -> None:
        if event == "Network.requestWillBeSent":
            self.requested.append(parameters["request"]["url"])
        elif event == "Runtime.exceptionThrown":
            self.problems.append(str(parameters["exceptionDetails"]))
        elif event == "Log.entryAdded" and parameters["entry"]["level"] == "error":
            self.problems.append(str(parameters["entry"]))

    def open(self, url: str) -> None:
        """Goes to an address."""
        self.call("Page.navigate", url=url)

    def resize(self, width: int, height: int, dark: bool = False) -> None:
        """Sets the size of the window, and the colours that the system asks for."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def value(self, expression: str) -> Any:
        """What JavaScript makes of an expression."""
        result = self.call(
            "Runtime.evaluate",
            expression=expression,
            returnByValue=True,
            awaitPromise=True,
        )
        assert "exceptionDetails" not in result, f"{expression}: {result}"
        return result["result"].get("value")

    def wait(self, expression: str) -> Any:
        """Waits until an expression is true, and returns it."""
        deadline = time.monotonic() + _SECONDS
        while time.monotonic() < deadline:
            found = self.value(expression)
            if found:
                return found
            time.sleep(_PAUSE)
        text = self.value("document.body.innerText")
        raise AssertionError(f"{expression} stays {found!r}; {self.problems}; {text}")

    def box(self, selector: str) -> Box:
        """Where an element is, once it is there, scrolled into view."""
        self.wait(f"!!document.querySelector({json.dumps(selector)})")
        return Box(
            *self.value(
                f"""(() => {{
                  const found = document.querySelector({json.dumps(selector)});
                  found.scrollIntoView({{ block: "center" }});
                  const box = found.getBoundingClientRect();
                  return [box.x, box.y, box.width, box.height];
                }})()"""
            )
        )

    def drag(self, *points: tuple[float, float]) -> None:
        """Presses at the first point, moves along the others, and lets go."""
        (x, y), *others = points
        self._mouse("mouseMoved", x, y, 0)
        self._mouse("mousePressed", x, y, 1)
        for x, y in others:
            self._mouse("mouseMoved", x, y, 1)
        self._mouse("mouseReleased", x, y, 0)

    def click(self, selector: str) -> None:
        """Clicks the middle of an element."""
        self.drag(self.box(selector).at(0.5, 0.5))

    def _mouse(self, kind: str, x: float, y: float, buttons: int) -> None:
        self.call(
            "Input.dispatchMouseEvent",
            type=kind,
            x=x,
            y=y,
            button="none" if kind == "mouseMoved" and not buttons else "left",
            buttons=buttons,
            clickCount=1,
        )

    def choose_file(self, selector: str, path: pathlib.Path) -> None:
        """Gives a file to an input, as its dialogue would."""
        self.wait(f"!!document.querySelector({json.dumps(selector)})")
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[str(path)])

    def save_downloads(self, folder: pathlib.Path) -> None:
        """Lets what is downloaded lie in a folder."""
        self.call(
            "Browser.setDownloadBehavior", behavior="allow", downloadPath=str(folder)
        )

    def screenshot(self, box: Box | None = None) -> np.ndarray:
        """What is seen, [H, W, 3] uint8; of the whole window, or of a part of it."""
        data = self.call("Page.captureScreenshot", format="png")["data"]
        image = Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")
        if box is not None:
            left, top = math.floor(box.x + 0.5), math.floor(box.y + 0.5)  # As drawn.
            image = image.crop(
                (left, top, left + round(box.width), top + round(box.height))
            )
        return np.asarray(image)


@contextlib.contextmanager
def opened(profile: pathlib.Path) -> Iterator[Page]:
    """A page of a new browser, which is gone at the end.

    Skips the test where there is no Chromium.

    Args:
        profile: Empty folder for what the browser keeps.
    """
    client = pytest.importorskip("websockets.sync.client")
    with browser.started(
        *_OPTIONS, "about:blank", profile=profile, output=subprocess.DEVNULL
    ) as process:
        tab = _tab(profile, process)
        with client.connect(tab, max_size=None, compression=None) as socket:
            yield Page(socket)


def _tab(profile: pathlib.Path, process: subprocess.Popen) -> str:
    """Address of the DevTools of the browser's first tab."""
    named = profile / "DevToolsActivePort"
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, "the browser ended"
        if named.exists() and named.read_text().strip():
            port = named.read_text().split()[0]
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/json") as answer:
                tabs = [tab for tab in json.load(answer) if tab["type"] == "page"]
            if tabs:
                return tabs[0]["webSocketDebuggerUrl"]
        time.sleep(_PAUSE)
    raise AssertionError("the browser does not answer")
