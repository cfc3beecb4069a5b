# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Models in a release: recorded with it, back with a rollback where that is one write, and back again when it is
undone."""

from __future__ import annotations

import json
import pathlib
import shutil
import typing as t

import pytest
from flow_runner import CLUSTER_MODULES, REGIONS, Run
from model_flow import MODEL, ModelFlow, acts, told
from test_flow_recover import reopen

US, EU, AP = REGIONS
STAND_IN = pathlib.Path(__file__).with_name("model_release_stand_in.py")
BLUE, GREEN = [(100, 0)] * 3, [(0, 100)] * 3
NOBODY: t.Final = {"champion": None, "challenger": None, "strategy": None}
NOTE: t.Final[dict[str, t.Any]] = {
    "challenger": "v2.1.0",
    "slot": "green",
    "strategy": "canary",
    "step": 3,
    "since": 1.0,
    "weights": [5, 25, 50, 100],
    "champion": "v2.0.0",
    "began": 1.0,
    "promoted": True,
}
COMMAND: t.Final = f"deploy_model.yml -e model={MODEL} -e version=v2.0.0 -e strategy=direct -e \"reason='revision 2'\""
V2, V3 = (("deploy", "-e", f"release_version={version}") for version in ("v2", "v3"))


class ModelReleaseFlow(ModelFlow):
    """The services stand on v1, of which no models were recorded, and v2.0.0 of price-prediction serves."""

    def __init__(self, home: pathlib.Path, after_v1: pathlib.Path) -> None:
        super().__init__(home)
        for module in (*CLUSTER_MODULES, "model_shadow"):
            action = home / f"collections/ansible_collections/pincex/zero_downtime/plugins/action/{module}.py"
            action.unlink()
            action.symlink_to(STAND_IN)
        for place in (*REGIONS, "fleet"):
            mine, released = self.write(place), json.loads((after_v1 / f"{place}.json").read_text())
            merged = {part: {**released.get(part, {}), **mine.get(part, {})} for part in ("objects", "weights")}
            known = {"models": {MODEL: {"note": None}}} if place != "fleet" else {}
            (home / f"{place}.json").write_text(json.dumps({**mine, **released, **merged, **known}))

    def take(self, home: pathlib.Path) -> t.Self:
        for place in (*REGIONS, "fleet"):
            shutil.copy(home / f"{place}.json", self.home)
        return self

    def serve(self, region: str, green: int, note: dict[str, t.Any] | None) -> None:
        """v2.1.0 is in green, with this part of the traffic."""
        state = self.write(region)
        slot = json.loads(json.dumps(state["objects"][f"Deployment/{MODEL}-blue"]).replace("v2.0.0", "v2.1.0"))
        slot["metadata"]["name"] = f"{MODEL}-green"
        objects = {**state["objects"], f"Deployment/{MODEL}-green": slot}
        weights = {**state["weights"], MODEL: {"blue": 100 - green, "green": green}}
        models = {MODEL: {"note": json.dumps(note) if note else None}}
        self.write(region, objects=objects, weights=weights, models=models)

    def promoted(self) -> t.Self:
        for region in REGIONS:
            self.serve(region, 100, NOTE)
        self.write("fleet", aliases={"prices": {"champion": "v2.1.0", "previous_champion": "v2.0.0"}})
        return self

    def recorded(self, number: int) -> dict[str, t.Any]:
        return t.cast("dict[str, t.Any]", self.write("fleet")["revisions"][str(number)])


def reads(done: Run) -> list[str]:
    return [call["region"] for call in done.calls if call["services"] == [MODEL, "fraud"]]


def moves(done: Run) -> list[tuple[str, str]]:
    return [(region, state) for region, _module, state in acts(done, "model_shadow")]


# Made once, because each release takes as long as a test.
@pytest.fixture(scope="session")
def after_models_v2(tmp_path_factory: pytest.TempPathFactory, after_v1: pathlib.Path) -> pathlib.Path:
    made = ModelReleaseFlow(tmp_path_factory.mktemp("models-v2"), after_v1)
    done = made.run(*V2)
    assert done.code == 0, done.output
    assert sorted(reads(done)) == sorted([*REGIONS, *REGIONS]), "once at the opening and once at the closing"
    assert moves(done) == []
    return made.home


@pytest.fixture(scope="session")
def after_models_v3(
    tmp_path_factory: pytest.TempPathFactory, after_v1: pathlib.Path, after_models_v2: pathlib.Path
) -> pathlib.Path:
    made = ModelReleaseFlow(tmp_path_factory.mktemp("models-v3"), after_v1).take(after_models_v2).promoted()
    done = made.run(*V3)
    assert done.code == 0, done.output
    assert made.weights() == GREEN, "a deploy leaves models alone"
    return made.home


@pytest.fixture
def flow(tmp_path: pathlib.Path, after_v1: pathlib.Path, after_models_v3: pathlib.Path) -> ModelReleaseFlow:
    """Revision 2 has v2 of the services and v2.0.0 of the model, revision 3 has v3 and v2.1.0, promoted in between."""
    return ModelReleaseFlow(tmp_path, after_v1).take(after_models_v3)


def test_a_revision_says_who_serves_and_the_history_what_changed(flow: ModelReleaseFlow) -> None:
    fleet, price = flow.write("fleet"), {**NOBODY, "champion": "v2.1.0"}
    assert fleet["document"]["models"] == fleet["revisions"]["3"]["document"]["models"], "before it and after it"
    assert flow.recorded(3)["models"] == flow.recorded(3)["document"]["models"] == {MODEL: price, "fraud": NOBODY}
    assert flow.recorded(2)["models"][MODEL]["champion"] == "v2.0.0"
    history = flow.run("history", "-e", "output=history.json")
    assert history.code == 0, history.output
    assert f"{MODEL} v2.0.0 -> v2.1.0" in told(history)
    known = json.loads((flow.home / "history.json").read_text())["revisions"]
    assert [one["model_changes"] for one in known] == [None, {}, {MODEL: "v2.0.0 -> v2.1.0"}]

    for region in REGIONS:
        flow.serve(region, 0, None)
    status = flow.run("status", "-e", "fail_on_drift=true")
    assert status.code == 0, status.output
    line = f"model {MODEL}: the champion is v2.0.0 in every region, and revision 3 has v2.1.0"
    assert line in told(status) and "no drift in all 3 regions" in told(status)


def test_a_rollback_takes_the_models_of_its_revision_with_it(flow: ModelReleaseFlow) -> None:
    checked = flow.run("rollback", "--check")
    assert checked.code == 0, checked.output
    goes = f"{MODEL} goes back with this rollback: v2.1.0 leaves the traffic, v2.0.0 serves"
    assert goes in told(checked)
    assert (moves(checked), acts(checked), flow.weights()) == ([], [], GREEN)

    done = flow.run("rollback", "-e", "release_by=ann")
    assert done.code == 0, done.output
    assert set(done.versions().values()) == {"v2"} and goes in told(done)
    assert (flow.weights(), flow.note(US)) == (BLUE, {})
    assert flow.aliases() == {"champion": "v2.0.0"}
    assert [flow.scale(region, "green") for region in REGIONS] == [0, 0, 0]
    assert sorted(moves(done)[:3]) == [(region, "rolled_back") for region in sorted(REGIONS)]
    assert moves(done)[3:] == [("fleet", "rolled_back")], "the aliases last"
    order = [(call["module"], call["state"]) for call in done.calls if call["region"] == US and not call["check"]]
    assert order.index(("k8s_traffic", "shifted")) < order.index(("model_shadow", "rolled_back")), "services first"
    assert sorted(reads(done)) == sorted([*REGIONS, *REGIONS])
    assert flow.recorded(4)["models"][MODEL] == {**NOBODY, "champion": "v2.0.0"}
    call = next(call for call in done.calls if (call["module"], call["region"]) == ("model_shadow", "fleet"))
    assert (call["actor"], call["version"]) == ("ann", "v2.1.0")
    assert call["reason"].endswith("to revision 2") and call["reason"].startswith("rollback 2")

    # Forward again it is more than one write: the note of the way is gone.
    forward = flow.run("rollback", "-e", "revision=3")
    assert forward.code == 0, forward.output
    assert (set(forward.versions().values()), flow.weights(), moves(forward)) == ({"v3"}, BLUE, [])
    wanted = f"deploy_model.yml -e model={MODEL} -e version=v2.1.0 -e strategy=direct -e \"reason='revision 3'\""
    assert f"warning: {MODEL} stays at v2.0.0, and revision 3 has v2.1.0" in told(forward)
    assert wanted in told(forward)


def test_a_challenger_that_the_revision_did_not_have_leaves_and_a_rollback_may_be_about_nothing_else(
    flow: ModelReleaseFlow,
) -> None:
    """The services are as revision 3 has them."""
    for region in REGIONS:
        flow.serve(region, 5, {**NOTE, "promoted": False, "step": 0})
    flow.write("fleet", aliases={"prices": {"champion": "v2.0.0", "challenger": "v2.1.0"}})
    fleet = flow.write("fleet")
    fleet["revisions"]["3"]["models"][MODEL]["champion"] = "v2.0.0"
    flow.write("fleet", **fleet)
    before = flow.weights()
    tried = flow.run("rollback", "-e", "revision=3", "--check")
    assert tried.code == 0, tried.output
    assert f"check mode, nothing was written; the rollback would change {MODEL} v2.1.0 -> v2.0.0" in told(tried)
    assert flow.weights() == before
    done = flow.run("rollback", "-e", "revision=3")
    assert done.code == 0, done.output
    assert (flow.weights(), flow.aliases(), flow.note(AP)) == (BLUE, {"champion": "v2.0.0"}, {})
    assert set(done.versions().values()) == {"v3"}


@pytest.mark.parametrize(
    ("what", "why"),
    [
        ("note", "the route in eu-west-1 does not lead back to it"),
        ("pods", "no pod of it is ready in eu-west-1"),
    ],
)
def test_a_model_whose_way_back_is_gone_somewhere_stays_everywhere_and_is_told(
    flow: ModelReleaseFlow, what: str, why: str
) -> None:
    if what == "note":
        flow.serve(EU, 100, None)
    else:
        objects = flow.write(EU)["objects"]
        objects[f"Deployment/{MODEL}-blue"]["spec"]["replicas"] = 0
        flow.write(EU, objects=objects)
    done = flow.run("rollback")
    assert done.code == 0, done.output
    assert (set(done.versions().values()), flow.weights(), moves(done)) == ({"v2"}, GREEN, [])
    assert f"warning: {MODEL} stays at v2.1.0, and revision 2 has v2.0.0: {why}; run {COMMAND}" in told(done)


def test_a_model_that_does_not_go_back_holds_nobody_up(flow: ModelReleaseFlow) -> None:
    faults = {EU: {"model": {"rolled_back": "the gateway does not accept it"}}, "fleet": {"model": {}}}
    done = flow.run("rollback", faults=faults)
    assert done.code == 0, done.output
    assert flow.weights() == [(100, 0), (0, 100), (100, 0)]
    assert (
        f"warning: {MODEL} is not back at v2.0.0 in {EU}; run rollback_model.yml -e model={MODEL} -e version=v2.1.0"
        in (told(done))
    )
    assert [flow.scale(region, "green") for region in REGIONS] == [0, 2, 0]
    assert flow.aliases() == {"champion": "v2.0.0"}, "the registry follows those that are back"
    assert flow.recorded(4)["models"][MODEL]["unknown"] == f"{US} has v2.0.0, {EU} has v2.1.0, {AP} has v2.0.0"
    assert [state["open"] for state in done.regions.values()] == [None] * 3


def test_a_registry_that_does_not_follow_is_told(flow: ModelReleaseFlow) -> None:
    done = flow.run("rollback", faults={"fleet": {"model": {"rolled_back": "the registry is away"}}})
    assert done.code == 0, done.output
    assert (flow.weights(), flow.write("fleet")["open"]) == (BLUE, None)
    why = f"the registry is away; run rollback_model.yml -e model={MODEL} -e version=v2.1.0"
    assert f"warning: v2.0.0 serves {MODEL}, and the registry does not say so: {why}" in told(done)


def test_models_that_cannot_be_read_hold_nobody_up(flow: ModelReleaseFlow) -> None:
    done = flow.run("rollback", faults={EU: {"models_read": "nobody may list Deployments"}})
    assert done.code == 0, done.output
    assert (set(done.versions().values()), flow.weights(), moves(done)) == ({"v2"}, GREEN, [])
    assert f"warning: {MODEL} stays as it is: {EU}: nobody may list Deployments" in told(done)
    assert f"warning: who serves fraud, {MODEL} is recorded as unknown with this rollback" in told(done)
    assert flow.recorded(4)["models"]["fraud"] == {**NOBODY, "unknown": f"{EU}: nobody may list Deployments"}


@pytest.mark.parametrize(
    ("args", "why"), [(("--limit", US), "region"), (("-e", "rollback_services=core-api"), "service")]
)
def test_a_part_of_the_environment_takes_no_model_back(flow: ModelReleaseFlow, args: tuple[str, ...], why: str) -> None:
    done = flow.run("rollback", *args)
    assert (flow.weights(), moves(done)) == (GREEN, [])
    assert f"revision 2 has v2.0.0: this rollback is not for every {why}; look with model_status.yml" in told(done)


def test_a_revision_without_models_leaves_them(flow: ModelReleaseFlow) -> None:
    done = flow.run("rollback", "-e", "revision=1")
    assert done.code == 0, done.output
    assert (set(done.versions().values()), flow.weights(), moves(done)) == ({"v1"}, GREEN, [])
    assert "warning: the models stay as they are: revision 1 was recorded without them" in told(done)


def test_a_killed_rollback_goes_on_with_its_models(flow: ModelReleaseFlow) -> None:
    done = flow.run("rollback")
    assert done.code == 0, done.output
    reopen(flow, *REGIONS, kind="rollback", decision="keep")
    # It was killed before the model went back in one of the regions, so nobody has told the registry.
    flow.serve(EU, 100, NOTE)
    flow.write("fleet", aliases={"prices": {"champion": "v2.1.0", "previous_champion": "v2.0.0"}})
    recovered = flow.run("recover")
    assert recovered.code == 0, recovered.output
    assert (flow.weights(), flow.aliases()) == (BLUE, {"champion": "v2.0.0"})
    assert flow.recorded(4)["models"][MODEL] == {**NOBODY, "champion": "v2.0.0"}
    assert flow.recorded(4)["document"]["models"][MODEL]["champion"] == "v2.0.0"
    # A second one finds nothing to do.
    again = flow.run("recover")
    assert again.code == 0, again.output
    assert (moves(again), reads(again)) == ([], [])


def test_a_rollback_that_is_undone_has_its_models_back(flow: ModelReleaseFlow) -> None:
    done = flow.run("rollback")
    assert done.code == 0, done.output
    reopen(flow, *REGIONS, kind="rollback")
    # The aliases are the last that moves: the regions are closed then.
    aliases = {"champion": "v2.1.0", "previous_champion": "v2.0.0"}
    flow.write("fleet", aliases={"prices": aliases})
    undone = flow.run("recover", "-e", "decision=undo", faults={AP: {"model": {}}})
    assert undone.code == 0, undone.output
    assert (flow.weights(), flow.aliases(), flow.note(US)) == (GREEN, aliases, NOTE)
    assert sorted(moves(undone)) == [(region, "restored") for region in sorted(REGIONS)]
    assert set(undone.versions().values()) == {"v3"}


def test_without_models_nothing_is_asked(flow: ModelReleaseFlow) -> None:
    flow.variables(models={}, model_registry={}, model_sources=[])
    back = flow.run("rollback")
    assert back.code == 0, back.output
    assert (reads(back), moves(back), flow.weights()) == ([], [], GREEN)
    assert "models" not in flow.recorded(4) and not flow.recorded(4)["document"]
    assert not [call for call in back.calls if call["services"] == []]
