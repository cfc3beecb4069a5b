# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the playbooks for features are asked for, and what they tell."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.feature import (
    KNOWN,
    feature_lines,
    feature_request,
    kill_lines,
    kill_problem,
    set_problems,
    status_table,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.options import ARGUMENT_SPEC

Json = dict[str, t.Any]
FLAG = "margin_trading"
SET: Json = {"name": "pincex-test", "stores": []}
ASKED: Json = {"kind": "toggle", "feature": FLAG, "value": "25", "flags": SET, "play": ["us-east-1"]}
OFF: Json = {"state": "ENABLED", "variants": {"on": True, "off": False}, "defaultVariant": "off"}
ON = {**OFF, "defaultVariant": "on"}
QUARTER = {**OFF, "targeting": {"fractional": [["on", 25], ["off", 75]]}}
REDIS_AWAY: Json = {
    "stores": {"fleet": {"killed": [FLAG]}, "redis": {"killed": []}, "us-east-1": {"killed": [FLAG]}},
    "away": ["redis"],
}


def test_a_toggle_is_a_switch_or_a_percentage() -> None:
    asked = feature_request(ASKED)
    assert asked == {
        "problems": [],
        "flags": [FLAG],
        "action": "rollout",
        "value": None,
        "percent": 25.0,
        "steps": [5, 25, 50, 100],
        "hold_s": 60,
        "reshuffle": False,
        "reason": "toggle_feature.yml: value=25",
    }
    on = feature_request({**ASKED, "value": " True", "feature": ["a", "b"], "reason": " now ", "reshuffle": "yes"})
    assert (on["action"], on["value"], on["percent"], on["flags"]) == ("toggle", True, None, ["a", "b"])
    assert (on["reason"], on["reshuffle"]) == ("now", True)


def test_the_others_say_which_playbook_it_was() -> None:
    assert feature_request({**ASKED, "kind": "restore"})["reason"] == "restore_feature.yml"
    rolled = feature_request({**ASKED, "kind": "rollout", "steps": "10,12.5,100%", "hold_s": "0.5"})
    assert rolled["reason"] == "rollout_feature.yml: 10 %, 12.5 %, 100 %"
    assert (rolled["steps"], rolled["hold_s"]) == ([10, 12.5, 100], 0.5)
    assert feature_request({**ASKED, "kind": "rollout", "hold_s": 0})["hold_s"] == 0
    repaired = feature_request({**ASKED, "kind": "reconcile", "feature": ""})
    assert (repaired["reason"], repaired["problems"]) == ("reconcile_features.yml", [])
    looked = feature_request({"kind": "status", "flags": SET, "release_confirm": "x"})
    assert (looked["problems"], looked["flags"]) == ([], [])


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"value": None}, "value: missing; use true, false or a percentage such as 25."),
        ({"value": "1"}, "value: 1 may mean on or 1 percent; use true or 1%."),
        ({"feature": " , "}, "feature: missing; say which one with -e feature=NAME."),
        ({"kind": "rollout", "feature": "a,b"}, "feature: a rollout has one, and a, b are 2; name one."),
        ({"kind": "rollout", "play": []}, "--limit: it leaves out every region"),
        ({"kind": "rollout", "steps": "50,25"}, "steps: 50, 25 do not rise from more than 0; put them in order."),
        ({"kind": "rollout", "hold_s": "x"}, "hold_s: 'x' is no number of seconds."),
        ({"kind": "reconcile"}, "feature: a store has the set as a whole, and is repaired as a whole; leave it out."),
        ({"reshuffle": "perhaps"}, "reshuffle: 'perhaps' is neither true nor false."),
        (
            {"release_confirm": "production"},
            "confirm: missing; this environment wants a change of flags confirmed by -e confirm=production.",
        ),
        ({"flags": {}}, "flags: empty; this environment has no flag set. Fill in its name and its stores"),
        ({"flags": "redis"}, "flags: use a mapping with name and stores."),
        ({"flags": {"stores": []}}, "flags.name: missing; the id of the set, for example pincex-production."),
        ({"flags": {**SET, "store": []}}, "flags.store: unknown option; did you mean stores?"),
        ({"flags": {**SET, "stores": {}}}, "flags.stores: use a list of stores."),
    ],
)
def test_what_is_wrong_with_a_request_is_named(given: Json, problem: str) -> None:
    (found,) = feature_request({**ASKED, **given})["problems"]
    assert found.startswith(problem)


def test_a_dry_run_needs_no_word_of_confirmation() -> None:
    assert feature_request({**ASKED, "release_confirm": "p", "check_mode": True})["problems"] == []
    assert feature_request({**ASKED, "release_confirm": "p", "confirm": "p"})["problems"] == []


def test_a_set_is_described_by_options_of_the_module() -> None:
    assert set(KNOWN) <= set(ARGUMENT_SPEC)
    assert set_problems({**SET, "config_map": "x", "evaluate": {"users": 0}, "deadline_s": 9}) == []


def test_what_became_of_features_is_told() -> None:
    done = {
        "flags": {FLAG: {"before": OFF, "after": QUARTER}, "new": {"before": ON, "after": None}},
        "moves": {FLAG: [{"from": "off", "to": "on", "share": 0.25}], "new": None},
        "killed": {"dead": {}},
        "reason": "the-set: revision 8",
        "repaired": ["redis"],
        "lost": [{"store": "redis", "reason": "edited", "sha256": "5f0c"}],
    }
    assert feature_lines(done, [FLAG, "new", "dead", "same"], check_mode=True) == [
        "check mode, nothing was written; it would be:",
        f"{FLAG}: off -> on for 25 % (25 % of all users change sides)",
        "new: on for everybody -> not there (nobody can tell who changes sides)",
        "dead: killed, and stays it",
        "same: is so already",
        "the-set: revision 8",
        "repaired: redis",
        "warning: redis had other content (edited); it is kept there as 5f0c",
    ]


def test_what_was_passed_over_and_what_would_be_repaired_is_told() -> None:
    passed = f"{FLAG}: was killed by ben (why) and stays killed, so it is passed over"
    done = {"kept": [passed], "killed": {FLAG: {}}, "reason": "the-set: revision 8", "differing": ["redis"]}
    assert feature_lines(done, [FLAG]) == [f"warning: {passed}", "the-set: revision 8"]
    assert feature_lines(done, [], check_mode=True)[1:] == ["the-set: revision 8", "would be repaired: redis"]


def test_a_kill_says_where_it_is_dead_and_where_not() -> None:
    assert kill_lines(REDIS_AWAY, [FLAG]) == [
        f"{FLAG}: killed in fleet, us-east-1",
        "warning: redis did not answer: whoever reads there has it still. Run the same command again as soon as they "
        "answer",
    ]
    (line, *_warnings) = kill_lines(REDIS_AWAY, ["new"], check_mode=True)
    assert line == "new: check mode, nothing was written; it would be killed in fleet, us-east-1"


def test_why_a_kill_failed() -> None:
    refused = {"msg": "flags: needed for action kill"}
    assert kill_problem(refused, [], SET, " ") == (
        "feature: missing; say which one with -e feature=NAME. "
        """reason: missing; say why with -e "reason='it loses money'"."""
    )
    assert kill_problem(refused, [FLAG], {}, "x").startswith("flags: empty; this environment has no flag set.")
    # One of two is not there, and the other one is dead all the same.
    half = {**REDIS_AWAY, "msg": "flags: there is no flag nope in any store that answered"}
    assert kill_problem(half, [FLAG, "nope"], SET, "x") == (
        f"flags: there is no flag nope in any store that answered; {FLAG} is killed in fleet, us-east-1"
    )
    assert kill_problem({"msg": "no store of 3 took it"}, [FLAG], SET, "x") == (
        "no store of 3 took it; nothing was killed"
    )


def test_the_table_of_features() -> None:
    fees = {**QUARTER, "metadata": {"owner": "fees", "expires": "2026-12-31"}}
    status = {
        "reason": "the-set: revision 8, 2 flags, 1 killed; redis differs",
        "definitions": {"new_fees": fees, FLAG: ON},
        "killed": {FLAG: {"actor": "ben", "reason": "it loses money", "at": 1_800_000_000.0}},
        "stale": [{"flag": "new_fees", "days": 15}],
        "stores": {
            "fleet": {"was": "same", "reason": ""},
            "redis": {"was": "behind", "reason": "it has revision 7"},
            "us-east-1": {"was": "away", "reason": ""},
        },
    }
    changes = {
        "history": [
            {
                "revision": None,
                "action": "kill",
                "actor": "ben",
                "reason": "it loses money",
                "at": "2027-01-15T08:00:00Z",
                "flags": {FLAG: {}},
            },
            {
                "revision": 8,
                "action": "rollout",
                "actor": "anna",
                "reason": "a quarter",
                "at": "2027-01-14T09:30:00Z",
                "flags": {"new_fees": {}},
            },
        ],
    }
    lines = [" ".join(line.split()) for line in status_table(status, changes) if not line.startswith("--")]
    assert lines == [
        "the-set: revision 8, 2 flags, 1 killed; redis differs",
        "",
        "flag clients get killed owner expires",
        f"{FLAG} off (restored: on for everybody) by ben since 2027-01-15 08:00Z: it loses money - -",
        "new_fees on for 25 % - fees 2026-12-31 (stale 15 d)",
        "",
        "stores that differ; reconcile_features.yml, or the next change, repairs those that answer:",
        "redis: behind, it has revision 7",
        "us-east-1: away",
        "",
        "when revision what flags who why",
        f"2027-01-15 08:00Z - kill {FLAG} ben it loses money",
        "2027-01-14 09:30Z 8 rollout new_fees anna a quarter",
    ]
    few = status_table(status, {}, ["new_fees", "new_fee"])
    assert few[1] == "feature: there is no flag new_fee; did you mean new_fees?"
    assert not any(FLAG in line for line in few)
    assert status_table({"reason": "there is no flag set the-set"}, {}) == ["there is no flag set the-set"]
