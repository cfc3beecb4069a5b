# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the history of an environment is with the releases that only brought regions up to another one."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.followers import joined
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.recovery import (
    recovery_action,
    recovery_summary,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.region import behind_regions
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.request import pick_revision
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.status import (
    environment_status,
    region_status,
)
from hypothesis import given, settings
from hypothesis import strategies as st

Json = dict[str, t.Any]
REGIONS: t.Final = ("a", "b", "c")


def header(number: int, outcome: str = "released", follows: int | None = None, **regions: str) -> Json:
    """The header of a revision, closed `number` minutes past nine."""
    known = {"number": number, "id": f"r{number}", "kind": "rollback", "outcome": outcome, "regions": regions}
    return {**known, "closed_at": f"2026-11-21T09:{number:02}:00Z", "follows": follows}


MISSED: t.Final = header(3, "incomplete", a="released", b="unreachable", c="unreachable")


@pytest.mark.parametrize(
    ("later", "outcome", "regions", "minute"),
    [
        ([], "incomplete", ["a"], 3),
        ([header(4, follows=3, b="released")], "incomplete", ["a", "b"], 4),
        ([header(5, follows=3, c="released"), header(4, follows=3, b="released")], "released", ["a", "b", "c"], 5),
        ([header(4, "incomplete", 3, b="released", c="unreachable")], "incomplete", ["a", "b"], 4),
        # What came to nothing brought nobody up.
        ([header(4, "taken_back", 3, b="taken_back", c="taken_back")], "incomplete", ["a"], 3),
    ],
    ids=["nobody", "one", "both, newest first", "one of two", "taken back"],
)
def test_regions_count_for_what_they_follow(later: list[Json], outcome: str, regions: list[str], minute: int) -> None:
    first, second = joined([*later, MISSED, header(1, a="released", b="released", c="released")])
    assert (first["number"], second["number"], second["outcome"]) == (1, 3, outcome)
    assert [region for region, verdict in second["regions"].items() if verdict == "released"] == regions
    assert second["closed_at"] == f"2026-11-21T09:{minute:02}:00Z"


def test_a_region_that_somebody_took_back_is_waited_for_and_one_that_had_ended_is_not() -> None:
    brought = header(4, follows=3, b="released")
    for verdict, outcome in (("whole", "released"), ("left_out", "released"), ("taken_back", "incomplete")):
        (one,) = joined([header(3, "incomplete", a=verdict, b="unreachable"), brought])
        assert one["outcome"] == outcome


def test_a_follower_of_what_is_not_kept_is_no_revision() -> None:
    assert joined([header(60, follows=3, b="released")]) == []


class Environment:
    """Releases, rollbacks and recoveries of regions that do not always answer, as far as the journals tell of them."""

    def __init__(self) -> None:
        self.fleet: list[Json] = []
        self.regions: dict[str, Json] = {name: {"revisions": [], "content": 0} for name in REGIONS}

    def release(self, regions: t.Collection[str], away: t.Collection[str], content: int, **more: t.Any) -> None:
        """`content` is what a region runs after it: the number of the deploy whose versions they are."""
        number = len(self.fleet) + 1
        verdicts = {name: "unreachable" if name in away else "released" for name in regions}
        outcome = "incomplete" if "unreachable" in verdicts.values() else "released"
        head = {**header(number, outcome, **verdicts), "state": "closed", "changes": {}, **more}
        self.fleet.append(head)
        for name in set(regions) - set(away):
            recorded = head["follows"] or number
            own = self.regions[name]["revisions"]
            assert recorded not in [one["number"] for one in own], "a number is recorded once"
            own.append({"number": recorded, "id": head["id"], "outcome": "released"})
            self.regions[name] |= {"header": head, "finish": {"services": []}, "content": content}

    def content_of(self, number: int) -> int:
        """What revision `number` is. Every region that stands at it has to keep it."""
        header = next(one for one in self.fleet if one["number"] == number)
        return number if header["kind"] == "deploy" else self.content_of(header["target"])

    def deploy(self) -> None:
        self.release(REGIONS, (), len(self.fleet) + 1, kind="deploy")

    def roll_back(self, away: t.Collection[str]) -> None:
        target, _problem = pick_revision(self.fleet, None)
        if target is None:
            return
        assert set(self.without(target)) <= set(away), "what is picked is kept by all that go back to it"
        self.release(REGIONS, away, self.content_of(target), target=target)

    def recover(self, away: t.Collection[str], lost: t.Collection[str] = ()) -> bool:
        """Whether it ended well. Regions that are `lost` stop to answer before they are brought up."""
        fleet = {"header": None, "decision": None, "revisions": self.fleet}
        journals = {name: None if name in away else self.regions[name] for name in REGIONS}
        todo = {
            name: recovery_action(journal, fleet, name=name, journals=journals)
            for name, journal in journals.items()
            if journal is not None
        }
        reports = [
            {"region": name, "verdict": "behind" if name in todo and todo[name]["action"] == "behind" else "whole"}
            | {key: todo[name].get(key) for key in ("revision", "number") if name in todo}
            | ({"verdict": "unreachable"} if name in away else {})
            for name in REGIONS
        ]
        ended = recovery_summary(reports, fleet)
        brought = ended["bring_up"]
        if brought and not set(brought) <= set(lost):
            way = todo[brought[0]]
            assert {(todo[name]["revision"], todo[name]["number"]) for name in brought} == {
                (way["revision"], way["number"])
            }
            content = self.content_of(way["revision"])
            gone = [name for name in brought if name in lost]
            self.release(brought, gone, content, target=way["revision"], follows=way["number"])
        return bool(ended["ok"]) and not set(brought) & set(lost)

    def without(self, number: int) -> list[str]:
        """The regions that have not recorded this revision."""
        return [
            name
            for name, journal in self.regions.items()
            if number not in [one["number"] for one in journal["revisions"]]
        ]

    def status(self) -> Json:
        found = [region_status(name, journal, {}, [], []) for name, journal in self.regions.items()]
        return environment_status({"revisions": self.fleet}, found)


some = st.sets(st.sampled_from(REGIONS), max_size=2)
events_ = st.lists(
    st.one_of(
        st.tuples(st.just("deploy"), st.just(set()), st.just(set())),
        st.tuples(st.just("roll_back"), some, st.just(set())),
        st.tuples(st.just("recover"), some, some),
    ),
    max_size=12,
)


@settings(max_examples=100, deadline=None)
@given(events_)
def test_once_all_have_followed_every_region_stands_on_the_newest_revision(
    events: list[tuple[str, set[str], set[str]]],
) -> None:
    there = Environment()
    there.deploy()
    for event, away, lost in events:
        if event == "deploy":
            there.deploy()
        elif event == "roll_back":
            there.roll_back(away)
        else:
            there.recover(away, lost)
        # A region is behind exactly while it has not got what the newest revision is.
        status = there.status()
        missing = there.without(status["revision"]["number"])
        assert status["behind"] == missing == list(behind_regions(there.fleet, REGIONS))
    for _region in REGIONS:
        there.recover(())
    assert there.recover(())
    status = there.status()
    assert status["behind"] == []
    assert {entry["revision"] for entry in status["regions"]} == {status["revision"]["number"]}
    assert status["revision"]["outcome"] == "released"
    assert {journal["content"] for journal in there.regions.values()} == {
        there.content_of(status["revision"]["number"])
    }
