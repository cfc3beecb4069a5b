# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""drain_trading on the whole reference exchange: engines and gateways are processes, and orders never stop coming.

Whatever is killed: no acknowledged order is lost, none is there twice, and trade goes on by itself.
"""

from __future__ import annotations

import asyncio
import json
import pathlib
import threading
import time
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain.control import Exchange
from drain_region import PATIENCE_S, DrainRegion, Json, Program, until
from drain_world import good, play, verdicts
from journal_world import World as JournalWorld
from pod_world import IN_REGION

NINE = dict.fromkeys((f"I{number}" for number in range(1, 10)), "pass")
#: Of the cuts that nobody confirms, in seconds: so long the test waits.
DEADLINE_S = 4.0
#: Of those that are confirmed, however slow the machine is; with a process that starts again meanwhile.
LONG_S = 40.0


def proved(result: Json) -> None:
    assert (good(result)["verdict"], verdicts(result)) == ("pass", NINE), result["reason"]


def came_back(engine: Program) -> None:
    """The epoch was opened again by its owner, as the next event, and not before the deadline of the cut."""
    closed, opened = engine.epochs()[-2:]
    assert (closed["kind"], opened["kind"], opened["seq"]) == ("epoch_closed", "epoch_opened", closed["seq"] + 1)
    assert (opened["epoch"], opened["by"]) == (closed["epoch"], engine.name)
    assert opened["at"] >= closed["until_ms"]


@pytest.fixture
def after(monkeypatch: pytest.MonkeyPatch) -> t.Callable[[str, t.Callable[[], None]], None]:
    """after(call, act): do that once, right after the exchange has answered that request of the module."""

    def hook(wanted: str, act: t.Callable[[], None]) -> None:
        ask, lock = Exchange.ask, threading.Lock()

        def asked(exchange: Exchange, call: str, **values: t.Any) -> Json:
            found = ask(exchange, call, **values)
            if call == wanted and lock.acquire(blocking=False):
                act()
            return found

        monkeypatch.setattr(Exchange, "ask", asked)

    return hook


def killed_and_started(engine: Program) -> t.Callable[[], None]:
    def act() -> None:
        engine.kill()
        engine.start()

    return act


async def test_handed_over_and_back(tmp_path: pathlib.Path) -> None:
    async with DrainRegion(tmp_path).trading() as region:
        old, new = region.old, region.new
        for engine, other in ((old, new), (new, old)):
            result = await region.hand_over(engine, other, cut_deadline_s=LONG_S)
            proved(result)
            off = result["matching_off"]
            assert 0 <= off["engines_ms"] <= off["at_most_ms"] <= 1000 * LONG_S
            assert (await engine.status())["role"] == "follower"
            assert (await other.status())["role"] == "leader"
            await region.more()
        await region.account(leader=old, follower=new)
        region.all_answered()
        await region.market_data_is_whole(old)
        assert [one["epoch"] for one in old.epochs()] == [1, 2, 2, 3]


async def test_drained_fully_and_online_again(tmp_path: pathlib.Path) -> None:
    async with DrainRegion(tmp_path).trading() as region:
        full = {"way": "full", "mode": "halted", "new_engine": None, "prove": {"url": region.new.url}}
        full |= {"close": {"waves": 2, "jitter_s": 0.1}, "resume": {"cancel_only_s": 0.1, "post_only_s": 0.1}}
        result = await region.hand_over(region.old, region.new, **full)
        proved(result)
        assert result["unsettled"] == []
        await until(lambda: all(one.closed == 1012 for one in region.listeners), "the end of all sessions")
        for gateway in region.gateways:
            assert (await gateway.client.request("GET", "/health/ready")).status == 503
        # The flow goes on, and is told what it may try again later.
        refused = region.flow.tally.counts()["refused"]
        await until(lambda: region.flow.tally.counts()["refused"] > refused, "refusals")
        result = await region.hand_over(
            region.old, region.new, **full, state="online", expected=result["proofs"]["before"]
        )
        assert good(result)["mode"] == "online"
        assert "fail" not in verdicts(result).values()
        for listener in region.listeners:
            await listener.close()
        region.listen()
        await until(lambda: all(one.begun for one in region.listeners), "new sessions")
        await region.more()
        await region.account(leader=region.old, follower=region.new)
        assert region.flow.tally.counts()["failed"] == 0, region.flow.tally.bad_answers()[:5]
        await region.market_data_is_whole(region.old)


@pytest.mark.parametrize(("when", "call"), [("after", "cut"), ("before", "open")])
async def test_the_module_is_killed_while_nobody_trades(tmp_path: pathlib.Path, when: str, call: str) -> None:
    async with DrainRegion(tmp_path).trading() as region:
        await region.hand_over_and_die(when, call, DEADLINE_S)
        await region.more()
        came_back(region.old)
        # The next one finds everything as it was.
        proved(await region.hand_over(region.old, region.new, cut_deadline_s=LONG_S))
        await region.more()
        await region.account(leader=region.new, follower=region.old)
        region.all_answered()
        await region.market_data_is_whole(region.new)


async def test_the_module_is_killed_after_the_opening(tmp_path: pathlib.Path) -> None:
    async with DrainRegion(tmp_path).trading() as region:
        await region.hand_over_and_die("after", "open", LONG_S)
        await region.more()
        # What is left: the old engine follows.
        assert [step["name"] for step in good(await region.hand_over(region.old, region.new))["steps"]][-1] == (
            "follow_back"
        )
        await region.account(leader=region.new, follower=region.old)
        region.all_answered()
        await region.market_data_is_whole(region.new)


async def test_the_new_engine_is_killed_right_after_it_opened(
    tmp_path: pathlib.Path, after: t.Callable[[str, t.Callable[[], None]], None]
) -> None:
    async with DrainRegion(tmp_path).trading() as region:
        after("open", killed_and_started(region.new))
        proved(await region.hand_over(region.old, region.new, cut_deadline_s=LONG_S))
        await region.more()
        assert [one["epoch"] for one in region.new.epochs()] == [1, 2]
        await region.account(leader=region.new, follower=region.old)
        region.all_answered()
        await region.market_data_is_whole(region.new)


async def test_the_old_engine_is_killed_right_after_the_cut(
    tmp_path: pathlib.Path, after: t.Callable[[str, t.Callable[[], None]], None]
) -> None:
    """It is closed still when it is back, and what it proves is what it proved before."""
    async with DrainRegion(tmp_path).trading() as region:
        after("cut", killed_and_started(region.old))
        proved(await region.hand_over(region.old, region.new, cut_deadline_s=LONG_S))
        await region.more()
        await region.account(leader=region.new, follower=region.old)
        region.all_answered()
        await region.market_data_is_whole(region.new)


async def test_module_and_old_engine_are_killed_after_the_cut(tmp_path: pathlib.Path) -> None:
    async with DrainRegion(tmp_path).trading() as region:
        await region.hand_over_and_die("after", "cut", DEADLINE_S)
        region.old.kill()
        await asyncio.sleep(DEADLINE_S / 4)
        region.old.start()
        await region.old.ready()
        await region.more()
        came_back(region.old)
        await region.account(leader=region.old, follower=region.new)
        region.all_answered()
        await region.market_data_is_whole(region.old)


async def test_a_release_is_taken_back_out_of_its_journal(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engines run as processes, the journal is on an API server in memory."""
    _fleet, release = (journal := JournalWorld(monkeypatch)).opened()
    inside = {**IN_REGION, "release": release.to_option()}
    async with DrainRegion(tmp_path).trading() as region:
        proved(await region.hand_over(region.old, region.new, cut_deadline_s=LONG_S, **inside))
        await region.more()
        journal.journal(release).write_undo("eu-west-1", "errors")
        result = await asyncio.to_thread(play, {"state": "restored", **inside})
        proved(result)
        assert result["state"]["after"]["leader"] == "blue"
        await region.more()
        again = good(await asyncio.to_thread(play, {"state": "restored", **inside}))
        assert (again["changed"], again["reason"]) == (False, "blue leads in epoch 3, as before the release")
        await region.account(leader=region.old, follower=region.new)
        region.all_answered()
        await region.market_data_is_whole(region.old)


async def test_what_is_held_while_the_epoch_is_closed(tmp_path: pathlib.Path) -> None:
    """Cancels go before orders; what was cancelled or has expired meanwhile never reaches an engine."""
    async with DrainRegion(tmp_path).trading() as region:
        gateway = region.gateways[0]

        async def place(name: str, **more: t.Any) -> tuple[int, Json]:
            fields = {"pair": "BTC-USD", "side": "buy", "price": 10, "quantity": 1, "type": "limit", **more}
            body = json.dumps({"client_order_id": name, **fields}).encode()
            answer = await gateway.client.request("POST", "/orders", body, timeout_s=PATIENCE_S)
            return answer.status, answer.json()

        async def cancel(name: str) -> tuple[int, Json]:
            answer = await gateway.client.request("DELETE", f"/orders/{name}", timeout_s=PATIENCE_S)
            return answer.status, answer.json()

        async def held(count: int) -> None:
            async with asyncio.timeout(PATIENCE_S):
                while (await gateway.get("/control/status"))["held"] < count:
                    await asyncio.sleep(0.01)

        async def tell(call: str, **fields: t.Any) -> Json:
            body = json.dumps({"command_id": call, **fields}).encode()
            answer = await region.old.client.request("POST", f"/control/{call}", body)
            assert answer.status == 200, answer.body
            return t.cast("Json", answer.json())

        # What the gateway holds is then only what is sent here.
        region.flow.stop()
        await region.flow.drain()
        assert (await place("resting"))[0] == 200
        cut = await tell("cut", deadline_s=PATIENCE_S)
        expires_ms = int(1000 * (time.time() + DEADLINE_S))
        soon = {"time_in_force": "gtd", "expires_at_ms": expires_ms}
        orders = [asyncio.ensure_future(place("good")), asyncio.ensure_future(place("out"))]
        orders.append(asyncio.ensure_future(place("late", **soon)))
        await held(3)
        assert await cancel("out") == (200, {"client_order_id": "out", "status": "cancelled", "accepted": False})
        resting = asyncio.ensure_future(cancel("resting"))
        await until(lambda: 1000 * time.time() > expires_ms, "the expiry")
        await tell("open", epoch=cut["epoch"], after={"epoch": cut["epoch"], "sequence": cut["sequence"]})
        status, told = await resting
        assert (status, told["status"]) == (200, "cancelled")
        answers = [await order for order in orders]
        assert [status for status, _ in answers] == [200, 409, 409]
        assert [told["code"] for _, told in answers[1:]] == ["cancelled_while_held", "expired"]
        assert told["sequence"] < answers[0][1]["sequence"]
        known = {event.get("client_order_id") for event in region.old.events()}
        assert known.isdisjoint({"out", "late"})
        await region.account(leader=region.old, follower=region.new)
        region.all_answered()
