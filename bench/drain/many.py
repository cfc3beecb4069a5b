# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Handovers in a row under load, to and fro: nothing adds up."""

from __future__ import annotations

import asyncio
import typing as t

from bench.drain.figures import Account, Json, account_rows, handover_rows
from bench.drain.handover import GAP, MOST_S, Handovers, versions
from bench.drain.region import Load, gap_s, region
from bench.gate.part import Measured, Options, Row
from bench.results import Goal, row

_ROUNDS: t.Final = 20


async def _run(rounds: int) -> tuple[Handovers, Account]:
    found = Handovers()
    async with region(Load()) as place:
        for number in range(rounds):
            await found.one(place, forward=number % 2 == 0)
        ends = (place.new, place.old) if rounds % 2 else (place.old, place.new)
        account = await place.counted(*ends)
        found.gaps_s = [gap_s(ends[0], *span) for span in found.spans]
    print(account, flush=True)
    return found, account


def measure(options: Options) -> Measured:
    found, account = asyncio.run(_run(options.rounds or _ROUNDS))
    return Measured(rows(found.results, found.gaps_s, account), versions())


def rows(results: list[Json], gaps_s: list[float | None], account: Account) -> list[Row]:
    case = f"{len(results)} handovers in a row"
    made = handover_rows(case, results, Goal(MOST_S, of="median"))
    return [*made, row(case, GAP, gaps_s, Goal()), *account_rows(case, [account])]
