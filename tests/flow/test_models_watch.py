# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""watch_model.yml over regions that are files: back at once, and what stands in the way of a look."""

from __future__ import annotations

import pathlib
import shutil

import pytest
from flow_runner import REGIONS
from model_flow import MODEL, ModelFlow, acts, looked, told

US, EU, AP = REGIONS
WATCH = ("watch_model", "-e", f"model={MODEL}", "-e", "interval_s=1")
BLUE, CANARY = [(100, 0)] * 3, [(95, 5)] * 3
NOBODY = [None] * 4
FAILS = looked("fail", "roll_back")


@pytest.fixture(scope="session")
def watched_home(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    made = ModelFlow(tmp_path_factory.mktemp("watched"))
    done = made.run("deploy_model", "-e", f"model={MODEL}", "-e", "version=v2.1.0", "-e", "strategy=canary")
    assert done.code == 0, done.output
    return made.home


@pytest.fixture
def watched(tmp_path: pathlib.Path, watched_home: pathlib.Path) -> ModelFlow:
    """A flow of its own, with v2.1.0 at 5 % of the traffic."""
    flow = ModelFlow(tmp_path)
    for place in (*REGIONS, "fleet"):
        shutil.copy(watched_home / f"{place}.json", flow.home)
    return flow


def test_what_is_worse_is_back_before_the_playbook_goes_on(watched: ModelFlow) -> None:
    watched.write("fleet", judgements=[FAILS])
    done = watched.run(*WATCH, "-e", "watch_s=60")
    assert done.code == 2, done.output
    assert (watched.weights(), watched.aliases(), watched.held()) == (BLUE, {"champion": "v2.0.0"}, NOBODY)
    assert [watched.scale(region, "green") for region in REGIONS] == [0] * 3
    assert f"{MODEL} v2.1.0 was taken back: the checks fail" in told(done)
    # No task locks or writes after the look: it has done so itself. What is written is looked at again and proved.
    assert [state for _region, module, state in acts(done, "release_journal")] == ["closed"] * 4
    states = [state for _region, module, state in acts(done) if module in ("model_shadow", "k8s_revision")]
    assert states == ["rolled_back"] * 4 + ["applied"] * 3
    assert acts(done)[-1] == ("fleet", "release_journal", "closed")
    held = {call["release"]["id"] for call in done.calls if call["state"] in ("rolled_back", "applied")}
    assert held == {"m1"}


def test_check_mode_tells_the_truth(watched: ModelFlow) -> None:
    watched.write("fleet", judgements=[FAILS])
    done = watched.run(*WATCH, "--check")
    assert done.code == 2, done.output
    assert f"{MODEL} v2.1.0 would be taken back: the checks fail" in told(done)
    assert "was taken back" not in told(done)
    assert (acts(done), watched.weights(), watched.held()) == ([], CANARY, NOBODY)


def test_a_release_that_runs_is_waited_for(watched: ModelFlow) -> None:
    """It refuses the step of the first look. At the last one that is an error."""
    watched.write("fleet", judgements=[looked("pass", "advance", 25)])
    faults = {"fleet": {"open": "deploy r7 by ben is unfinished"}}
    done = watched.run(*WATCH, "-e", "watch_s=1", faults=faults)
    assert done.code == 2, done.output
    assert told(done).count("it is tried again at the next look") == 2
    assert "is not watched any more, the last look could change nothing: " in told(done)
    assert "deploy r7 by ben is unfinished" in told(done)
    looks = [call for call in done.calls if call["state"] == "judged"]
    assert (len(looks), watched.weights(), watched.held()) == (2, CANARY, NOBODY)


def test_a_look_after_the_release_has_ended_goes_on(watched: ModelFlow) -> None:
    watched.write("fleet", judgements=[looked("pass", "advance", 25), looked("hold", "wait")])
    done = watched.run(*WATCH, "-e", "watch_s=1", faults={"fleet": {"open": "deploy r7 by ben is unfinished"}})
    assert done.code == 0, done.output
    assert "it is tried again at the next look" in told(done)
    assert watched.weights() == CANARY


def test_one_region_that_is_away_is_told_and_the_others_are_watched(watched: ModelFlow) -> None:
    watched.write("fleet", judgements=[looked("hold", "wait"), FAILS])
    done = watched.run(*WATCH, "-e", "watch_s=1", faults={US: {"away": True}})
    assert done.code == 2, done.output
    assert "warning: us-east-1 is not watched, the others are: the API server is away" in told(done)
    assert [call["region"] for call in done.calls if call["state"] == "judged"] == [EU, EU]
    assert watched.weights() == [(95, 5), (100, 0), (100, 0)]
    assert "v2.1.0 was taken back in eu-west-1, ap-northeast-1 and not in us-east-1: the checks fail" in told(done)
    assert (watched.aliases(), watched.held()) == ({"champion": "v2.0.0"}, NOBODY)


def test_what_could_not_be_taken_back_is_tried_at_the_next_look(watched: ModelFlow) -> None:
    watched.write("fleet", judgements=[FAILS])
    faults = {EU: {"open": "maintenance of ben"}, AP: {"at_once": "blue has 0 ready pods"}}
    done = watched.run(*WATCH, "-e", "watch_s=1", faults=faults)
    assert done.code == 2, done.output
    # What was locked and not written is written by the tasks that follow.
    assert watched.weights() == [(100, 0), (95, 5), (100, 0)]
    assert [call["region"] for call in done.calls if call["state"] == "judged"] == [US, EU]
    assert "was taken back in us-east-1, ap-northeast-1 and not in eu-west-1: the checks fail" in told(done)
    assert watched.held() == NOBODY


def test_a_region_that_is_lost_under_its_lock_is_left_to_a_recovery(watched: ModelFlow) -> None:
    """Every look after that would find it locked."""
    watched.write("fleet", judgements=[FAILS])
    faults = {AP: {"at_once": "it is away", "model": {"rolled_back": ["it is away", "unreachable"]}}}
    done = watched.run(*WATCH, "-e", "watch_s=60", faults=faults)
    assert done.code == 2, done.output
    assert len([call for call in done.calls if call["state"] == "judged"]) == 1
    assert "was taken back in us-east-1, eu-west-1 and not in ap-northeast-1: the checks fail" in told(done)
    assert "its lock stays, run recover.yml" in told(done)
    # A recovery has to know of it.
    assert watched.held() == [None, None, "m1", "m1"]
    again = watched.run("recover")
    assert again.code == 0, again.output
    assert (watched.weights(), watched.held()) == (BLUE, NOBODY)


def test_what_is_promoted_is_what_is_there_then(watched: ModelFlow) -> None:
    watched.write("fleet", judgements=[looked("hold", "wait"), looked("pass", "promote")])
    done = watched.run(*WATCH, "-e", "watch_s=1", "-e", "auto_promote=true")
    assert done.code == 0, done.output
    assert (watched.weights(), watched.aliases()["champion"]) == ([(0, 100)] * 3, "v2.1.0")
    states = [call["state"] for call in done.calls]
    last = len(states) - states[::-1].index("judged")
    before = [call["region"] for call in done.calls[last : states.index("opened")] if call["state"] == "status"]
    assert sorted(before) == sorted(REGIONS)


def test_past_somebody_who_holds_the_fleet_nobody_goes(watched: ModelFlow) -> None:
    watched.write("fleet", judgements=[FAILS, looked("hold", "wait")])
    done = watched.run(*WATCH, "-e", "watch_s=1", faults={"fleet": {"open": "deploy r7 by ben is unfinished"}})
    # Also when the last look does not say so any more.
    assert done.code == 2, done.output
    assert "could not be taken back in us-east-1, eu-west-1, ap-northeast-1: the checks fail" in told(done)
    assert "deploy r7 by ben is unfinished; it is tried again at the next look" in told(done)
    assert (watched.weights(), watched.held(), acts(done)) == (CANARY, NOBODY, [])


def test_a_look_that_was_killed_in_the_middle_of_its_way_back_is_recovered(watched: ModelFlow) -> None:
    finish = {
        "state": "rolled_back",
        "model": MODEL,
        "version": "v2.1.0",
        "slot": None,
        "reason": "watch_model.yml: bad",
    }
    opened = {"held": "m1", "told_finish": finish, "entries": [], "part": list(REGIONS), "decision": None}
    before = {region: watched.write(region) for region in REGIONS}
    for place in (US, EU, AP, "fleet"):
        watched.write(place, **opened)
    # Written in one region, and only locked in the others.
    wrote = {**before[US]["models"], MODEL: {**before[US]["models"][MODEL], "note": None}}
    watched.write(US, weights={MODEL: {"blue": 100, "green": 0}}, models=wrote)
    done = watched.run("recover")
    assert done.code == 0, done.output
    assert (watched.weights(), watched.aliases(), watched.held()) == (BLUE, {"champion": "v2.0.0"}, NOBODY)
    assert [watched.note(region) for region in REGIONS] == [{}] * 3
    assert [watched.scale(region, "green") for region in REGIONS] == [0] * 3
