# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine is upgraded under live orders: by a handover, and by stopping the old one and starting the new one.

Both with the same load. Stop and start is what there is without a handover: the new engine begins with the snapshot
that the old one writes at its end, in the same folder. There is no pod to schedule, no image to pull and no volume to
attach, so it is the least that it can take. Gateways hold orders meanwhile as in a handover, or hold none.
"""

from __future__ import annotations

import asyncio
import dataclasses
import importlib.metadata
import signal
import statistics
import time
import typing as t

from bench.drain.figures import Account, Json, account_rows, handover_rows, seconds
from bench.drain.region import Load, Region, gap_s, loads, region
from bench.gate.part import Measured, Options, Row
from bench.results import Goal, row

_ROUNDS: t.Final = 5
#: Of one handover. On a machine that has nothing else to do the first one succeeds.
_TRIES: t.Final = 3
_PARTS: t.Final = ("cut_ms", "proofs_ms", "acks_ms", "open_ms", "gateways_ms")
#: Nobody trades for less than that.
MOST_S: t.Final = 3.0
#: The issue's limit for the module, whatever the size of the book.
MEMORY_MB: t.Final = 300.0
GAP: t.Final = "longest time without an order"
FORWARD: t.Final = "handover v1 -> v2"
_BACK: t.Final = "handover back v2 -> v1"
_UPGRADE: t.Final = "upgrade v1 -> v2"
#: Without holding, a gateway answers at once that the engine is away.
_WAYS: t.Final = {"stop and start, orders held": 10.0, "stop and start, none held": 0.0}


@dataclasses.dataclass
class Handovers:
    """What came of all rounds of one direction."""

    results: list[Json] = dataclasses.field(default_factory=list)
    gaps_s: list[float | None] = dataclasses.field(default_factory=list)
    peaks_mb: list[float | None] = dataclasses.field(default_factory=list)
    spans: list[tuple[float, float]] = dataclasses.field(default_factory=list)

    async def one(self, place: Region, forward: bool) -> None:
        """Until it has succeeded. A try that ended with the old engine is a round that misses its goals."""
        engine, other = (place.old, place.new) if forward else (place.new, place.old)
        for _ in range(_TRIES):
            since = time.time()
            ran = await place.drain(engine, other)
            result = ran.good()
            await place.traded()
            self.results.append(result)
            self.peaks_mb.append(ran.peak_mb)
            self.spans.append((since, time.time()))
            parts = [f"{name} {seconds(result, name)}" for name in ("at_most_ms", *_PARTS)]
            said = result["msg"] if result.get("failed") else result["verdict"]
            print(f"{engine.name} -> {other.name}: {', '.join(parts)}; {said}; {loads()}", flush=True)
            if not result.get("failed"):
                return
        raise AssertionError(f"{other.name} does not lead after {_TRIES} tries")


async def hand_over(rounds: int) -> tuple[Handovers, Handovers, Account]:
    """v1 to v2 and back, so many times, in one region."""
    there, back = Handovers(), Handovers()
    async with region(Load()) as place:
        for _ in range(rounds):
            await there.one(place, forward=True)
            await back.one(place, forward=False)
        account = await place.counted(place.old, place.new)
        for one in (there, back):
            one.gaps_s = [gap_s(place.old, *span) for span in one.spans]
    print(account, flush=True)
    return there, back, account


async def stop_and_start(rounds: int, hold_s: float) -> tuple[list[float | None], Account]:
    """Versions take turns, as in the handovers."""
    spans = []
    async with region(Load(hold_s=hold_s, standby=False)) as place:
        engine = place.old
        for number in range(rounds):
            since = time.time()
            process = engine._process
            assert process is not None
            process.send_signal(signal.SIGTERM)
            await asyncio.to_thread(process.wait)
            engine._env["PINCEX_VERSION"] = "v1" if number % 2 else "v2"
            engine.start()
            await engine.ready()
            await place.traded()
            spans.append((since, time.time()))
        account = await place.counted(engine, None)
        gaps = [gap_s(engine, *span) for span in spans]
    print(f"stop and start, orders held for {hold_s:g} s: {gaps}; {account}; {loads()}", flush=True)
    return gaps, account


def measure(options: Options) -> Measured:
    rounds = options.rounds or _ROUNDS
    there, back, account = asyncio.run(hand_over(rounds))
    others = {way: asyncio.run(stop_and_start(rounds, hold_s)) for way, hold_s in _WAYS.items()}
    return Measured(rows(there, back, account, others), versions())


def rows(
    there: Handovers, back: Handovers, account: Account, others: t.Mapping[str, tuple[list[float | None], Account]]
) -> list[Row]:
    known = [[gap for gap in gaps if gap is not None] for gaps, _ in others.values()]
    reference = min((statistics.median(gaps) for gaps in known if gaps), default=None)
    made: list[Row] = []
    for case, found in ((FORWARD, there), (_BACK, back)):
        made += handover_rows(case, found.results, Goal(MOST_S, of="median"))
        made.append(row(case, GAP, found.gaps_s, Goal(reference=reference)))
        made.append(row(case, "memory of the module", found.peaks_mb, Goal(MEMORY_MB), "MB"))
    made += account_rows(f"all handovers, {Load().text()}", [account])
    for way, (gaps, after) in others.items():
        made.append(row(_UPGRADE, GAP, gaps, Goal(), subject=way))
        made += account_rows(_UPGRADE, [after], subject=way, but=("differing",))
    return made


def versions() -> dict[str, str]:
    names = ("ansible-core", "uvloop", "websockets")
    return {name: importlib.metadata.version(name) for name in names}
