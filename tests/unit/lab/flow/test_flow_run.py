# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A short flow against servers on loopback that stand in for gateway and engine."""

from __future__ import annotations

import asyncio
import json

import pytest
from flow_stand_in import ORDERS, Exchange, plan, play, region

from lab.exchange.http_server import Reply, Request
from lab.flow import run as flow_run
from lab.flow.engines import EngineError
from lab.flow.report import figures, is_whole, summary
from lab.flow.run import Flow, reconcile


async def test_a_healthy_run() -> None:
    us, eu = Exchange(), Exchange()
    async with region(us) as us_url, region(eu, "v2") as eu_url:
        # Slowly enough that a busy machine acknowledges the orders before their cancels are due.
        flow, report = await play(plan({"eu": eu_url, "us": us_url}, rate=200, seconds=ORDERS / 200))
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


@pytest.mark.parametrize(("status", "known"), [(200, True), (503, False)])
async def test_what_the_journal_had_before_the_run_is_not_read(status: int, known: bool) -> None:
    """A lab that has had a hundred runs has millions of events. An engine that does not say how many it has is read
    from its first one."""
    exchange = Exchange()
    exchange.leader_status = status
    before = len(exchange.events)
    async with region(exchange) as url:
        _, report = await play(plan({"us": url}))
    assert before > 0
    assert exchange.read_after[0] == (before if known else 0)
    assert report["regions"]["us"]["last_sequence"] == len(exchange.events)
    assert report["totals"]["accepted_orders"] > 0
    assert is_whole(report)


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


async def test_an_exchange_that_does_not_trade_is_told_from_one_that_refuses() -> None:
    class Draining(Exchange):
        """Its answers take turns; queries and cancels are those of a gateway that has no engine."""

        replies = (
            (409, {"reason": "", "code": "mode_halted"}),
            (503, {"reason": "", "code": "held_too_long", "retriable": True}),
            (409, {"reason": "no"}),
            (503, {"reason": "the matching engine is away"}),
            (409, ["no object"]),
        )

        async def handle(self, request: Request) -> Reply:
            if request.method != "POST" or request.path == "/journal":
                return await super().handle(request)
            self.seen.append(request)
            status, body = self.replies[len(self.seen) % len(self.replies)]
            return Reply(status, json.dumps(body).encode())

    async with region(Draining()) as url:
        _, report = await play(plan({"us": url}))
    each = ORDERS // 5
    assert report["refused_by_code"] == {"409": 2 * each, "held_too_long": each, "mode_halted": each}
    totals = report["totals"]
    assert (totals["refused"], totals["turned_away"], totals["failed"]) == (4 * each, 2 * each, each)
    assert report["failed_by_version"] == {"v1": {"503": each}}
    assert any("mode_halted; 24 of them" in line for line in summary(report, 1))
    assert is_whole(report)


async def test_a_cancel_of_an_order_that_no_engine_saw_is_looked_for_in_no_journal() -> None:
    class Holding(Exchange):
        async def handle(self, request: Request) -> Reply:
            if request.method == "DELETE":
                body = {"client_order_id": request.path[8:], "status": "cancelled", "accepted": False}
                return Reply(200, json.dumps(body).encode())
            return await super().handle(request)

    async with region(Holding()) as url:
        flow = Flow(plan({"us": url}), "ab")
        # However slow the machine is, the first cancel finds one.
        flow._regions["us"].resting.append("us-ab-resting")
        await flow.send()
        await flow.drain()
        reconciliation, engines = await reconcile(flow)
    report = figures(flow, 0, 1, reconciliation, engines)
    assert report["totals"]["cancelled_unaccepted"] == report["kinds"]["cancel"]["acknowledged"] > 0
    assert [one for one in flow.acknowledged if one.kind == "cancel"] == []
    assert is_whole(report)


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
