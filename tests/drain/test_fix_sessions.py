# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""FIX sessions of a real exchange, with QuickFIX on both sides: what they are told, and that each is told once."""

from __future__ import annotations

import asyncio
import json
import pathlib
import typing as t

import pytest
from drain_region import PATIENCE_S, Json, Program, until
from drain_world import good, verdicts
from fix_region import FixRegion

from lab import quickfix_build
from lab.flow.reconcile import Reconciler

NINE = dict.fromkeys((f"I{number}" for number in range(1, 10)), "pass")


@pytest.fixture(scope="session")
def library() -> pathlib.Path:
    """Compiles QuickFIX when the cache has none."""
    return quickfix_build.use()


class Clients(FixRegion):
    """Five of them."""

    async def told_once(self, leader: Program, follower: Program) -> None:
        """No order is lost or there twice, and each client has each report that the journal makes once."""
        self.fix_flow.stop()
        assert await self.fix_flow.drain(PATIENCE_S) == 0
        await self.account(leader, follower)
        for told in await self.reports(leader):
            assert told.wanted
            assert told.known == dict.fromkeys(told.wanted, 1)
        reconciler = Reconciler("fix", self.fix_flow.acknowledged)
        for event in leader.events():
            if event.get("client_order_id", "").startswith("FIX"):
                reconciler.add("region", event)
        found = reconciler.result()
        assert (found.lost, found.duplicated, found.unacknowledged) == ((), (), 0)
        assert found.accepted == len(self.fix_flow.acknowledged) == self.fix_flow.sent - len(self.fix_flow.refused)

    async def close(self, **given: t.Any) -> Json:
        body = {"command_id": "close", "code": 1012, "waves": 1, "jitter_s": 0, "reason": "maintenance", **given}
        answer = await self.fix.client.request("POST", "/control/close", json.dumps(body).encode(), PATIENCE_S)
        assert answer.status == 200, answer.body
        found: Json = answer.json()
        return found


async def test_a_handover_keeps_the_sessions(tmp_path: pathlib.Path, library: pathlib.Path) -> None:
    async with Clients(tmp_path, library).with_clients() as region:
        old, new = region.old, region.new
        for engine, other in ((old, new), (new, old)):
            result = await region.hand_over(engine, other)
            assert (good(result)["verdict"], verdicts(result)) == ("pass", NINE), result["reason"]
            sentence = next(one["sentence"] for one in result["invariants"] if one["id"] == "I9")
            assert "5 FIX sessions" in sentence
            await region.more_by_fix()
        await region.told_once(leader=old, follower=new)
        region.all_answered()
        assert region.fix_flow.refused == []
        assert [(client.logons, client.logouts) for client in region.clients] == [(1, [])] * 5


async def test_a_drain_logs_out_and_sessions_go_on_where_they_were(
    tmp_path: pathlib.Path, library: pathlib.Path
) -> None:
    async with Clients(tmp_path, library).with_clients() as region:
        full = {"way": "full", "mode": "halted", "new_engine": None, "prove": {"url": region.new.url}}
        full |= {"announce_s": 2.0, "reason": "upgrade"}
        full |= {"close": {"waves": 2, "jitter_s": 0.1}, "resume": {"cancel_only_s": 0.1, "post_only_s": 0.1}}
        result = await region.hand_over(region.old, region.new, **full)
        assert (good(result)["verdict"], verdicts(result)) == ("pass", NINE), result["reason"]
        for client in region.clients:
            assert len(client.logouts) == 1
            assert client.logouts[0]
            kinds = [kind for kind, _ in client.messages]
            assert "B" in kinds
            assert [fields[340] for kind, fields in client.messages if kind == "h"] == ["2", "101", "1"]
        # They try every second, and nobody is let in.
        await asyncio.sleep(2)
        assert not any(client.connected.is_set() for client in region.clients)
        result = await region.hand_over(
            region.old, region.new, **full, state="online", expected=result["proofs"]["before"]
        )
        assert good(result)["mode"] == "online"
        await until(lambda: all(client.connected.is_set() for client in region.clients), "the sessions again")
        await region.more_by_fix()
        await region.told_once(leader=region.old, follower=region.new)
        assert [client.logons for client in region.clients] == [2] * 5


async def test_a_client_that_does_not_answer_is_listed(tmp_path: pathlib.Path, library: pathlib.Path) -> None:
    async with Clients(tmp_path, library).with_clients() as region:
        region.clients[2].sessions.be_silent()
        assert await region.close() == {"closed": 4, "left": ["FIX3"]}
        assert (await region.fix.get("/control/status"))["sessions"]["fix"] == []


async def test_the_gateway_is_killed_and_every_message_comes_once(
    tmp_path: pathlib.Path, library: pathlib.Path
) -> None:
    async with Clients(tmp_path, library).with_clients() as region:
        for _ in range(2):
            region.fix.kill()
            # Meanwhile clients go on sending, and their orders in the book are traded with.
            await region.more()
            region.fix.start()
            await region.fix.ready()
            await until(lambda: all(client.connected.is_set() for client in region.clients), "the sessions again")
            await region.more_by_fix()
        region.fix_flow.stop()
        await region.fix_flow.drain(5)
        # What the gateway had taken and sent to no engine: nobody was told that it is accepted.
        region.fix_flow.again()
        await region.told_once(leader=region.old, follower=region.new)
        assert [client.logons for client in region.clients] == [3] * 5
        assert region.fix_flow.refused == []
