# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients that follow a name, against resolvers on loopback that say what the test wants."""

from __future__ import annotations

import asyncio
import contextlib
import typing as t

import dns.message
import dns.rcode
import dns.rrset
import pytest
from flow_stand_in import Exchange, plan, play, region

from lab.exchange.http_client import HttpFailure
from lab.exchange.http_server import Reply, Request
from lab.flow import names as flow_names
from lab.flow.names import CLIENTS_OF_A_RESOLVER, Names, Resolving
from lab.flow.report import summary

NAME = "api.pincex.test."
US, EU = "127.0.0.2", "127.0.0.3"


class FakeResolver(asyncio.DatagramProtocol):
    """Answers with `address`, and says nothing while it is empty."""

    def __init__(self, address: str, ttl: int) -> None:
        self.address = address
        self.ttl = ttl
        self.asked = 0
        self.transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = t.cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.asked += 1
        answer = dns.message.make_response(dns.message.from_wire(data))
        if self.address:
            answer.answer.append(dns.rrset.from_text(NAME, self.ttl, "IN", "A", self.address))
        else:
            answer.set_rcode(dns.rcode.SERVFAIL)
        self.transport.sendto(answer.to_wire(), addr)

    @property
    def place(self) -> str:
        host, port = self.transport.get_extra_info("sockname")
        return f"{host}:{port}"


@contextlib.asynccontextmanager
async def resolvers(*addresses: str, ttl: int = 300) -> t.AsyncIterator[list[FakeResolver]]:
    made = []
    loop = asyncio.get_running_loop()
    for address in addresses:
        _, one = await loop.create_datagram_endpoint(
            lambda address=address: FakeResolver(address, ttl), local_addr=("127.0.0.1", 0)
        )
        made.append(one)
    try:
        yield made
    finally:
        for one in made:
            one.transport.close()


def resolving(*found: FakeResolver) -> Resolving:
    return Resolving(NAME, tuple(one.place for one in found))


def orders(exchange: Exchange) -> int:
    return sum(request.method == "POST" for request in exchange.seen)


async def test_orders_go_where_the_resolvers_say_and_cancels_to_who_has_the_order() -> None:
    us, eu = Exchange(), Exchange()
    async with region(us, address=US) as us_url, region(eu, address=EU) as eu_url, resolvers(US, US, EU, US) as found:
        made = plan({"us": us_url, "eu": eu_url}, in_flight=1, resolving=resolving(*found))
        _, report = await play(made)
    resolved = report["resolved"]
    assert orders(us) + orders(eu) == 60
    assert 12 <= orders(eu) <= 18, "one of four resolvers, so a quarter"
    assert resolved["orders"]["us"]["acknowledged"] == orders(us)
    assert resolved["failed_orders"] == {"number": 0, "first_failed_at": None, "last_failed_at": None}
    assert (report["totals"]["lost"], report["totals"]["refused"]) == (0, 0)
    assert report["kinds"]["cancel"]["acknowledged"] > 0
    assert [one.asked for one in found] == [CLIENTS_OF_A_RESOLVER] * 4, "the TTL is far away"
    assert sorted(answer[1:] for answer in resolved["answers"]) == sorted(
        [one.place, "eu" if one.address == EU else "us"] for one in found
    )
    assert report["regions"]["us"]["sent"] + report["regions"]["eu"]["sent"] == report["totals"]["sent"]
    assert any(f"us {orders(us)}, eu {orders(eu)}" in line for line in summary(report, 1))


async def test_the_ttl_is_respected_and_then_connections_move() -> None:
    async with resolvers(US, ttl=1) as (one,):
        names = Names(resolving(one), {"us": f"http://{US}:1", "eu": f"http://{EU}:1"}, "")
        first = await names.route(0)
        one.address = EU
        assert await names.route(0) is first
        assert (await names.route(CLIENTS_OF_A_RESOLVER)) is first, "the same client again"
        await asyncio.sleep(1.05)
        moved = await names.route(0)
        assert (first.region, moved.region) == ("us", "eu")
        assert [answer[2] for answer in names.answers] == ["us", "eu"]
        names.close()


async def test_clients_of_one_resolver_ask_for_themselves_and_orders_of_one_client_together() -> None:
    async with resolvers(US) as (one,):
        names = Names(resolving(one), {"us": f"http://{US}:1"}, "")
        routes = await asyncio.gather(*(names.route(number) for number in range(3 * CLIENTS_OF_A_RESOLVER)))
        assert one.asked == CLIENTS_OF_A_RESOLVER
        assert len({id(route.client) for route in routes}) == CLIENTS_OF_A_RESOLVER


async def test_a_connection_that_fails_asks_again_at_once() -> None:
    async with resolvers(US) as (one,):
        names = Names(resolving(one), {"us": f"http://{US}:1", "eu": f"http://{EU}:1"}, "")
        route = await names.route(0)
        one.address = EU
        names.failed(0, route)
        moved = await names.route(0)
        assert (moved.region, one.asked) == ("eu", 2)
        names.failed(0, route)
        assert await names.route(0) is moved, "an order that was sent before says nothing about the new answer"


@pytest.mark.parametrize("address", ["", "127.0.0.9"])
async def test_no_answer_and_an_address_of_nobody_are_failed_orders(address: str) -> None:
    exchange = Exchange()
    async with region(exchange, address=US) as url, resolvers(address) as (one,):
        _, report = await play(plan({"us": url}, resolving=resolving(one)))
    assert orders(exchange) == 0
    assert report["failed_by_version"] == {"none": {"resolve": 60}}
    assert report["resolved"]["orders"]["none"]["failed"] == 60
    assert report["totals"]["sent"] == report["totals"]["failed"] == 60
    assert any("none 60 (failed 60, the last at" in line for line in summary(report, 1))


async def test_the_last_failed_order_of_a_region_that_is_dead_is_told() -> None:
    class Dead(Exchange):
        async def handle(self, request: Request) -> Reply:
            if request.method == "POST":
                self.seen.append(request)
                one.address = EU
                return Reply(500, b"{}")
            return await super().handle(request)

    dead, eu = Dead(), Exchange()
    async with region(dead, address=US) as us_url, region(eu, address=EU) as eu_url, resolvers(US, ttl=0) as (one,):
        _, report = await play(plan({"us": us_url, "eu": eu_url}, in_flight=1, resolving=resolving(one)))
    counts = report["resolved"]["orders"]
    assert counts["us"]["failed"] == orders(dead) == 1
    assert counts["eu"]["acknowledged"] == orders(eu) == 59
    assert counts["eu"]["last_failed_at"] is None
    assert report["started_at"] <= counts["us"]["last_failed_at"] <= report["ended_at"]
    assert report["resolved"]["failed_orders"]["last_failed_at"] == counts["us"]["last_failed_at"]
    assert sum(sum(by.values()) for _, by in report["resolved"]["orders_per_second"]) == 60


async def test_a_client_that_is_cut_off_does_not_take_the_answer_from_the_others() -> None:
    async with resolvers(US) as (one,):
        names = Names(resolving(one), {"us": f"http://{US}:1"}, "")
        impatient = asyncio.ensure_future(names.route(0))
        patient = asyncio.ensure_future(names.route(CLIENTS_OF_A_RESOLVER))
        await asyncio.sleep(0)
        impatient.cancel()
        assert (await patient).region == "us"
        assert one.asked == 1


async def test_silence_is_a_failure_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow_names, "_ANSWER_S", 0.02)
    names = Names(Resolving(NAME, ("127.0.0.1:1",)), {"us": f"http://{US}:1"}, "")
    with pytest.raises(HttpFailure, match="has no answer") as caught:
        await names.route(0)
    assert caught.value.kind == "resolve"
