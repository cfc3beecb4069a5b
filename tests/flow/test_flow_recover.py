# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The control flow of abort, recover, warm standby, and of a region that is away."""

from __future__ import annotations

import json
import typing as t

import pytest
from flow_runner import REGIONS, Flow, Run

V1 = ("-e", "release_version=v1")
AWAY = {"eu-west-1": {"away": True}}
IDLE = "Deployment/core-api-blue"
State = dict[str, t.Any]


def state_of(flow: Flow, region: str) -> State:
    return t.cast("State", json.loads((flow.home / f"{region}.json").read_text()))


def rewrite(flow: Flow, region: str, **keys: t.Any) -> None:
    (flow.home / f"{region}.json").write_text(json.dumps({**state_of(flow, region), **keys}))


def reopen(flow: Flow, *regions: str, kind: str = "deploy", decision: str | None = None) -> None:
    """What a playbook leaves that was killed: the journals of the last release open again."""
    told = {"decision": decision, "reason": "every region passed", "by": "anna"} if decision else None
    fleet = state_of(flow, "fleet")
    number = str(fleet["number"])
    release = fleet["revisions"].pop(number)["id"]
    steps = ["us-east-1", "eu-west-1", "ap-northeast-1"]
    rewrite(flow, "fleet", open=release, kind=kind, decision=told, revisions=fleet["revisions"], steps=steps)
    for region in regions:
        revisions = {key: kept for key, kept in state_of(flow, region)["revisions"].items() if key != number}
        rewrite(flow, region, open=release, kind=kind, revisions=revisions, standby=None)


def wrote(run: Run) -> list[tuple[str, str, str]]:
    """Region, module and state of every call that meant to change something."""
    changing = ("applied", "shifted", "restored", "taken_over", "closed", "opened", "decided", "told")
    return [
        (call["region"], call["module"], call["state"])
        for call in run.calls
        if call["state"] in changing and not call["check"]
    ]


def test_a_deploy_without_a_decision_is_taken_back_and_a_second_recover_does_nothing(released: Flow) -> None:
    reopen(released, "us-east-1", "eu-west-1", "ap-northeast-1")

    done = released.run("recover", "-e", "release_by=bob")
    assert done.code == 0, done.output
    assert set(done.versions().values()) == {"v1"}
    assert "recovered: us-east-1 is taken_back" in done.output
    assert [state["open"] for state in done.regions.values()] == [None, None, None]
    fleet = state_of(released, "fleet")
    assert (fleet["open"], fleet["decision"]["decision"]) == (None, "undo")
    assert fleet["revisions"]["2"]["outcome"] == "taken_back"
    assert wrote(done)[0] == ("fleet", "release_journal", "taken_over"), "the decision comes before any region"
    taken = [call["fleet"] for call in done.calls if call["state"] == "taken_over" and call["region"] != "fleet"]
    assert [fleet["token"] for fleet in taken] == [8] * 3, "a region that is recovered renews the fleet's lock as well"

    again = released.run("recover")
    assert again.code == 0, again.output
    assert wrote(again) == []


def test_a_kept_deploy_is_finished_where_it_was_not_and_a_region_that_is_away_later(released: Flow) -> None:
    reopen(released, "us-east-1", "eu-west-1", decision="keep")

    done = released.run("recover", faults=AWAY)
    assert done.code == 2, done.output
    assert "run recover again when eu-west-1 answers" in done.output
    assert done.regions["us-east-1"]["revisions"]["2"]["outcome"] == "released"
    assert done.regions["us-east-1"]["objects"][IDLE]["spec"]["replicas"] == 0
    recorded = state_of(released, "fleet")["revisions"]["2"]
    assert (recorded["regions"]["eu-west-1"], recorded["versions"]["core-api"]) == ("unreachable", "v2")
    assert done.regions["eu-west-1"]["open"] is not None

    looked = released.run("recover", "--check")
    assert looked.code == 0, looked.output
    later = released.run("recover")
    assert later.code == 0, later.output
    assert later.regions["eu-west-1"]["revisions"]["2"]["outcome"] == "released"
    assert later.regions["eu-west-1"]["open"] is None
    # The journal of the fleet was closed without it, and the history is told.
    assert wrote(later)[-1] == ("fleet", "release_journal", "told")
    told = state_of(released, "fleet")["revisions"]["3"]
    assert (told["follows"], told["regions"], told["kind"]) == (2, {"eu-west-1": "released"}, "recover")

    again = released.run("recover")
    assert again.code == 0, again.output
    assert wrote(again) == []
    # It is a revision of the environment now, and what was told of it is none.
    assert released.run("rollback", "-e", "revision=2", "--check").code == 0
    assert "no drift in all 3 regions, revision 2" in (stands := released.run("status")).output, stands.output


def test_a_history_that_cannot_be_told_now_is_told_by_the_next_recover(released: Flow) -> None:
    reopen(released, "eu-west-1", decision="keep")
    assert released.run("recover", faults=AWAY).code == 2

    done = released.run("recover", faults={"fleet": {"told": "bob holds the lock"}})
    assert done.code == 2, done.output
    assert done.regions["eu-west-1"]["open"] is None
    sentence = "the history does not tell yet that eu-west-1 got revision 2: bob holds the lock; run recover again"
    assert sentence in " ".join(done.output.split())

    # Nothing is left to do in the region: the journals alone say what is not told, also after a kill in between.
    later = released.run("recover")
    assert later.code == 0, later.output
    assert wrote(later) == [("fleet", "release_journal", "told")]


def test_the_history_is_not_told_of_what_a_rollback_has_undone_meanwhile(released: Flow) -> None:
    reopen(released, "eu-west-1", decision="keep")
    assert released.run("recover", faults=AWAY).code == 2
    back = released.run("rollback", "-e", "revision=1", faults=AWAY)
    assert back.code == 2, back.output

    # What it had open is ended first, and then it follows the others.
    assert released.run("recover").code == 0
    done = released.run("recover")
    assert done.code == 0, done.output
    assert set(done.versions().values()) == {"v1"}
    history = state_of(released, "fleet")["revisions"]
    assert [one["kind"] for one in history.values()] == ["deploy", "deploy", "rollback", "rollback"]
    assert history["2"]["regions"]["eu-west-1"] == "unreachable"


def test_a_region_that_took_part_and_is_not_in_the_run_keeps_the_release_open(released: Flow) -> None:
    reopen(released, "us-east-1", "eu-west-1", "ap-northeast-1")

    done = released.run("recover", "--limit", "us-east-1")
    assert done.code == 2, done.output
    assert "eu-west-1, ap-northeast-1 took part and are not in this run; put them back, or run without --limit" in (
        done.output
    )
    assert state_of(released, "fleet")["open"] is not None
    assert done.regions["eu-west-1"]["open"] is not None

    kept = "Deployment core-api-blue spec.replicas is 5, as somebody else has it"
    whole = released.run("recover", faults={"ap-northeast-1": {"kept": kept}})
    assert whole.code == 0, whole.output
    assert set(whole.versions().values()) == {"v1"}
    assert state_of(released, "fleet")["open"] is None
    assert whole.output.count(f"kept: {kept}") == 1, whole.output


def test_a_region_that_was_away_from_a_rollback_is_brought_up_by_a_later_recover(released: Flow) -> None:
    assert released.run("rollback", faults=AWAY).code == 2
    still = released.run("recover", faults=AWAY)
    assert still.code == 2, still.output
    assert "run recover again when eu-west-1 answers" in still.output

    # Alone it asks the fleet where the others went; a record from before that was kept says nothing.
    fleet = state_of(released, "fleet")
    history = {**fleet["revisions"], "3": {**fleet["revisions"]["3"], "target": None}}
    rewrite(released, "fleet", ended={**fleet["ended"], "target": None}, revisions=history)
    alone = released.run("recover", "--limit", "eu-west-1")
    assert alone.code == 2, alone.output
    assert "neither the fleet nor a region of this run tells to which revision; run recover.yml without --limit" in (
        " ".join(alone.output.split())
    )
    assert wrote(alone) == []
    rewrite(released, "fleet", ended=fleet["ended"], revisions=fleet["revisions"])

    # The inventory's word for a rollback is not asked for: that was said for the rollback which went without it.
    done = released.run("recover", "-e", "release_confirm=production")
    assert done.code == 0, done.output
    assert done.versions() == {"us-east-1": "v1", "eu-west-1": "v1", "ap-northeast-1": "v1"}
    assert "eu-west-1: back to revision 1 by a rollback of its own" in done.output
    assert {region for region, _module, _state in wrote(done)} == {"eu-west-1", "fleet"}
    assert [done.regions["eu-west-1"]["open"], state_of(released, "fleet")["open"]] == [None, None]
    brought = state_of(released, "fleet")["revisions"]["4"]
    assert (brought["regions"], int(brought["follows"])) == ({"eu-west-1": "released"}, 3)
    # The revision of the environment is the one that it follows.
    assert [list(region["revisions"]) for region in done.regions.values()] == [["1", "2", "3"]] * 3
    assert "revision 3" in (stands := released.run("status")).output, stands.output
    assert "not on the newest revision" not in stands.output

    again = released.run("recover")
    assert again.code == 0, again.output
    assert wrote(again) == []


def test_a_bringing_up_that_was_interrupted_goes_on_under_the_number_that_it_follows(released: Flow) -> None:
    assert released.run("rollback", faults=AWAY).code == 2
    assert released.run("recover", faults={"eu-west-1": {"gate": "prepare core-api, reference-data"}}).code == 2
    assert [state_of(released, name)["open"] is None for name in ("fleet", "eu-west-1")] == [False, False]

    done = released.run("recover")
    assert done.code == 0, done.output
    assert done.versions() == {"us-east-1": "v1", "eu-west-1": "v1", "ap-northeast-1": "v1"}
    assert list(done.regions["eu-west-1"]["revisions"]) == ["1", "2", "3"]
    assert int(state_of(released, "fleet")["revisions"]["4"]["follows"]) == 3


def test_a_region_that_was_away_from_a_rollback_alone_asks_the_fleet_where_the_others_went(released: Flow) -> None:
    assert released.run("rollback", faults=AWAY).code == 2
    alone = released.run("recover", "--limit", "eu-west-1")
    assert alone.code == 0, alone.output
    assert "eu-west-1: back to revision 1 by a rollback of its own" in alone.output
    assert alone.versions() == {"us-east-1": "v1", "eu-west-1": "v1", "ap-northeast-1": "v1"}
    assert {region for region, _module, _state in wrote(alone)} == {"eu-west-1", "fleet"}


def test_an_interrupted_way_back_goes_on(released: Flow) -> None:
    assert released.run("rollback").code == 0
    reopen(released, "us-east-1", "eu-west-1", "ap-northeast-1", kind="rollback")
    # One region had not gone back yet.
    rewrite(released, "eu-west-1", weights=state_of(released, "eu-west-1")["before"]["weights"])
    assert released.run("report").versions()["eu-west-1"] == "v2"

    done = released.run("recover")
    assert done.code == 0, done.output
    assert set(done.versions().values()) == {"v1"}
    assert state_of(released, "fleet")["decision"]["decision"] == "keep"


def test_a_release_that_is_alive_is_left_alone(released: Flow) -> None:
    reopen(released, "us-east-1")
    done = released.run("recover", faults={"fleet": {"alive": True}})
    assert done.code == 2, done.output
    assert "holds the lock and renews it" in done.output
    assert wrote(done) == [("fleet", "release_journal", "taken_over")]


@pytest.mark.parametrize("kind", ["deploy", "rollback"])
def test_a_release_that_is_alive_is_left_alone_whatever_an_operator_decides(released: Flow, kind: str) -> None:
    # Its regions have ended their wave: nobody renews their locks, and only that of the fleet says that it lives.
    reopen(released, *REGIONS, kind=kind)
    done = released.run("recover", "-e", "decision=undo", faults={"fleet": {"alive": True}})
    assert done.code == 2, done.output
    assert "holds the lock and renews it" in done.output
    assert wrote(done) == [("fleet", "release_journal", "taken_over")]
    assert set(done.versions().values()) == {"v2"}


def test_a_decision_that_stands_is_not_overruled(released: Flow) -> None:
    # Killed when the first two regions had ended it.
    reopen(released, "eu-west-1", decision="keep")
    refused = released.run("recover", "-e", "decision=undo")
    assert refused.code == 2, refused.output
    sentence = "is decided already: keep; run recover.yml without -e decision"
    assert sentence in " ".join(refused.output.split())
    assert wrote(refused) == []
    assert set(refused.versions().values()) == {"v2"}

    same = released.run("recover", "-e", "decision=keep")
    assert same.code == 0, same.output
    assert set(same.versions().values()) == {"v2"}
    assert state_of(released, "fleet")["revisions"]["2"]["outcome"] == "released"


@pytest.mark.parametrize(
    ("faults", "why"),
    [
        ({}, "has no decision, and that means undo; run recover.yml without -e decision"),
        # A step of the deploy was on its way, and the old version may have the traffic.
        ({"fleet": {"away": True}}, "no region of this run has ended it as released; run recover.yml"),
    ],
)
def test_a_deploy_that_nobody_kept_is_not_finished(released: Flow, faults: State, why: str) -> None:
    reopen(released, *REGIONS)
    refused = released.run("recover", "-e", "decision=keep", faults=faults)
    assert refused.code == 2, refused.output
    told = " ".join(refused.output.split())
    assert "decision: keep is refused: deploy" in told
    assert why in told
    assert wrote(refused) == []
    assert [list(state["revisions"]) for state in refused.regions.values()] == [["1"]] * 3


def test_without_the_fleet_an_operator_decides_what_no_region_contradicts(released: Flow) -> None:
    away = {"fleet": {"away": True}}
    reopen(released, "eu-west-1", decision="keep")
    refused = released.run("recover", "-e", "decision=undo", faults=away)
    assert refused.code == 2, refused.output
    assert "us-east-1 has ended it as released" in " ".join(refused.output.split())
    assert wrote(refused) == []
    done = released.run("recover", "-e", "decision=keep", faults=away)
    assert done.code == 2, done.output
    assert [state["open"] for state in done.regions.values()] == [None] * 3
    assert set(done.versions().values()) == {"v2"}
    assert released.run("recover").code == 0
    assert state_of(released, "fleet")["revisions"]["2"]["outcome"] == "released"


def test_without_the_fleet_an_operator_takes_a_deploy_back(released: Flow) -> None:
    reopen(released, *REGIONS)
    done = released.run("recover", "-e", "decision=undo", faults={"fleet": {"away": True}})
    assert done.code == 2, done.output
    assert [state["open"] for state in done.regions.values()] == [None] * 3
    assert set(done.versions().values()) == {"v1"}
    later = released.run("recover", "-e", "decision=undo")
    assert later.code == 0, later.output
    assert state_of(released, "fleet")["revisions"]["2"]["outcome"] == "taken_back"


def test_abort_writes_undo_and_needs_a_reason(released: Flow) -> None:
    reopen(released, "us-east-1")
    refused = released.run("abort")
    assert refused.code == 2
    assert "reason: missing" in refused.output
    assert refused.calls == []
    # As an operator of one region would write it.
    done = released.run("abort", "-e", "reason='deposits are slow'", "--limit", "eu-west-1")
    assert done.code == 0, done.output
    assert state_of(released, "fleet")["decision"]["reason"] == "deposits are slow"


def test_a_rollback_goes_without_a_region_that_is_away_and_takes_single_services(released: Flow) -> None:
    one = released.run("rollback", "-e", "rollback_services=reference-data", "--limit", "us-east-1")
    assert one.code == 0, one.output
    assert one.versions()["us-east-1"] == "v2", "core-api stays"

    done = released.run("rollback", "-e", "revision=1", faults=AWAY)
    assert done.code == 2, done.output
    assert done.versions() == {"us-east-1": "v1", "eu-west-1": "v2", "ap-northeast-1": "v1"}
    assert "run recover.yml when eu-west-1 answers" in done.output


def test_some_services_do_not_go_over_a_region_that_has_missed_others(released: Flow) -> None:
    one = json.dumps({"release_versions": {"core-api": "v3"}})
    assert released.run("deploy", "-e", one, "--limit", "us-east-1").code == 0
    other = json.dumps({"release_versions": {"reference-data": "v3"}})
    refused = released.run("deploy", "-e", other)
    assert refused.code == 2
    assert "it runs core-api v2 instead of v3, and a release of reference-data alone" in refused.output
    assert wrote(refused) == []
    both = json.dumps({"release_versions": {"core-api": "v3", "reference-data": "v3"}})
    assert released.run("deploy", "-e", both).code == 0


def test_a_deploy_goes_without_a_region_only_when_it_is_named(flow: Flow) -> None:
    refused = flow.run("deploy", *V1, faults=AWAY)
    assert refused.code == 2
    assert not [call for call in refused.calls if call["module"] == "k8s_traffic"]
    done = flow.run("deploy", *V1, "-e", "without=eu-west-1", faults=AWAY)
    assert done.code == 0, done.output
    assert "without eu-west-1" in done.output
    assert done.versions()["us-east-1"] == "v1"
    assert done.regions["eu-west-1"]["open"] is None


def test_old_connections_are_counted_before_the_old_slots_go_and_waited_for_after_a_release(released: Flow) -> None:
    old = {"service": "core-api", "slot": "blue", "query": "as it was"}
    fields = [{"kind": "Deployment", "name": "core-api-blue", "path": "spec.replicas", "value": 0}]
    rewrite(released, "us-east-1", standby={"release": "r0", "until": 0, "fields": fields, "connections": [old]})
    services = {
        "core-api": {"image": "x", "strategy": "blue_green", "hostnames": ["x.lab"], "connections": 'open{s="$slot"}'}
    }
    more = ("--limit", "us-east-1", "-e", json.dumps({"services": services, "gate_profiles": {"default": {}}}))
    sentence = "us-east-1: core-api: 14 connections of blue are still open"
    faults = {"us-east-1": {"connections": [sentence, "us-east-1: and another"]}}

    done = released.run("deploy", "-e", "release_version=v3", *more, faults=faults)
    assert done.code == 0, done.output
    assert f"warning: {sentence}\nwarning: us-east-1: and another\n" in done.output
    counts = [call for call in done.calls if call["state"] == "drained"]
    new = {"service": "core-api", "slot": "green", "query": 'open{s="green"}'}
    assert [(call["connections"], call["drain_s"]) for call in counts] == [([old], 0), ([new], 60)]
    # Under no lock.
    for count in counts:
        ahead = [call for call in done.calls if call["kind"] == "standby" and call["at"] < count["at"]]
        assert ahead[-1]["check"]
        assert len([call for call in ahead if not call["check"]]) == counts.index(count)
    assert done.regions["us-east-1"]["standby"] is None

    # Nobody waits for a recovery, and a count that cannot be had keeps no slot up.
    rewrite(released, "us-east-1", standby={"release": "r0", "until": 0, "fields": fields, "connections": [old]})
    ended = released.run("recover", faults={"us-east-1": {"drained": "prometheus.ca_cert: x is not a file"}})
    assert ended.code == 0, ended.output
    sentence = "warning: us-east-1: the connections of the old slots were not counted: prometheus.ca_cert: x is not"
    assert sentence in " ".join(ended.output.split())
    assert [call["drain_s"] for call in ended.calls if call["state"] == "drained"] == [0]
    assert ended.regions["us-east-1"]["standby"] is None
