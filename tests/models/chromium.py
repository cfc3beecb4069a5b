# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A headless Chromium that looks at a page, over the DevTools protocol: a window of any width, what it measures and
paints, and every message and request that it makes."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import pathlib
import shutil
import struct
import time
import typing as t
import zlib

import numpy as np
import numpy.typing as npt
from powerdns_server import Server
from websockets.sync.client import ClientConnection, connect

from lab import packages
from lab.errors import LabError
from lab.steps import Steps

Json = dict[str, t.Any]
#: Rows, columns, and red, green and blue from 0 to 255.
Pixels = npt.NDArray[np.uint8]
_PATIENCE_S: t.Final = 180.0


def install() -> None:
    """The package, where this user may install it. Raises LabError with what to install."""
    if shutil.which("chromium"):
        return
    if os.geteuid() != 0:
        raise LabError(f"no chromium: install {' '.join(packages.BROWSER)}, or run the tests once as root")
    packages.install(Steps(), packages.BROWSER)


class Chromium:
    """One tab. `requests`: addresses that the page asked for, itself included; `messages`: what it wrote to the console
    or the browser said about it."""

    def __init__(self, folder: pathlib.Path) -> None:
        install()
        self.requests: list[str] = []
        self.messages: list[str] = []
        self._number = 0
        self._events: list[Json] = []
        profile = folder / "profile"
        profile.mkdir(parents=True)
        command = ["chromium", "--headless", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage"]
        command += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
        # Its own services have nowhere to go; the page's requests are seen before that.
        command += ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--hide-scrollbars"]
        command += [f"--user-data-dir={profile}", "--remote-debugging-port=0", "about:blank"]
        if os.geteuid() == 0:
            # Its sandbox refuses root.
            command.insert(1, "--no-sandbox")
        self._server = Server(command, folder / "log")
        self._open = contextlib.ExitStack()
        self._socket: ClientConnection | None = None
        try:
            self._socket = self._open.enter_context(connect(self._address(profile), max_size=None, proxy=None))
            target = self._ask("Target.createTarget", url="about:blank")["targetId"]
            self._session = self._ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            for domain in ("Page", "Runtime", "Log", "Network"):
                self.ask(f"{domain}.enable")
        except BaseException:
            self.stop()
            raise

    def _address(self, profile: pathlib.Path) -> str:
        found = profile / "DevToolsActivePort"
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            with contextlib.suppress(OSError, ValueError):
                port, path = found.read_text().split()
                return f"ws://127.0.0.1:{port}{path}"
            if self._server.dead is not None or time.monotonic() > deadline:
                raise AssertionError(f"chromium does not start: {self._server.dead}")
            time.sleep(0.05)

    def stop(self) -> None:
        if self._socket is not None:
            with contextlib.suppress(Exception):
                self._ask("Browser.close")
        self._open.close()
        self._server.stop()

    def show(self, address: str, width: int, dark: bool = False) -> None:
        """Load a page anew in a window of that width, and wait until it is there."""
        self.requests.clear()
        self.messages.clear()
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setEmulatedMedia", features=[scheme])
        self.ask("Page.navigate", url=address)
        self._until("Page.loadEventFired")

    def eval(self, expression: str) -> t.Any:
        """The value of an expression of JavaScript in the page, as JSON has it."""
        found = self.ask("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def picture(self, box: Json) -> Pixels:
        """What is painted in a box of the page: x, y, width and height."""
        found = self.ask("Page.captureScreenshot", clip={**box, "scale": 1}, captureBeyondViewport=True)
        return _pixels(base64.b64decode(found["data"]))

    def ask(self, method: str, **given: t.Any) -> Json:
        """A command to the tab."""
        return self._ask(method, session=self._session, **given)

    def _ask(self, method: str, session: str | None = None, **given: t.Any) -> Json:
        self._number += 1
        asked: Json = {"id": self._number, "method": method, "params": given}
        assert self._socket is not None
        self._socket.send(json.dumps({**asked, "sessionId": session} if session else asked))
        while True:
            got = self._receive()
            if got.get("id") == self._number:
                assert "error" not in got, got
                return t.cast("Json", got["result"])

    def _until(self, event: str) -> None:
        while not any(one["method"] == event for one in self._events):
            self._receive()
        self._events.clear()

    def _receive(self) -> Json:
        assert self._socket is not None
        got: Json = json.loads(self._socket.recv(timeout=_PATIENCE_S))
        method, given = got.get("method"), got.get("params", {})
        if method == "Network.requestWillBeSent":
            self.requests.append(given["request"]["url"])
        elif method == "Log.entryAdded":
            self.messages.append(given["entry"]["text"])
        elif method in ("Runtime.consoleAPICalled", "Runtime.exceptionThrown"):
            self.messages.append(json.dumps(given))
        if method is not None:
            self._events.append(got)
        return got


def _pixels(png: bytes) -> Pixels:
    """Of a PNG as Chromium writes it: 8 bits a channel, not interlaced, with or without transparency."""
    width, height, depth, kind, _compression, _filter, interlaced = struct.unpack(">IIBBBBB", png[16:29])
    assert (depth, interlaced) == (8, 0) and kind in (2, 6)
    size, data, at = 3 if kind == 2 else 4, b"", 8
    while at < len(png):
        length, name = struct.unpack(">I4s", png[at : at + 8])
        data += png[at + 8 : at + 8 + length] if name == b"IDAT" else b""
        at += 12 + length
    lines = np.frombuffer(zlib.decompress(data), dtype=np.uint8).reshape(height, 1 + width * size)
    made = np.zeros((height + 1, width + 1, size), dtype=np.int32)
    for row, line in enumerate(lines, start=1):
        _unfilter(made, row, int(line[0]), line[1:].reshape(width, size).astype(np.int32))
    return made[1:, 1:, :3].astype(np.uint8)


def _unfilter(made: npt.NDArray[np.int32], row: int, kind: int, line: npt.NDArray[np.int32]) -> None:
    """One line: each pixel was written as what it is more than its neighbours."""
    above = made[row - 1]
    if kind in (0, 2):
        made[row, 1:] = (line + (above[1:] if kind == 2 else 0)) % 256
        return
    if kind == 1:
        made[row, 1:] = np.cumsum(line, axis=0) % 256
        return
    for column, value in enumerate(line, start=1):
        left, up, corner = made[row, column - 1], above[column], above[column - 1]
        if kind == 3:
            guess = (left + up) // 2
        else:
            one, other, both = abs(up - corner), abs(left - corner), abs(left + up - 2 * corner)
            guess = np.where((one <= other) & (one <= both), left, np.where(other <= both, up, corner))
        made[row, column] = (value + guess) % 256
