# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trying a whole step forward again. Single requests are tried again by `kube`, within their own time."""

from __future__ import annotations

import contextlib
import typing as t
from collections.abc import Callable, Collection, Mapping

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import Clock
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import (
    ApiError,
    LeaseEnding,
    ReleaseError,
    may_have_written,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import JsonObject
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.progress import Progress

Result = t.TypeVar("Result")

#: A step can wait for an API server that restarts. Taking a release back does not come here: users wait for it.
PAUSES_S: t.Final = (5.0, 10.0, 20.0)
#: No try begins later. The last one may still take its requests' own time.
DEADLINE_S: t.Final = 120.0
_LOOK_S: t.Final = 1.0


def keep_trying(
    attempt: Callable[[], Result],
    look: Callable[[], None],
    *,
    check_mode: bool,
    clock: Clock,
    progress: Progress,
    passing: Collection[str] = (),
) -> tuple[Result, JsonObject]:
    """Try a step that may be done twice, again after each pause while the API server is away.

    Only then, or after an error of a kind in `passing`, which has written nothing: a write that met somebody else's
    change must not be written over it, and a proof that fails had its own time, with the traffic where it may not stay.
    `look` is asked every second of a pause, so that the fleet sees that
    the release lives and the release sees a decision to undo; what it raises ends the tries. Check mode waits for
    nothing.

    Returns the result, and what the failed tries did (the `partial` of their errors): the last try does not see that
    as its own change. The error of the last try has it as well.
    """
    if check_mode:
        return attempt(), {}
    end = clock.monotonic() + DEADLINE_S
    known: JsonObject = {}
    for number, pause in enumerate((*PAUSES_S, None), start=2):
        try:
            return attempt(), known
        except ReleaseError as error:
            known = error.partial = _together(known, error.partial)
            if not _passes(error, passing) or pause is None or clock.monotonic() + pause >= end:
                raise
            progress(f"{error.message}; try {number} in {pause:g} s")
            failed = error
        try:
            _wait(pause, look, clock)
        except ReleaseError as error:
            error.partial = _together(known, error.partial)
            raise
        if clock.monotonic() >= end:
            raise failed
    raise AssertionError("the last try returns or raises")


def _passes(error: ReleaseError, passing: Collection[str]) -> bool:
    """Whether a later try can succeed where nothing else changes."""
    away = isinstance(error, ApiError) and may_have_written(error)
    return away or isinstance(error, LeaseEnding) or error.kind in passing


def _together(earlier: Mapping[str, t.Any], later: Mapping[str, t.Any]) -> JsonObject:
    """What two tries did, one after the other."""
    both = {**earlier, **later}
    for key in earlier.keys() & later.keys():
        if isinstance(earlier[key], dict):
            both[key] = {**earlier[key], **later[key]}
        elif isinstance(earlier[key], list):
            both[key] = [*earlier[key], *later[key]]
        elif isinstance(earlier[key], bool):
            both[key] = earlier[key] or later[key]
    return both


def _wait(pause: float, look: Callable[[], None], clock: Clock) -> None:
    end = clock.monotonic() + pause
    while (left := end - clock.monotonic()) > 0:
        clock.sleep(min(_LOOK_S, left))
        # A fleet that is away says nothing; the next try asks it again.
        with contextlib.suppress(ApiError):
            look()
