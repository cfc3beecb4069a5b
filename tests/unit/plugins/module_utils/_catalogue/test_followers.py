# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the history of an environment is with the releases that only brought regions up to another one."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue import promotion as promotions
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.followers import joined, untold
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.recovery import recovery_summary
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.region import behind_regions
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.request import (
    absent_revision,
    pick_revision,
)
from environment_world import REGIONS, SERVICES, Environment
from hypothesis import example, given, settings
from hypothesis import strategies as st

Json = dict[str, t.Any]


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
    waits = ("taken_back", "behind", "unreachable")
    for verdict, outcome in (("whole", "released"), ("left_out", "released"), *((one, "incomplete") for one in waits)):
        (one,) = joined([header(3, "incomplete", a=verdict, b="unreachable"), brought])
        assert one["outcome"] == outcome


def test_what_a_recovery_calls_whole_is_waited_for_by_nobody_and_taken_for_released_by_nobody() -> None:
    """Had the one that was away answered, the recovery would have closed the same release as released."""
    at_once = [{"region": "a", "verdict": "released"}, {"region": "b", "verdict": "whole"}]
    unfinished = {"header": {"id": "r3", "kind": "rollback", "state": "open", "steps": ["a", "c"]}, "decision": None}
    assert recovery_summary([*at_once, {"region": "c", "verdict": "released"}], unfinished)["outcome"] == "released"
    away = header(3, "incomplete", a="released", b="whole", c="unreachable")
    history = [header(1, a="released", b="released", c="released"), away, header(4, follows=3, c="released")]
    assert [one["outcome"] for one in joined(history)] == ["released", "released"]
    # Each region is asked: one that does not keep it refuses the rollback, and a promotion wants every region released.
    assert pick_revision(history, 3) == (3, None)
    assert "revision: 3 is not kept in b (kept: 1)" in str(absent_revision([header(1)], 3, "b"))
    asked = promotions.Request("development", "staging", "staging", 0)
    problem = promotions.promotion(asked, {"revisions": history}, {}, 2e9)[2]
    assert "3 does not stand in every region of development (b is whole)" in str(problem)


def report(region: str, stands: int | None, verdict: str = "released", **more: t.Any) -> Json:
    return {"region": region, "verdict": verdict, "stands": stands, **more}


AWAY: t.Final = [header(1, a="released", b="released"), header(3, "incomplete", a="released", b="unreachable")]


def test_a_region_that_was_ended_after_the_fleet_is_told_and_then_counts() -> None:
    (found,) = untold(AWAY, [report("a", 3, "whole"), report("b", 3, standing={"x": "v3"})])
    assert (found["follows"], found["summary"]["regions"]) == (3, {"b": "released"})
    told = {**header(4, follows=3), "kind": "recover", **found["summary"]}
    one, three = joined([*AWAY, told])
    assert (three["outcome"], three["regions"], three["closed_at"]) == (
        "released",
        {"a": "released", "b": "released"},
        told["closed_at"],
    )
    assert (three["versions"], "versions" in one) == ({"x": "v3"}, False)
    # Once, whoever asks again.
    assert untold([*AWAY, told], [report("b", 3, "whole")]) == []
    assert pick_revision([*AWAY, told], 3) == (3, None)
    assert behind_regions([*AWAY, told], ["a", "b"]) == {}


@pytest.mark.parametrize("verdict", ["unreachable", "behind", "whole"])
def test_whatever_the_fleet_said_of_it_the_journal_of_the_region_knows(verdict: str) -> None:
    past = [AWAY[0], header(3, "incomplete", a="released", b=verdict)]
    assert [found["follows"] for found in untold(past, [report("b", 3, "whole")])] == [3]
    assert untold(past, [report("b", 1, "whole")]) == []


@pytest.mark.parametrize(
    ("later", "reports"),
    [
        # Not ended, or not by this recovery.
        ([], [report("b", 3, "stuck"), report("b", 3, "taken_back"), report("b", None, "unreachable")]),
        ([], [report("b", 3, "waiting"), report("b", None), report("b", 1), report("b", 2)]),
        # Undone meanwhile: by all, or by what brought one region of them up.
        ([header(4, a="released", b="unreachable")], [report("b", 3)]),
        ([header(4, "incomplete", c="released")], [report("b", 3)]),
        # Moved on since its journal was read.
        ([{**header(4, a="released", b="released"), "kind": "deploy"}], [report("b", 3)]),
    ],
    ids=["not ended", "not there", "rolled back", "rolled back somewhere", "moved on"],
)
def test_what_was_undone_or_left_meanwhile_is_not_told(later: list[Json], reports: list[Json]) -> None:
    assert untold([*AWAY, *later], reports) == []


def test_a_later_deploy_without_it_or_one_that_came_to_nothing_hides_nothing() -> None:
    deploys = [
        {**header(4, a="released", b="left_out"), "kind": "deploy"},
        {**header(5, "taken_back", a="taken_back", b="taken_back"), "kind": "deploy"},
        header(6, "taken_back", a="taken_back"),
    ]
    assert [found["follows"] for found in untold([*AWAY, *deploys], [report("b", 3)])] == [3]


def test_a_revision_that_is_not_kept_any_more_is_not_told() -> None:
    assert untold([header(60, b="released")], [report("b", 3)]) == []


def test_each_revision_is_told_by_itself_oldest_first() -> None:
    past = [header(3, "incomplete", b="unreachable"), {**header(5, "incomplete", c="unreachable"), "kind": "deploy"}]
    found = untold(past, [report("c", 5), report("b", 3)])
    assert [(one["follows"], list(one["summary"]["regions"])) for one in found] == [(3, ["b"]), (5, ["c"])]


def test_a_follower_of_what_is_not_kept_is_no_revision() -> None:
    assert joined([header(60, follows=3, b="released")]) == []


regions_ = st.sets(st.sampled_from(REGIONS))
some = st.sets(st.sampled_from(REGIONS), max_size=2)
services_ = st.sets(st.sampled_from(SERVICES), min_size=1)
kills = st.one_of(st.none(), st.tuples(st.sampled_from(["opening", "moving", "ending"]), regions_))
revisions_ = st.one_of(st.none(), st.integers(1, 9))
events_ = st.lists(
    st.one_of(
        st.builds(lambda *given: ("deploy", given), services_, kills),
        st.builds(lambda *given: ("roll_back", given), some, services_, st.none(), revisions_),
        # Of a region without a part in a rollback that is killed no journal tells whether that was meant.
        st.builds(lambda *given: ("roll_back", given), st.just(()), services_, kills, revisions_),
        st.builds(lambda *given: ("recover", given), some, some, st.none()),
        st.builds(lambda *given: ("recover", given), some, st.just(()), regions_),
    ),
    max_size=12,
)


@settings(max_examples=300, deadline=None)
@given(events_)
# Whoever is brought up alone has nobody but the history to ask which services went back.
@example(
    [
        ("deploy", ({"x", "y"}, None)),
        ("roll_back", ({"a", "c"}, {"x"}, None, None)),
        ("recover", ({"a", "b"}, (), None)),
    ]
)
# One service over a region that has missed the rollback of the other.
@example([("deploy", ({"x", "y"}, None)), ("roll_back", ({"c"}, {"x"}, None, None)), ("deploy", ({"y"}, None))])
def test_once_all_have_followed_every_region_stands_on_the_newest_revision(
    events: list[tuple[str, tuple[t.Any, ...]]],
) -> None:
    there = Environment()
    there.deploy()
    for event, given_ in events:
        getattr(there, event)(*given_)
        if there.is_open:
            continue
        # A region is behind exactly while it has not got what the newest revision is.
        status = there.status()
        missing = there.without(status["revision"]["number"])
        assert status["behind"] == missing
        # Between the end of a region and that of a recovery which was killed the history does not know yet.
        assert set(missing) <= set(behind_regions(there.fleet, REGIONS))
    for _time in range(2 * len(REGIONS)):
        there.recover()
    assert there.recover()
    status = there.status()
    assert status["behind"] == [] == list(behind_regions(there.fleet, REGIONS))
    assert {entry["revision"] for entry in status["regions"]} == {status["revision"]["number"]}
    assert status["revision"]["outcome"] == "released"
    assert len({tuple(region.content.items()) for region in there.regions.values()}) == 1
