# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways back of models where something fails: a registry that refuses or is silent, a kill, a part of the regions."""

from __future__ import annotations

import json
import pathlib
import shutil
import typing as t

import pytest
from flow_runner import REGIONS
from model_flow import MODEL, MODELS, ModelFlow, acts, looked, told

US, EU, AP = REGIONS
NAMED = ("-e", f"model={MODEL}")
SHADOW = ("deploy_model", *NAMED, "-e", "version=v2.1.0")
PROMOTE = ("promote_model", *NAMED)
ROLLBACK = ("rollback_model", *NAMED)
BLUE, GREEN = [(100, 0)] * 3, [(0, 100)] * 3
NOBODY = [None] * 4
SILENT: t.Final = ["mlflow does not answer", "unreachable"]


@pytest.fixture
def flow(tmp_path: pathlib.Path) -> ModelFlow:
    return ModelFlow(tmp_path)


# Made once, because each run takes as long as a test.
@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, pathlib.Path]:
    """The files of the regions after a deployment as a shadow, and after its promotion."""
    flow = ModelFlow(tmp_path_factory.mktemp("back"))
    kept: dict[str, pathlib.Path] = {}
    for name, args in (("shadow", SHADOW), ("promoted", PROMOTE)):
        done = flow.run(*args)
        assert done.code == 0, done.output
        kept[name] = flow.home.parent / name
        shutil.copytree(flow.home, kept[name], symlinks=True, ignore=shutil.ignore_patterns("collections", "inventory"))
        flow.write("fleet", judgements=[looked("pass", "ready")])
    return kept


def at(flow: ModelFlow, home: pathlib.Path) -> ModelFlow:
    for place in (*REGIONS, "fleet"):
        shutil.copy(home / f"{place}.json", flow.home)
    flow.write("fleet", judgements=[looked("pass", "ready")])
    return flow


@pytest.fixture
def shadow(flow: ModelFlow, made: dict[str, pathlib.Path]) -> ModelFlow:
    """v2.1.0 gets copies in green."""
    return at(flow, made["shadow"])


@pytest.fixture
def promoted(flow: ModelFlow, made: dict[str, pathlib.Path]) -> ModelFlow:
    """And then it is the champion."""
    return at(flow, made["promoted"])


def test_what_a_registry_refuses_for_good_ends_and_is_told(promoted: ModelFlow) -> None:
    """The champion before was deleted there, so there is nothing that its alias could go back to."""
    gone = {"fleet": {"model": {"rolled_back": ["there is nothing to go back to", "nothing_before"]}}}
    done = promoted.run(*ROLLBACK, faults=gone)
    assert done.code == 2, done.output
    assert (
        "there is nothing to go back to. The registry refuses that for good: the regions serve v2.0.0, and it has"
        in (told(done))
    )
    assert "champion v2.1.0, previous_champion v2.0.0; set its aliases by hand" in told(done)
    assert (promoted.weights(), promoted.held()) == (BLUE, NOBODY), "nothing is left to a recovery"


def test_a_recovery_ends_where_the_registry_refuses_for_good(promoted: ModelFlow) -> None:
    promoted.broken_off(state="rolled_back", version="")
    gone = {"fleet": {"model": {"rolled_back": ["there is nothing to go back to", "nothing_before"]}}}
    done = promoted.run("recover", faults=gone)
    assert done.code == 2, done.output
    assert "fleet is apart (the registry of the models: there is nothing to go back to. The registry refuses" in told(
        done
    )
    assert "the regions serve v2.0.0, and it has champion v2.1.0" in told(done)
    assert (promoted.weights(), promoted.held()) == (BLUE, NOBODY)
    assert promoted.run("recover").code == 0


def test_a_version_that_was_never_registered_keeps_no_recovery(shadow: ModelFlow) -> None:
    """Its alias never moved: the journal of the fleet has nothing of it."""
    shadow.broken_off()
    shadow.write("fleet", aliases={"prices": {"champion": "v2.0.0"}}, entries=[])
    refuses = {"fleet": {"model": {"rolled_back": ["version v2.1.0 is not in the registry", "not_found"]}}}
    done = shadow.run("recover", faults=refuses)
    assert done.code == 0, done.output
    assert (shadow.weights(), shadow.aliases(), shadow.held()) == (BLUE, {"champion": "v2.0.0"}, NOBODY)


@pytest.mark.parametrize("before", [None, "v1.9.0", "v2.1.0"])
def test_the_alias_of_a_challenger_goes_back_to_what_it_was(shadow: ModelFlow, before: str | None) -> None:
    shadow.broken_off()
    moved = {"op": "models", "fields": {"challenger": {"before": before, "after": "v2.1.0"}}}
    # Where it was the challenger already, nothing was moved.
    shadow.write("fleet", entries=[{"step": "deploy", "changes": [moved]}] if before != "v2.1.0" else [])
    done = shadow.run("recover")
    assert done.code == 0, done.output
    assert shadow.aliases() == {"champion": "v2.0.0", **({"challenger": before} if before else {})}


def test_a_kill_between_two_regions_ends_all_of_them_alike(shadow: ModelFlow) -> None:
    """The first region has ended as deployed, so the others do."""
    assert shadow.write("fleet")["decision"]["decision"] == "keep", "written before the first region ended"
    shadow.broken_off("keep")
    shadow.write(US, held=None)
    done = shadow.run("recover")
    assert done.code == 0, done.output
    assert [shadow.note(region)["challenger"] for region in REGIONS] == ["v2.1.0"] * 3
    assert (shadow.aliases(), shadow.held()) == ({"champion": "v2.0.0", "challenger": "v2.1.0"}, NOBODY)
    assert f"{MODEL} v2.1.0 is deployed" in told(done)


def test_a_killed_recovery_goes_on_as_it_began(promoted: ModelFlow) -> None:
    """It had asked the registry and decided; that somebody has moved the alias since changes nothing."""
    promoted.broken_off("undo")
    done = promoted.run("recover")
    assert done.code == 0, done.output
    assert (promoted.weights(), promoted.held()) == (BLUE, NOBODY)
    assert promoted.aliases() == {"champion": "v2.0.0"}


def test_what_cannot_be_decided_ends_nowhere(flow: ModelFlow) -> None:
    done = flow.run(*SHADOW, faults={"fleet": {"decide": "lost"}})
    assert done.code == 2, done.output
    assert "; whether that stays is not decided: the fleet's journal does not answer). run recover.yml" in told(done)
    assert flow.held() == ["m1"] * 4
    # It was written all the same.
    assert flow.run("recover").code == 0
    assert [flow.note(region)["challenger"] for region in REGIONS] == ["v2.1.0"] * 3


@pytest.mark.parametrize("made_it", [True, False])
def test_a_promotion_of_which_nobody_knows_stays_until_the_registry_says(shadow: ModelFlow, made_it: bool) -> None:
    faults = {"fleet": {"lost": ["promoted"], "model": {"status": SILENT}}}
    done = shadow.run(*PROMOTE, faults=faults)
    assert done.code == 2, done.output
    assert "us-east-1 is stuck (v2.1.0 in green; it serves what it served at the end, until the registry says" in told(
        done
    )
    assert "the fleet: the registry does not answer. run recover.yml" in told(done)
    assert (shadow.weights(), shadow.held()) == (GREEN, ["m1"] * 4)
    if not made_it:
        shadow.write("fleet", aliases={"prices": {"champion": "v2.0.0", "challenger": "v2.1.0"}})
    later = shadow.run("recover")
    assert later.code == 0, later.output
    assert (shadow.weights(), shadow.held()) == (GREEN if made_it else BLUE, NOBODY)
    assert shadow.aliases()["champion"] == ("v2.1.0" if made_it else "v2.0.0")


def test_a_registry_that_was_never_reached_takes_a_promotion_back(shadow: ModelFlow) -> None:
    done = shadow.run(*PROMOTE, faults={"fleet": {"model": {"promoted": SILENT, "status": SILENT}}})
    assert done.code == 2, done.output
    assert (shadow.weights(), shadow.held()) == (BLUE, NOBODY)
    assert shadow.note(US)["promoted"] is False


def test_an_alias_of_a_challenger_that_nobody_knows_is_left_to_recover(flow: ModelFlow) -> None:
    done = flow.run(*SHADOW, faults={"fleet": {"lost": ["deployed"], "model": {"status": SILENT}}})
    assert done.code == 2, done.output
    assert "the fleet: the registry does not answer. run recover.yml" in told(done)
    assert (flow.weights(), flow.held()) == (BLUE, [None, None, None, "m1"])
    later = flow.run("recover")
    assert later.code == 0, later.output
    assert (flow.aliases(), flow.held()) == ({"champion": "v2.0.0"}, NOBODY)


def test_aliases_that_a_way_back_without_the_fleet_has_left_are_moved_later(promoted: ModelFlow) -> None:
    away = promoted.run(*ROLLBACK, faults={"fleet": {"away": True}})
    assert away.code == 2, away.output
    run = f"rollback_model.yml -e model={MODEL} -e version=v2.1.0"
    assert f"to move its aliases run {run} when the fleet answers" in told(away)
    assert (promoted.weights(), promoted.aliases()["champion"]) == (BLUE, "v2.1.0")

    # No note says any more who went.
    asked = promoted.run(*ROLLBACK)
    assert asked.code == 2, asked.output
    assert f"the registry has champion v2.1.0, and no region does; to take its alias away run {run}" in told(asked)
    assert (promoted.aliases()["champion"], promoted.held()) == ("v2.1.0", NOBODY)

    named = promoted.run(*ROLLBACK, "-e", "version=v2.1.0")
    assert named.code == 0, named.output
    assert promoted.aliases() == {"champion": "v2.0.0"}
    # And the one that serves is not taken from its alias.
    again = promoted.run(*ROLLBACK, "-e", "version=v2.0.0")
    assert again.code == 0, again.output
    assert promoted.aliases() == {"champion": "v2.0.0"}


def test_a_way_back_of_some_regions_says_how_the_aliases_follow(promoted: ModelFlow) -> None:
    run = f"rollback_model.yml -e model={MODEL} -e version=v2.1.0"
    part = promoted.run(*ROLLBACK, "--limit", f"{US},{EU}")
    assert part.code == 0, part.output
    assert f"its aliases stay while --limit leaves regions out, to move them run {run} without it" in told(part)
    assert promoted.run(*ROLLBACK, "--limit", AP).code == 0
    assert (promoted.weights(), promoted.aliases()["champion"]) == (BLUE, "v2.1.0")
    whole = promoted.run(*ROLLBACK, "-e", "version=v2.1.0")
    assert whole.code == 0, whole.output
    assert promoted.aliases() == {"champion": "v2.0.0"}


def test_a_part_of_the_regions_gets_no_champion_of_its_own(flow: ModelFlow) -> None:
    direct = ("-e", "strategy=direct", "-e", "reason='v2.0.0 is wrong'", "--limit", US)
    refused = flow.run(*SHADOW, *direct)
    assert refused.code == 2, refused.output
    assert "with strategy=direct v2.1.0 would be the champion, which is one for all; the registry has v2.0.0" in (
        told(refused)
    )
    assert (acts(refused), flow.weights()) == ([], BLUE)
    # A region that has fallen behind follows the others.
    flow.write("fleet", aliases={"prices": {"champion": "v2.1.0", "previous_champion": "v2.0.0"}})
    follows = flow.run(*SHADOW, *direct)
    assert follows.code == 0, follows.output
    assert flow.weights() == [(0, 100), (100, 0), (100, 0)]


def test_what_is_written_and_not_accepted_yet_is_not_written_again(shadow: ModelFlow) -> None:
    slow = "us-east-1: route price-prediction: it is written, and within 30 s not in effect"
    shadow.variables(release_way_back_retries=20)
    done = shadow.run(*ROLLBACK, faults={US: {"written": {"rolled_back": slow}}})
    assert done.code == 0, done.output
    tries = [call for call in done.calls if (call["region"], call["state"]) == (US, "rolled_back")]
    assert len(tries) == 1
    assert slow in told(done)
    assert (shadow.weights(), shadow.aliases()) == (BLUE, {"champion": "v2.0.0"})


def test_a_server_that_is_busy_is_asked_a_few_times(shadow: ModelFlow) -> None:
    shadow.variables(release_way_back_retries=20)
    done = shadow.run(*ROLLBACK, faults={US: {"model": {"rolled_back": ["etcd is busy", "server"]}}})
    assert done.code == 2, done.output
    tries = {region: [call for call in done.calls if call["region"] == region] for region in (US, EU)}
    again = {region: [call["state"] for call in calls].count("rolled_back") for region, calls in tries.items()}
    assert again == {US: 4, EU: 1}
    assert "us-east-1 is failed (etcd is busy)" in told(done)
    assert shadow.weights() == [(100, 0)] * 3 and shadow.note(US)["challenger"] == "v2.1.0"


def test_nothing_is_looked_at_before_the_way_back(shadow: ModelFlow) -> None:
    done = shadow.run(*ROLLBACK)
    assert done.code == 0, done.output
    before = [(call["module"], call["state"]) for call in done.calls]
    assert before[:7] == [("release_journal", "opened")] * 4 + [("model_shadow", "rolled_back")] * 3
    (lock,) = [call for call in done.calls if (call["region"], call["state"]) == ("fleet", "opened")]
    assert "unreachable_s" in lock["options"], "a fleet that is away is not waited for"


def test_a_recovery_takes_in_each_region_the_one_that_is_noted_there(shadow: ModelFlow) -> None:
    other = shadow.write(AP)["models"]
    note = json.loads(other[MODEL]["note"])
    other[MODEL]["note"] = json.dumps({**note, "challenger": "v3.0.0"})
    shadow.write(AP, models=other)
    shadow.broken_off(state="rolled_back", version="")
    done = shadow.run("recover")
    assert done.code == 0, done.output
    assert [shadow.note(region) for region in REGIONS] == [{}] * 3
    assert shadow.held() == NOBODY


def test_a_recovery_leaves_alone_who_was_not_meant(shadow: ModelFlow) -> None:
    other = shadow.write(AP)["models"]
    note = json.loads(other[MODEL]["note"])
    other[MODEL]["note"] = json.dumps({**note, "challenger": "v3.0.0"})
    shadow.write(AP, models=other)
    shadow.broken_off(state="rolled_back", version="v2.1.0")
    done = shadow.run("recover")
    assert done.code == 0, done.output
    assert [bool(shadow.note(region)) for region in REGIONS] == [False, False, True]
    assert "v3.0.0 is what is here, and it stays" in told(done)
    assert (shadow.aliases(), shadow.held()) == ({"champion": "v2.0.0"}, NOBODY)


def test_checking_a_first_version_asks_for_no_pods(flow: ModelFlow) -> None:
    first = (
        "deploy_model",
        "-e",
        "model=fraud",
        "-e",
        "version=v1",
        "-e",
        "strategy=direct",
        "-e",
        "reason='the first'",
    )
    checked = flow.run(*first, "--check")
    assert checked.code == 0, checked.output
    assert acts(checked) == []
    assert not [call for call in checked.calls if call["module"] == "k8s_traffic"], "there is nothing it could send to"


def test_what_was_held_for_a_comparison_is_free_again(flow: ModelFlow) -> None:
    models = {**MODELS, MODEL: {**MODELS[MODEL], "hpa": {"min": 1, "max": 4}}}
    flow.variables(models=models)
    direct = flow.run(*SHADOW, "-e", "strategy=direct", "-e", "reason='v2.0.0 is wrong'")
    assert direct.code == 0, direct.output

    def free(region: str) -> tuple[int, str]:
        spec = flow.write(region)["objects"][f"HorizontalPodAutoscaler/{MODEL}-green"]["spec"]
        return spec["minReplicas"], spec["behavior"]["scaleDown"]["selectPolicy"]

    assert [free(region) for region in REGIONS] == [(1, "Max")] * 3
    back = flow.run(*ROLLBACK)
    assert back.code == 0, back.output
    assert (flow.weights(), [flow.scale(region, "green") for region in REGIONS]) == (BLUE, [0] * 3)
    freed = [call["fields"] for call in back.calls if str(call["step"]).startswith("leave")]
    assert (
        freed
        == [
            [
                f"HorizontalPodAutoscaler/{MODEL}-green spec.minReplicas",
                f"HorizontalPodAutoscaler/{MODEL}-green spec.maxReplicas",
                f"HorizontalPodAutoscaler/{MODEL}-green spec.behavior.scaleDown.selectPolicy",
                f"Deployment/{MODEL}-green spec.replicas",
            ]
        ]
        * 3
    )


def test_a_promotion_is_of_one_version_in_all_regions(flow: ModelFlow) -> None:
    """Only the challenger of the first region is judged."""
    first = flow.run(*SHADOW, "--limit", f"{US},{EU}")
    assert first.code == 0, first.output
    second = flow.run("deploy_model", *NAMED, "-e", "version=v2.2.0", "--limit", AP)
    assert second.code == 0, second.output
    flow.write("fleet", judgements=[looked("pass", "ready")])
    done = flow.run(*PROMOTE)
    assert done.code == 2, done.output
    assert f"the challenger here is v2.2.0, and in {US} v2.1.0" in told(done)
    assert (flow.weights(), flow.held()) == (BLUE, NOBODY)


def test_a_promotion_that_stood_already_and_was_killed_moves_no_alias(promoted: ModelFlow) -> None:
    """It had the fleet's lock and nothing else."""
    for place in (*REGIONS, "fleet"):
        promoted.write(place, entries=[])
    promoted.write("fleet", held="m1", decision=None)
    before = promoted.aliases()
    done = promoted.run("recover")
    assert done.code == 0, done.output
    assert (promoted.weights(), promoted.aliases(), promoted.held()) == (GREEN, before, NOBODY)


def test_a_rollback_that_is_refused_for_good_is_ended_by_a_recovery(promoted: ModelFlow) -> None:
    promoted.broken_off(state="rolled_back", version="")
    refused = {US: {"model": {"rolled_back": "us-east-1: nobody knows who goes"}}}
    done = promoted.run("recover", faults=refused)
    assert "is as it was: us-east-1: nobody knows who goes" in told(done)
    assert promoted.held() == NOBODY
    assert promoted.run("recover").code == 0


def test_a_rollback_in_a_region_that_is_away_waits_for_it(promoted: ModelFlow) -> None:
    promoted.broken_off(state="rolled_back", version="")
    done = promoted.run("recover", faults={US: {"model": {"rolled_back": ["gone away", "unreachable"]}}})
    assert done.code == 2, done.output
    assert "gone away" in told(done)
    assert promoted.held()[0] == "m1"
