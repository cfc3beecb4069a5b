# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers on loopback that stand in for gateway and engine of a region, and a short flow over them."""

from __future__ import annotations

import contextlib
import json
import typing as t

from lab.exchange.http_server import HttpServer, Reply, Request
from lab.exchange.orders import Refusal, parse_order
from lab.exchange.pairs import PAIRS
from lab.exchange.venue import Event, Venue, cancelled_result, opening_deposits, order_result, placed_result
from lab.flow.plan import Plan
from lab.flow.report import figures
from lab.flow.run import Flow, reconcile, run_flow

LOOPBACK = "127.0.0.1"
ORDERS = 60


class Exchange:
    """One region behind one port: answers as core-api does, and gives the journal as the engine does."""

    def __init__(self) -> None:
        self.venue = Venue(PAIRS)
        # As the engine does it: the journal begins with what is no order.
        self.events: list[Event] = [
            self.venue.deposit(account, amounts, 0) for account, amounts in opening_deposits(PAIRS, ("house",))
        ]
        self.seen: list[Request] = []
        #: The numbers after which the journal was asked for.
        self.read_after: list[int] = []
        self.leader_status = 200

    async def handle(self, request: Request) -> Reply:
        if request.path == "/leader":
            return Reply(self.leader_status, json.dumps({"sequence": len(self.events)}).encode())
        if request.path == "/journal":
            after = int(request.parameters()["after"])
            self.read_after.append(after)
            return Reply(200, b"".join(json.dumps(event).encode() + b"\n" for event in self.events[after:]))
        self.seen.append(request)
        try:
            return Reply(200, json.dumps(self._answer(request)).encode())
        except Refusal as refusal:
            return Reply(refusal.status, b"{}")

    def _answer(self, request: Request) -> dict[str, t.Any]:
        identity = request.path.rpartition("/")[2]
        if request.method == "GET":
            return order_result(self.venue.orders[identity])
        if request.method == "POST":
            self.events += self.venue.due(at_ms := len(self.seen) * 100)
            order, event = self.venue.place(parse_order(request.body), at_ms)
        else:
            order, event = self.venue.cancel(identity, self.venue.at_ms)
        if event is not None:
            self.events.append(event)
        return placed_result(order) if request.method == "POST" else cancelled_result(order)


@contextlib.asynccontextmanager
async def region(exchange: Exchange, version: str = "v1", address: str = LOOPBACK) -> t.AsyncIterator[str]:
    server = HttpServer(exchange.handle, {"x-version": version} if version else {})
    port = await server.start(address, 0)
    yield f"http://{address}:{port}"
    await server.stop(1)


def plan(gateways: dict[str, str], **changes: t.Any) -> Plan:
    values: dict[str, t.Any] = {
        "gateways": gateways,
        "engines": gateways,
        "kubeconfig": None,
        "rate": 1000,
        "seconds": ORDERS / 1000,
        "out": None,
        "bad_versions": ("v3",),
        "in_flight": 100,
        "timeout_s": 5,
    }
    return Plan(**{**values, **changes})


async def play(made: Plan) -> tuple[Flow, dict[str, t.Any]]:
    flow, started_at, ended_at = await run_flow(made, "ab")
    reconciliation, engines = await reconcile(flow)
    report = figures(flow, started_at, ended_at, reconciliation, engines)
    assert json.loads(json.dumps(report)) == report
    return flow, report
