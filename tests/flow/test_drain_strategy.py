# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The control flow of a release that hands an engine over (strategy `drain`), in one region."""

from __future__ import annotations

import json
import pathlib
import shutil
import typing as t

import pytest
from flow_runner import Flow, Run
from test_flow_recover import reopen, state_of, wrote

ENGINE = "matching-engine"
REGION = "us-east-1"
HANDOVER = f"{ENGINE} handover"
SERVICES = {
    ENGINE: {
        "image": "exchange",
        "strategy": "drain",
        "storage": "1Gi",
        "handover": {"gateways": ["core-api"], "gateway_port": 8081},
    },
    "core-api": {"image": "exchange", "strategy": "blue_green", "depends_on": [ENGINE], "hostnames": ["x.lab"]},
}
LIMITED = ("--limit", REGION, "-e", json.dumps({"services": SERVICES, "gate_profiles": {"default": {}}}))
V1 = ("-e", "release_version=v1", *LIMITED)
V2 = ("-e", "release_version=v2", *LIMITED)
BLUE, GREEN = ({"pod": f"{ENGINE}-{slot}-0", "port": 8080} for slot in ("blue", "green"))


def slot_of(run: Run) -> str:
    return str(run.regions[REGION]["epochs"][ENGINE]["slot"])


def replicas(run: Run, slot: str) -> int:
    return int(run.regions[REGION]["objects"][f"StatefulSet/{ENGINE}-{slot}"]["spec"]["replicas"])


def asked(run: Run, *more: str) -> list[tuple[str, str | None, str | None]]:
    """Module, state and step of every call that asked the engines in the region; and of those of the other modules."""
    modules = ("drain_trading", *more)
    calls = [call for call in run.calls if call["region"] == REGION and call["module"] in modules]
    return [(call["module"], call["state"], call["step"]) for call in calls if not call["check"]]


def _copy(home: pathlib.Path, flow: Flow) -> Flow:
    for place in (REGION, "fleet"):
        shutil.copy(home / f"{place}.json", flow.home)
    return flow


@pytest.fixture(scope="session")
def trading_v1(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    flow = Flow(tmp_path_factory.mktemp("engine"))
    done = flow.run("deploy", *V1)
    assert done.code == 0, done.output
    # It makes its record itself, and nobody has to be handed over.
    assert (asked(done), slot_of(done)) == ([], "blue")
    routed = [route["name"] for call in done.calls if call["state"] == "shifted" for route in call["routes"]]
    assert routed == ["core-api"]
    return flow.home


@pytest.fixture(scope="session")
def warm_v2(tmp_path_factory: pytest.TempPathFactory, trading_v1: pathlib.Path) -> pathlib.Path:
    """After v2, with the slots of v1 warm."""
    flow = _copy(trading_v1, Flow(tmp_path_factory.mktemp("warm-engine")))
    done = flow.run("deploy", *V2, faults={REGION: {"apply": "standby"}})
    assert done.code == 0, done.output
    return flow.home


@pytest.fixture
def trading(flow: Flow, trading_v1: pathlib.Path) -> Flow:
    """A flow of its own, after v1."""
    return _copy(trading_v1, flow)


@pytest.fixture
def warm(flow: Flow, warm_v2: pathlib.Path) -> Flow:
    """A flow of its own, after v2, with the slots of v1 warm."""
    return _copy(warm_v2, flow)


def test_a_deploy_says_that_it_would_hand_over_and_then_does_it(trading: Flow) -> None:
    before = state_of(trading, REGION)
    check = trading.run("deploy", *V2, "--check", "--diff")
    assert check.code == 0, check.output
    assert f"{ENGINE} v1 -> v2 by a handover from {ENGINE}-blue to {ENGINE}-green" in " ".join(check.output.split())
    assert state_of(trading, REGION) == before
    assert {call["state"] for call in check.calls if call["module"] == "drain_trading"} == {"permitted", "status"}

    done = trading.run("deploy", *V2, "-e", json.dumps({"metric_provider": {"graphite": {"url": "http://g"}}}))
    assert done.code == 0, done.output
    assert (slot_of(done), replicas(done, "green"), replicas(done, "blue")) == ("green", 1, 0)
    assert [call for call in asked(done, "k8s_revision", "k8s_rollout_gate") if call[1] != "read"] == [
        ("drain_trading", "permitted", None),
        ("drain_trading", "status", None),
        *[(module, *of) for step in (ENGINE, "core-api") for module, of in up(f"prepare {step}")],
        ("drain_trading", "drained", HANDOVER),
        ("k8s_rollout_gate", None, HANDOVER),
        *[(module, *of) for module, of in up("core-api 100 %")],
        ("k8s_rollout_gate", None, "bake"),
        ("k8s_rollout_gate", None, "judge"),
        ("drain_trading", "finished", "standby"),
        ("k8s_revision", "applied", "standby"),
    ]
    handed = next(call for call in done.calls if call["state"] == "drained" and call["module"] == "drain_trading")
    assert (handed["engine"], handed["new_engine"]) == (BLUE, GREEN)
    assert handed["gateway_pods"] == [{"selector": "app.kubernetes.io/name=core-api", "port": 8081}]
    assert done.report is not None
    (region,) = done.report["regions"]
    rows = {row["name"]: row for row in region["steps"]}
    assert rows[HANDOVER]["matching_off"]["engines_ms"] == 212
    assert rows["core-api 100 %"]["matching_off"] is None
    # No task names a metric provider: the inventory does.
    gates = [call["options"] for call in done.calls if call["module"] == "k8s_rollout_gate"]
    assert all("graphite" in options and "prometheus" not in options for options in gates)


def test_an_engine_that_trades_already_and_its_first_gateways_are_one_release(trading: Flow) -> None:
    state = state_of(trading, REGION)
    engine = state["objects"][f"StatefulSet/{ENGINE}-blue"]
    engine["metadata"].pop("annotations")
    (trading.home / "fleet.json").unlink()
    fresh = {"objects": {f"StatefulSet/{ENGINE}-blue": engine}, "weights": {}, "revisions": {}, "number": 0}
    (trading.home / f"{REGION}.json").write_text(json.dumps({**state, **fresh, "ended": None}))

    alone = trading.run("deploy", "-e", json.dumps({"release_versions": {ENGINE: "v1"}}), *LIMITED)
    assert alone.code == 2, alone.output
    assert "none of core-api runs; release them before, or in the same release" in " ".join(alone.output.split())
    assert wrote(alone) == []

    done = trading.run("deploy", *V1)
    assert done.code == 0, done.output
    assert (slot_of(done), replicas(done, "green"), replicas(done, "blue")) == ("green", 1, 0)
    assert done.regions[REGION]["weights"]["core-api"] == {"blue": 100, "green": 0}


def up(step: str) -> list[tuple[str, tuple[str | None, str]]]:
    return [("k8s_revision", ("applied", step)), ("k8s_rollout_gate", (None, step))]


TAKEN_BACK = [
    (REGION, "k8s_traffic", "restored"),
    ("fleet", "release_journal", "decided"),
    (REGION, "k8s_traffic", "restored"),
    (REGION, "drain_trading", "restored"),
    (REGION, "k8s_revision", "restored"),
]


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ({"gate": HANDOVER}, "core-api error rate is 20 %, above 5 % for 1 s"),
        # It may well be proved and fail all the same.
        ({"handover": "gateway 1 does not send to green yet"}, "gateway 1 does not send to green yet"),
    ],
)
def test_the_engine_goes_back_before_its_slot_does(trading: Flow, fault: dict[str, t.Any], reason: str) -> None:
    done = trading.run("deploy", *V2, faults={REGION: fault})
    assert done.code == 2, done.output
    assert done.verdicts() == {REGION: "taken_back"}
    assert done.report is not None
    assert done.report["sentence"] == f"the release was taken back: {REGION}: {reason}"
    assert done.report["regions"][0]["steps"][-2]["verdict"] == "fail"
    assert done.way_back(REGION, "fleet")[:5] == TAKEN_BACK
    assert (slot_of(done), done.regions[REGION]["open"]) == ("blue", None)
    assert f"StatefulSet/{ENGINE}-green" not in done.regions[REGION]["objects"]


def test_an_engine_that_cannot_go_back_keeps_its_slot_and_recover_goes_on(trading: Flow) -> None:
    done = trading.run("deploy", *V2, faults={REGION: {"gate": "core-api 100 %", "engines": "it is not proved"}})
    assert done.code == 2, done.output
    assert done.verdicts() == {REGION: "stuck"}
    assert not [call for call in done.calls if (call["module"], call["state"]) == ("k8s_revision", "restored")]
    assert (slot_of(done), replicas(done, "green")) == ("green", 1)

    recovered = trading.run("recover", *LIMITED)
    assert recovered.code == 0, recovered.output
    # The journal says that there was a handover: there is no plan any more.
    assert asked(recovered) == [("drain_trading", "restored", "take back")]
    assert slot_of(recovered) == "blue"


def test_a_recovery_asks_no_engine_that_nobody_had_asked(trading: Flow) -> None:
    reopen(trading, REGION)
    fleet = {**state_of(trading, "fleet"), "steps": [REGION]}
    (trading.home / "fleet.json").write_text(json.dumps(fleet))
    done = trading.run("recover", *LIMITED)
    assert (REGION, "k8s_revision", "restored") in wrote(done)
    assert asked(done) == []


def test_back_to_a_warm_engine_nothing_is_brought_up_and_otherwise_it_is(warm: Flow) -> None:
    fast = warm.run("rollback", *LIMITED)
    assert fast.code == 0, fast.output
    assert (slot_of(fast), replicas(fast, "blue"), replicas(fast, "green")) == ("blue", 1, 0)
    steps = [(module, step) for module, _state, step in asked(fast, "k8s_revision", "k8s_traffic") if step]
    assert steps == [
        ("k8s_traffic", "core-api 100 %"),
        ("drain_trading", HANDOVER),
        ("drain_trading", "standby"),
        ("k8s_revision", "standby"),
    ]
    handed = next(call for call in fast.calls if call["step"] == HANDOVER)
    assert (handed["engine"], handed["new_engine"]) == (GREEN, BLUE)

    # The slots of v2 are at zero now.
    cold = warm.run("rollback", *LIMITED, "-e", "revision=2", "-e", f"rollback_services={ENGINE}")
    assert cold.code == 0, cold.output
    assert slot_of(cold) == "green"
    assert [(module, step) for module, _state, step in asked(cold, "k8s_revision") if step][:2] == [
        ("k8s_revision", f"prepare {ENGINE}"),
        ("drain_trading", HANDOVER),
    ]


def test_whoever_may_not_hand_over_begins_neither_a_deploy_nor_a_rollback(warm: Flow) -> None:
    forbidden = "context: releaser is forbidden to create pods/proxy"
    only = ("drain_trading", "permitted", None)
    for playbook, given, calls in (
        ("rollback", LIMITED, [only]),
        # By then it has ended the warm standby of the release before.
        ("deploy", ("-e", "release_version=v3", *LIMITED), [("drain_trading", "finished", "standby"), only]),
    ):
        done = warm.run(playbook, *given, faults={REGION: {"permitted": forbidden}})
        assert done.code == 2, done.output
        assert f"was refused: us-east-1: {forbidden}" in " ".join(done.output.split())
        assert asked(done) == calls
        assert done.regions[REGION]["open"] is None


def test_a_rollback_to_what_cannot_read_the_book_is_taken_back_by_an_operator(warm: Flow) -> None:
    """The standby has ended, and with it the old format."""
    assert warm.run("recover", *LIMITED).code == 0
    format_2 = f"{REGION}: {ENGINE}-green writes format 2 and {ENGINE}-blue reads 1 only"
    fault = {REGION: {"format": format_2}}
    before = state_of(warm, REGION)

    done = warm.run("rollback", *LIMITED, faults=fault)
    assert done.code == 2, done.output
    assert done.verdicts() == {REGION: "stuck"}
    told = " ".join(done.output.split())
    assert f"{format_2}; run recover.yml, or recover.yml -e decision=undo to take the rollback back" in told
    assert (slot_of(done), replicas(done, "green"), replicas(done, "blue")) == ("green", 1, 1)

    # No decision means that a way back goes on, which is as forbidden as before.
    again = warm.run("recover", *LIMITED, faults=fault)
    assert again.code == 2, again.output
    sentence = f"run recover again for {REGION}, or with -e decision=undo to take the rollback back"
    assert sentence in " ".join(again.output.split())

    undone = warm.run("recover", *LIMITED, "-e", "decision=undo", faults=fault)
    assert undone.code == 0, undone.output
    # No engine was ever asked, so none is on the way back.
    assert asked(undone) == []
    state = undone.regions[REGION]
    assert (slot_of(undone), state["open"], state["ended"]["outcome"]) == ("green", None, "taken_back")
    assert (state["objects"], state["weights"], state["revisions"]) == (
        before["objects"],
        before["weights"],
        before["revisions"],
    )
    fleet = state_of(warm, "fleet")
    assert (fleet["open"], fleet["revisions"]["3"]["outcome"]) == (None, "taken_back")

    # The lab is whole again: what can be released is released.
    other = warm.run("rollback", *LIMITED, "-e", "rollback_services=core-api")
    assert other.code == 0, other.output
    assert (slot_of(other), other.versions()[REGION]) == ("green", "v1")


def test_an_engine_that_does_not_answer_is_handed_over_by_nobody(trading: Flow) -> None:
    done = trading.run("deploy", *V2, faults={REGION: {"status": "us-east-1: engine does not answer"}})
    assert done.code == 2, done.output
    assert "the release was refused: us-east-1: engine does not answer" in " ".join(done.output.split())
    assert wrote(done) == []
