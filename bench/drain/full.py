# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A full drain and the way back to trading, under load: how long each step takes, and what is lost."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import typing as t

from drain_region import until

from bench.drain.figures import NONE, Account, Json, account_rows, all_nine, step_rows
from bench.drain.handover import MEMORY_MB, versions
from bench.drain.region import Load, Region, loads, region
from bench.gate.part import Measured, Options, Row
from bench.results import Goal, row

_ROUNDS: t.Final = 5
_SERVICE_RESTART: t.Final = 1012
DRAIN: t.Final = "full drain"
RESUME: t.Final = "back to trading"
#: What is waited on purpose: announcement, waves of closing, and the two modes before `online`.
GIVEN: t.Final[Json] = {
    "way": "full",
    "mode": "halted",
    "new_engine": None,
    "announce_s": 1.0,
    "close": {"waves": 5, "jitter_s": 0.2},
    "resume": {"cancel_only_s": 1.0, "post_only_s": 1.0},
}


@dataclasses.dataclass
class Found:
    """One of each for every round."""

    drains: list[Json] = dataclasses.field(default_factory=list)
    resumes: list[Json] = dataclasses.field(default_factory=list)
    #: Sessions that were not closed as their protocol wants it.
    rude: list[float] = dataclasses.field(default_factory=list)
    away: list[float] = dataclasses.field(default_factory=list)
    peaks_mb: list[float | None] = dataclasses.field(default_factory=list)


async def _round(place: Region, found: Found) -> None:
    given = {**GIVEN, "prove": {"url": place.new.url}}
    logouts = [len(client.logouts) for client in place.clients]
    ran = await place.drain(place.old, place.new, **given)
    drained = ran.good()
    assert not drained.get("failed"), drained["msg"]
    with contextlib.suppress(AssertionError):
        await until(lambda: all(one.closed is not None for one in place.listeners), "the end of all sessions")
    rude = sum(one.closed != _SERVICE_RESTART for one in place.listeners)
    rude += sum(len(client.logouts) - 1 != before for client, before in zip(place.clients, logouts, strict=True))
    back = await place.drain(place.old, place.new, **given, state="online", expected=drained["proofs"]["before"])
    resumed = back.good()
    assert not resumed.get("failed"), resumed["msg"]
    for listener in place.listeners:
        await listener.close()
    place.listen()
    place.closed_sessions += len(place.clients)
    with contextlib.suppress(AssertionError):
        await until(lambda: all(one.begun for one in place.listeners), "new sessions")
        await until(lambda: all(client.connected.is_set() for client in place.clients), "the FIX sessions again")
    away = sum(not one.begun for one in place.listeners) + sum(not one.connected.is_set() for one in place.clients)
    await place.traded()
    found.drains.append(drained)
    found.resumes.append(resumed)
    found.rude.append(float(rude))
    found.away.append(float(away))
    found.peaks_mb.append(ran.peak_mb)
    print(f"{drained['verdict']}: {drained['reason']}; {loads()}", flush=True)


async def _run(rounds: int) -> tuple[Found, Account, int]:
    found = Found()
    async with region(Load()) as place:
        for _ in range(rounds):
            await _round(place, found)
        account = await place.counted(place.old, place.new)
        # While nobody trades clients are told so, with a code that says that they may try again.
        refused = place.flow.tally.turned_away() + len(place.fix_flow.refused)
    print(account, flush=True)
    return found, dataclasses.replace(account, unserved=account.unserved - refused), refused


def measure(options: Options) -> Measured:
    return Measured(rows(*asyncio.run(_run(options.rounds or _ROUNDS))), versions())


def rows(found: Found, account: Account, refused: int) -> list[Row]:
    return [
        *step_rows(DRAIN, found.drains),
        row(DRAIN, "not all nine invariants", [float(not all_nine(one)) for one in found.drains], NONE, "count"),
        row(DRAIN, "sessions not closed by their protocol", found.rude, NONE, "count"),
        row(DRAIN, "memory of the module", found.peaks_mb, Goal(MEMORY_MB), "MB"),
        *step_rows(RESUME, found.resumes),
        row(RESUME, "sessions that did not come again", found.away, NONE, "count"),
        *account_rows(f"{DRAIN} and {RESUME}", [account]),
        row(f"{DRAIN} and {RESUME}", "refused while nobody traded", [float(refused)], Goal(), "count"),
    ]
