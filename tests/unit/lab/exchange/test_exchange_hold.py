# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a gateway holds while no engine leads, and which engine it sends to."""

from __future__ import annotations

import asyncio
import collections
import time

import pytest
from gateway_stubs import a_gateway, engines
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.exchange.hold import Held, HoldFull, HoldQueue
from lab.exchange.settings import read_settings

_names = st.sampled_from(["a", "b", "c", "d", "e"])
_steps = st.lists(
    st.one_of(
        st.tuples(st.just("order"), _names, st.sampled_from([0, 3, 8])),
        st.tuples(st.just("cancel"), _names, st.just(0)),
        st.tuples(st.just("drop"), _names, st.just(0)),
        st.tuples(st.just("wait"), st.just(""), st.integers(1, 4)),
        st.tuples(st.just("send"), st.sampled_from(["online", "cancel_only", "halted", "post_only"]), st.just(0)),
        st.tuples(st.just("back"), st.just("online"), st.just(0)),
    ),
    max_size=40,
)


@settings(max_examples=100, deadline=None)
@given(_steps, st.integers(1, 4))
def test_it_is_bounded_and_each_one_ends_exactly_once(steps: list[tuple[str, str, int]], most: int) -> None:
    hold, now = HoldQueue(most, 5.0), 0.0
    entered: set[Held] = set()
    left: collections.Counter[Held] = collections.Counter()
    for what, text, number in steps:
        if what in ("order", "cancel"):
            try:
                entered.add(hold.add("order" if what == "order" else "cancel", text, now, number))
            except HoldFull:
                assert len(hold) == most
        elif what == "drop":
            found = hold.cancel_order(text)
            left.update([found] if found else [])
        elif what == "wait":
            now += number
            late = hold.overdue(now)
            assert all(now - one.since_s >= 5 for one in late)
            left.update(late)
        else:
            # An engine that leads no more when they come takes none: they wait where they waited before.
            cancels = hold.take_cancels() if what == "send" else []
            left.update(cancels)
            waiting = hold.cancels
            send, expired = hold.take_orders(text, int(now))
            if text != "online" or waiting:
                assert not send and not expired
            assert [one.number for one in send] == sorted(one.number for one in send)
            assert all(0 < one.expires_at_ms <= now for one in expired)
            assert not any(0 < one.expires_at_ms <= now for one in send)
            left.update(expired)
            if what == "back":
                assert [hold.put_back(one) for one in reversed(send)] == send[::-1]
            else:
                left.update(send)
        assert len(hold) <= most
        assert hold.orders + hold.cancels == len(hold) == len(entered) - len(left)
        assert all(count == 1 for count in left.values())
        assert all(now - one.since_s < 5 for one in entered - set(left)) or what != "wait"
    left.update(hold.overdue(now + 5))
    assert len(hold) == 0
    assert set(left) == entered
    assert all(count == 1 for count in left.values())


def test_an_order_that_comes_again_is_the_one_that_is_held() -> None:
    hold = HoldQueue(1, 5.0)
    first = hold.add("order", "a", 1.0)
    assert hold.add("order", "a", 2.0) is first
    assert hold.oldest_s(3.0) == 2.0
    assert HoldQueue(1, 5.0).oldest_s(3.0) is None


async def test_orders_wait_for_the_next_epoch_and_cancels_go_first() -> None:
    async with engines(True, False) as (old, new), a_gateway(old.url, new.url) as gateway:
        assert (await gateway.place("before")).status == 200
        old.leads = False
        tasks = await gateway.begin("a", "b", "c")
        cancel = asyncio.ensure_future(gateway.cancel("before"))
        await gateway.until(lambda: gateway.api.engines.hold.cancels)
        found = await gateway.status()
        assert (found["held"], found["in_flight"], found["accepted"], found["acknowledged"]) == (3, 0, 1, 1)
        assert 0 < found["held_oldest_s"] < 10
        assert found["engine"] == {"epoch": None, "url": old.url}
        new.slow_cancel_s = 0.1
        new.epoch, new.leads = 2, True
        assert [(await task).status for task in tasks] == [200] * 3
        assert (await cancel).status == 200
        assert new.taken == ["cancel before", "a", "b", "c"]
        found = await gateway.status()
        assert (found["held"], found["held_oldest_s"], found["in_flight"], found["accepted"]) == (0, None, 0, 4)
        assert found["engine"] == {"epoch": 2, "url": new.url}
        # The others do not come to the old one first.
        asked = len(old.asked)
        assert (await gateway.place("after")).status == 200
        assert [one for one in old.asked[asked:] if one != "GET /leader"] == []


async def test_nothing_is_asked_besides_the_order_while_all_is_well() -> None:
    async with engines(True) as (engine,), a_gateway(engine.url) as gateway:
        for name in ("a", "b"):
            assert (await gateway.place(name)).status == 200
        assert (await gateway.cancel("a")).status == 200
        assert engine.asked == ["POST /orders", "POST /orders", "DELETE /orders/a"]


async def test_orders_are_sent_at_online_only() -> None:
    async with engines(False) as (engine,), a_gateway(engine.url) as gateway:
        (task,) = await gateway.begin("a")
        engine.mode, engine.leads = "cancel_only", True
        await gateway.until(lambda: gateway.api.engines.epoch == 1)
        # There is one that leads: what it does not take, it refuses itself.
        assert (await gateway.cancel("x")).status == 200
        refused = await gateway.place("b")
        assert (refused.status, refused.json()["code"]) == (409, "mode_cancel_only")
        assert (gateway.api.engines.hold.orders, engine.taken) == (1, ["cancel x"])
        engine.mode = "online"
        assert (await task).status == 200


async def test_held_too_long_may_be_sent_again() -> None:
    async with engines(False) as (engine,), a_gateway(engine.url, hold_s=0.2, hold_most=1) as gateway:
        (task,) = await gateway.begin("a")
        full = await gateway.place("b")
        late = await task
        for answer in (full, late):
            assert answer.status == 503
            assert answer.json()["reason"]
            assert (answer.json()["code"], answer.json()["retriable"]) == ("held_too_long", True)
        found = await gateway.status()
        assert (found["held"], found["accepted"], found["in_flight"]) == (0, 0, 0)
        engine.leads = True
        assert (await gateway.place("a")).status == 200
        assert engine.taken == ["a"]


async def test_an_order_that_expires_while_it_is_held_is_refused() -> None:
    async with engines(False) as (engine,), a_gateway(engine.url) as gateway:
        soon = time.time_ns() // 1_000_000 + 50
        (dated,) = await gateway.begin("a", time_in_force="gtd", expires_at_ms=soon)
        (other,) = await gateway.begin("b", time_in_force="gtd", expires_at_ms=soon + 100_000)
        await asyncio.sleep(0.06)
        engine.leads = True
        assert ((await dated).status, (await dated).json()["code"]) == (409, "expired")
        assert (await other).status == 200
        assert engine.taken == ["b"]


async def test_a_cancel_takes_a_held_order_out() -> None:
    async with engines(False) as (engine,), a_gateway(engine.url) as gateway:
        (task,) = await gateway.begin("a")
        cancelled = await gateway.cancel("a")
        assert cancelled.status == 200
        assert cancelled.json() == {"client_order_id": "a", "status": "cancelled", "accepted": False}
        assert ((await task).status, (await task).json()["code"]) == (409, "cancelled_while_held")
        engine.leads = True
        assert (await gateway.place("b")).status == 200
        assert engine.taken == ["b"]


async def test_an_order_that_the_engine_may_know_is_not_held() -> None:
    """It was accepted and its answer was lost: nobody may say that it never was accepted, nor cancel it here."""
    async with engines(True, False) as (old, new), a_gateway(old.url, new.url) as gateway:
        old.swallow = 1
        task = asyncio.ensure_future(gateway.place("a"))
        await gateway.until(lambda: old.taken)
        old.leads = False
        found = await gateway.status()
        assert (found["held"], found["in_flight"]) == (0, 1)
        # The client asks again, on another connection: that is the same order.
        again = asyncio.ensure_future(gateway.place("a"))
        cancel = asyncio.ensure_future(gateway.cancel("a"))
        await gateway.until(lambda: gateway.api.engines.hold.cancels)
        assert gateway.api.engines.hold.orders == 0
        new.taken, new.epoch, new.leads = ["a"], 2, True
        assert (await task).json()["sequence"] == (await again).json()["sequence"] == 1
        assert "accepted" not in (await cancel).json()
        assert sorted(new.taken) == ["a", "cancel a"]


async def test_with_several_engines_one_that_is_gone_is_no_reason_to_wait_for_it() -> None:
    async with engines(True, False) as (old, new), a_gateway(old.url, new.url) as gateway:
        assert (await gateway.status())["engine"] == {"epoch": 1, "url": old.url}
        await old.stop()
        (task,) = await gateway.begin("a")
        new.leads, new.epoch = True, 2
        assert (await task).status == 200
        assert (await gateway.client.request("GET", "/orders/a")).status == 200
        # The old one comes back and believes that it leads.
        await old.start(old.port)
        assert (await gateway.status())["engine"] == {"epoch": 2, "url": new.url}
        await new.stop()
        (task,) = await gateway.begin("b")
        await asyncio.sleep(0.1)
        assert not task.done(), "an older epoch is over"
        new.epoch = 3
        await new.start(new.port)
        assert (await task).status == 200


@pytest.mark.parametrize("status", [404, 500])
async def test_without_an_answer_about_the_leader_nothing_is_sent(status: int) -> None:
    async with engines(False) as (engine,), a_gateway(engine.url, hold_s=0.15) as gateway:
        engine.leads, found = False, engine._answer

        async def answer(request: object) -> object:
            return (status, {}) if request.path == "/leader" else await found(request)  # type: ignore[attr-defined,arg-type]

        engine._answer = answer  # type: ignore[assignment,method-assign]
        assert (await gateway.place("a")).json()["code"] == "held_too_long"


def test_several_engines_are_a_list() -> None:
    env = {"REFERENCE_DATA_URL": "http://r", "ENGINE_URLS": "http://a:1, http://b:2", "HOLD_MAX": "5", "HOLD_S": "2"}
    found = read_settings(env, "core-api")
    assert (found.engine_url, found.engine_urls) == ("http://a:1", ("http://a:1", "http://b:2"))
    assert (found.hold_most, found.hold_s, found.ws_port) == (5, 2, None)
    assert read_settings({**env, "WS_PORT": "8081"}, "core-api").ws_port == 8081
