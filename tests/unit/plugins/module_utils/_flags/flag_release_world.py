# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A flag set in memory and the fleet's journal beside it: releases are opened, killed at a write, and taken over."""

from __future__ import annotations

import contextlib
import pathlib
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core import kube as kube_module
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.records import Entry, ReleaseRef
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.transport import Answer, Request
from flag_samples import switch
from flag_world import FlagWorld
from journal_world import FLEET_JOURNAL
from journal_world import World as JournalWorld

Json = dict[str, t.Any]
FLAGS: t.Final = {"margin_trading": switch("off"), "new_fees": switch("on", metadata={"owner": "fees"})}
#: What a deploy wants, and what the set is with it.
WANTED: t.Final[Json] = {"margin_trading": True, "new_fees": 25, "more": switch("on")}
LEASES: t.Final = "/leases/"


class Killed(BaseException):
    """The process ends here."""


class ReleaseWorld(FlagWorld):
    """Revision 1 of the set in all stores, and no release."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: pathlib.Path) -> None:
        super().__init__(monkeypatch, folder)
        self.fleet = JournalWorld(monkeypatch)
        self.fleet.clock, self.fleet.servers = self.clock, self.servers
        monkeypatch.setattr(kube_module, "connect", self._connect)
        self.good("set", definitions=FLAGS)

    def open(self, name: str = "r1", kind: str = "deploy") -> ReleaseRef:
        done = self.fleet.open_fleet(release_id=name, kind=kind)
        assert not done.get("failed"), done["msg"]
        return ReleaseRef.from_option(done["release"])

    def close(self, release: ReleaseRef) -> None:
        done = self.fleet.call(
            state="closed", scope="fleet", release=release.to_option(), outcome="released", summary={}
        )
        assert not done.get("failed"), done["msg"]

    def take_over(self, decision: str = "undo") -> ReleaseRef:
        """Another controller takes the release, once nobody has renewed its lock for its whole duration."""
        gone = {"decision": decision, "reason": "its controller is gone", "by": "bob"}
        done = self.fleet.call(state="taken_over", scope="fleet", controller={"pid": 1, "started": ""}, **gone)
        assert not done.get("failed"), done["msg"]
        return ReleaseRef.from_option(done["release"])

    def decide(self, decision: str, release: ReleaseRef) -> None:
        done = self.fleet.call(
            state="decided", scope="fleet", decision=decision, reason="why", release=release.to_option()
        )
        assert not done.get("failed"), done["msg"]

    def within(self, release: ReleaseRef, action: str, **given: t.Any) -> Json:
        return self.call(action, release=release.to_option(), evaluate={"users": 0}, **given)

    def well_within(self, release: ReleaseRef, action: str, **given: t.Any) -> Json:
        done = self.within(release, action, **given)
        assert not done.get("failed"), done["msg"]
        return done

    def entries(self) -> list[Entry]:
        data = self.servers["management"].take(FLEET_JOURNAL)["data"]
        return [Entry.from_text(data[key]) for key in sorted(data) if key.isdigit()]

    def wanted(self) -> Json:
        """The definitions of the set without kills and revisions, as the fleet's store has them."""
        definitions = self.good("status")["definitions"]
        return {name: without_version(flag) for name, flag in definitions.items()}

    # -- kills

    @contextlib.contextmanager
    def killed_at(
        self, number: int, when: str = "before", which: t.Callable[[Request], bool] = lambda _request: True
    ) -> t.Iterator[list[Request]]:
        """The process ends at its write of that number, before or after a server has got it. Renewals of leases do not
        count. Gives the request that it had in hand."""
        met: list[Request] = []
        count = 0

        def fault(request: Request) -> Answer | None:
            nonlocal count
            if request.method == "GET" or LEASES in request.path or not which(request):
                return None
            count += 1
            if count == number:
                met.append(request)
                raise Killed
            return None

        for server in self.servers.values():
            getattr(server, when).append(fault)
        try:
            with contextlib.suppress(Killed):
                yield met
        finally:
            for server in self.servers.values():
                getattr(server, when).remove(fault)


def without_version(flag: Json) -> Json:
    metadata = {key: value for key, value in (flag.get("metadata") or {}).items() if key != "version"}
    return {key: value for key, value in flag.items() if key != "metadata"} | (
        {"metadata": metadata} if metadata else {}
    )
