# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The region of drain_region with FIX order entry: a gateway and clients, with QuickFIX on both sides."""

from __future__ import annotations

import asyncio
import collections.abc as c
import contextlib
import dataclasses
import pathlib
import typing as t

from drain_region import LOOPBACK, ROOT, DrainRegion, Json, Program, free_port, until

from lab.exchange.fix_reports import Reports

if t.TYPE_CHECKING:
    from lab.flow.fix_client import FixClient, FixFlow


@dataclasses.dataclass(frozen=True)
class Told:
    """The reports of one client: which the journal makes for it, and how often it has each."""

    wanted: frozenset[str]
    known: t.Mapping[str, int]


class FixRegion(DrainRegion):
    """A region with a FIX gateway as well, and clients that send orders to it. `library` is that of QuickFIX; `rate` is
    in orders per second over HTTP, and `fix_rate` over FIX; `env` is for the FIX gateway."""

    def __init__(
        self,
        folder: pathlib.Path,
        library: pathlib.Path,
        rate: float = 20.0,
        *,
        fix_rate: float = 20.0,
        sessions: int = 5,
        listeners: int = 1,
        **env: str,
    ) -> None:
        super().__init__(folder, rate, listeners)
        self.fix_rate = fix_rate
        self.names = tuple(f"FIX{number}" for number in range(1, sessions + 1))
        self.fix_port = free_port()
        given = {
            "PYTHONPATH": f"{ROOT / 'lab'}:{library}",
            "ENGINE_URLS": f"{self.old.url},{self.new.url}",
            "FIX_PORT": str(self.fix_port),
            "FIX_SESSIONS": ",".join(self.names),
            "HOLD_S": "30",
            "ORDER_DEADLINE_S": "30",
            **env,
        }
        self.fix = Program(folder, "fix", "fix-gateway", **given)
        self.clients: list[FixClient] = []
        self.fix_flow: FixFlow

    @property
    def programs(self) -> list[Program]:
        return [*super().programs, self.fix]

    def options(self, engine: Program, other: Program, **given: t.Any) -> Json:
        found = super().options(engine, other, **given)
        return {**found, "gateways": [*found["gateways"], {"url": self.fix.url}]}

    async def fill_book(self) -> None:
        """What is in the book before the clients come: nothing."""

    @contextlib.asynccontextmanager
    async def with_clients(self) -> c.AsyncIterator[t.Self]:
        """Everything runs, and orders flow over both ways."""
        from lab.flow.fix_client import FixClient, FixFlow  # noqa: PLC0415 - QuickFIX is there from now on

        async with self.trading():
            await self.fill_book()
            self.clients = [FixClient(name, self.folder / "clients", LOOPBACK, self.fix_port) for name in self.names]
            self.fix_flow = FixFlow(self.clients, "region", "fix")
            try:
                await asyncio.gather(*(client.start() for client in self.clients))
                sending = asyncio.ensure_future(self.fix_flow.send(self.fix_rate))
                try:
                    await self.more_by_fix()
                    yield self
                finally:
                    self.fix_flow.stop()
                    await asyncio.wait([sending])
            finally:
                await asyncio.gather(*(client.stop() for client in self.clients))

    async def more_by_fix(self, orders: int = 15) -> None:
        """Wait for so many more reports of new orders."""
        count = len(self.fix_flow.acknowledged)
        await until(lambda: len(self.fix_flow.acknowledged) >= count + orders, "more reports of new orders")

    async def reports(self, leader: Program) -> list[Told]:
        """What each client has been told, once it has everything that the journal makes for it, or that never came."""
        made, wanted = Reports(self.names), {name: set[str]() for name in self.names}
        for line in (leader.data / "journal.jsonl").read_bytes().splitlines():
            for session, fields in made.take(line):
                wanted[session].add(fields[17])
        found = []
        for client in self.clients:
            # Who compares the two finds what is missing.
            with contextlib.suppress(AssertionError):
                await until(lambda one=client: wanted[one.name] <= one.exec_ids.keys())  # type: ignore[misc]
            # "r" begins the id of an answer to a repetition, which is no event.
            known = {name: number for name, number in client.exec_ids.items() if not name.startswith("r")}
            found.append(Told(frozenset(wanted[client.name]), known))
        return found
