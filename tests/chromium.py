"""Debian's chromium, headless, driven through its debugging pipe: no further package needed."""

from __future__ import annotations

import base64
import io
import itertools
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
PATIENCE = 60.0
"""Seconds that an answer may take."""

START = """
import fcntl, os, sys
commands, answers = (fcntl.fcntl(int(file), fcntl.F_DUPFD, 10) for file in sys.argv[1:3])
os.dup2(commands, 3)
os.dup2(answers, 4)
os.execvp(sys.argv[3], sys.argv[3:])
"""
"""The browser reads commands from its file 3 and writes answers to its file 4."""


def installed() -> str | None:
    """The path of the program, or None."""
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


class Chromium:
    """One browser with one empty page; use it as a context manager."""

    def __init__(self, program: str, profile: Path) -> None:
        commands, self._out = os.pipe()
        self._in, answers = os.pipe()
        command = [
            sys.executable, "-c", START, str(commands), str(answers), program,
            "--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu",
            "--no-first-run", "--disable-dev-shm-usage", "--force-color-profile=srgb",
            f"--user-data-dir={profile}",
        ]  # fmt: skip
        self._process = subprocess.Popen(
            command, pass_fds=(commands, answers), start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(commands)
        os.close(answers)
        self._numbers = itertools.count(1)
        self._rest = b""
        self._session: str | None = None
        self.events: list[dict[str, Any]] = []

    def __enter__(self) -> Chromium:
        try:
            self._attach()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _attach(self) -> None:
        target = self.tell("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.tell("Target.attachToTarget", targetId=target, flatten=True)[
            "sessionId"
        ]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.tell(f"{domain}.enable")

    def __exit__(self, *_: object) -> None:
        os.close(self._out)
        os.close(self._in)
        os.killpg(self._process.pid, signal.SIGKILL)  # its own group: it and its children
        self._process.wait()

    def tell(self, method: str, /, **params: object) -> dict[str, Any]:
        """Send one command of the DevTools protocol; its result."""
        number = next(self._numbers)
        message: dict[str, object] = {"id": number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        return self._until(lambda answer: answer.get("id") == number)["result"]

    def open(self, page: Path) -> None:
        """Load a file and wait until all of it is there."""
        self.events.clear()
        self.tell("Page.navigate", url=page.absolute().as_uri())
        if not any(event["method"] == "Page.loadEventFired" for event in self.events):
            self._until(lambda answer: answer.get("method") == "Page.loadEventFired")

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression in the page."""
        found = self.tell(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def mouse(self, *steps: tuple[str, float, float]) -> None:
        """Real mouse events: ("mousePressed" | "mouseMoved" | "mouseReleased", x, y)."""
        for kind, x, y in steps:
            self.tell(
                "Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=1,
                clickCount=1,
            )  # fmt: skip

    def touch(self, *steps: list[tuple[float, float]]) -> None:
        """Real touches: the points of each finger at one moment after the other."""
        for number, points in enumerate(steps):
            kind = "touchStart" if not number else "touchMove"
            at = [{"x": x, "y": y, "id": finger} for finger, (x, y) in enumerate(points)]
            self.tell("Input.dispatchTouchEvent", type=kind, touchPoints=at)
        self.tell("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])

    def key(self, key: str, modifiers: int = 0) -> None:
        """Press and release a key, by its JavaScript name; 8 is Shift."""
        codes = {
            "Tab": 9, "Home": 36, "End": 35, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39,
            "ArrowDown": 40,
        }  # fmt: skip
        text = {"text": key} if len(key) == 1 else {}
        for kind in ("keyDown", "keyUp"):
            self.tell(
                "Input.dispatchKeyEvent", type=kind, key=key, modifiers=modifiers,
                windowsVirtualKeyCode=codes.get(key, 0), **(text if kind == "keyDown" else {}),
            )  # fmt: skip

    def screen(self) -> np.ndarray:
        """What is seen: uint8 H x W x 3."""
        data = self.tell("Page.captureScreenshot", format="png")["data"]
        return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB"))

    def size(self, width: int, height: int, ratio: float = 1, touch: bool = False) -> None:
        """Be a screen of this size."""
        self.tell(
            "Emulation.setDeviceMetricsOverride", width=width, height=height,
            deviceScaleFactor=ratio, mobile=touch,
        )  # fmt: skip
        self.tell("Emulation.setTouchEmulationEnabled", enabled=touch, maxTouchPoints=2)

    def _until(self, wanted: Any) -> dict[str, Any]:
        """Read answers until the wanted one; events are kept."""
        end = time.monotonic() + PATIENCE
        while True:
            while b"\0" in self._rest:
                line, _, self._rest = self._rest.partition(b"\0")
                answer = json.loads(line)
                if "method" in answer:
                    self.events.append(answer)
                if wanted(answer):
                    assert "error" not in answer, answer["error"]
                    return answer
            left = end - time.monotonic()
            assert left > 0, "chromium does not answer"
            if select.select([self._in], [], [], left)[0]:
                got = os.read(self._in, 1 << 20)
                assert got, f"chromium has ended with {self._process.poll()}"
                self._rest += got
