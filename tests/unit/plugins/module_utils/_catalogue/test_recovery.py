# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a recovery does, from the journals alone."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.recovery import (
    default_decision,
    recovery_action,
    recovery_summary,
)
from hypothesis import given, settings
from hypothesis import strategies as st

Json = dict[str, t.Any]


def header(kind: str = "deploy", state: str = "open", name: str = "r1", **more: t.Any) -> Json:
    return {"id": name, "kind": kind, "state": state, "by": "anna", "outcome": None, "number": None, **more}


def journal(head: Json | None, **more: t.Any) -> Json:
    return {"header": head, "entries": [], "standby": None, **more}


def fleet(kind: str = "deploy", decision: str | None = None, **more: t.Any) -> Json:
    found = {"decision": decision, "by": "a", "reason": "b"} if decision else None
    return {"header": header(kind, number=4, steps=["a", "b"]), "decision": found, "revisions": [], **more}


ENTRY: Json = {"number": 1}


def test_no_decision_undoes_a_deploy() -> None:
    assert default_decision(fleet(), {"a": journal(header(), entries=[ENTRY])}) == "undo"


@pytest.mark.parametrize(
    ("regions", "decision"),
    [
        ({"a": journal(header("rollback"), entries=[ENTRY]), "b": journal(header("rollback"))}, "keep"),
        ({"a": journal(header("rollback")), "b": journal(header("rollback"))}, "keep"),
        # b had not been opened, so nothing was written anywhere: a must not go alone.
        ({"a": journal(header("rollback")), "b": journal(header(name="r0", state="closed"))}, "undo"),
        ({"a": journal(header("rollback")), "b": journal(None)}, "undo"),
        # b does not answer: a region that has begun says that all were open.
        ({"a": journal(header("rollback"), entries=[ENTRY]), "b": None}, "keep"),
        ({"a": journal(header("rollback")), "b": None}, "keep"),
    ],
)
def test_no_decision_finishes_a_way_back_that_was_open_everywhere(regions: Json, decision: str) -> None:
    assert default_decision(fleet("rollback"), regions) == decision


def test_an_operator_takes_a_way_back_back_and_keeps_no_deploy() -> None:
    assert default_decision(fleet("rollback"), {}) == "keep"
    assert default_decision(fleet("rollback"), {}, "undo") == "undo"
    assert default_decision(fleet(), {}, "keep") == "undo"


@pytest.mark.parametrize(
    ("kind", "decision", "action"),
    [
        ("deploy", "undo", "undo"),
        ("deploy", "keep", "finish"),
        ("rollback", "keep", "forward"),
        ("rollback", "undo", "undo"),
    ],
)
def test_an_open_journal_follows_the_decision(kind: str, decision: str, action: str) -> None:
    found = recovery_action(journal(header(kind)), fleet(kind, decision))
    assert (found["action"], found["number"]) == (action, 4)


@pytest.mark.parametrize(
    ("outcome", "recorded", "action"),
    [
        ("released", None, "finish"),
        ("taken_back", None, "undo"),
        ("incomplete", None, "finish"),
        ("incomplete", "keep", "finish"),
        ("stuck", "undo", "undo"),
    ],
)
def test_a_region_that_was_away_follows_the_history(outcome: str, recorded: str | None, action: str) -> None:
    past = {"id": "r0", "number": 3, "outcome": outcome, **({"decision": recorded} if recorded else {})}
    found = recovery_action(journal(header(name="r0")), fleet(decision="keep", revisions=[past]))
    assert (found["action"], found["number"]) == (action, 3)


def test_without_the_fleet_nobody_decides_but_an_operator() -> None:
    waiting = recovery_action(journal(header()), None, "management does not answer")
    assert waiting["action"] == "wait"
    assert "management does not answer" in waiting["why"]
    assert recovery_action(journal(header()), None, "away", "undo")["action"] == "undo"
    # It is recorded under the number that a region which has ended it knows.
    there = journal(header(state="closed"), revisions=[{"id": "r0", "number": 3}, {"id": "r1", "number": 4}])
    for others, number in (({"a": None, "b": there}, 4), ({"a": None}, None)):
        found = recovery_action(journal(header()), None, "away", "keep", journals=others)
        assert (found["action"], found["number"]) == ("finish", number)


def test_a_warm_standby_is_ended_with_or_without_the_fleet() -> None:
    left = {"release": "r1", "until": 1.0, "fields": []}
    assert recovery_action(journal(header(state="closed"), standby=left), None, "away")["action"] == "standby"
    assert recovery_action(journal(header("standby"), standby=left), None, "away")["action"] == "standby"


@given(
    st.sampled_from(["open", "closed"]),
    st.sampled_from(["deploy", "rollback"]),
    st.sampled_from([None, "keep", "undo"]),
    st.booleans(),
)
@settings(max_examples=50)
def test_a_whole_region_is_never_written_and_an_open_one_never_forgotten(
    state: str, kind: str, decision: str | None, there: bool
) -> None:
    found = recovery_action(journal(header(kind, state)), fleet(kind, decision) if there else None, "away")
    assert (found["action"] == "none") == (state == "closed")


def test_a_word_for_the_rollback_that_is_open_says_nothing_of_an_older_one() -> None:
    """The region was away since r1, which stands everywhere else; r2 is to be taken back."""
    past = {"id": "r1", "number": 3, "kind": "rollback", "outcome": "released"}
    known = fleet("rollback", "keep", revisions=[past])
    known["header"]["id"] = "r2"
    mine, older = journal(header("rollback", name="r2")), journal(header("rollback"))
    assert recovery_action(mine, known, given="undo")["action"] == "undo"
    assert recovery_action(older, known, given="undo")["action"] == "forward"
    # Nothing else is open: then it is that one which cannot go on.
    known["header"]["state"] = "closed"
    assert recovery_action(older, known, given="undo")["action"] == "undo"


def report(region: str, verdict: str, reason: str = "") -> Json:
    return {"region": region, "verdict": verdict, "reason": reason}


def test_everything_recovered() -> None:
    ended = recovery_summary([report("a", "taken_back"), report("b", "whole")], fleet(decision="undo"))
    assert ended == {
        "ok": True,
        "close": True,
        "outcome": "taken_back",
        "sentence": "recovered: a is taken_back; b is whole",
        "kept": [],
        "bring_up": [],
    }


def test_what_a_registry_refuses_for_good_is_told_and_keeps_nobody() -> None:
    apart = {"region": "fleet", "verdict": "apart", "reason": "version v2 is not in the registry"}
    regions = [report("a", "whole"), report("b", "whole"), apart]
    ended = recovery_summary(regions, fleet(decision="undo"))
    assert (ended["ok"], ended["close"]) == (False, True)
    assert ended["sentence"].endswith("a is whole; b is whole; fleet is apart (version v2 is not in the registry)")


def test_a_region_that_is_away_does_not_keep_the_fleet_open() -> None:
    ended = recovery_summary([report("a", "released"), report("b", "unreachable", "no answer")], fleet(decision="keep"))
    assert (ended["ok"], ended["close"], ended["outcome"]) == (False, True, "incomplete")
    assert "b is unreachable (no answer)" in ended["sentence"]
    assert "run recover again when b answers" in ended["sentence"]


@pytest.mark.parametrize("verdict", ["stuck", "waiting"])
def test_a_region_that_is_stuck_keeps_the_fleet_open(verdict: str) -> None:
    ended = recovery_summary([report("a", verdict)], fleet(decision="undo"))
    assert (ended["ok"], ended["close"]) == (False, False)
    assert "run recover again for a" in ended["sentence"]


def test_a_rollback_that_is_stuck_may_be_taken_back() -> None:
    def run(kind: str, decision: str) -> str:
        ended = recovery_summary([report("a", "stuck"), report("b", "whole")], fleet(kind, decision))
        return str(ended["sentence"]).rpartition(". ")[2]

    undo = "run recover again for a, or with -e decision=undo to take the rollback back"
    assert run("rollback", "keep") == undo
    assert run("rollback", "undo") == run("deploy", "keep") == run("deploy", "undo") == "run recover again for a"


@pytest.mark.parametrize(
    ("verdicts", "outcome"),
    [
        (("taken_back", "taken_back"), "taken_back"),
        # One region had gone back before the other was stuck.
        (("taken_back", "whole"), "incomplete"),
        (("taken_back", "unreachable"), "incomplete"),
        (("released", "whole"), "released"),
        (("released", "unreachable"), "incomplete"),
    ],
)
def test_a_kept_rollback_that_an_operator_takes_back_is_not_told_as_released(
    verdicts: tuple[str, str], outcome: str
) -> None:
    # The one that had no part in it says nothing.
    regions = [report(name, verdict) for name, verdict in zip("abz", (*verdicts, "whole"), strict=True)]
    assert recovery_summary(regions, fleet("rollback", "keep"))["outcome"] == outcome


def test_a_kept_deploy_that_some_regions_took_back_is_no_good_end() -> None:
    torn = [report("a", "released"), report("b", "taken_back")]
    ended = recovery_summary(torn, fleet(decision="keep"))
    assert (ended["ok"], ended["close"], ended["outcome"]) == (False, True, "incomplete")
    assert ended["sentence"].endswith(
        "b went back while the fleet's cluster was away, and the others keep the deploy; run the same deploy.yml for b "
        "with --limit"
    )
    # Everywhere, or nowhere, is one state. A rollback that is taken back says of itself what is left.
    assert recovery_summary([report("a", "taken_back"), report("b", "taken_back")], fleet(decision="keep"))["ok"]
    assert recovery_summary(torn, fleet("rollback", "keep"))["ok"]


def test_nothing_to_recover() -> None:
    ended = recovery_summary([report("a", "whole")], {"header": None, "decision": None})
    assert (ended["ok"], ended["close"]) == (True, False)


@pytest.mark.parametrize(
    ("present", "sentence"),
    [
        (["a"], "b took part and is not in this run; put it back, or run without --limit"),
        (["z"], "a, b took part and are not in this run; put them back, or run without --limit"),
    ],
)
def test_a_region_that_took_part_and_is_not_in_the_run_keeps_the_fleet_open(present: list[str], sentence: str) -> None:
    ended = recovery_summary([report(region, "taken_back") for region in present], fleet(decision="undo"))
    assert (ended["ok"], ended["close"]) == (False, False)
    assert ended["sentence"].endswith(sentence)
    # A fleet that has ended asks for nobody.
    past = {"header": header(state="closed", steps=["a", "b"]), "decision": None}
    assert recovery_summary([report(region, "whole") for region in present], past)["ok"]


@given(st.sets(st.sampled_from(["a", "b", "c"]), min_size=1), st.sampled_from(["taken_back", "released", "whole"]))
@settings(max_examples=50)
def test_the_fleet_is_closed_only_when_every_region_of_the_release_is_known(present: set[str], verdict: str) -> None:
    ended = recovery_summary([report(region, verdict) for region in sorted(present)], fleet(decision="undo"))
    assert ended["close"] is ({"a", "b"} <= present)
    assert ended["ok"] is ended["close"]


def test_foreign_changes_are_told() -> None:
    found = [{**report("a", "taken_back"), "kept": ["flag x is off"]}, report("b", "taken_back")]
    assert recovery_summary(found, fleet(decision="undo"))["kept"] == ["kept: flag x is off"]


def went(name: str, target: int | None, *services: str) -> Json:
    """The journal of a region that a rollback has brought back."""
    head = header("rollback", "closed", name, target=target, outcome="released")
    return journal(head, finish={"services": list(services)}, revisions=[{"number": 3, "id": name}])


def record(number: int, kind: str = "rollback", outcome: str = "incomplete", **regions: str) -> Json:
    return {"number": number, "id": f"r{number}", "kind": kind, "outcome": outcome, "regions": regions}


def old(*numbers: int) -> Json:
    """A region that stands on the newest of these revisions."""
    past = [{"number": number, "id": f"r{number}"} for number in numbers]
    return journal(header(name=f"r{numbers[-1]}", state="closed"), revisions=past)


def closed_fleet(*records: Json) -> Json:
    return {"header": header("rollback", "closed", "r3"), "decision": None, "revisions": list(records)}


FIRST = record(1, "deploy", "released", a="released", b="released")
SECOND = record(2, "deploy", "released", a="released", b="released")
THIRD = record(3, a="released", b="unreachable")


def judged(region: Json, known: Json, **others: Json | None) -> Json:
    return recovery_action(region, known, name="b", journals={**others, "b": region})


def test_a_region_that_was_away_from_a_rollback_follows_it() -> None:
    found = judged(old(1, 2), closed_fleet(FIRST, SECOND, THIRD), a=went("r3", 1, "core-api"), c=None)
    assert (found["action"], found["revision"], found["services"]) == ("behind", 1, ["core-api"])
    assert (found["why"], found["number"]) == ("rollback r3 went without it", 3)
    # Its warm standby may be what it goes back to.
    assert judged({**old(1, 2), "standby": {"fields": []}}, closed_fleet(THIRD), a=went("r3", 1))["action"] == "behind"
    # The end of a warm standby was interrupted in the other one.
    standby = went("r3", 1, "core-api")
    standby["header"] = header("standby", of=standby["header"])
    assert judged(old(1, 2), closed_fleet(THIRD), a=standby)["revision"] == 1


def test_without_a_region_that_went_nobody_knows_where_to() -> None:
    found = judged(old(1, 2), closed_fleet(THIRD))
    assert (found["action"], found["revision"]) == ("behind", None)
    assert found["why"].endswith("run recover.yml without --limit, or bring it up with the next deploy.yml")


def test_without_a_region_that_went_the_fleet_tells_where_to() -> None:
    kept = {**THIRD, "target": 1, "changes": {"core-api": "v2 -> v1"}}
    found = judged(old(1, 2), closed_fleet(FIRST, SECOND, kept))
    assert (found["action"], found["revision"], found["services"]) == ("behind", 1, ["core-api"])
    # A region that went says more.
    assert judged(old(1, 2), closed_fleet(kept), a=went("r3", 4, "quotes"))["revision"] == 4


def test_a_region_that_missed_two_rollbacks_goes_back_with_all_that_the_others_have() -> None:
    v1, v2 = {"core-api": "v1", "quotes": "v1"}, {"core-api": "v2", "quotes": "v1"}
    first, second = {**FIRST, "versions": v1}, {**SECOND, "versions": v2}
    quotes = {**record(4, a="released", b="unreachable"), "versions": v2, "target": 2}
    past = [first, second, record(3, "deploy", "released", a="released", b="released"), quotes]
    # The others moved core-api alone by the second one, and quotes by the first.
    both = closed_fleet(*past, {**record(5, a="released", b="unreachable"), "versions": v1, "target": 1})
    found = judged(old(1, 2, 3), both, a=went("r5", 1, "core-api"))
    assert (found["action"], found["revision"], found["services"]) == ("behind", 1, [])
    # A single service went back to 1, and not all of what 1 is.
    versions = {"core-api": "v1", "quotes": "v3"}
    single = closed_fleet(first, {**record(5, a="released", b="unreachable"), "versions": versions, "target": 1})
    assert judged(old(1), single, a=went("r5", 1, "core-api"))["services"] == ["core-api"]


@pytest.mark.parametrize(
    ("region", "records"),
    [
        # It has got something newer since.
        (old(1, 2, 4), [THIRD, record(4, "deploy", "released", b="released")]),
        # It did go, and was away only when the release was closed.
        (old(1, 2, 3), [THIRD]),
        # It was left out of a newer release on purpose.
        (old(1, 2), [THIRD, record(4, "deploy", "released", a="released", b="left_out")]),
        # It was never meant to go.
        (old(1, 2), [record(3, outcome="released", a="released")]),
        # Nothing came of it.
        (old(1, 2), [record(3, outcome="taken_back", a="taken_back", b="unreachable")]),
    ],
)
def test_a_region_that_is_where_it_should_be_is_left_alone(region: Json, records: list[Json]) -> None:
    assert judged(region, closed_fleet(FIRST, SECOND, *records), a=went("r3", 1))["action"] == "none"


def test_a_later_release_of_others_hides_no_region_that_is_behind() -> None:
    later = [record(4, "deploy", "taken_back", b="taken_back"), record(5, "deploy", "released", c="released")]
    assert judged(old(1, 2), closed_fleet(THIRD, *later), a=went("r3", 1))["action"] == "behind"


def test_a_rollback_that_is_finished_now_tells_what_had_no_part_in_it() -> None:
    known = {**fleet("rollback", "keep"), "revisions": [FIRST, SECOND]}
    known["header"] = header("rollback", name="r3", number=3, steps=["a"])
    mine = journal(header("rollback", name="r3", target=1), finish={"services": []})
    found = judged(old(1, 2), known, a=mine)
    assert found["action"] == "none"
    assert found["why"].endswith(
        "; it had no part in rollback r3, and unless that was meant run rollback.yml -e revision=1 for every region"
    )


def test_a_way_back_of_a_model_tells_what_had_no_part_in_it() -> None:
    finish = {"state": "rolled_back", "model": "fraud", "version": "v2"}
    change = {**header("model", name="m1", steps=["a", "b"]), "finish": finish}
    said = "; it had no part in the way back of fraud v2, and if it has that still run rollback_model.yml"

    def why(mine: Json, head: Json) -> str:
        return str(recovery_action(journal(mine), {"header": head, "revisions": []}, name="b")["why"])

    assert why(header(state="closed"), change).endswith(said)
    assert said not in why({**header(state="closed"), "model_ended_by": "m1"}, change)
    assert said not in why(header("model", "closed", "m1"), change)
    assert said not in why(header(state="closed"), {**change, "finish": {**finish, "state": "deployed"}})
    assert said not in why(header(state="closed"), {**change, "steps": ["a"]})
    assert said not in why(header(state="closed"), {**change, "state": "closed"})


def test_a_region_that_a_rollback_did_not_open_before_it_was_killed_has_missed_it() -> None:
    # It was away when that was decided, so the others go on, and it answers when they have ended.
    head = header("rollback", name="r3", number=3, steps=["a", "b"], target=1)
    known = {"header": head, "decision": {"decision": "keep"}, "revisions": [FIRST, SECOND]}
    mine = journal(header("rollback", name="r3", target=1), finish={"services": []})
    found = judged(old(1, 2), known, a=mine)
    assert (found["action"], found["revision"], found["number"]) == ("behind", 1, 3)
    assert judged(old(1, 2), {**known, "decision": {"decision": "undo"}}, a=mine)["action"] == "none"
    ended = journal(header("rollback", "closed", "r3", outcome="taken_back"), revisions=old(1, 2)["revisions"])
    assert judged(ended, known, a=mine)["ended"] == "taken_back"
    # The history says so, and what brings it up is asked for until it has come.
    summary = recovery_summary([report("a", "released"), {**report("b", "behind"), **found}], known)
    assert (summary["close"], summary["outcome"], summary["bring_up"]) == (True, "incomplete", ["b"])
    later = judged(old(1, 2), closed_fleet(FIRST, SECOND, record(3, a="released", b="behind")), a=went("r3", 1))
    assert (later["action"], later["number"]) == ("behind", 3)


def test_a_region_that_got_a_deploy_which_was_killed_is_not_brought_back_to_what_it_missed_before() -> None:
    head = header("deploy", name="r4", number=4, steps=["a", "b"])
    known = {"header": head, "decision": {"decision": "keep"}, "revisions": [FIRST, SECOND, THIRD]}
    there = journal(header("deploy", "closed", "r4", outcome="released"), revisions=old(1, 2, 4)["revisions"])
    found = judged(there, known, a=went("r3", 1))
    assert (found["action"], found["ended"]) == ("none", "released")


BROUGHT = {**record(4, a="released", b="unreachable"), "follows": 3, "target": 1}


def test_what_brings_a_region_up_is_recorded_there_under_the_number_that_it_follows() -> None:
    # It was away again when it was to be brought up with another one: both follow the same release.
    found = judged(old(1, 2), closed_fleet(THIRD, BROUGHT), a=went("r4", 1))
    assert (found["why"], found["number"]) == ("rollback r4 went without it", 3)
    # Killed in the middle: while the fleet's release is open, and when it has ended.
    open_there = journal(header("rollback", name="r4", target=1))
    head = header("rollback", name="r4", number=4, follows=3, steps=["b"])
    known = {"header": head, "decision": {"decision": "keep"}, "revisions": [THIRD]}
    assert (judged(open_there, known)["action"], judged(open_there, known)["number"]) == ("forward", 3)
    assert judged(open_there, closed_fleet(THIRD, BROUGHT))["number"] == 3


def test_a_region_that_had_ended_before_the_controller_died_has_got_the_release() -> None:
    head = header("rollback", name="r4", number=4, follows=3, steps=["b"])
    known = {"header": head, "decision": {"decision": "keep"}, "revisions": [SECOND, THIRD]}
    ended = header("rollback", "closed", "r4", target=1, outcome="released")
    kept = [{"number": 2, "id": "r2"}, {"number": 3, "id": "r4"}]
    there = journal(ended, revisions=kept)
    found = judged(there, known, a=went("r3", 1))
    # Brought up once: number 3 is taken there, and nobody could record it again.
    assert (found["action"], found["ended"]) == ("none", "released")
    standby = journal(header("standby", of=ended), revisions=kept)
    assert (judged(standby, known)["action"], judged(standby, known)["ended"]) == ("standby", "released")
    # An operator had it taken back when another region was stuck: whoever calls it whole hides that it is missing.
    assert judged(journal({**ended, "outcome": "taken_back"}, revisions=kept), known)["ended"] == "taken_back"
    for other in ({**ended, "outcome": "refused"}, {**ended, "id": "r0"}, None):
        assert judged(journal(other, revisions=kept), known)["ended"] is None
    assert judged(there, {**known, "header": {**head, "state": "closed"}})["ended"] is None
    assert judged(journal(header("maintenance"), revisions=kept), known)["ended"] is None
    # Nothing was ever here, and nothing is open for the fleet.
    assert judged(journal(None), {"header": None, "decision": None, "revisions": []})["ended"] is None


def test_a_region_that_has_the_number_is_not_brought_up_again() -> None:
    # An operator took the other regions of the release back that brought it up.
    undone = {**record(4, outcome="taken_back", b="whole", c="taken_back"), "follows": 3, "target": 1}
    there = journal(header("rollback", "closed", "r4"), revisions=[{"number": 3, "id": "r4"}])
    assert judged(there, closed_fleet(SECOND, THIRD, undone), a=went("r3", 1))["action"] == "none"


def behind(region: str, revision: int | None, number: int = 3) -> Json:
    return {**report(region, "behind", "rollback r3 went without it"), "revision": revision, "number": number}


def test_what_is_behind_goes_back_when_the_fleet_is_free() -> None:
    past = closed_fleet(THIRD)
    ended = recovery_summary([report("a", "whole"), behind("b", 1)], past)
    assert (ended["ok"], ended["bring_up"]) == (True, ["b"])
    assert ended["sentence"].endswith("b: back to revision 1 by a rollback of its own")
    # A third one that is away keeps neither of them, and is not forgotten.
    ended = recovery_summary([behind("b", 1), report("c", "unreachable", "no answer")], past)
    assert (ended["ok"], ended["bring_up"]) == (False, ["b"])


@pytest.mark.parametrize(
    ("regions", "problem", "sentence"),
    [
        ([report("a", "stuck"), behind("b", 1)], "", "run recover again for a. run recover again for b"),
        ([behind("b", 1)], "it is alive", "it is alive. run recover again for b"),
        ([behind("b", None)], "", "b is behind (rollback r3 went without it)"),
    ],
)
def test_what_is_behind_and_cannot_go_back_now_is_no_good_end(regions: list[Json], problem: str, sentence: str) -> None:
    ended = recovery_summary(regions, closed_fleet(THIRD), problem)
    assert (ended["ok"], ended["bring_up"]) == (False, [])
    assert ended["sentence"].endswith(sentence)


@pytest.mark.parametrize("other", [behind("c", 4), behind("c", 1, 6), behind("c", None)])
def test_one_release_brings_up_only_what_follows_the_same_release_to_the_same_revision(other: Json) -> None:
    ended = recovery_summary([behind("b", 1), behind("d", 1), other], closed_fleet(THIRD))
    assert (ended["ok"], ended["bring_up"]) == (False, ["b", "d"])
    assert "b, d: back to revision 1 by a rollback of its own" in ended["sentence"]
    assert ended["sentence"].endswith("run recover again for c") is (other["revision"] is not None)


def test_a_change_of_weights_has_no_part_in_a_region() -> None:
    fleet = {"header": {"id": "d1", "kind": "dns", "by": "anna", "state": "open", "steps": ["evacuate us-east-1"]}}
    region = {"header": {"id": "r1", "kind": "deploy", "state": "closed", "outcome": "released"}}
    assert recovery_action(region, fleet)["action"] == "none"
    whole = [{"region": "us-east-1", "verdict": "whole"}]
    summary = recovery_summary(whole, fleet)
    assert (summary["ok"], summary["close"]) == (True, True)
    stuck = recovery_summary([*whole, {"region": "fleet", "verdict": "stuck", "reason": "no answer"}], fleet)
    assert (stuck["ok"], stuck["close"]) == (False, False)
    assert "run recover again for fleet" in stuck["sentence"]


SHADOW: t.Final[Json] = {"state": "deployed", "model": "fraud", "version": "v2", "slot": "green", "reason": "weekly"}


def test_a_change_of_a_model_is_brought_to_an_end_once_the_fleet_is_taken_over() -> None:
    cut = journal(header("model", finish=SHADOW, of=header(state="closed")))
    for known in (fleet("model", "undo"), fleet("model")):
        found = recovery_action(cut, known)
        assert (found["action"], found["ended"]) == ("model", None)
        assert found["why"] == "model r1 of anna was interrupted: fraud v2 deployed"
    # It may be alive, and only wait here for another region.
    waits = recovery_action(cut, None, "its lock is renewed")
    assert (waits["action"], waits["why"].endswith("whether it goes on: its lock is renewed")) == ("wait", True)
    assert recovery_action(cut, None, "away", "undo")["action"] == "model"


@pytest.mark.parametrize("decision", ["keep", "undo", None])
def test_the_decision_beside_a_change_of_a_model_is_that_of_the_last_release(decision: str | None) -> None:
    open_model = fleet("model", decision)
    ended = recovery_summary([report("a", "whole"), report("b", "whole")], open_model)
    assert (ended["ok"], ended["close"], ended["outcome"]) == (True, True, "released")
    # A region that took part and is not in this run has its journal still open.
    alone = recovery_summary([report("a", "whole")], open_model)
    assert (alone["ok"], alone["close"]) == (False, False)
    assert "b took part and is not in this run" in alone["sentence"]
    # And nobody is behind because of it.
    there = recovery_action(journal(header(state="closed", name="r0")), open_model, name="b")
    assert there["action"] == "none"
    unnumbered = {**open_model, "header": {**open_model["header"], "number": None}}
    assert recovery_action(journal(None), unnumbered, name="b")["action"] == "none"
