# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A short flow against servers on loopback that stand in for gateway and engine."""

from __future__ import annotations

import asyncio
import contextlib
import json
import typing as t

import pytest

from lab.exchange.http_server import HttpServer, Reply, Request
from lab.exchange.orders import Refusal, parse_order
from lab.exchange.pairs import PAIRS
from lab.exchange.venue import Event, Venue, cancelled_result, opening_deposits, order_result, placed_result
from lab.flow import run as flow_run
from lab.flow.engines import EngineError
from lab.flow.plan import Plan
from lab.flow.report import figures, is_whole, summary
from lab.flow.run import Flow, reconcile

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

    async def handle(self, request: Request) -> Reply:
        if request.path == "/journal":
            after = int(request.parameters()["after"])
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
async def region(exchange: Exchange, version: str = "v1") -> t.AsyncIterator[str]:
    server = HttpServer(exchange.handle, {"x-version": version} if version else {})
    port = await server.start(LOOPBACK, 0)
    yield f"http://{LOOPBACK}:{port}"
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
    flow = Flow(made, "ab")
    started_at = flow.now()
    await flow.send()
    await flow.drain()
    reconciliation, engines = await reconcile(flow)
    report = figures(flow, started_at, flow.now(), reconciliation, engines)
    assert json.loads(json.dumps(report)) == report
    return flow, report


async def test_a_healthy_run() -> None:
    us, eu = Exchange(), Exchange()
    async with region(us) as us_url, region(eu, "v2") as eu_url:
        flow, report = await play(plan({"eu": eu_url, "us": us_url}))
    totals = report["totals"]
    assert totals["sent"] == totals["acknowledged"] == len(us.seen) + len(eu.seen)
    assert (totals["refused"], totals["failed"], totals["lost"], totals["duplicated"]) == (0, 0, 0, 0)
    assert report["kinds"]["order"]["acknowledged"] == totals["accepted_orders"] == ORDERS
    assert report["kinds"]["cancel"]["acknowledged"] > 0
    assert report["kinds"]["query"]["acknowledged"] > 0
    assert report["regions"]["eu"]["versions"].keys() == {"v2"}
    assert report["regions"]["us"]["last_sequence"] == us.venue.sequence
    assert is_whole(report)
    assert "lost 0  duplicated 0" in summary(report, 1)[-1]
    assert f"acknowledged {totals['acknowledged']}" in flow.line(61)


async def test_an_order_that_is_not_in_the_journal_is_lost() -> None:
    exchange = Exchange()
    async with region(exchange) as url:
        flow = Flow(plan({"us": url}), "ab")
        await flow.send()
        await flow.drain()
        lost = exchange.events.pop()
        reconciliation, engines = await reconcile(flow)
    assert [one.client_order_id for one in reconciliation.lost] == [lost["client_order_id"]]
    report = figures(flow, 0, 1, reconciliation, engines)
    assert not is_whole(report)
    assert any(lost["client_order_id"] in line for line in summary(report, 1))


async def test_failures_belong_to_their_version_and_the_gateways_own_to_a_healthy_one() -> None:
    class Bad(Exchange):
        async def handle(self, request: Request) -> Reply:
            if request.method == "POST":
                return Reply(500, b"{}")
            return await super().handle(request)

    async with region(Bad(), "v3") as bad_url, region(Bad(), "") as gateway_url:
        _, report = await play(plan({"eu": bad_url, "us": gateway_url}))
    by_version = report["failed_by_version"]
    assert by_version == {"none": {"500": ORDERS / 2}, "v3": {"500": ORDERS / 2}}
    assert report["totals"]["failed_by_healthy_versions"] == ORDERS / 2
    assert report["versions"]["v3"]["first_bad_at"] <= report["versions"]["v3"]["last_bad_at"]
    assert {row[2] for row in report["bad_answers"]} == {"none", "v3"}


async def test_no_answer_at_all_is_a_failure_without_a_version() -> None:
    async with region(Exchange()) as url:
        made = plan({"us": url})
    flow = Flow(made, "ab")
    await flow.send()
    await flow.drain()
    assert flow.tally.failed_by_version() == {"none": {"connect": ORDERS}}


async def test_what_hangs_is_cut_off_and_counted() -> None:
    class Hanging(Exchange):
        async def handle(self, request: Request) -> Reply:
            await never.wait()
            return Reply(200, b"{}")

    never = asyncio.Event()
    async with region(Hanging()) as url:
        # The bound holds the time table up; stopping gets out of it.
        flow = Flow(plan({"us": url}, in_flight=3, seconds=None, timeout_s=0.1), "ab")
        sending = asyncio.ensure_future(flow.send())
        while flow.most_in_flight < 3:
            await asyncio.sleep(0)
        await asyncio.sleep(0.02)
        flow.stop()
        await sending
        await flow.drain()
        assert flow.sent == flow.most_in_flight == 3
        assert flow.tally.counts() == {"acknowledged": 0, "refused": 0, "failed": 3}
        never.set()


async def test_a_journal_with_a_gap_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow_run, "_JOURNAL_S", 0)
    exchange = Exchange()
    async with region(exchange) as url:
        flow = Flow(plan({"us": url}), "ab")
        await flow.send()
        await flow.drain()
        del exchange.events[3]
        with pytest.raises(EngineError, match="after event 3 the journal has 5"):
            await reconcile(flow)
    report = figures(flow, 0, 1, None, {})
    assert report["totals"]["lost"] is None
    assert not is_whole(report)
