# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every fault of the engine, and a FIX session that answers no Logout: who names it, and whether anything is lost.

Each has a region of its own, because some cannot be taken back.
"""

from __future__ import annotations

import asyncio
import dataclasses
import typing as t

from bench.drain.figures import Account, Json, account_rows
from bench.drain.full import GIVEN
from bench.drain.handover import versions
from bench.drain.region import Load, Region, loads, region
from bench.gate.part import Measured, Options, Row
from bench.results import verdict_row

#: Fewer orders than elsewhere: the question is not how fast.
LOAD: t.Final = Load(rate=60.0, fix_rate=10.0, websockets=6, book=1000, faults=True)


@dataclasses.dataclass(frozen=True)
class Fault:
    """`at`: the engine that has it, `old` or `new`. `named`: what has to name it, an invariant (I1 to I9) or a step.
    `own_loss`: acknowledgements that the fault itself breaks, whatever the module does."""

    name: str
    at: str
    way: str
    named: str
    given: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    own_loss: int = 0


FAULTS: t.Final = (
    Fault("settlement_stuck", "old", "full", "settlement", {"step_s": {"settlement": 6.0}}),
    Fault("snapshot_corrupt", "old", "full", "prove"),
    Fault("journal_lagging", "new", "handover", "catch_up", {"max_lag": 20, "step_s": {"catch_up": 3.0}}),
    Fault("ack_not_journaled", "old", "handover", "I2", own_loss=1),
    Fault("balance_lost", "new", "handover", "I5"),
    Fault("queue_swapped", "new", "handover", "I3"),
    Fault("trade_one_leg", "new", "handover", "I6"),
    Fault("trade_one_leg", "old", "handover", "I6"),
    Fault("logout_silent", "client", "full", "I9"),
)


def named(result: Json) -> list[str]:
    """What says that something is wrong: the invariants that fail, and the step that ended it."""
    if not result.get("failed"):
        return []
    failing = [one["id"] for one in result["invariants"] if one["verdict"] == "fail"]
    steps = [step["name"] for step in result["steps"] if step["name"] != "back"]
    # Nothing is begun when a precondition is not met.
    return [*failing, *steps[-1:]] or [str(result["error"]["kind"])]


def said(fault: Fault, result: Json) -> str:
    """What has to name it where it does, everything that is named otherwise, and `nothing`."""
    found = named(result)
    return fault.named if fault.named in found else ", ".join(dict.fromkeys(found)) or "nothing"


async def _task(place: Region, fault: Fault) -> Json:
    given = dict(fault.given)
    if fault.way == "full":
        given = {**GIVEN, "announce_s": 0.0, "prove": {"url": place.new.url}, **given}
    return (await place.drain(place.old, place.new, **given)).good()


async def _one(fault: Fault) -> tuple[Json, Account]:
    async with region(LOAD) as place:
        if fault.at == "client":
            place.clients[2].sessions.be_silent()
        else:
            await place.tell({"old": place.old, "new": place.new}[fault.at], "faults", faults=[fault.name])
            # There has to be an order, a trade or a queue that it can spoil.
            await place.traded(2.0)
        result = await _task(place, fault)
        if fault.at == "client":
            # The others were logged out by then, so this drain stays, and is led out of.
            place.closed_sessions += len(place.clients)
            given = {**GIVEN, "state": "online", "prove": {"url": place.new.url}}
            back = (await place.drain(place.old, place.new, **given)).good()
            assert not back.get("failed"), back["msg"]
            # QuickFIX stands in the answer that it was not to give.
            place.clients[2].sessions._answers.set()
        await place.traded()
        leader = await place.leader()
        assert leader is place.old, "the engine that led does not trade"
        # A standby with a fault is another one than its leader: that is what was found.
        account = await place.counted(place.old, None)
    # None when it came over FIX: that gateway reports what is in the journal.
    return result, dataclasses.replace(account, lost=max(0, account.lost - fault.own_loss))


def measure(options: Options) -> Measured:
    made: list[Row] = []
    for fault in FAULTS[: options.rounds]:
        result, account = asyncio.run(_one(fault))
        print(f"{fault.name} at {fault.at}: {named(result)}: {result.get('msg')}; {account}; {loads()}", flush=True)
        made += rows(fault, result, account)
    return Measured(made, versions())


def rows(fault: Fault, result: Json, account: Account) -> list[Row]:
    case = f"{fault.name} ({fault.at}, {fault.way})"
    sentence = str(result.get("msg") or result["reason"])
    lost = account_rows(case, [account], but=("differing", "reports", "unserved", "dropped", "gaps"))
    return [verdict_row(case, said(fault, result), fault.named, sentence), *lost[:2]]
