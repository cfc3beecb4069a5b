# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks for models over regions that are files."""

from __future__ import annotations

import pathlib
import shutil

import pytest
from flow_runner import REGIONS
from model_flow import MODEL, MODELS, ModelFlow, acts, looked, told

US, EU, AP = REGIONS
NAMED = ("-e", f"model={MODEL}")
SHADOW = ("deploy_model", *NAMED, "-e", "version=v2.1.0")
CANARY = (*SHADOW, "-e", "strategy=canary")
PROMOTE = ("promote_model", *NAMED)
ROLLBACK = ("rollback_model", *NAMED)
BLUE, GREEN = [(100, 0)] * 3, [(0, 100)] * 3
NOBODY = [None] * 4


@pytest.fixture
def flow(tmp_path: pathlib.Path) -> ModelFlow:
    return ModelFlow(tmp_path)


# Made once, because each run takes as long as a test.
@pytest.fixture(scope="session")
def after_canary(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    made = ModelFlow(tmp_path_factory.mktemp("canary"))
    done = made.run(*CANARY)
    assert done.code == 0, done.output
    assert made.weights() == [(95, 5)] * 3
    return made.home


@pytest.fixture
def canary(flow: ModelFlow, after_canary: pathlib.Path) -> ModelFlow:
    """A flow of its own, with v2.1.0 at 5 % of the traffic."""
    for place in (*REGIONS, "fleet"):
        shutil.copy(after_canary / f"{place}.json", flow.home)
    return flow


@pytest.fixture
def promoted(canary: ModelFlow) -> ModelFlow:
    """And then promoted."""
    canary.write("fleet", judgements=[looked("pass", "promote")])
    done = canary.run(*PROMOTE)
    assert done.code == 0, done.output
    return canary


def test_from_the_shadow_to_the_champion_and_back(flow: ModelFlow) -> None:
    checked = flow.run(*SHADOW, "--check")
    assert checked.code == 0, checked.output
    assert (acts(checked), flow.weights(), flow.note(US)) == ([], BLUE, {})

    done = flow.run(*SHADOW)
    assert done.code == 0, done.output
    assert (flow.weights(), flow.note(EU)["challenger"], flow.note(EU)["strategy"]) == (BLUE, "v2.1.0", "shadow")
    assert flow.write(US)["models"][MODEL]["mirror"] == {"slot": "green", "percent": 10.0}
    assert flow.scale(US, "green") == 2
    assert flow.aliases() == {"champion": "v2.0.0", "challenger": "v2.1.0"}
    assert acts(done)[0] == ("fleet", "release_journal", "opened"), "the fleet is locked first"
    assert acts(done)[-1] == ("fleet", "release_journal", "closed"), "and last unlocked"
    opened = [call for call in done.calls if (call["module"], call["state"]) == ("release_journal", "opened")]
    assert [call["release_id"] for call in opened] == [None, "m1", "m1", "m1"]
    finish = {"state": "deployed", "model": MODEL, "version": "v2.1.0", "slot": "green", "reason": "deploy_model.yml"}
    assert [call["finish"] for call in opened] == [finish] * 4
    assert f"{MODEL} v2.1.0: us-east-1 is deployed (v2.1.0 in green, shadow)" in told(done)
    assert flow.held() == NOBODY

    # Nothing is proven yet.
    early = flow.run(*PROMOTE)
    assert early.code == 2, early.output
    assert "is not promoted, the challenger is not proven yet: too little evidence; wait for more" in told(early)
    assert (acts(early), flow.weights()) == ([], BLUE)

    flow.write("fleet", judgements=[looked("pass", "ready")])
    done = flow.run(*PROMOTE, "-e", "report=page.html")
    assert done.code == 0, done.output
    assert (flow.weights(), flow.aliases()) == (GREEN, {"champion": "v2.1.0", "previous_champion": "v2.0.0"})
    judged = [call for call in done.calls if call["state"] == "judged"]
    assert [(call["region"], call["report"]) for call in judged] == [(US, "page.html")], "once, for all regions"
    assert judged[0]["judge"] == {"labels": {"maturity_s": 1}}
    gates = [call for call in done.calls if call["module"] == "k8s_rollout_gate"]
    assert {call["region"] for call in gates} == set(REGIONS) and gates[0]["release"]["id"] == "m1"
    moved = acts(done, "model_shadow")
    assert [region for region, _module, _state in moved[:3]] != ["fleet"] and moved[-1][0] == "fleet", (
        "the alias is last"
    )
    assert (flow.note(US)["promoted"], flow.scale(US, "blue")) == (True, 2), "the old one stays warm"

    done = flow.run(*ROLLBACK, "-e", "reason='wrong prices'")
    assert done.code == 0, done.output
    assert (flow.weights(), flow.aliases(), flow.note(US)) == (BLUE, {"champion": "v2.0.0"}, {})
    assert [flow.scale(region, "green") for region in REGIONS] == [0] * 3
    states = [state for _region, module, state in acts(done) if module in ("model_shadow", "k8s_revision")]
    assert states == ["rolled_back"] * 4 + ["applied"] * 3, "pods go when nobody asks them any more"
    assert {region for region, _module, _state in acts(done, "model_shadow")[:3]} == set(REGIONS), (
        "regions before the alias"
    )
    assert {call["reason"] for call in done.calls if call["state"] == "rolled_back"} == {"wrong prices"}
    assert flow.held() == NOBODY


def test_without_evidence_it_needs_a_person_and_a_reason(canary: ModelFlow) -> None:
    canary.write("fleet", judgements=[looked("fail", "roll_back", worst="SOL-USD/sell")])
    refused = canary.run(*PROMOTE)
    assert refused.code == 2
    assert "the challenger is worse: the checks fail (worst segment: SOL-USD/sell)" in told(refused)
    forced = canary.run(*PROMOTE, "-e", "force=yes", "-e", "reason='the old one is wrong'")
    assert forced.code == 0, forced.output
    assert canary.weights() == GREEN


def test_a_look_that_fails_promotes_nobody(canary: ModelFlow) -> None:
    canary.write("fleet", judgements=[{"error": "redis does not answer"}])
    refused = canary.run(*PROMOTE)
    assert refused.code == 2
    assert "nobody can judge the challenger now: redis does not answer" in told(refused)
    assert canary.weights() == [(95, 5)] * 3


def test_a_watch_that_ends_blind_is_no_good_end(canary: ModelFlow) -> None:
    canary.write("fleet", judgements=[looked("hold", "wait"), {"error": "redis does not answer"}])
    blind = canary.run("watch_model", *NAMED, "-e", "interval_s=1", "-e", "watch_s=1")
    assert blind.code == 2, blind.output
    assert "v2.1.0 is not watched any more, the last look could not judge: redis does not answer. Mend" in told(blind)
    assert canary.weights() == [(95, 5)] * 3
    canary.write("fleet", judgements=[{"error": "redis does not answer"}, looked("hold", "wait")])
    seen = canary.run("watch_model", *NAMED, "-e", "interval_s=1", "-e", "watch_s=1")
    assert seen.code == 0, seen.output


@pytest.mark.parametrize(
    ("faults", "reason"),
    [
        ({AP: {"gate": f"prepare {MODEL}"}}, "ap-northeast-1 is taken_back (core-api error rate is 20 %"),
        ({AP: {"model": {"deployed": "egress: nothing selects the pods"}}}, "taken_back (egress: nothing selects"),
        (
            {"fleet": {"model": {"deployed": "version v2.1.0 is not in the registry"}}},
            "the fleet: version v2.1.0 is not in",
        ),
    ],
)
def test_what_fails_somewhere_is_taken_back_everywhere(flow: ModelFlow, faults: dict[str, object], reason: str) -> None:
    done = flow.run(*SHADOW, faults=faults)
    assert done.code == 2, done.output
    assert reason in told(done)
    assert "us-east-1 is taken_back" in told(done)
    assert (flow.weights(), [flow.note(region) for region in REGIONS]) == (BLUE, [{}] * 3)
    assert (flow.scale(US, "green"), flow.aliases(), flow.held()) == (None, {"champion": "v2.0.0"}, NOBODY)


def test_a_promotion_that_fails_in_a_region_leaves_the_challenger_a_challenger(canary: ModelFlow) -> None:
    canary.write("fleet", judgements=[looked("pass", "promote")])
    done = canary.run(*PROMOTE, faults={EU: {"model": {"promoted": "green has 0 ready pods"}}})
    assert done.code == 2, done.output
    assert (canary.weights(), canary.note(US)["promoted"]) == ([(95, 5)] * 3, False)
    assert (canary.aliases()["champion"], canary.held()) == ("v2.0.0", NOBODY)


def test_an_alias_whose_answer_was_lost_is_looked_at(canary: ModelFlow) -> None:
    canary.write("fleet", judgements=[looked("pass", "ready")])
    done = canary.run(*PROMOTE, faults={"fleet": {"lost": ["promoted"]}})
    assert done.code == 0, done.output
    assert (canary.weights(), canary.aliases()["champion"]) == (GREEN, "v2.1.0")


def test_one_region_that_cannot_be_locked_keeps_all(flow: ModelFlow) -> None:
    done = flow.run(*SHADOW, faults={AP: {"open": "deploy r1 by ben is unfinished"}})
    assert done.code == 2, done.output
    assert "ap-northeast-1 is failed (deploy r1 by ben is unfinished)" in told(done)
    assert (flow.weights(), flow.scale(US, "green"), flow.held()) == (BLUE, None, NOBODY)


def test_a_way_back_waits_for_nobody(canary: ModelFlow) -> None:
    done = canary.run(*ROLLBACK, faults={EU: {"away": True}})
    assert done.code == 2, done.output
    assert canary.weights() == [(100, 0), (95, 5), (100, 0)]
    assert "eu-west-1 is unreachable (the API server is away)" in told(done)
    assert (canary.aliases(), canary.held()) == ({"champion": "v2.0.0"}, NOBODY)
    again = canary.run(*ROLLBACK)
    assert again.code == 0, again.output
    assert canary.weights() == BLUE


def test_a_way_back_goes_without_a_fleet_that_does_not_answer(canary: ModelFlow) -> None:
    away = canary.run(*ROLLBACK, faults={"fleet": {"away": True}})
    assert away.code == 2, away.output
    assert canary.weights() == BLUE
    assert "the fleet: the API server is away" in told(away)


def test_aliases_that_a_way_back_does_not_reach_are_left_to_recover(promoted: ModelFlow) -> None:
    other = promoted.run(*ROLLBACK, "-e", "version=v2.0.0")
    assert other.code == 2
    assert "version: is v2.0.0, and the champion here is v2.1.0; look who it was" in told(other)
    assert (promoted.weights(), promoted.aliases()["champion"]) == (GREEN, "v2.1.0")

    done = promoted.run(
        *ROLLBACK, faults={"fleet": {"model": {"rolled_back": ["mlflow does not answer", "unreachable"]}}}
    )
    assert done.code == 2, done.output
    assert "the fleet: mlflow does not answer. run recover.yml" in told(done)
    assert (promoted.weights(), promoted.held()) == (BLUE, [None, None, None, "m1"])
    later = promoted.run("recover")
    assert later.code == 0, later.output
    assert (promoted.aliases(), promoted.held()) == ({"champion": "v2.0.0"}, NOBODY)


def test_the_first_version_of_all_comes_directly(flow: ModelFlow) -> None:
    fraud = ("deploy_model", "-e", "model=fraud", "-e", "version=v1")
    refused = flow.run(*fraud)
    assert refused.code == 2
    assert "nothing serves fraud in us-east-1, so nothing can be compared with" in told(refused)
    first = flow.run(*fraud, "-e", "strategy=direct", "-e", "reason='the first one'")
    assert first.code == 0, first.output
    assert flow.weights("fraud") == BLUE
    assert flow.write("fleet")["aliases"]["fraud"]["champion"] == "v1"

    # From then on it is the emergency.
    second = flow.run(*fraud[:-1], "version=v2", "-e", "strategy=direct", "-e", "reason='v1 is wrong'")
    assert second.code == 0, second.output
    assert flow.weights("fraud") == GREEN
    assert flow.write("fleet")["aliases"]["fraud"]["champion"] == "v2"


def test_a_second_challenger_and_the_champion_itself_are_refused(canary: ModelFlow) -> None:
    again = canary.run(*CANARY)
    assert again.code == 0, again.output
    other = canary.run("deploy_model", *NAMED, "-e", "version=v2.2.0")
    assert other.code == 2
    assert "v2.1.0 is the challenger there and not done; promote it, or take it back" in told(other)
    same = canary.run("deploy_model", *NAMED, "-e", "version=v2.0.0")
    assert "v2.1.0 is the challenger there and not done" in told(same)


def test_a_watch_lets_a_canary_go_on_and_promotes_it_when_it_may(flow: ModelFlow) -> None:
    assert flow.run(*CANARY, "-e", "steps=5,100").code == 0
    flow.write("fleet", judgements=[looked("pass", "advance", 100), looked("pass", "promote", 100)])
    watch = ("watch_model", *NAMED, "-e", "interval_s=1", "-e", "watch_s=1")
    done = flow.run(*watch)
    assert done.code == 0, done.output
    assert (flow.weights(), flow.note(EU)["step"], flow.aliases()["champion"]) == (GREEN, 1, "v2.0.0")
    assert "next: 100 % of the traffic" in told(done)
    assert "next: ready to be promoted, by promote_model.yml -e model=price-prediction" in told(done)
    assert flow.held() == NOBODY

    done = flow.run(*watch, "-e", "auto_promote=true")
    assert done.code == 0, done.output
    assert (flow.note(EU)["promoted"], flow.aliases()["champion"]) == (True, "v2.1.0")


def test_a_watch_takes_back_what_is_worse_and_says_so(canary: ModelFlow) -> None:
    canary.write("fleet", judgements=[{"error": "redis does not answer"}, looked("fail", "roll_back")])
    done = canary.run("watch_model", *NAMED, "-e", "interval_s=1", "-e", "watch_s=60")
    assert done.code == 2, done.output
    assert (canary.weights(), canary.aliases(), canary.held()) == (BLUE, {"champion": "v2.0.0"}, NOBODY)
    assert [canary.scale(region, "green") for region in REGIONS] == [0] * 3
    assert "cannot be judged now: redis does not answer" in told(done)
    assert "price-prediction v2.1.0 was taken back: the checks fail" in told(done)
    assert {call["reason"] for call in done.calls if call["state"] == "rolled_back"} == {
        "watch_model.yml: the checks fail"
    }


def test_check_mode_writes_nothing(canary: ModelFlow) -> None:
    canary.write("fleet", judgements=[looked("pass", "ready")])
    for playbook in (PROMOTE, ROLLBACK, ("watch_model", *NAMED)):
        checked = canary.run(*playbook, "--check")
        assert checked.code == 0, checked.output
        assert acts(checked) == []
    assert canary.weights() == [(95, 5)] * 3


def test_without_a_challenger_there_is_nothing_to_watch(flow: ModelFlow) -> None:
    empty = flow.run("watch_model", *NAMED)
    assert empty.code == 2
    assert "there is no challenger of price-prediction to watch" in told(empty)


def test_a_killed_deployment_goes_back(canary: ModelFlow) -> None:
    canary.broken_off()
    refused = canary.run(*ROLLBACK)
    assert refused.code == 2 and "m1 is unfinished" in told(refused)
    done = canary.run("recover")
    assert done.code == 0, done.output
    assert (canary.weights(), canary.aliases(), canary.held()) == (BLUE, {"champion": "v2.0.0"}, NOBODY)
    assert "price-prediction v2.1.0 is as before" in told(done)
    assert acts(canary.run("recover")) == []


def test_a_killed_way_back_goes_on(canary: ModelFlow) -> None:
    canary.broken_off(state="rolled_back")
    done = canary.run("recover")
    assert done.code == 0, done.output
    assert (canary.weights(), canary.aliases(), canary.note(US)) == (BLUE, {"champion": "v2.0.0"}, {})
    assert canary.scale(EU, "green") == 0


@pytest.mark.parametrize("made", [True, False])
def test_a_killed_promotion_is_what_the_registry_says(promoted: ModelFlow, made: bool) -> None:
    promoted.broken_off()
    if not made:
        promoted.write("fleet", aliases={"prices": {"champion": "v2.0.0", "challenger": "v2.1.0"}})
    done = promoted.run("recover")
    assert done.code == 0, done.output
    assert promoted.weights() == (GREEN if made else [(95, 5)] * 3)
    assert promoted.aliases()["champion"] == ("v2.1.0" if made else "v2.0.0")
    assert promoted.held() == NOBODY


def test_a_registry_that_does_not_answer_leaves_a_killed_promotion_as_it_is(promoted: ModelFlow) -> None:
    promoted.broken_off()
    done = promoted.run("recover", faults={"fleet": {"model": {"status": ["mlflow does not answer", "unreachable"]}}})
    assert done.code == 2, done.output
    assert "does not say who the champion is: mlflow does not answer" in told(done)
    assert (promoted.weights(), promoted.held()) == (GREEN, ["m1"] * 4)
    assert promoted.run("recover").code == 0
    assert promoted.held() == NOBODY


def test_the_table(canary: ModelFlow) -> None:
    done = canary.run("model_status", faults={AP: {"away": True}})
    assert done.code == 0, done.output
    assert "price-prediction us-east-1 v2.0.0 v2.1.0 canary, step 1 of 4 blue 95 %, green 5 % 2027-01-15" in told(done)
    assert "fraud eu-west-1 - - - none -" in told(done)
    assert "the API server is away" in told(done)
    assert "registry of price-prediction: champion v2.0.0, challenger v2.1.0" in told(done)
    gone = canary.run("model_status", *NAMED, faults={region: {"away": True} for region in REGIONS})
    assert gone.code == 2 and "no region answers: the API server is away" in told(gone)


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (
            ("deploy_model", "-e", "model=price-predicton", "-e", "version=v2"),
            "model: unknown model price-predicton; did you mean price-prediction?",
        ),
        ((*PROMOTE, "--limit", US), "--limit: it leaves out eu-west-1, ap-northeast-1"),
    ],
)
def test_what_is_wrong_is_named_before_anything_is_asked(flow: ModelFlow, asked: tuple[str, ...], reason: str) -> None:
    done = flow.run(*asked)
    assert done.code == 2, done.output
    assert reason in told(done)
    assert done.calls == []


def test_an_environment_without_models_is_told_so_and_disturbs_nobody(flow: ModelFlow) -> None:
    flow.variables(models={}, model_registry={}, model_sources=[])
    done = flow.run("model_status")
    assert done.code == 2
    assert "models: empty; this environment has no models." in told(done)
    assert flow.run("recover").code == 0


def test_without_a_registry_the_routes_alone_say_who_serves(canary: ModelFlow) -> None:
    canary.variables(models=MODELS, model_registry={})
    canary.write("fleet", judgements=[looked("pass", "ready")])
    done = canary.run(*PROMOTE)
    assert done.code == 0, done.output
    assert (canary.weights(), canary.aliases()["champion"]) == (GREEN, "v2.0.0")
