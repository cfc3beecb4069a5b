# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""rollout_feature.yml: steps, the gates between them, and every way in which it does not go on."""

from __future__ import annotations

import pathlib

import pytest
from feature_flow import FLAG, FeatureFlow, a_flag, at_percent, flag_calls, told
from flow_runner import REGIONS, Run

US, EU, AP = REGIONS
ROLLOUT = ("rollout_feature", "-e", f"feature={FLAG}", "-e", "hold_s=0", "-e", "release_by=anna")
SHORT = (*ROLLOUT, "-e", "steps=25,100")
KILLED = {"actor": "ben", "reason": "it loses money", "at": 1_800_000_000.0}


@pytest.fixture
def flow(tmp_path: pathlib.Path) -> FeatureFlow:
    return FeatureFlow(tmp_path)


def order_of(done: Run) -> list[str]:
    """Writes and gates in their order, the gates of one step in that of the regions."""
    found: list[tuple[str, str]] = []
    for call in done.calls:
        if call["module"] == "k8s_rollout_gate":
            found.append(("gate", f"{call['step']} in {call['region']}"))
        elif call["module"] == "flag_set" and not call["check"] and call["action"] in ("rollout", "set"):
            found.append((call["action"], str(call["percent"] or "")))
    steps: list[str] = []
    gates: list[str] = []
    for kind, what in [*found, ("end", "")]:
        if kind == "gate":
            gates.append(f"gate {what}")
            continue
        steps += sorted(gates)
        gates = []
        steps += [f"{kind} {what}".strip()] * (kind != "end")
    return steps


def gates_at(percent: int, *regions: str) -> list[str]:
    return sorted(f"gate {FLAG} {percent} % in {region}" for region in regions or REGIONS)


def test_step_by_step_with_the_gates_of_every_region_between(flow: FeatureFlow) -> None:
    before = flow.the_set()
    checked = flow.run(*ROLLOUT, "--check")
    assert checked.code == 0, checked.output
    assert (flow.the_set(), order_of(checked)) == (before, [])
    assert f"{FLAG} is off now; steps: 5 %, 25 %, 50 %, 100 %" in told(checked)

    done = flow.run(*SHORT)
    assert done.code == 0, done.output
    assert order_of(done) == ["rollout 25", *gates_at(25), "rollout 100", *gates_at(100)]
    assert flow.definition() == a_flag(defaultVariant="on")
    assert set(flag_calls(done, "actor", "reason")) == {("rollout", "anna", "rollout_feature.yml: 25 %, 100 %")}
    gate = next(call for call in done.calls if call["module"] == "k8s_rollout_gate")
    assert gate["metrics"], "what is live is judged"
    assert (gate["observe_s"], gate["on_thin_evidence"]) == (0.0, "ask")
    assert gate["since"] < gate["at"]
    assert f"{FLAG}: every gate passed at 100 %, the last step" in told(done)


def test_steps_below_what_it_has_are_passed_over(flow: FeatureFlow) -> None:
    flow.the_set(definitions={FLAG: at_percent(25)})
    done = flow.run(*ROLLOUT, "-e", "steps=5,25,50", "--limit", f"{US},{EU}")
    assert done.code == 0, done.output
    assert order_of(done) == ["rollout 25", *gates_at(25, US, EU), "rollout 50", *gates_at(50, US, EU)]
    more = flow.run(*ROLLOUT, "-e", "steps=5,25")
    assert more.code == 0, more.output
    assert order_of(more) == []
    assert f"{FLAG} is on for 50 % now, more than the last step of 25 %" in told(more)


def test_a_gate_that_fails_brings_back_what_was_before_the_first_step(flow: FeatureFlow) -> None:
    flow.the_set(definitions={FLAG: at_percent(10), "new_fees": a_flag()})
    faults = {EU: {"gate": f"{FLAG} 100 %"}, AP: {"hold": f"{FLAG} 100 %"}}
    done = flow.run(*SHORT, "-e", "reason='more of it'", faults=faults)
    assert done.code == 2, done.output
    assert order_of(done) == ["rollout 25", *gates_at(25), "rollout 100", *gates_at(100), "set"]
    assert flow.definition() == at_percent(10)
    assert flow.the_set()["revision"] == 10, "two steps, and back as a revision of its own"
    (back,) = [call for call in done.calls if call["action"] == "set"]
    assert back["reason"] == f"more of it; back: {EU}: core-api error rate is 20 %, above 5 % for 1 s"
    assert f"{FLAG} is on for 10 % again, at 100 % its gates did not pass: {EU}: core-api error rate is 20 %" in told(
        done
    )


def test_a_gate_that_breaks_brings_it_back_and_a_fleet_that_is_away_is_told(flow: FeatureFlow) -> None:
    gone = {EU: {"away_from": f"{FLAG} 25 %"}, "fleet": {"flags": {"set": "fleet: it does not answer"}}}
    done = flow.run(*SHORT, faults=gone)
    assert done.code == 2, done.output
    assert flow.definition() == at_percent(25)
    assert (
        f"{FLAG} is still at 25 %, its gates did not pass: {EU}: the API server is away; going back failed: fleet: it "
        f"does not answer; kill_feature.yml -e feature={FLAG} -e reason=... makes it off" in told(done)
    )


def test_without_evidence_it_stays_and_goes_on_from_there(flow: FeatureFlow) -> None:
    done = flow.run(*SHORT, faults={EU: {"hold": f"{FLAG} 25 %"}})
    assert done.code == 2, done.output
    assert flow.definition() == at_percent(25)
    assert order_of(done) == ["rollout 25", *gates_at(25)]
    assert f"{FLAG} stays at 25 %, for there is no evidence to go on: {EU}: core-api error rate has 3" in told(done)
    again = flow.run(*SHORT)
    assert again.code == 0, again.output
    assert order_of(again) == ["rollout 25", *gates_at(25), "rollout 100", *gates_at(100)]


@pytest.mark.parametrize(
    ("meanwhile", "says"),
    [
        ({"killed": {FLAG: KILLED}}, f"{FLAG} was killed by ben meanwhile (it loses money) and stays killed"),
        ({"definitions": {FLAG: at_percent(3)}}, f"somebody else has changed {FLAG} meanwhile, and it stays as they"),
    ],
    ids=["killed", "changed"],
)
def test_what_somebody_does_meanwhile_wins_over_a_gate_that_fails(
    flow: FeatureFlow, meanwhile: dict[str, object], says: str
) -> None:
    faults = {US: {"gate": f"{FLAG} 25 %"}, "fleet": {"meanwhile": {"25": meanwhile}}}
    done = flow.run(*SHORT, faults=faults)
    assert done.code == 2, done.output
    assert order_of(done) == ["rollout 25", *gates_at(25)]
    assert says in told(done)
    assert {key: flow.the_set()[key] for key in meanwhile} == meanwhile


def test_a_step_that_cannot_be_written_stops_where_it_is(flow: FeatureFlow) -> None:
    done = flow.run(*SHORT, faults={"fleet": {"flags": {"rollout 100": "fleet: it does not answer"}}})
    assert done.code == 2, done.output
    assert order_of(done) == ["rollout 25", *gates_at(25), "rollout 100"]
    assert flow.definition() == at_percent(25)
    assert f"{FLAG} was not set to 100 %: fleet: it does not answer" in told(done)


@pytest.mark.parametrize(
    ("args", "faults", "says"),
    [
        (SHORT, {EU: {"away": True}}, "the API server is away"),
        ((*SHORT, "-e", "feature=nope"), {}, "flags: there is no flag nope"),
        ((*SHORT, "--limit", "management"), {}, "--limit: it leaves out every region"),
    ],
    ids=["a region away", "no such flag", "no region"],
)
def test_what_is_refused_is_refused_before_the_first_write(
    flow: FeatureFlow, args: tuple[str, ...], faults: dict[str, object], says: str
) -> None:
    done = flow.run(*args, faults=faults)
    assert done.code == 2, done.output
    assert (order_of(done), flow.definition()) == ([], a_flag())
    assert says in told(done)


def test_a_killed_flag_and_a_region_without_services_are_refused(flow: FeatureFlow) -> None:
    empty = {"region": EU, "objects": {}, "epochs": {}, "weights": {}}
    (flow.home / f"{EU}.json").write_text(str(empty).replace("'", '"'))
    nothing = flow.run(*SHORT)
    assert nothing.code == 2, nothing.output
    assert f"{EU}: no service of the catalogue runs here, so no gate can watch it" in told(nothing)
    flow.the_set(killed={FLAG: KILLED})
    dead = flow.run(*SHORT)
    assert dead.code == 2, dead.output
    assert f"{FLAG} was killed by ben (it loses money); nothing was written. Restore it first" in told(dead)
    assert (order_of(nothing), order_of(dead), flow.definition()) == ([], [], a_flag())
