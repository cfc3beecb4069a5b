# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the playbooks for models tell, and what they make of a verdict."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.model_lines import (
    look_lines,
    model_back,
    model_summary,
    model_table,
    refused_promotion,
    watch_action,
)

Json = dict[str, t.Any]
REQUEST: t.Final[Json] = {"model": "fraud", "version": "v2", "force": False, "auto_promote": False}


def judged(verdict: str, action: str = "wait", **more: t.Any) -> Json:
    told = {"action": action, "weight": 25, "needs": ["the comparison passes on what is seen at 5 %"]}
    return {"verdict": verdict, "reason": "as it says", "next": told, **more}


def report(region: str, verdict: str, reason: str = "") -> Json:
    return {"region": region, "verdict": verdict, "reason": reason}


@pytest.mark.parametrize(
    ("verdicts", "fleet", "ok", "close", "outcome"),
    [
        (["deployed", "deployed"], "", True, True, "deployed"),
        (["checked", "checked"], "", True, True, "checked"),
        (["rolled_back", "unreachable"], "", False, True, "failed"),
        (["taken_back", "stuck"], "", False, False, "failed"),
        (["refused", "untouched"], "", False, True, "failed"),
        (["taken_back", "taken_back"], "v2 is not in the registry", False, True, "failed"),
    ],
)
def test_the_end_is_honest(verdicts: list[str], fleet: str, ok: bool, close: bool, outcome: str) -> None:
    ended = model_summary([report(f"r{n}", one) for n, one in enumerate(verdicts)], REQUEST, fleet)
    assert (ended["ok"], ended["close"], ended["outcome"]) == (ok, close, outcome)
    assert ended["sentence"].startswith(f"fraud v2: r0 is {verdicts[0]}")
    assert (f"the fleet: {fleet}" in ended["sentence"]) is bool(fleet)
    assert ("run recover.yml" in ended["sentence"]) is ("stuck" in verdicts)


def test_what_a_way_back_did_not_reach_in_the_fleet_is_left_to_a_recovery() -> None:
    ended = model_summary([report("a", "rolled_back")], REQUEST, "mlflow is away", True)
    assert (ended["ok"], ended["close"]) == (False, False)
    assert ended["sentence"].endswith("the fleet: mlflow is away. run recover.yml")
    hinted = model_summary([report("a", "rolled_back")], REQUEST, hint="its aliases stay")
    assert (hinted["ok"], hinted["sentence"]) == (True, "fraud v2: a is rolled_back. its aliases stay")


def test_one_region_that_fails_takes_the_others_back() -> None:
    assert model_back(["deployed", "failed"]) and model_back(["deployed"], "the registry is away")
    assert not model_back(["deployed", "deployed"]) and not model_back(["untouched"])


@pytest.mark.parametrize(
    ("result", "force", "told"),
    [
        (judged("pass", "ready"), False, ""),
        (judged("pass", "promote"), False, ""),
        (
            judged("pass", "advance"),
            False,
            "the challenger passes and is not at the end of its steps, missing is: 25 % of the traffic; the comparison "
            "passes on what is seen at 5 %; let watch_model.yml go on with it, or pass this by -e force=true",
        ),
        (judged("pass"), False, "missing is: the comparison passes on what is seen at 5 %; let watch_model.yml"),
        ({**judged("pass"), "next": None}, False, "missing is: what comes next, nobody says it; let watch_model.yml"),
        (judged("pass"), True, ""),
        (
            judged("fail", worst="SOL-USD/sell"),
            False,
            "the challenger is worse: as it says (worst segment: SOL-USD/sell)",
        ),
        (judged("hold"), False, "the challenger is not proven yet: as it says; wait for more evidence"),
        ({}, False, "the challenger is not judged: nobody says why"),
        (
            {"error": {"kind": "unreachable"}, "msg": "redis is away"},
            False,
            "nobody can judge the challenger now: redis",
        ),
        (judged("fail"), True, ""),
    ],
)
def test_only_what_passes_is_promoted(result: Json, force: bool, told: str) -> None:
    found = refused_promotion(result, {**REQUEST, "force": force})
    assert (told in found) and bool(found) is bool(told)


@pytest.mark.parametrize(
    ("action", "auto", "does", "says"),
    [
        ("wait", False, "", "next: waits until the comparison passes on what is seen at 5 %"),
        ("advance", False, "step", "next: 25 % of the traffic"),
        ("ready", False, "", "next: ready to be promoted, by promote_model.yml -e model=fraud"),
        ("promote", True, "promote", "next: ready to be promoted"),
        ("roll_back", False, "rollback", "next: it is taken back"),
    ],
)
def test_a_watch_does_what_follows_and_says_it(action: str, auto: bool, does: str, says: str) -> None:
    look = judged("pass", action)
    assert watch_action(look, {**REQUEST, "auto_promote": auto}) == does
    first, *others = look_lines(look, REQUEST)
    assert first == "fraud: pass: as it says" and says in others[0]


def test_a_look_that_failed_is_no_verdict() -> None:
    away = {"error": {"kind": "timeout"}, "msg": "redis is away", "verdict": "fail", "next": None}
    assert watch_action(away, REQUEST) == ""
    assert look_lines(away, REQUEST) == ["warning: fraud cannot be judged now: redis is away"]


def test_the_table_tells_who_has_what() -> None:
    note = {"challenger": "v2", "champion": "v1", "slot": "green", "strategy": "canary", "step": 1, "promoted": False}
    note |= {"weights": [5, 25, 50, 100], "since": 1_800_000_000.0}
    traffic = {"after": {"weights": {"blue": 75, "green": 25}, "mirror": None, "buckets": None}}
    shadow = {"after": {"weights": {"blue": 100, "green": 0}, "mirror": {"slot": "green", "percent": 12.5}}}
    split = {"after": {"weights": {"blue": 100, "green": 0}, "buckets": {"slot": "green", "percent": 50}}}
    none = {"note": None, "traffic": None, "serving": ""}
    regions: dict[str, Json] = {
        "a": {"fraud": {"note": note, "traffic": traffic, "serving": "v1"}, "risk": none},
        "b": {"fraud": {"note": {**note, "promoted": True}, "traffic": traffic, "serving": "v2"}},
        "c": {"fraud": {"note": None, "traffic": {"after": None}, "serving": "v1"}},
        "d": {"fraud": {"error": True, "reason": "no answer"}},
        "e": {"fraud": {"note": {**note, "strategy": "shadow", "step": 0, "weights": [0]}, "traffic": shadow}},
        "f": {"fraud": {"note": {**note, "strategy": "ab", "step": 0, "weights": [50]}, "traffic": split}},
    }
    reigns = [
        {"version": "v0", "since": None, "until": "2027-01-14T08:00:00Z"},
        {"version": "v1", "since": "2027-01-14T08:00:00Z", "until": None, "actor": "anna", "reason": "better"},
    ]
    registry = {"fraud": {"aliases": {"after": {"champion": "v1", "challenger": "v2"}}, "reigns": reigns}}
    registry["risk"] = {"error": {"kind": "timeout"}, "msg": "mlflow is away"}
    lines = [" ".join(line.split()) for line in model_table(regions, registry)]
    assert "fraud a v1 v2 canary, step 2 of 4 blue 75 %, green 25 % 2027-01-15 08:00Z" in lines
    assert "fraud b v2 - promoted over v1 blue 75 %, green 25 % 2027-01-15 08:00Z" in lines
    assert "fraud c v1 - - none -" in lines and "fraud d - - - no answer -" in lines
    assert "fraud e v1 v2 shadow blue 100 %, 12.5 % copied to green 2027-01-15 08:00Z" in lines
    assert "fraud f v1 v2 ab blue 100 %, 50 of 100 buckets to green 2027-01-15 08:00Z" in lines
    assert "registry of fraud: champion v1, challenger v2" in lines
    assert "v0: ? to 2027-01-14 08:00Z" in lines and "v1: 2027-01-14 08:00Z to now by anna: better" in lines
    assert "registry of risk: mlflow is away" in lines
