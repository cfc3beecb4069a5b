# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a deploy, a step, a promotion and a rollback make of the traffic of a model."""

from __future__ import annotations

import dataclasses
import json
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_steps import WEIGHTS, Strategy
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_traffic import (
    Buckets,
    Deployed,
    Intent,
    Mirror,
    Note,
    Promoted,
    RolledBack,
    Stepped,
    Traffic,
    Wanted,
    gaining,
    other,
    traffic_problem,
    wanted,
)
from hypothesis import given, settings
from hypothesis import strategies as st

HEADER = "x-model-bucket"
ALL_BLUE = {"blue": 100, "green": 0}
ALL_GREEN = {"blue": 0, "green": 100}
CHAMPION = Traffic(ALL_BLUE)
AT = 1_766_400_000.0


def deployed(strategy: Strategy = "shadow", challenger: str = "v2", at: float = AT, **given_: t.Any) -> Deployed:
    fields: dict[str, t.Any] = {"slot": "green", "weights": WEIGHTS[strategy], "header": HEADER}
    return Deployed(challenger, "v1", strategy=strategy, at=at, **{**fields, **given_})


def after(*intents: Intent, now: Traffic = CHAMPION, note: Note | None = None) -> tuple[Traffic, Note | None]:
    for intent in intents:
        found = wanted(now, note, intent)
        assert not found.problem
        now, note = found.traffic, found.note
    return now, note


@pytest.mark.parametrize(
    ("strategy", "traffic"),
    [
        ("shadow", Traffic(ALL_BLUE, Mirror("green", 10.0))),
        ("canary", Traffic({"blue": 95, "green": 5})),
        ("ab", Traffic(ALL_BLUE, None, Buckets("green", HEADER, 50))),
        ("direct", Traffic(ALL_GREEN)),
    ],
)
def test_what_each_strategy_begins_with(strategy: Strategy, traffic: Traffic) -> None:
    now, note = after(deployed(strategy))
    assert now == traffic
    assert note == Note("v2", "green", strategy, 0, AT, WEIGHTS[strategy], "v1", AT)


def test_the_whole_way_of_a_canary() -> None:
    """A shadow first, then a canary of the same version, then the champion; its life began with the shadow."""
    seen = []
    now, note = after(deployed(), deployed("canary", at=AT + 10))
    while note is not None and note.step + 1 < len(note.weights):
        seen.append(now.weights["green"])
        now, note = after(Stepped(AT + 20 + note.step, note.step + 1), now=now, note=note)
    assert [*seen, now.weights["green"]] == [5, 25, 50, 100]
    now, note = after(Promoted(AT + 50), now=now, note=note)
    assert (now, note) == (
        Traffic(ALL_GREEN),
        Note("v2", "green", "canary", 3, AT + 50, (5, 25, 50, 100), "v1", AT, promoted=True),
    )
    assert note is not None
    assert note.position(AT + 80) == dataclasses.replace(note.position(AT), in_step_s=30.0)
    # The next one is in the slot that is free now.
    now, note = after(deployed(challenger="v3", slot="blue"), now=now, note=note)
    assert now == Traffic(ALL_GREEN, Mirror("blue", 10.0))
    assert after(RolledBack(), now=now, note=note) == (Traffic(ALL_GREEN), None)


def test_an_ab_test_grows_without_losing_its_header() -> None:
    now, note = after(deployed("ab", weights=(10, 20)), Stepped(AT + 1))
    assert now.buckets == Buckets("green", HEADER, 20)
    found = wanted(Traffic(ALL_BLUE), dataclasses.replace(note, step=0) if note else None, Stepped(AT))
    assert "deploy the challenger again" in found.problem


_STRATEGY = st.sampled_from(sorted(WEIGHTS))
_INTENT: st.SearchStrategy[Intent] = st.one_of(
    st.builds(
        deployed,
        _STRATEGY,
        st.sampled_from(["v2", "v3"]),
        st.floats(AT, AT + 100),
        slot=st.sampled_from(["blue", "green"]),
    ),
    st.builds(Stepped, st.floats(AT, AT + 100), st.sampled_from([None, 0, 1, 2])),
    st.builds(Promoted, st.floats(AT, AT + 100)),
    st.just(RolledBack()),
)


@settings(max_examples=400, deadline=None)
@given(st.lists(_INTENT, max_size=8))
def test_whatever_is_asked_for_one_of_them_serves_and_nothing_is_copied_to_itself(intents: list[Intent]) -> None:
    now, note = CHAMPION, None
    for intent in intents:
        found = wanted(now, note, intent)
        if found.problem:
            assert (found.traffic, found.note) == (now, note)
            assert not isinstance(intent, RolledBack)
        assert traffic_problem(found.traffic) is None
        assert sum(found.traffic.shares.values()) == 100
        if found.note is None:
            assert found.traffic in (Traffic(ALL_BLUE), Traffic(ALL_GREEN))
        else:
            assert Note.of_text(found.note.to_text()) == found.note
            if found.note.promoted:
                assert found.traffic == Traffic({found.note.slot: 100, found.note.champion_slot: 0})
        now, note = found.traffic, found.note
        if not isinstance(intent, Stepped) or intent.to is not None:
            again = wanted(now, note, _later(intent))
            assert again.problem or (again.traffic, again.note) == (now, note)


def _later(intent: Intent) -> Intent:
    return intent if isinstance(intent, RolledBack) else dataclasses.replace(intent, at=intent.at + 1)


@pytest.mark.parametrize("strategy", list(WEIGHTS))
@pytest.mark.parametrize("promoted", [False, True])
def test_a_rollback_gives_everything_to_the_champion_before(strategy: Strategy, promoted: bool) -> None:
    intents = [deployed(strategy), *([Promoted(AT)] if promoted else []), RolledBack()]
    assert after(*intents) == (CHAMPION, None)


def test_a_rollback_without_a_note_takes_copies_and_buckets_away() -> None:
    for parts in ({"mirror": Mirror("blue", 1.0)}, {"buckets": Buckets("blue", HEADER, 30)}):
        assert after(RolledBack(), now=Traffic(ALL_GREEN, **parts)) == (Traffic(ALL_GREEN), None)


def test_a_rollback_without_a_note_does_not_guess_who_of_two_is_the_champion() -> None:
    both = Traffic({"blue": 60, "green": 40})
    found = wanted(both, None, RolledBack())
    assert found.problem == (
        "blue has 60 % and green has 40 % of the traffic, and nobody says who is the champion; set the weights with "
        "k8s_traffic"
    )
    assert (found.traffic, found.note) == (both, None)


@pytest.mark.parametrize("change", [{"percent": 50.0}, {"same_requests": False}])
def test_a_shadow_that_copies_something_else_begins_anew(change: dict[str, t.Any]) -> None:
    """What came under the old share says nothing of whether the new one arrives."""
    now, note = after(deployed(at=AT), deployed(at=AT + 60))
    assert note is not None and note.since == AT
    now, note = after(deployed(at=AT + 90, **change), now=now, note=note)
    assert note is not None and now.mirror == Mirror("green", change.get("percent", 10.0))
    assert (note.since, note.began, note.step) == (AT + 90, AT, 0)


def test_buckets_by_another_header_begin_anew() -> None:
    _now, note = after(deployed("ab"), deployed("ab", at=AT + 90, header="x-user-bucket"))
    assert note is not None and (note.since, note.began) == (AT + 90, AT)


def test_a_share_is_the_same_as_it_is_read_back() -> None:
    """A route has it in steps of 0.01."""
    now, note = after(deployed(percent=0.1 + 0.2))
    read = Traffic(now.weights, Mirror("green", 0.3))
    _now, note = after(deployed(percent=0.1 + 0.2, at=AT + 60), now=read, note=note)
    assert note is not None and note.since == AT


def test_a_step_that_is_not_there_any_more_is_written_again() -> None:
    now, note = after(deployed("canary"), Stepped(AT + 10, 1), Stepped(AT + 20, 2))
    assert wanted(now, note, Stepped(AT + 30, 2)) == Wanted(now, note)
    assert note is not None
    # Somebody has set the weights.
    found = wanted(CHAMPION, note, Stepped(AT + 30, 2))
    assert found == Wanted(Traffic({"blue": 50, "green": 50}), dataclasses.replace(note, since=AT + 30))


@pytest.mark.parametrize("live", [CHAMPION, Traffic(ALL_GREEN), Traffic({"blue": 95, "green": 5})])
def test_copies_that_are_gone_are_not_told_as_a_step(live: Traffic) -> None:
    _now, note = after(deployed())
    found = wanted(live, note, Stepped(AT + 30, 0))
    assert "the copies of the shadow are not on the route any more; deploy the challenger again" in found.problem
    assert (found.traffic, found.note) == (live, note)


@pytest.mark.parametrize(
    ("before", "intent", "part"),
    [
        ([], Stepped(AT), "deploy one first"),
        ([], Promoted(AT), "deploy one first"),
        ([], deployed(slot="blue"), "blue has 100 % of the traffic, so it is the champion's"),
        ([], deployed("canary", weights=(5, 50)), "ends with 100"),
        ([], deployed(percent=0.0), "give more than 0"),
        ([], deployed(percent=0.001), "in steps of 0.01"),
        ([], deployed("ab", header=""), "no name of a header"),
        ([], deployed("ab", header="x-pincex-slot"), "probes a slot"),
        ([deployed()], deployed(challenger="v3"), "v2 is the challenger in green and not done"),
        ([deployed()], deployed(slot="blue"), "v2 is in green; roll it back there"),
        ([deployed()], Stepped(AT), "0 % is the last step of shadow; promote v2"),
        ([deployed("canary")], Stepped(AT, 2), "step 2 does not follow step 0; the next one is 1"),
        ([deployed(), Promoted(AT)], deployed(), "v2 is the champion already, in green"),
        ([deployed("canary"), Promoted(AT)], Stepped(AT), "champion already"),
        ([deployed("canary"), Promoted(AT)], Stepped(AT, 0), "champion already"),
    ],
)
def test_what_is_refused(before: list[Intent], intent: Intent, part: str) -> None:
    now, note = after(*before)
    found = wanted(now, note, intent)
    assert part in found.problem
    assert (found.traffic, found.note) == (now, note)


@pytest.mark.parametrize(
    ("traffic", "part"),
    [
        (Traffic({"blue": 90, "green": 20}), "the sum has to be 100"),
        (Traffic(ALL_BLUE, Mirror("green", 1.0), Buckets("green", HEADER, 1)), "either copies or buckets"),
        (Traffic(ALL_BLUE, Mirror("red", 1.0)), "no slot red"),
        (Traffic({"blue": 95, "green": 5}, Mirror("green", 1.0)), "green has 5 % of the traffic"),
        (Traffic(ALL_BLUE, Mirror("green", 101.0)), "at most 100"),
        (Traffic(ALL_BLUE, None, Buckets("red", HEADER, 1)), "no slot red"),
        (Traffic(ALL_BLUE, None, Buckets("green", HEADER, 0)), "from 1 to 100"),
        (Traffic(ALL_BLUE, None, Buckets("green", "a b", 1)), "no name of a header"),
    ],
)
def test_what_is_no_traffic(traffic: Traffic, part: str) -> None:
    assert part in (traffic_problem(traffic) or "")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("challenger", ""),
        ("challenger", 5),
        ("slot", "red"),
        ("strategy", "hope"),
        ("step", 4),
        ("step", True),
        ("weights", ["5"]),
        ("weights", []),
        ("since", "yesterday"),
        ("began", None),
    ],
)
def test_a_note_that_was_edited_is_none(field: str, value: t.Any) -> None:
    note = Note("v2", "green", "canary", 3, AT, (5, 25, 50, 100), None, AT)
    assert Note.of_text(note.to_text()) == note
    given_ = json.loads(note.to_text())
    with pytest.raises(ValueError, match=r"no |missing|could not"):
        Note.of_text(json.dumps({**given_, field: value}))
    with pytest.raises(ValueError, match=r"no |missing|could not"):
        Note.of_text(json.dumps({key: there for key, there in given_.items() if key != field}))
    with pytest.raises(ValueError, match=r"no |missing|could not"):
        Note.of_text("[]")


def test_who_gains_and_how_much_of_the_requests_it_gets_then() -> None:
    shadow = Traffic(ALL_BLUE, Mirror("green", 2.5))
    assert gaining(CHAMPION, shadow) == {"green": 3}
    assert gaining(shadow, shadow) == {}
    assert gaining(shadow, CHAMPION) == {}
    assert gaining(shadow, Traffic(ALL_GREEN)) == {"green": 100}
    assert gaining(CHAMPION, Traffic(ALL_BLUE, None, Buckets("green", HEADER, 30))) == {"green": 30}
    assert gaining(Traffic(ALL_BLUE, None, Buckets("green", HEADER, 30)), CHAMPION) == {"blue": 100}


def test_traffic_for_people_and_for_results() -> None:
    shadow = Traffic(ALL_BLUE, Mirror("green", 2.5))
    assert str(shadow) == "blue 100, green 0, 2.5 % copied to green"
    assert shadow.told() == {"weights": ALL_BLUE, "mirror": {"slot": "green", "percent": 2.5}, "buckets": None}
    ab = Traffic(ALL_BLUE, None, Buckets("green", HEADER, 30))
    assert str(ab).endswith("30 of 100 buckets in x-model-bucket to green")
    assert (ab.shares, ab.told()["buckets"]) == (
        {"blue": 70, "green": 30},
        {"slot": "green", "header": HEADER, "percent": 30},
    )
    assert other("blue") == "green"
