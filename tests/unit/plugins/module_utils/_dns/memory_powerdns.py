# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PowerDNS in memory under the real provider: the HTTP API with one record, and the server that answers it."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import typing as t
from collections.abc import Mapping

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.http import NoAnswer, Reply
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.decide_shares import Answer
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.lua_record import compose
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.model import Member
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.powerdns import PowerDns
from dns_world import ADDRESSES, EU, LEASE, NAME, US, DnsWorld


def content(us: int, eu: int) -> str:
    """The record with these weights."""
    return compose("A", tuple(Member(region, weight, (ADDRESSES[region],)) for region, weight in ((US, us), (EU, eu))))


OLD, NEW, OTHER = content(50, 50), content(0, 50), content(0, 60)


@dataclasses.dataclass
class Met:
    """What one change meets instead of 204: that reply, or silence, after it was carried out or not, and `held_s` more
    than the time-out of silence."""

    reply: Reply | None = None
    carried: bool = False
    held_s: float = 0.0


class MemoryPowerDns:
    """Answers `foreign` once the record is another one than OLD, with its own serial `late_s` after the last change.
    `meets` is for the changes, in their order; `ask` calls `looked` first."""

    address = "127.0.0.1:53"

    def __init__(self, world: DnsWorld, folder: pathlib.Path, *, foreign: str = "", late_s: float = 0.0) -> None:
        (folder / "key").write_text("key\n")
        options = {
            "url": "http://127.0.0.1:1",
            "server": "localhost",
            "zone": "pincex.test.",
            "api_key_file": str(folder / "key"),
            "authority": self.address,
        }
        self.world, self.clock = world, world.clock
        self.foreign, self.late_s = foreign, late_s
        self.content, self.serial, self.changed_at = OLD, 7, -1e6
        self.meets: list[Met | None] = []
        self.looked: t.Callable[[], None] = lambda: None
        self.asked: list[str] = []
        #: The time-outs of the changes, when they were sent, and how old the lease was then.
        self.patience: list[float] = []
        self.sent_at: list[float] = []
        self.lease_ages: list[float] = []
        provider = PowerDns(options, world.clock, self, self, lambda: 1.0)
        provider._authority = t.cast("t.Any", self)
        world.dns = t.cast("t.Any", provider)

    def exchange(
        self, method: str, url: str, body: bytes | None, headers: Mapping[str, str], timeout_s: float
    ) -> Reply:
        self.asked.append(method)
        if method == "PATCH":
            return self._change(json.loads(body or b"")["rrsets"][0], timeout_s)
        records = [{"content": self.content, "disabled": False}]
        found = [] if "TXT" in url else [{"name": NAME, "type": "LUA", "ttl": 30, "records": records}]
        return Reply(200, json.dumps({"edited_serial": self.serial, "rrsets": found}).encode(), {})

    def _change(self, wanted: dict[str, t.Any], timeout_s: float) -> Reply:
        self.patience.append(timeout_s)
        self.sent_at.append(self.clock.elapsed)
        if LEASE in self.world.fleet_server.stored:
            self.lease_ages.append(self.world.lease_age())
        met = self.meets.pop(0) if self.meets else None
        if met is None or met.carried:
            self.content = wanted["records"][0]["content"]
            self.serial, self.changed_at = self.serial + 1, self.clock.monotonic()
        if met is None:
            return Reply(204, b"", {})
        if met.reply is None:
            self.clock.elapsed += timeout_s + met.held_s
            raise NoAnswer("no answer in time", timeout=True)
        return met.reply

    def ask(self, name: str, kind: str, number: int, end: float) -> list[Answer]:
        self.looked()
        late = self.clock.monotonic() < self.changed_at + self.late_s
        if kind == "SOA":
            return [Answer((f"ns. host. {self.serial - late} 0 0 0 0",), 30)] * number
        wrong = self.foreign and self.content != OLD and not late
        return [Answer((self.foreign if wrong else ADDRESSES[EU],), 30)] * number
