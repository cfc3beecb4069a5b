# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Count the connections that are still open to old slots, until they have ended or the time is over."""

from __future__ import annotations

import math
import typing as t
from collections.abc import Mapping, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import Clock
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.progress import Progress
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate import providers
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.readings import MetricReader, Reading
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.decide_drain import (
    Count,
    live_line,
    pause_s,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.route import SLOTS

#: The option `connections`.
SPEC: t.Final = {
    "service": {"type": "str", "required": True},
    "slot": {"type": "str", "required": True, "choices": list(SLOTS)},
    "query": {"type": "str", "required": True},
}

#: A line without news comes no sooner than this many seconds after the one before.
_LINE_S: t.Final = 5.0


def checked_drain(params: Mapping[str, t.Any]) -> list[Mapping[str, str]]:
    """The entries of `connections`. Raises OptionError naming the option."""
    entries: list[Mapping[str, str]] = list(params["connections"])
    if not entries:
        raise OptionError("connections", "nothing is named for state drained")
    names = [entry["service"] for entry in entries]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise OptionError("connections", f"{twice[0]} is named twice; one of its slots is the old one")
    providers.must_choose(params, "needed for state drained: it counts the connections")
    if not 0 <= params["drain_s"] < math.inf:
        raise OptionError("drain_s", f"{params['drain_s']:g} is no number of seconds; use 0 or more")
    return entries


def drain(
    entries: Sequence[Mapping[str, str]],
    provider: MetricReader,
    *,
    drain_s: float,
    clock: Clock,
    progress: Progress,
) -> list[Count]:
    """The last look at each of the entries. A count that cannot be had is one that is not observed, and no failure."""
    began = clock.monotonic()
    said: tuple[list[Count], float] | None = None
    while True:
        at = provider.tick()
        counts = [_count(entry, provider, at) for entry in entries]
        now = clock.monotonic()
        pause = pause_s(counts, now - began, drain_s)
        if said is None or counts != said[0] or now - said[1] >= _LINE_S:
            said = (counts, now)
            progress(live_line(counts, now - began, drain_s))
        if pause is None:
            return counts
        clock.sleep(pause)


def _count(entry: Mapping[str, str], provider: MetricReader, at: float) -> Count:
    service, slot = entry["service"], entry["slot"]
    try:
        reading = provider.read(entry["query"], at)
    except OptionError as error:
        # Written into the catalogue long ago: the slot is not kept up until somebody mends the query.
        reading = Reading("error", detail=error.message.removeprefix(f"{error.option}: "))
    if reading.kind != "value" or not math.isfinite(reading.value):
        return Count(service, slot, None, reading.detail)
    return Count(service, slot, max(0, math.ceil(reading.value)))
