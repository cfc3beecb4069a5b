# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A rollout in steps: what is left of it, what comes after each step, and how it ended."""

from __future__ import annotations

import typing as t
from decimal import Decimal

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.decide_change import rolled_out
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.decide_rollout import (
    after_write,
    clients_get,
    percent_on,
    rollout_end,
    rollout_plan,
    step_verdict,
)
from flag_samples import fractional, switch
from hypothesis import given
from hypothesis import strategies as st

Json = dict[str, t.Any]
FLAG = "margin_trading"
US, EU = "us-east-1", "eu-west-1"
PASS: Json = {"verdict": "pass", "reason": "all checks are good"}
FAIL: Json = {"verdict": "fail", "reason": "core-api error rate is 20 %"}
HOLD: Json = {"verdict": "hold", "reason": "3 requests, and 50 are needed"}
#: As an action plugin hands out a gate that did not end.
BROKEN: Json = {"verdict": None, "reason": "the API server is away"}
AWAY: Json = {"error": {"kind": "unreachable"}, "msg": "fleet: it does not answer", "flags": {}}


def at(percent: int, version: int = 5) -> Json:
    made = switch("off", targeting=fractional(("on", percent), ("off", 100 - percent)))
    return {**made, "metadata": {"version": str(version)}}


WAS, NOW = at(5, 4), at(25, 5)
KNOWN: Json = {"version": "5", "before": WAS}
WRITTEN: Json = {"flags": {FLAG: {"before": WAS, "after": NOW}}}


def status(flag: Json | None = NOW, **more: t.Any) -> Json:
    return {"definitions": {} if flag is None else {FLAG: flag}, "killed": {}, "away": [], "reason": "so", **more}


def seen(*gates: Json, written: Json = WRITTEN, found: Json | None = None) -> Json:
    return {"written": written, "status": found or status(), "gates": dict(zip((US, EU), gates, strict=False))}


@given(st.integers(0, 1000), st.booleans())
def test_the_percentage_of_a_rollout_is_read_back_as_it_was_given(tenths: int, last: bool) -> None:
    percent = Decimal(tenths) / 10
    before = switch("off", targeting=fractional(("off", 100), ("on", 0))) if last else switch("off")
    made = rolled_out(FLAG, before, percent, reshuffle=True)
    assert percent_on(made) == float(percent)


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        (switch("on"), "on for everybody"),
        (switch("off"), "off"),
        (at(25), "on for 25 %"),
        (switch("on", state="DISABLED"), "their own default"),
        (switch("off", targeting={"if": [True, "on", "off"]}), "by targeting"),
        (
            {
                "state": "ENABLED",
                "variants": {"off": "2026", "low": "l", "high": "h"},
                "defaultVariant": "off",
                "targeting": fractional(("low", 10), ("high", 10), ("off", 80)),
            },
            "low 10 %, high 10 %, off 80 %",
        ),
        (
            {"state": "ENABLED", "variants": {"off": "2026", "low": "l"}, "defaultVariant": "low"},
            "low for everybody",
        ),
    ],
)
def test_what_clients_get_is_told_in_a_few_words(flag: Json, words: str) -> None:
    assert clients_get(flag) == words


@given(present=st.integers(0, 100), steps=st.sets(st.integers(1, 100), min_size=1))
def test_only_steps_below_the_present_percentage_are_passed_over(present: int, steps: set[int]) -> None:
    flag = rolled_out(FLAG, switch("off"), Decimal(present), reshuffle=False)
    plan = rollout_plan(status(flag), FLAG, sorted(steps))
    assert plan["steps"] == [step for step in sorted(steps) if step >= present]
    assert plan["known"] == {"version": None, "before": None}


def test_a_plan_says_what_is_and_what_comes() -> None:
    assert rollout_plan(status(NOW), FLAG, [5, 25, 50, 100]) == {
        "steps": [25, 50, 100],
        "known": {"version": "5", "before": None},
        "line": f"{FLAG} is on for 25 % now; steps: 25 %, 50 %, 100 %",
    }
    assert rollout_plan(status(at(60)), FLAG, [5, 50])["line"] == (
        f"{FLAG} is on for 60 % now, more than the last step of 50 %; toggle_feature.yml makes it less"
    )
    targeted = switch("off", targeting={"if": [True, "on", "off"]})
    assert rollout_plan(status(targeted), FLAG, [5, 50])["steps"] == [5, 50]


def test_what_it_was_before_the_first_change_is_kept() -> None:
    first = after_write({"version": "4", "before": None}, WRITTEN, FLAG)
    assert first == KNOWN
    later = {"flags": {FLAG: {"before": NOW, "after": at(50, 6)}}}
    assert after_write(first, later, FLAG) == {"version": "6", "before": WAS}
    assert after_write(first, {"flags": {}}, FLAG) == first


@given(st.lists(st.sampled_from([PASS, FAIL, HOLD, BROKEN]), min_size=1, max_size=2))
def test_one_bad_gate_is_enough_and_one_without_evidence_stops(gates: list[Json]) -> None:
    found = step_verdict(FLAG, 25, KNOWN, seen(*gates))["verdict"]
    if FAIL in gates or BROKEN in gates:
        assert found == "fail"
    else:
        assert found == ("hold" if HOLD in gates else "pass")


def test_the_regions_that_speak_against_it_are_named() -> None:
    decided = step_verdict(FLAG, 25, KNOWN, seen(FAIL, HOLD))
    assert decided == {"verdict": "fail", "reason": f"{US}: core-api error rate is 20 %"}


@pytest.mark.parametrize("gate", [PASS, FAIL, HOLD])
@pytest.mark.parametrize(
    ("found", "why"),
    [
        (
            status(killed={FLAG: {"actor": "ben", "reason": "it loses money", "at": 1.0}}),
            f"{FLAG} was killed by ben meanwhile (it loses money) and stays killed (restored, it is on for 25 %);",
        ),
        (
            status(at(10, 9)),
            f"somebody else has changed {FLAG} meanwhile, and it stays as they made it: on for 10 %; at 25 %: ",
        ),
        (status(None), f"{FLAG} was removed meanwhile; at 25 %: "),
    ],
    ids=["killed", "changed", "removed"],
)
def test_what_others_did_meanwhile_wins_over_every_gate(gate: Json, found: Json, why: str) -> None:
    decided = step_verdict(FLAG, 25, KNOWN, seen(gate, found=found))
    assert decided["verdict"] == "stop"
    assert decided["reason"].startswith(why)


def test_when_nobody_knows_what_it_is_nothing_goes_on() -> None:
    gone = status(None, away=["fleet"], reason="no store answers")
    decided = step_verdict(FLAG, 25, KNOWN, seen(PASS, found=gone))
    assert decided == {"verdict": "hold", "reason": f"nobody can tell what {FLAG} is now: no store answers"}
    assert step_verdict(FLAG, 25, KNOWN, seen(PASS, found=AWAY))["verdict"] == "hold"
    assert step_verdict(FLAG, 25, KNOWN, seen(FAIL, found=AWAY))["verdict"] == "fail", "the write says who has it"


def test_a_step_that_was_not_written_stops_and_one_that_was_and_failed_goes_back() -> None:
    decided = step_verdict(FLAG, 25, KNOWN, seen(written=AWAY))
    assert decided == {"verdict": "stop", "reason": f"{FLAG} was not set to 25 %: fleet: it does not answer"}
    wrong = {**WRITTEN, "error": {"kind": "proof"}, "reason": "clients see 3 %"}
    assert step_verdict(FLAG, 25, KNOWN, seen(written=wrong)) == {
        "verdict": "fail",
        "reason": "flag_set: clients see 3 %",
    }


def test_how_it_ended_says_where_the_flag_is_and_what_to_do() -> None:
    failed = {"verdict": "fail", "reason": "us-east-1: bad"}
    assert rollout_end(FLAG, 25, failed, KNOWN, {"flags": {}}) == (
        f"{FLAG} is on for 5 % again, at 25 % its gates did not pass: us-east-1: bad"
    )
    assert rollout_end(FLAG, 25, failed, KNOWN, AWAY) == (
        f"{FLAG} is still at 25 %, its gates did not pass: us-east-1: bad; going back failed: fleet: it does not "
        f"answer; kill_feature.yml -e feature={FLAG} -e reason=... makes it off"
    )
    assert rollout_end(FLAG, 25, failed, {"version": "5", "before": None}).startswith(
        f"{FLAG} stays at 25 %, as this run found it, and its gates did not pass"
    )
    assert rollout_end(FLAG, 12.5, {"verdict": "hold", "reason": "thin"}, KNOWN) == (
        f"{FLAG} stays at 12.5 %, for there is no evidence to go on: thin; the same command goes on from there"
    )
    assert rollout_end(FLAG, 25, {"verdict": "stop", "reason": "killed"}, KNOWN) == (
        f"killed. The rollout of {FLAG} stopped"
    )
