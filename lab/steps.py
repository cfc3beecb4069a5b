# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each step of the lab, printed as it happens with its time. Regions come up side by side, so lines carry the site."""

from __future__ import annotations

import collections.abc as c
import contextlib
import sys
import threading
import time
import typing as t


class Steps:
    """Prints `[  3.1s] us-east-1   API server ready (1.9 s)`; safe to use from several threads."""

    def __init__(self, out: t.TextIO = sys.stdout) -> None:
        self._out = out
        self._lock = threading.Lock()
        self._began = time.monotonic()

    def elapsed(self) -> float:
        return time.monotonic() - self._began

    def say(self, who: str, text: str) -> None:
        with self._lock:
            print(f"[{self.elapsed():6.1f}s] {who:<14} {text}", file=self._out, flush=True)

    @contextlib.contextmanager
    def step(self, who: str, text: str) -> c.Iterator[None]:
        """Time one step and print it when it is done; a step that fails says so before the error goes on."""
        began = time.monotonic()
        try:
            yield
        except BaseException:
            self.say(who, f"{text}: failed after {time.monotonic() - began:.1f} s")
            raise
        self.say(who, f"{text} ({time.monotonic() - began:.1f} s)")
