# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps of a drain as they pass: how long each took, what came of it, and a line while one lasts."""

from __future__ import annotations

import contextlib
import threading
import typing as t
from collections.abc import Callable, Iterator, Mapping, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import Clock
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import ReleaseError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.progress import Progress

JsonObject = dict[str, t.Any]
Result = t.TypeVar("Result")

#: Between two looks at an exchange.
POLL_S: t.Final = 0.1
#: A line without news comes this often, and the lock and the decision are read this often.
_LINE_S: t.Final = 5.0
_GUARD_S: t.Final = 1.0


class Step:
    """One step while it lasts. `outcome` may be set to something better than `ok`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.outcome = "ok"


class Steps:
    """All steps of one task. `guard` raises when the release is over for us."""

    def __init__(self, clock: Clock, progress: Progress, guard: Callable[[], None]) -> None:
        self.clock = clock
        self.progress = progress
        self.done: list[JsonObject] = []
        self.guard = guard
        self._guard_due = clock.monotonic()
        self._line_due = clock.monotonic() + _LINE_S

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """Time what is done inside."""
        began = self.clock.monotonic()
        self._line_due = began + _LINE_S
        this = Step(name)
        try:
            yield this
        except ReleaseError as error:
            this.outcome = f"failed: {error.message}"
            raise
        finally:
            seconds = round(self.clock.monotonic() - began, 3)
            self.done.append({"name": name, "seconds": seconds, "outcome": this.outcome})
            self.progress(f"{name}: {this.outcome} ({seconds:.1f} s)")

    def plan(self, names: tuple[str, ...]) -> None:
        """What would be done, in check mode."""
        self.done += [{"name": name, "seconds": None, "outcome": "would be done"} for name in names]

    def wait_for(
        self, look: Callable[[], str | None], limit_s: float, what: str, *, guarded: bool = True
    ) -> str | None:
        """Look until there is nothing left to wait for. None, or after `limit_s` what there still is."""
        end = self.clock.monotonic() + limit_s
        while True:
            left = look()
            if left is None:
                return None
            if self.clock.monotonic() >= end:
                return left
            self.beat(f"{what}: {left}", guarded=guarded)
            self.clock.sleep(POLL_S)

    def rest(self, seconds: float, what: str) -> None:
        """Let the time pass that clients were told."""
        end = self.clock.monotonic() + seconds
        while (left := end - self.clock.monotonic()) > 0:
            self.beat(f"{what}: {left:.0f} s left")
            self.clock.sleep(min(POLL_S, left))

    def long(self, ask: Callable[[], Result], what: str) -> Result:
        """A request that may take a minute. Meanwhile the lock is kept and there is a line now and then."""
        return t.cast("Result", self.together({what: ask}, what)[what])

    def together(self, asks: Mapping[str, Callable[[], t.Any]], what: str, *, guarded: bool = True) -> dict[str, t.Any]:
        """Several requests at the same time. Raises the first error in their order."""
        attempts = {name: _Attempt(ask) for name, ask in asks.items()}
        for attempt in attempts.values():
            while not attempt.done.wait(_GUARD_S / 2):
                self.beat(f"{what}: waiting for the answer", guarded=guarded)
        return {name: attempt.result() for name, attempt in attempts.items()}

    def beat(self, line: str, *, guarded: bool = True) -> None:
        """Keep the lock, and say that we live. Not guarded is what has to be brought to its end even when the release
        is over for us."""
        now = self.clock.monotonic()
        if guarded and now >= self._guard_due:
            self._guard_due = now + _GUARD_S
            self.guard()
        if now >= self._line_due:
            self._line_due = now + _LINE_S
            self.progress(line)


def at_once(asks: Sequence[Callable[[], Result]], beat: Callable[[], None]) -> list[Result | ReleaseError]:
    """What each of them answers, or how it failed; all are asked at the same time. `beat` is called while it lasts.
    Other errors are raised."""
    attempts = [_Attempt(ask) for ask in asks]
    found: list[Result | ReleaseError] = []
    for attempt in attempts:
        while not attempt.done.wait(_GUARD_S / 2):
            beat()
        try:
            found.append(attempt.result())
        except ReleaseError as error:
            found.append(error)
    return found


def within(ask: Callable[[], None], limit_s: float) -> bool:
    """Do it, and say whether it ended in that time; if not, it goes on alone. Raises what it raises."""
    attempt = _Attempt(ask)
    if not attempt.done.wait(limit_s):
        return False
    attempt.result()
    return True


class _Attempt:
    """One request in a daemon thread: whatever it hangs on does not keep the process from ending."""

    def __init__(self, ask: Callable[[], t.Any]) -> None:
        self.done = threading.Event()
        self._found: t.Any = None
        self._error: BaseException | None = None
        threading.Thread(target=self._run, args=(ask,), name="drain", daemon=True).start()

    def _run(self, ask: Callable[[], t.Any]) -> None:
        try:
            self._found = ask()
        except BaseException as error:  # handed to the thread that waits
            self._error = error
        self.done.set()

    def result(self) -> t.Any:
        if self._error is not None:
            raise self._error
        return self._found
