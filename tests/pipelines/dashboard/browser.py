"""A headless Chromium, driven over its DevTools protocol: enough to log in, click, upload and look."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from websockets.sync.client import ClientConnection, connect

OPTIONS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
]
_KEYS = {"Tab": (9, ""), "Enter": (13, "\r")}
#: What a page says when its own rules are broken, or its script fails.
_COMPLAINTS = ("Log.entryAdded", "Runtime.exceptionThrown")


class Browser:
    """One tab. ``complaints`` gathers refused loads, violated policies and failed scripts."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket, self.sent = socket, 0
        self.complaints: list[str] = []
        for domain in ("Page", "Log", "Runtime", "DOM"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command, and its answer."""
        self.sent += 1
        self.socket.send(json.dumps({"id": self.sent, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self.socket.recv(timeout=300))
            if answer.get("method") in _COMPLAINTS:
                self.complaints.append(json.dumps(answer["params"], ensure_ascii=False))
            if answer.get("id") == self.sent:
                return dict(answer.get("result", answer))

    def ask(self, expression: str) -> Any:
        """What an expression is in the page."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        return found["result"].get("value")

    def wait(self, expression: str, seconds: float = 300) -> None:
        """Until an expression is true in the page, or whichever page it has become."""
        deadline = time.monotonic() + seconds
        while self.ask(expression) is not True:
            assert time.monotonic() < deadline, f"never true: {expression}; at {self.ask('location.href')}"
            time.sleep(0.1)

    def go(self, address: str) -> None:
        """Open a page, until it has loaded."""
        self.call("Page.navigate", url=address)
        self.wait(f"location.href.startsWith({json.dumps(address)}) && document.readyState === 'complete'")

    def press(self, key: str) -> None:
        """A key that a person presses."""
        code, text = _KEYS[key]
        known = {"key": key, "code": key, "windowsVirtualKeyCode": code, "text": text}
        self.call("Input.dispatchKeyEvent", type="keyDown", **known)
        self.call("Input.dispatchKeyEvent", type="keyUp", **known)

    def size(self, width: int, height: int) -> None:
        """The window's size."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def choose_file(self, selector: str, path: Path) -> None:
        """What a person does with the file dialog."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", files=[str(path)], nodeId=node)


@contextmanager
def opened(chromium: str, profile: Path) -> Iterator[Browser]:
    """A browser with a profile of its own, ended with the test."""
    command = [chromium, *OPTIONS, f"--user-data-dir={profile}", "about:blank"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        port = next(
            found[1] for line in process.stderr if (found := re.search(r"ws://127.0.0.1:(\d+)", line))
        )
        tabs = httpx.get(f"http://127.0.0.1:{port}/json").json()
        tab = next(tab for tab in tabs if tab["type"] == "page")
        with connect(tab["webSocketDebuggerUrl"], max_size=None) as socket:
            yield Browser(socket)
    finally:
        process.terminate()
        process.wait(30)
        process.stderr.close()
