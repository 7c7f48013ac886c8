"""A real browser without a window, driven over the pipe of its DevTools protocol."""

from __future__ import annotations

import base64
import fcntl
import importlib.resources
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["BROWSER", "Browser", "opened"]

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")

# So many of axe-core's rules at least concern a page of ours.
_PASSES = 20


class Browser:
    """One page in one browser. Source of the names: the DevTools protocol, domains Page, Runtime, Input, …"""

    def __init__(self, to: int, answers: int) -> None:
        self._to, self._answers = to, os.fdopen(answers, "rb")
        self._number, self._session, self._rest = 0, "", b""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.call("Page.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Return the answer to one command; events that come meanwhile are dropped."""
        return self._wait(self._send(method, params))

    def open(self, address: str) -> None:
        """Show a page and wait until it is there."""
        self.call("Page.navigate", url="about:blank")
        number = self._send("Page.navigate", {"url": address})
        loaded = answered = False
        while not (loaded and answered):
            message = self._message()
            answered = answered or message.get("id") == number
            loaded = loaded or (answered and message.get("method") == "Page.loadEventFired")

    def run(self, expression: str) -> Any:
        """Return the value of a JavaScript expression, of a promise what it comes to."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in found:
            raise RuntimeError(json.dumps(found["exceptionDetails"])[:2000])
        return found["result"].get("value")

    def size(self, width: int, height: int = 900) -> None:
        """Give the window a size in pixels."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def medium(self, medium: str = "", scheme: str = "light") -> None:
        """Be a screen or paper ("print"), light or dark."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", media=medium, features=features)

    def press(self, key: str) -> None:
        """Press a key as a person would: Tab, Enter, or a letter."""
        code = {"Tab": 9, "Enter": 13}.get(key, 0)
        text = {"Enter": "\r", "Tab": ""}.get(key, key)
        down = {"type": "keyDown" if text else "rawKeyDown", "key": key, "windowsVirtualKeyCode": code}
        self.call("Input.dispatchKeyEvent", **down, **({"text": text} if text else {}))
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)

    def tree(self) -> list[tuple[str, str]]:
        """Return role and name of everything that a screen reader finds, in its order."""
        nodes = self.call("Accessibility.getFullAXTree")["nodes"]
        return [
            (node["role"]["value"], node.get("name", {}).get("value", ""))
            for node in nodes
            if not node["ignored"]
        ]

    def complaints(self) -> list[tuple[str, list[str]]]:
        """Return what axe-core finds wrong with the page: its rule, and the elements.

        RuntimeError if it finds next to nothing right either.
        """
        axe = importlib.resources.files("axe_playwright_python") / "axe.min.js"
        self.run(axe.read_text("utf-8") + "; 0")
        found: dict[str, Any] = self.run("axe.run()")
        if len(found["passes"]) < _PASSES:
            raise RuntimeError(f"axe-core looked at nothing: {found['passes']}")
        return [(one["id"], [node["html"][:200] for node in one["nodes"]]) for one in found["violations"]]

    def picture(self, path: Path, whole: bool = False) -> None:
        """Write what the page shows as a PNG."""
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(shot["data"]))

    def _send(self, method: str, params: dict[str, Any]) -> int:
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._to, data) :]
        return self._number

    def _wait(self, number: int) -> dict[str, Any]:
        while True:
            message = self._message()
            if message.get("id") == number:
                if "error" in message:
                    raise RuntimeError(message["error"]["message"])
                found: dict[str, Any] = message["result"]
                return found

    def _message(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            block = self._answers.read1(1 << 20)
            if not block:
                raise RuntimeError("the browser is gone")
            self._rest += block
        line, _, self._rest = self._rest.partition(b"\0")
        found: dict[str, Any] = json.loads(line)
        return found


def high(number: int) -> int:
    """Return the descriptor under a number from 10 on."""
    moved = fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, 10)
    os.close(number)
    return moved


@contextmanager
def opened(folder: Path) -> Iterator[Browser]:
    """Start a browser with its profile in ``folder``; it reads commands from descriptor 3, answers on 4."""
    words = ["--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe"]
    command = [str(BROWSER), *words, f"--user-data-dir={folder / 'profile'}", "about:blank"]
    pipes = [os.pipe(), os.pipe()]
    # Out of the way of the two numbers that the browser uses.
    theirs, to, answers, ours = (high(number) for pair in pipes for number in pair)

    def give() -> None:
        os.dup2(theirs, 3)
        os.dup2(ours, 4)

    silent = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
    child = subprocess.Popen(command, close_fds=False, preexec_fn=give, **silent)
    os.close(theirs)
    os.close(ours)
    try:
        yield Browser(to, answers)
    finally:
        os.close(to)
        try:
            child.wait(10)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
