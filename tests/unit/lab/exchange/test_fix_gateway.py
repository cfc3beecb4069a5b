# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The FIX gateway in front of real engines; a double stands for QuickFIX, whose part tests/drain has."""

from __future__ import annotations

import asyncio
import collections.abc as c
import contextlib
import json
import pathlib
import typing as t

import pytest
from engines import LOOPBACK, Node, a_region, until

from lab.exchange.fix_control import FixControl
from lab.exchange.fix_gateway import FixGateway
from lab.exchange.fix_messages import Fields
from lab.exchange.http_client import Answer, HttpClient
from lab.exchange.orders import NewOrder
from lab.exchange.service import Service
from lab.exchange.settings import Settings, SettingsError, read_settings

NAMES = ("FIX1", "FIX2")
ORDER = {55: "BTC-USD", 54: "1", 38: "0.00005", 40: "2", 44: "9.00", 59: "1"}


class Double:
    """Sessions that keep what is sent. `silent` ones do not answer a Logout, and are dropped."""

    def __init__(self, stored: t.Iterable[str] = ()) -> None:
        self.gateway: FixGateway
        self.messages: list[tuple[str, str, Fields]] = []
        self.stored = set(stored)
        self.enabled = set(NAMES)
        self.silent: set[str] = set()
        self.logouts: list[tuple[str, str]] = []

    def send(self, session: str, kind: str, fields: Fields) -> None:
        self.messages.append((session, kind, fields))

    def sent(self) -> set[str]:
        return self.stored

    def numbers(self, session: str) -> tuple[int, int]:
        return 1 + sum(one[0] == session for one in self.messages), 1

    def enable(self, session: str) -> None:
        self.enabled.add(session)

    def disable(self, session: str, reason: str) -> None:
        self.enabled.discard(session)
        self.logouts.append((session, reason))
        if session not in self.silent:
            self.gateway.on_logout_message(session, "")
        self.gateway.on_logout(session)

    def of(self, kind: str) -> list[Fields]:
        return [fields for _, one, fields in self.messages if one == kind]


class Fix:
    """A gateway with its sessions, as clients and the operator see it."""

    def __init__(self, gateway: FixGateway, sessions: Double, client: HttpClient) -> None:
        self.gateway, self.sessions, self.client = gateway, sessions, client

    def send(self, kind: str, session: str = "FIX1", **fields: str) -> None:
        self.gateway.on_message(session, kind, {int(tag[1:]): value for tag, value in fields.items()}, 1)

    def place(self, cl_ord_id: str, session: str = "FIX1", **changes: str) -> None:
        fields = {f"t{tag}": value for tag, value in {**ORDER, 11: cl_ord_id}.items()}
        self.send("D", session, **{**fields, **changes})

    async def told(self, kind: str, count: int = 1) -> list[Fields]:
        await until(lambda: len(self.sessions.of(kind)) >= count)
        await asyncio.sleep(0.03)
        assert len(self.sessions.of(kind)) == count
        return self.sessions.of(kind)

    async def ask(self, name: str, **body: t.Any) -> t.Any:
        method = "POST" if body else "GET"
        text = json.dumps({"command_id": "c-1", **body}).encode() if body else b""
        answer = await self.client.request(method, f"/control/{name}", text, timeout_s=20)
        assert answer.status == 200, answer.body
        return answer.json()


@contextlib.asynccontextmanager
async def a_gateway(
    path: pathlib.Path, *nodes: Node, sessions: Double | None = None, **more: t.Any
) -> c.AsyncIterator[Fix]:
    urls = tuple(node.url for node in nodes)
    given = {"engine_url": urls[0], "engine_urls": urls, "order_deadline_s": 3, "fix_sessions": NAMES, **more}
    settings = Settings("fix-gateway", port=0, linger_s=0, data=path / "fix", **given)
    sessions = sessions or Double()
    service, gateway = Service(settings), FixGateway(settings)
    sessions.gateway = gateway
    FixControl(service, gateway, sessions, NAMES).attach()
    client = HttpClient(f"http://{LOOPBACK}:{await service.start(LOOPBACK)}")
    await gateway.start(sessions)
    for name in NAMES:
        gateway.on_logon(name)
    try:
        yield Fix(gateway, sessions, client)
    finally:
        client.close()
        await service.stop()
        gateway.stop()


async def test_an_order_from_its_beginning_to_its_end(tmp_path: pathlib.Path) -> None:
    async with a_region(tmp_path) as (old, new), a_gateway(tmp_path, old, new) as fix:
        fix.place("a")
        accepted = (await fix.told("8"))[0]
        assert (accepted[11], accepted[150], accepted[37]) == ("a", "0", str(old.sequence))
        assert old.engine.venue.orders["FIX1.a"].quantity == 5
        fix.send("H", t11="a")
        assert (await fix.told("8", 2))[1][150] == "I"
        fix.send("F", t11="c", t41="a")
        ended = (await fix.told("8", 3))[2]
        assert (ended[11], ended[41], ended[150]) == ("c", "a", "4")
        # Once more, and what nobody knows.
        fix.send("F", t11="d", t41="a")
        assert (await fix.told("9"))[0][102] == "0"
        fix.send("F", t11="e", t41="nobody")
        assert (await fix.told("9", 2))[1][102] == "1"
        fix.send("H", t11="nobody")
        assert (await fix.told("8", 4))[3][103] == "5"
        acks = (await fix.ask("acks"))["acks"]
        assert ["FIX1.a", int(accepted[37])] in acks


async def test_an_order_that_comes_twice_is_accepted_once(tmp_path: pathlib.Path) -> None:
    async with a_region(tmp_path) as (old, _), a_gateway(tmp_path, old) as fix:
        fix.place("a")
        await fix.told("8")
        fix.place("a")
        reports = await fix.told("8", 2)
        assert [one[150] for one in reports] == ["0", "I"]
        assert reports[0][37] == reports[1][37]


async def test_a_cancel_that_overtakes_its_order_waits_for_it(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_region(tmp_path) as (old, _), a_gateway(tmp_path, old) as fix:
        place = fix.gateway.engines.place

        async def late(order: NewOrder, body: bytes, deadline: float) -> Answer:
            await asyncio.sleep(0.05)
            return await place(order, body, deadline)

        monkeypatch.setattr(fix.gateway.engines, "place", late)
        fix.place("a")
        fix.send("F", t11="c", t41="a")
        assert [(one[11], one[150]) for one in await fix.told("8", 2)] == [("a", "0"), ("c", "4")]
        assert fix.sessions.of("9") == []


async def test_refusals_say_why(tmp_path: pathlib.Path) -> None:
    async with a_region(tmp_path) as (old, _), a_gateway(tmp_path, old) as fix:
        fix.place("a", t44="9.001")
        assert "Price" in (await fix.told("8"))[0][58]
        await old.told("mode", mode="cancel_only", reason="upgrade", pause_timers=True)
        status = await fix.told("h", 4)
        assert [one[340] for one in status] == ["2", "2", "101", "101"]
        fix.place("b")
        report = (await fix.told("8", 2))[1]
        assert (report[103], report[58][:16]) == ("2", "mode_cancel_only")
        fix.send("AE")
        fix.send("D")
        assert [one[380] for one in await fix.told("j", 2)] == ["3", "5"]


async def test_a_fill_reaches_both_sessions(tmp_path: pathlib.Path) -> None:
    async with a_region(tmp_path) as (old, _), a_gateway(tmp_path, old) as fix:
        fix.place("a", t55="ETH-USD", t38="1", t44="20.00")
        await fix.told("8")
        fix.place("b", "FIX2", t55="ETH-USD", t38="1", t44="20.00", t54="2")
        await fix.told("8", 4)
        found = [(session, one[150]) for session, kind, one in fix.sessions.messages if kind == "8"]
        assert found == [("FIX1", "0"), ("FIX2", "0"), ("FIX1", "F"), ("FIX2", "F")]


async def test_while_nobody_leads_orders_are_held(tmp_path: pathlib.Path) -> None:
    async with a_region(tmp_path) as (old, new), a_gateway(tmp_path, old, new) as fix:
        fix.place("rest")
        await fix.told("8")
        cut = await old.cut()
        hold = fix.gateway.engines.hold
        fix.place("a")
        fix.place("b")
        fix.place("late", t59="6", t126="20200101-00:00:00")
        await until(lambda: hold.orders == 3)
        # One that is held is out at once, without any engine.
        fix.send("F", t11="x", t41="b")
        report = (await fix.told("8", 2))[1]
        assert (report[11], report[41], report[150], report[37]) == ("x", "b", "4", "NONE")
        # One that the engine has waits, and is sent first.
        fix.send("F", t11="y", t41="rest")
        await until(lambda: hold.cancels == 1)
        status = await fix.ask("status")
        assert (status["held"], status["in_flight"]) == (2, 0)
        await until(lambda: new.sequence == old.sequence)
        assert (await new.open(2, cut)).status == 200
        reports = (await fix.told("8", 5))[2:]
        assert sorted((one[11], one[150]) for one in reports) == [("a", "0"), ("late", "C"), ("y", "4")]
        kinds = [event["kind"] for event in map(json.loads, new.lines().splitlines()) if event.get("epoch") == 2]
        assert kinds.index("cancel") < kinds.index("order")
        assert "FIX1.b" not in new.engine.venue.orders


async def test_what_is_held_too_long_may_be_sent_again(tmp_path: pathlib.Path) -> None:
    async with a_region(tmp_path) as (old, new), a_gateway(tmp_path, old, new, hold_s=0.2) as fix:
        await old.cut()
        fix.place("a")
        reject = (await fix.told("j"))[0]
        assert (reject[372], reject[379], reject[380]) == ("D", "a", "4")
        assert reject[58].startswith("held_too_long")


async def test_a_restart_reports_what_was_missed_and_nothing_twice(tmp_path: pathlib.Path) -> None:
    async with a_region(tmp_path) as (old, _):
        async with a_gateway(tmp_path, old) as fix:
            for name in ("a", "b", "c"):
                fix.place(name)
            await fix.told("8", 3)
        for name in ("a", "b"):
            assert (await old.ask("DELETE", f"/orders/FIX1.{name}")).status == 200
        # The report of the first one was stored by a process that had no time left to keep its position.
        sessions = Double({f"{old.engine.venue.orders['FIX1.a'].cancel_sequence}-0"})
        async with a_gateway(tmp_path, old, sessions=sessions) as fix:
            assert [(one[11], one[150]) for one in await fix.told("8")] == [("b", "4")]
            fix.place("d")
            await fix.told("8", 2)
        async with a_gateway(tmp_path, old) as fix:
            assert fix.sessions.of("8") == []


async def test_announcements_are_news(tmp_path: pathlib.Path) -> None:
    async with a_region(tmp_path) as (old, _), a_gateway(tmp_path, old) as fix:
        await old.told("announce", reason="upgrade", effective_at=1_800_000_000_000, deadline_at=1_800_000_060_000)
        assert "upgrade" in (await fix.told("B", 2))[0][58]
        fix.gateway.on_logon("FIX1")
        assert len(await fix.told("B", 3)) == 3


async def test_sessions_are_closed_and_come_back(tmp_path: pathlib.Path) -> None:
    async with a_region(tmp_path) as (old, _), a_gateway(tmp_path, old) as fix:
        fix.place("a")
        await fix.told("8")
        found = (await fix.ask("status"))["sessions"]
        assert found == {
            "websocket": 0,
            "fix": [{"id": name, "sender_seq": n, "target_seq": 1} for name, n in (("FIX1", 3), ("FIX2", 2))],
        }
        fix.sessions.silent.add("FIX2")
        answer = await fix.ask("close", command_id="k", code=1012, waves=2, jitter_s=0.01, reason="maintenance")
        assert answer == {"closed": 1, "left": ["FIX2"]}
        assert set(fix.sessions.logouts) == {("FIX1", "maintenance"), ("FIX2", "maintenance")}
        assert fix.sessions.enabled == set()
        assert (await fix.ask("status"))["sessions"]["fix"] == []
        await fix.ask("ready", command_id="l", ready=True)
        assert fix.sessions.enabled == set(NAMES)


def test_settings_of_the_gateway() -> None:
    env = {"ENGINE_URLS": "http://e:1", "FIX_SESSIONS": "A,B", "FIX_PORT": "9000"}
    settings = read_settings(env, "fix-gateway")
    assert (settings.fix_sessions, settings.fix_port) == (("A", "B"), 9000)
    assert len(read_settings({"ENGINE_URLS": "http://e:1"}, "fix-gateway").fix_sessions) == 5
    for wrong in ({"FIX_SESSIONS": "A,A"}, {"FIX_SESSIONS": "A.B"}, {"ENGINE_URLS": ""}):
        with pytest.raises(SettingsError):
            read_settings({**env, **wrong}, "fix-gateway")


async def test_nothing_follows_a_logout(tmp_path: pathlib.Path) -> None:
    async with a_region(tmp_path) as (old, _):
        async with a_gateway(tmp_path, old) as fix:
            fix.place("a")
            await fix.told("8")
            fix.gateway.end("FIX1")
            assert (await old.ask("DELETE", "/orders/FIX1.a")).status == 200
            await until(lambda: fix.gateway.reports.sequence == old.sequence)
            await fix.told("8")
            kept = (tmp_path / "fix" / "position").read_text()
            fix.gateway.on_logout("FIX1")
            assert [one[150] for one in fix.sessions.of("8")] == ["0", "4"]
            assert int(kept) < old.sequence
        # It was killed before the position moved on: what was stored is not stored again.
        (tmp_path / "fix" / "position").write_text(kept)
        async with a_gateway(tmp_path, old, sessions=Double({f"{old.sequence}-0"})) as fix:
            assert fix.sessions.of("8") == []
