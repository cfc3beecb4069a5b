# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases, rollbacks and recoveries of regions that do not always answer, as far as the journals tell of them."""

from __future__ import annotations

import typing as t

from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.followers import untold
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.recovery import (
    default_decision,
    recovery_action,
    recovery_summary,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.region import partial_problem
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.request import pick_revision
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.status import (
    environment_status,
    newest_revision,
    region_status,
)

Json = dict[str, t.Any]
Content = dict[str, int]
REGIONS: t.Final = ("a", "b", "c")
SERVICES: t.Final = ("x", "y")
#: Where a playbook is killed. `opening`, `moving` and `ending` have the regions that were done with that by then.
Kill = tuple[t.Literal["opening", "moving", "ending"], t.Collection[str]]


class Region:
    """A journal, and what runs: for every service the number of the deploy whose version it is."""

    def __init__(self) -> None:
        self.journal: Json = {"header": None, "revisions": [], "entries": [], "finish": None, "decision": None}
        self.content: Content = dict.fromkeys(SERVICES, 0)
        self.before: Content = {}
        self.wanted: Content = {}
        self.kept: dict[int, Content] = {}

    @property
    def is_open(self) -> bool:
        return bool(self.journal["header"] and self.journal["header"]["state"] == "open")

    def open(self, header: Json, wanted: Content) -> None:
        moved = sorted(name for name in wanted if wanted[name] != self.content[name])
        self.journal |= {"header": {**header, "number": None}, "entries": [], "finish": {"services": moved}}
        self.before, self.wanted = dict(self.content), {**self.content, **wanted}

    def move(self) -> None:
        self.journal["entries"] = [{"number": 1}]
        self.content = dict(self.wanted)

    def keep(self, number: int) -> None:
        """Finish, record and unlock."""
        self.move()
        assert number not in self.kept, "a number is recorded once"
        self.kept[number] = dict(self.content)
        self.journal["revisions"].append({"number": number, "id": self.journal["header"]["id"], "outcome": "released"})
        self._end("released")

    def undo(self) -> None:
        self.content = dict(self.before)
        self._end("taken_back")

    def _end(self, outcome: str) -> None:
        self.journal["header"] = {**self.journal["header"], "state": "closed", "outcome": outcome}


class Environment:
    """All regions and the journal of the fleet. Whatever is refused does nothing."""

    def __init__(self) -> None:
        self.regions = {name: Region() for name in REGIONS}
        self.fleet: list[Json] = []
        self.header: Json | None = None
        self.decision: Json | None = None
        self.taken = 0

    @property
    def is_open(self) -> bool:
        return bool(self.header and self.header["state"] == "open")

    def deploy(self, services: t.Collection[str] = SERVICES, kill: Kill | None = None) -> None:
        number = self.taken + 1
        wanted = {name: dict.fromkeys(services, number) for name in REGIONS}
        if not self._refused(wanted):
            self._release("deploy", wanted, kill=kill)

    def roll_back(
        self,
        away: t.Collection[str] = (),
        services: t.Collection[str] = (),
        kill: Kill | None = None,
        revision: int | None = None,
    ) -> None:
        target, _problem = pick_revision(self.fleet, revision)
        if target is None or self.is_open:
            return
        if set(self.without(target)) - set(away) - self._unfinished():
            assert revision is not None, "all that go back keep what is picked"
            return
        there = [name for name in REGIONS if name not in away]
        wanted = {name: self._recorded(name, target, services) for name in there if target in self.regions[name].kept}
        if any(self._differs(name, wanted[name]) for name in wanted) and not self._refused(wanted):
            self._release("rollback", wanted, away, target=target, kill=kill)

    def _refused(self, wanted: t.Mapping[str, Content]) -> bool:
        """Whether a region would keep what it has missed of the services that the release leaves out."""
        return any(
            partial_problem(
                name,
                self.regions[name].journal,
                self._read(),
                {service: f"v{number}" for service, number in self.regions[name].content.items()},
                sorted(named),
            )
            for name, named in wanted.items()
            if set(named) != set(SERVICES)
        )

    def _recorded(self, region: str, target: int, services: t.Collection[str]) -> Content:
        kept = self.regions[region].kept[target]
        return {name: number for name, number in kept.items() if not services or name in services}

    def _differs(self, region: str, wanted: Content) -> bool:
        return any(self.regions[region].content[name] != number for name, number in wanted.items())

    def _unfinished(self) -> set[str]:
        return {name for name, region in self.regions.items() if region.is_open}

    def _release(
        self,
        kind: str,
        wanted: dict[str, Content],
        away: t.Collection[str] = (),
        *,
        lost: t.Collection[str] = (),
        kill: Kill | None = None,
        **more: t.Any,
    ) -> None:
        """Regions that are `away` do not answer, those that are `lost` answer no more when they are to be opened."""
        if self.is_open or self._unfinished() & set(wanted):
            return
        part = [name for name in wanted if name not in lost]
        stage, done = kill or (None, ())
        self.taken += 1
        number, told = self.taken, {"target": None, "follows": None, **more}
        self.header = {"number": number, "id": f"r{number}", "kind": kind, "state": "open", "outcome": None, **told}
        self.header |= {"steps": part, "by": "anna"}
        self.decision = None
        for name in part:
            if stage != "opening" or name in done:
                self.regions[name].open(self.header, wanted[name])
        if stage == "opening":
            return
        for name in part:
            if stage != "moving" or name in done:
                self.regions[name].move()
        if stage == "moving":
            return
        self.decision = {"decision": "keep"}
        for name in part:
            if stage != "ending" or name in done:
                self.regions[name].keep(told["follows"] or number)
        if stage == "ending":
            return
        verdicts = {**dict.fromkeys([*away, *lost], "unreachable"), **dict.fromkeys(part, "released")}
        changes = {name: "moved" for name in SERVICES if any(self._moved(region, name) for region in part)}
        self._close("incomplete" if away or lost else "released", verdicts, part, changes)

    def _moved(self, region: str, service: str) -> bool:
        return self.regions[region].before[service] != self.regions[region].content[service]

    def _close(self, outcome: str, verdicts: Json, known: t.Sequence[str], changes: Json) -> None:
        """`known` are the regions that say what runs there."""
        assert self.header is not None
        versions = {name: f"v{number}" for name, number in self.regions[known[0]].content.items()} if known else {}
        self.header = {**self.header, "state": "closed", "outcome": outcome}
        self._record({**self.header, "regions": verdicts, "versions": versions, "changes": changes})

    def _record(self, header: Json) -> None:
        self.fleet.append({**header, "closed_at": f"2026-11-21T09:{header['number']:02}:00Z"})

    def recover(
        self, away: t.Collection[str] = (), lost: t.Collection[str] = (), kill: t.Collection[str] | None = None
    ) -> bool:
        """Whether it ended well. Regions that are `lost` answer no more before they are brought up; `kill` are the
        regions that a recovery is done with which is killed then."""
        journals = {name: None if name in away else dict(self.regions[name].journal) for name in REGIONS}
        if self.is_open and self.decision is None:
            self.decision = {"decision": default_decision(self._read(), journals)}
        fleet, reports, ended = self._read(), [], []
        for name, journal in journals.items():
            if kill is not None and name not in kill:
                continue
            todo = {} if journal is None else recovery_action(journal, fleet, name=name, journals=journals)
            verdict = "unreachable" if journal is None else self._act(name, todo)
            ended += [name] if todo.get("action") in ("finish", "forward") else []
            reports.append({"region": name, "verdict": verdict, "stands": self._stands(name), **todo})
        if kill is not None:
            return False
        summary = recovery_summary(reports, fleet)
        if summary["close"]:
            verdicts = {str(report["region"]): report["verdict"] for report in reports}
            self._close(str(summary["outcome"]), verdicts, ended, {})
        if not self.is_open:
            self._tell(reports)
        self._bring_up({report["region"]: report for report in reports}, summary["bring_up"], lost)
        return bool(summary["ok"]) and not set(summary["bring_up"]) & set(lost)

    def _act(self, name: str, todo: Json) -> str:
        region = self.regions[name]
        if todo["action"] == "undo":
            region.undo()
            return "taken_back"
        if todo["action"] in ("finish", "forward"):
            region.keep(todo["number"])
            return "released"
        return "behind" if todo["action"] == "behind" else todo["ended"] or "whole"

    def _tell(self, reports: t.Sequence[Json]) -> None:
        for found in untold(self.fleet, reports):
            self.taken += 1
            told = {"number": self.taken, "id": f"r{self.taken}-told", "kind": "recover", "outcome": "released"}
            self._record({**told, "follows": found["follows"], **found["summary"]})

    def _bring_up(self, todo: Json, regions: t.Sequence[str], lost: t.Collection[str]) -> None:
        if not regions or set(regions) <= set(lost):
            return
        way = todo[regions[0]]
        assert {(todo[name]["revision"], todo[name]["number"]) for name in regions} == {
            (way["revision"], way["number"])
        }
        wanted = {name: self._recorded(name, way["revision"], todo[name]["services"]) for name in regions}
        self._release("rollback", wanted, lost=set(lost) & set(regions), target=way["revision"], follows=way["number"])

    def _read(self) -> Json:
        return {"header": self.header, "decision": self.decision, "revisions": list(self.fleet)}

    def _stands(self, name: str) -> int | None:
        newest = newest_revision(self.regions[name].journal["revisions"])
        return None if newest is None else int(newest["number"])

    def without(self, number: int) -> list[str]:
        """The regions that have not recorded this revision."""
        return [name for name, region in self.regions.items() if number not in region.kept]

    def status(self) -> Json:
        found = [region_status(name, region.journal, {}, [], []) for name, region in self.regions.items()]
        return environment_status(self._read(), found)
