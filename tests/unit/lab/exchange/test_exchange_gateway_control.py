# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the operator asks of a gateway."""

from __future__ import annotations

import asyncio
import typing as t

import pytest
from gateway_stubs import a_gateway, engines
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.exchange import acknowledged
from lab.exchange.acknowledged import Acknowledged


async def test_the_status_is_what_the_contract_says() -> None:
    async with engines(True) as (engine,), a_gateway(engine.url, version="v2") as gateway:
        await gateway.place("a")
        found = await gateway.status()
        assert found.pop("name")
        assert found == {
            "version": "v2",
            "role": "gateway",
            "ready": True,
            "accepted": 1,
            "acknowledged": 1,
            "in_flight": 0,
            "held": 0,
            "held_oldest_s": None,
            "engine": {"epoch": 1, "url": engine.url},
            "sessions": {"websocket": 0, "fix": []},
        }


async def test_orders_in_flight_are_counted_until_they_are_answered() -> None:
    async with engines(True) as (engine,), a_gateway(engine.url) as gateway:
        go_on, found = asyncio.Event(), engine._answer

        async def slow(request: t.Any) -> t.Any:
            if request.method == "POST":
                await go_on.wait()
            return await found(request)

        engine._answer = slow  # type: ignore[method-assign]
        task = asyncio.ensure_future(gateway.place("a"))
        await gateway.until(lambda: gateway.api.engines.counts.in_flight)
        status = await gateway.status()
        assert (status["in_flight"], status["accepted"], status["acknowledged"]) == (1, 1, 0)
        # The flow of orders that an engine in that mode refuses is not in flight: it never comes to an end.
        engine.mode = "cancel_only"
        assert (await gateway.status())["in_flight"] == 1
        more = asyncio.ensure_future(gateway.place("b"))
        await asyncio.sleep(0.05)
        assert (await gateway.status())["in_flight"] == 1
        go_on.set()
        assert [(await task).status, (await more).status] == [409, 409]
        status = await gateway.status()
        assert (status["in_flight"], status["accepted"], status["acknowledged"]) == (0, 1, 1)


async def test_acknowledged_orders_are_told_once_or_again() -> None:
    async with engines(True) as (engine,), a_gateway(engine.url) as gateway:
        for name in ("a", "b", "c"):
            await gateway.place(name)
        engine.mode = "halted"
        assert (await gateway.place("refused")).status == 409
        found = (await gateway.client.request("GET", "/control/acks?after=0")).json()
        assert found == {"acks": [["a", 1], ["b", 2], ["c", 3]], "next": 3}
        assert (await gateway.client.request("GET", "/control/acks")).json() == found
        found = (await gateway.client.request("GET", "/control/acks?after=2")).json()
        assert found == {"acks": [["c", 3]], "next": 3}
        assert (await gateway.client.request("GET", "/control/acks?after=-1")).status == 400


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from("abcd"), max_size=30), st.integers(0, 35))
def test_the_newest_acknowledgements_are_kept(names: list[str], after: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(acknowledged, "_KEPT", 10)
        counts = Acknowledged()
        for number, name in enumerate(names):
            counts.add(name, number)
        everything = list(zip(names, range(len(names)), strict=True))
        assert counts.after(after) == (everything[max(after, len(names) - 10) :], len(names))
        assert {name for name in "abcd" if name in counts} == set(names[-10:])


async def test_ready_is_told_and_changed() -> None:
    async with engines(True) as (engine,), a_gateway(engine.url) as gateway:
        assert (await gateway.command("ready", "c-1", ready=False)).json() == {}
        assert not (await gateway.status())["ready"]
        assert (await gateway.client.request("GET", "/health/ready")).status == 503
        assert (await gateway.command("ready", "c-2", ready=True)).status == 200
        # The first command again does nothing.
        assert (await gateway.command("ready", "c-1", ready=False)).json() == {}
        assert (await gateway.status())["ready"]
        assert (await gateway.client.request("GET", "/health/ready")).status == 200


async def test_what_is_never_ready_stays_so() -> None:
    async with engines(True) as (engine,), a_gateway(engine.url, version="v6") as gateway:
        assert (await gateway.command("ready", ready=True)).status == 200
        assert not (await gateway.status())["ready"]


@pytest.mark.parametrize(
    ("command", "body", "status"),
    [
        ("ready", {"ready": 1}, 400),
        ("ready", {}, 400),
        ("ready", {"ready": True, "command_id": 1}, 400),
        ("close", {"code": 1012, "waves": 0, "jitter_s": 0}, 400),
        ("close", {"code": 99, "waves": 1, "jitter_s": 0}, 400),
        ("close", {"code": 1012, "waves": 1, "jitter_s": -1}, 400),
        ("close", {"code": 1012, "waves": 1, "jitter_s": 0}, 200),
        ("cut", {}, 404),
    ],
)
async def test_bad_commands_are_refused(command: str, body: dict[str, t.Any], status: int) -> None:
    async with engines(True) as (engine,), a_gateway(engine.url) as gateway:
        answer = await gateway.command(command, **{"command_id": "c-1", **body})
        assert answer.status == status
        assert answer.json() == {"closed": 0, "left": []} if status == 200 else answer.json()["reason"]
        assert (await gateway.client.request("GET", "/control/cut")).status == 404
