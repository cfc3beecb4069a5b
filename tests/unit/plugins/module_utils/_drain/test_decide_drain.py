# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands in the way, and what is next."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain import decide_drain as dd
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain.contract import MODES
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain.status import Engine, Gateway
from hypothesis import given, settings
from hypothesis import strategies as st

NOW = 1_800_000_000_000
OLD = Engine("a", "v1", "leader", "online", 7, 100, 100, 1, 1, (1,), disk_free_bytes=10**10, journal_ok=True)
NEW = dataclasses.replace(OLD, name="b", version="v2", role="follower", format_reads=(1, 2), lag_events=0)
GATEWAY = Gateway("g", in_flight=0, held=0, ready=True, engine_epoch=7, websocket=5, fix={})


def seen(new: Engine | None = None, gateway: Gateway = GATEWAY, **engine: t.Any) -> dd.Seen:
    return dd.Seen(dataclasses.replace(OLD, **engine), new, (gateway,), NOW)


def wanted(way: t.Literal["full", "handover"] = "full", **more: t.Any) -> dd.Wanted:
    return dd.Wanted(way, "upgrade", **{"announce": True, "min_disk_free_bytes": 10**9, **more})


@pytest.mark.parametrize(
    ("engine", "said"),
    [
        ({"journal_ok": False}, "a: its journal is not healthy"),
        ({"disk_free_bytes": 5}, "a: 0 MiB of disk are free and 953 are needed (min_disk_free_mb)"),
        ({"role": "follower"}, "a is follower and does not lead, so there is nothing to drain in it"),
        (
            {"announced": "other", "announced_until": NOW + 60_000},
            "another drain is under way: a announces 'other' until 2027-01-15T08:01:00Z",
        ),
        ({"announced": "other"}, "another drain is under way: a announces 'other'"),
        (
            {"announced": "other", "mode": "cancel_only"},
            "another drain is under way: a announces 'other'; it is cancel_only, and state online leads out of it",
        ),
    ],
)
def test_a_full_drain_does_not_begin(engine: dict[str, t.Any], said: str) -> None:
    assert dd.preconditions(wanted(), seen(**engine)) == [said]


def test_who_proves_a_snapshot_can_read_it() -> None:
    assert not dd.preconditions(wanted(), seen(NEW))
    # Nothing is written by it, so nobody has to read that.
    assert not dd.preconditions(wanted(), seen(dataclasses.replace(NEW, format_writes=9)))
    found = dd.preconditions(wanted(), seen(dataclasses.replace(NEW, format_reads=(2,), projection=2)))
    assert [one.partition(" ")[2] for one in found] == [
        "has projection 1 and b has 2; nothing could be compared",
        "writes format 1 and b reads 2 only",
    ]


def test_what_forbids_nothing() -> None:
    assert not dd.preconditions(wanted(), seen())
    assert not dd.preconditions(wanted(), seen(announced="upgrade", announced_until=NOW + 1))
    assert not dd.preconditions(wanted(), seen(announced="other", announced_until=NOW - 1))
    assert not dd.preconditions(wanted(emergency=True), seen(announced="other"))
    assert not dd.preconditions(wanted(), seen(journal_ok=None, disk_free_bytes=None))


@pytest.mark.parametrize(
    ("new", "said"),
    [
        ({}, None),
        ({"name": "a"}, "engine and new_engine are the same, a"),
        ({"role": "leader"}, "a and b both say that they lead"),
        ({"projection": 2}, "a has projection 1 and b has 2; nothing could be compared"),
        ({"follow_error": "line 7 does not fit"}, "b cannot follow: line 7 does not fit"),
        ({"format_reads": (2,)}, "a writes format 1 and b reads 2 only"),
        ({"format_writes": 2}, "b writes format 2 and a reads 1 only"),
        ({"journal_ok": False}, "b: its journal is not healthy"),
    ],
)
def test_a_handover_does_not_begin(new: dict[str, t.Any], said: str | None) -> None:
    found = dd.preconditions(wanted("handover"), seen(dataclasses.replace(NEW, **new)))
    assert found == ([said] if said else [])


def test_somebody_has_to_lead() -> None:
    found = dd.preconditions(wanted("handover"), seen(NEW, role="starting"))
    assert found == ["neither a (starting) nor b (follower) leads"]


def test_the_steps_of_a_full_drain() -> None:
    whole = ("announce", "cancel_only", "in_flight", "settlement", "snapshot", "prove", "sessions", "unready")
    assert dd.next_steps(wanted(), seen()) == whole
    assert "halt" in dd.next_steps(wanted(mode="halted"), seen())
    # A killed run left it so.
    assert dd.next_steps(wanted(), seen(mode="cancel_only", announced="upgrade"))[:2] == ("announce", "in_flight")
    first, *rest = dd.next_steps(wanted(emergency=True, mode="halted"), seen())
    assert (first, rest[0], "cancel_only" in rest) == ("halt", "announce", False)


def test_drained_already() -> None:
    closed = dataclasses.replace(GATEWAY, ready=False, websocket=0)
    assert dd.next_steps(wanted(), seen(gateway=closed, mode="cancel_only", snapshot_sequence=100)) == ()
    assert dd.next_steps(wanted(), seen(gateway=closed, mode="cancel_only")) == ()
    for left in (
        seen(gateway=closed, mode="cancel_only", snapshot_sequence=99),
        seen(gateway=closed, snapshot_sequence=100),
        seen(mode="cancel_only", snapshot_sequence=100),
    ):
        assert dd.next_steps(wanted(), left)
    assert dd.next_steps(wanted(mode="halted"), seen(gateway=closed, mode="cancel_only", snapshot_sequence=100))


def test_the_steps_of_a_handover() -> None:
    whole = ("announce", "catch_up", "rehearse", "cut", "compare", "open", "gateways", "follow_back")
    assert dd.next_steps(wanted("handover"), seen(NEW)) == whole
    assert (
        dd.next_steps(wanted("handover", announce=False), seen(dataclasses.replace(NEW, role="starting")))[0]
        == "follow"
    )
    assert dd.next_steps(wanted("handover"), seen(NEW, role="closed"))[0] == "return"
    leads = dataclasses.replace(NEW, role="leader", epoch=8)
    switched = dataclasses.replace(GATEWAY, engine_epoch=8)
    assert dd.next_steps(wanted("handover"), seen(leads, role="closed")) == ("gateways", "follow_back")
    assert dd.next_steps(wanted("handover"), seen(leads, switched, role="follower")) == ()


@given(st.sampled_from(MODES), st.booleans(), st.booleans())
@settings(max_examples=30, deadline=None)
def test_the_way_back_never_gets_stricter(mode: str, announced: bool, ready: bool) -> None:
    steps = dd.resume_steps(
        seen(gateway=dataclasses.replace(GATEWAY, ready=ready), mode=mode, announced="x" if announced else None)
    )
    modes = [step for step in steps if step in MODES]
    assert modes == sorted(modes, key=MODES.index, reverse=True)
    assert bool(modes) == (mode != "online")
    if modes:
        assert modes[-1] == "online"
        assert all(MODES.index(step) <= MODES.index(mode) for step in modes)
    assert bool(steps) == (mode != "online" or announced or not ready)
    assert not steps or steps[0] == "verify"
    assert ("withdraw" in steps, "ready" in steps) == (announced, not ready)


def test_what_an_engine_says_that_follows_a_finished_one_is_no_fault() -> None:
    """The leader writes a format that the old engine cannot read: it stops following, as it has to."""
    leads = dataclasses.replace(NEW, role="leader", epoch=8, format_writes=2)
    old = {"role": "follower", "follow_error": "line 9: format 2"}
    assert dd.preconditions(wanted("handover"), seen(leads, **old)) == []
    switched = dataclasses.replace(GATEWAY, engine_epoch=8)
    assert dd.next_steps(wanted("handover"), seen(leads, switched, **old)) == ()
    # Nor is it asked to follow again, which could only fail.
    assert dd.next_steps(wanted("handover"), seen(leads, switched, role="starting")) == ()
    # The way back says why it is none, and not what came of it.
    back = dd.Seen(leads, dataclasses.replace(OLD, **old), (switched,), NOW)
    assert dd.preconditions(wanted("handover"), back) == ["b writes format 2 and a reads 1 only"]


@given(st.sampled_from(MODES), st.booleans(), st.sampled_from(["full", "handover"]), st.booleans())
@settings(max_examples=40, deadline=None)
def test_a_mode_that_a_killed_drain_left_is_told(
    mode: str, ours: bool, way: t.Literal["full", "handover"], switched: bool
) -> None:
    said = "upgrade" if ours else "other"
    new = dataclasses.replace(NEW, role="leader", mode=mode, announced=said) if switched else NEW
    old = {"role": "follower"} if switched else {"mode": mode, "announced": said}
    told = dd.left_behind(wanted(way), seen(new, **old))
    assert (told is None) == (mode == "online")
    if told is not None:
        assert told.startswith(f"{'b' if switched else 'a'} was {mode} already, as ")
        assert ("an earlier try of this drain left it" in told) == ours
        assert told.endswith("; state online leads out of it")


def test_gateways_that_are_waited_for() -> None:
    ahead = dataclasses.replace(GATEWAY, engine_epoch=8)
    assert dd.see_new_leader([GATEWAY, ahead], 8) == ["g"]
    assert dd.see_new_leader([dataclasses.replace(ahead, held=3)], 8) == ["g"]
    assert dd.see_new_leader([dataclasses.replace(ahead, engine_epoch=None)], 8) == []


def test_back_to_what_was_found() -> None:
    assert dd.back_to(wanted(), OLD) == "online"
    assert dd.back_to(wanted(), dataclasses.replace(OLD, mode="post_only")) == "post_only"
    # Our own announcement: an earlier try had changed the mode.
    assert dd.back_to(wanted(), dataclasses.replace(OLD, mode="cancel_only", announced="upgrade")) == "online"


def test_in_flight_is_what_nobody_has_on_disk() -> None:
    busy = dataclasses.replace(GATEWAY, in_flight=3)
    assert dd.in_flight(seen()) == 0
    assert dd.in_flight(seen(gateway=busy, durable_sequence=98)) == 5
    assert dd.in_flight(seen(gateway=dataclasses.replace(GATEWAY, in_flight=None))) is None
    assert dd.in_flight(dd.Seen(OLD, None, (), NOW)) is None
