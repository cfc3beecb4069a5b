# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""toggle_feature.yml, kill_feature.yml, restore_feature.yml, reconcile_features.yml and feature_status.yml, over a flag
set that is a file."""

from __future__ import annotations

import json
import pathlib

import pytest
from feature_flow import FLAG, STORES, FeatureFlow, a_flag, at_percent, flag_calls, told
from flow_runner import REGIONS

ALL = ["fleet", *(str(store["name"]) for store in STORES)]
KILL = ("kill_feature", "-e", f"feature={FLAG}", "-e", "reason='it loses money'")


@pytest.fixture
def flow(tmp_path: pathlib.Path) -> FeatureFlow:
    return FeatureFlow(tmp_path)


def test_a_feature_is_switched_by_words_and_percentages(flow: FeatureFlow) -> None:
    before = flow.the_set()
    checked = flow.run("toggle_feature", "-e", f"feature={FLAG}", "-e", "value=25%", "--check")
    assert checked.code == 0, checked.output
    assert (flow.the_set(), flag_calls(checked)) == (before, [])
    assert f"would be: {FLAG}: off -> on for 25 % (25 % of all users change sides)" in told(checked)

    done = flow.run("toggle_feature", "-e", f"feature={FLAG}", "-e", "value=25", "-e", "release_by=anna")
    assert done.code == 0, done.output
    assert flag_calls(done, "percent", "actor", "reason", "name") == [
        ("rollout", 25.0, "anna", "toggle_feature.yml: value=25", "the-set")
    ]
    assert flow.definition() == at_percent(25)
    assert f"{FLAG}: off -> on for 25 % (25 % of all users change sides)" in told(done)

    both = flow.run("toggle_feature", "-e", f"feature={FLAG},new_fees", "-e", "value=Yes", "-e", "reason=now")
    assert both.code == 0, both.output
    assert flag_calls(both, "flags", "value", "reason") == [("toggle", [FLAG, "new_fees"], True, "now")]
    assert flow.definition() == a_flag(defaultVariant="on")
    off = flow.run("toggle_feature", "-e", json.dumps({"feature": [FLAG], "value": False}))
    assert (off.code, flow.definition()) == (0, a_flag()), off.output
    again = flow.run("toggle_feature", "-e", f"feature={FLAG}", "-e", "value=off")
    assert again.code == 0, again.output
    assert f"{FLAG}: is so already" in again.output
    assert "changed=0" in again.output


@pytest.mark.parametrize(
    ("playbook", "args", "problem"),
    [
        ("toggle_feature", ("value=1",), "value: 1 may mean on or 1 percent; use true or 1%."),
        ("restore_feature", ("release_confirm=lab",), "confirm: missing; this environment wants a change of flags"),
        ("rollout_feature", ("steps=50,25",), "steps: 50, 25 do not rise from more than 0; put them in order."),
        ("feature_status", ('{"flags": {}}',), "flags: empty; this environment has no flag set. Fill in its name"),
    ],
)
def test_a_request_that_cannot_go_well_is_refused_before_anything_is_asked(
    flow: FeatureFlow, playbook: str, args: tuple[str, ...], problem: str
) -> None:
    done = flow.run(playbook, "-e", f"feature={FLAG}", *(part for arg in args for part in ("-e", arg)))
    assert done.code == 2, done.output
    assert problem in told(done)
    assert done.calls == []


def test_a_flag_that_is_not_there_and_one_that_is_killed_are_refused(flow: FeatureFlow) -> None:
    unknown = flow.run("toggle_feature", "-e", "feature=nope", "-e", "value=true")
    assert unknown.code == 2
    assert "flags: there is no flag nope; make it with action set" in told(unknown)
    assert flow.run(*KILL).code == 0
    dead = flow.run("toggle_feature", "-e", f"feature={FLAG}", "-e", "value=true")
    assert dead.code == 2
    assert f"{FLAG} was killed by" in dead.output


def test_a_kill_is_one_task_and_a_restore_ends_it(flow: FeatureFlow) -> None:
    flow.the_set(definitions={**flow.the_set()["definitions"], FLAG: at_percent(25)})
    checked = flow.run(*KILL, "--check")
    assert checked.code == 0, checked.output
    assert (flow.the_set()["killed"], flag_calls(checked)) == ({}, [])
    assert f"{FLAG}: check mode, nothing was written; it would be killed in {', '.join(ALL)}" in told(checked)

    # Where a word of confirmation is wanted as well: nobody is asked.
    done = flow.run(*KILL, "-e", "release_confirm=production", "-e", "release_by=ben")
    assert done.code == 0, done.output
    assert len(done.calls) == 1
    assert flag_calls(done, "flags", "actor", "reason") == [("kill", [FLAG], "ben", "it loses money")]
    assert "ok=2 changed=1 unreachable=0 failed=0 skipped=0" in told(done), "it, and what is told of it"
    assert f"{FLAG}: killed in {', '.join(ALL)}" in told(done)

    back = flow.run("restore_feature", "-e", f"feature={FLAG}", "-e", "release_by=anna")
    assert back.code == 0, back.output
    assert flag_calls(back, "reason") == [("restore", "restore_feature.yml")]
    assert (flow.the_set()["killed"], flow.definition()) == ({}, at_percent(25))
    assert f"{FLAG}: off -> on for 25 %" in told(back)


def test_a_kill_works_while_the_fleet_and_a_region_are_away(flow: FeatureFlow) -> None:
    away = {"fleet": {"stores_away": ["fleet", "us-east-1"]}}
    done = flow.run(*KILL, faults=away)
    assert done.code == 0, done.output
    assert f"{FLAG}: killed in redis, eu-west-1, ap-northeast-1" in told(done)
    assert (
        "warning: fleet, us-east-1 did not answer: whoever reads there has it still. Run the same command again "
        "as soon as they answer" in told(done)
    )
    nobody = flow.run(*KILL, faults={"fleet": {"stores_away": ALL}})
    assert nobody.code == 2, nobody.output
    assert "no store of 5 took it; nothing was killed" in told(nobody)


@pytest.mark.parametrize("limit", [*REGIONS[1:], "management"])
def test_no_limit_keeps_a_kill_from_being_done(flow: FeatureFlow, limit: str) -> None:
    done = flow.run(*KILL, "--limit", limit)
    assert done.code == 0, done.output
    assert [call[0] for call in flag_calls(done)] == ["kill"]


@pytest.mark.parametrize(
    ("args", "problem"),
    [
        (("-e", f"feature={FLAG}"), "reason: missing; say why with -e \"reason='it loses money'\"."),
        (("-e", "reason=x"), "feature: missing; say which one with -e feature=NAME."),
        (
            ("-e", "feature=nope", "-e", "reason=x"),
            "there is no flag nope; make it with action set; nothing was killed",
        ),
        ((*KILL[1:], "-e", '{"flags": {}}'), "flags: empty; this environment has no flag set."),
    ],
)
def test_a_kill_that_cannot_be_done_says_why(flow: FeatureFlow, args: tuple[str, ...], problem: str) -> None:
    done = flow.run("kill_feature", *args)
    assert done.code == 2, done.output
    assert problem in told(done)
    assert flow.the_set()["killed"] == {}


def test_stores_are_repaired_without_a_change_of_the_set(flow: FeatureFlow) -> None:
    before = flow.the_set()
    checked = flow.run("reconcile_features", "--check")
    assert (checked.code, flag_calls(checked)) == (0, []), checked.output
    refused = flow.run("reconcile_features", "-e", f"feature={FLAG}", "-e", "release_confirm=production")
    assert refused.code == 2, refused.output
    assert "feature: a store has the set as a whole" in told(refused) and "confirm: missing" in told(refused)

    done = flow.run("reconcile_features", "-e", "release_by=anna", "--limit", "management")
    assert done.code == 0, done.output
    assert flag_calls(done, "actor", "reason", "name") == [("reconcile", "anna", "reconcile_features.yml", "the-set")]
    assert "the-set: revision 7" in told(done) and flow.the_set() == before
    away = flow.run("reconcile_features", faults={"fleet": {"stores_away": ["fleet"]}})
    assert away.code == 2, away.output
    assert "fleet: the API server is away" in told(away)


def test_status_shows_every_feature_and_what_differs(flow: FeatureFlow) -> None:
    assert flow.run("toggle_feature", "-e", "feature=new_fees", "-e", "value=12.5", "-e", "release_by=anna").code == 0
    assert flow.run(*KILL, "-e", "release_by=ben").code == 0
    before = flow.the_set()
    done = flow.run("feature_status", faults={"fleet": {"stores_away": ["redis"]}})
    assert done.code == 0, done.output
    assert flow.the_set() == before
    lines = [" ".join(line.split()) for line in done.output.splitlines()]
    assert f"{FLAG} off (restored: off) by ben since 2027-01-15 08:00Z: it loses money - -" in lines
    assert "new_fees on for 12.5 % - fees 2026-12-31 (stale 14 d)" in lines
    assert "redis: away, it does not answer" in lines
    assert "2027-01-15 08:00Z 8 rollout new_fees anna toggle_feature.yml: value=12.5" in lines

    one = flow.run("feature_status", "-e", "feature=new_fees,new_fee")
    assert one.code == 0, one.output
    assert f"{FLAG} off" not in one.output
    assert "feature: there is no flag new_fee; did you mean new_fees?" in one.output
    nobody = flow.run("feature_status", faults={"fleet": {"stores_away": ALL}})
    assert nobody.code == 2, nobody.output
    assert "the-set: no store answers" in nobody.output
