# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""region.yml, and a deploy whose regions leave the traffic, over regions that are files."""

from __future__ import annotations

import pathlib

import pytest
from flow_runner import REGIONS, Run
from region_flow import DNS, RegionFlow, dns_calls, order_of

US, EU, AP = REGIONS
EVACUATE = ("region", "-e", "state=evacuated", "-e", f"region={US}")
RESTORE = ("region", "-e", "state=restored", "-e", f"region={US}")
STATUS = ("region", "-e", "state=status")
V2 = ("deploy", "-e", "release_version=v2")


@pytest.fixture
def flow(tmp_path: pathlib.Path, after_v1: pathlib.Path) -> RegionFlow:
    return RegionFlow(tmp_path, after_v1)


def closed_as(done: Run) -> list[str]:
    return [call["outcome"] for call in done.calls if (call["module"], call["state"]) == ("release_journal", "closed")]


@pytest.fixture
def leaving(tmp_path: pathlib.Path, after_v1: pathlib.Path) -> RegionFlow:
    return RegionFlow(tmp_path, after_v1, region_strategy="evacuate")


def test_out_and_in_again(flow: RegionFlow) -> None:
    before = flow.fleet()
    checked = flow.run(*EVACUATE, "--check")
    assert checked.code == 0, checked.output
    assert '"us-east-1": 0' in checked.output, "the batch is printed"
    assert (flow.fleet(), dns_calls(checked)) == (before, [])

    out = flow.run(*EVACUATE, "-e", "reason='packet loss'")
    assert out.code == 0, out.output
    assert dns_calls(out) == [("evacuated", [US]), ("drained", [US])]
    assert flow.weights() == (0, 50, 50)
    assert "us-east-1 is evacuated: unobserved" in out.output
    opened = next(call for call in out.calls if call["module"] == "release_journal" and call["state"] == "opened")
    assert (opened["kind"], opened["reason"], opened["scope"]) == ("dns", "packet loss", "fleet")
    assert opened["finish"] == {"state": "evacuated", "regions": [US], "override": []}
    assert (flow.fleet()["locked"], flow.fleet()["number"]) == (None, before["number"])

    told = flow.run(*STATUS)
    assert told.code == 0, told.output
    assert "us-east-1: weight 0, 0.0 %, healthy, evacuated" in told.output
    assert "eu-west-1: weight 50, 50.0 %, healthy" in told.output

    checked = flow.run(*RESTORE, "--check")
    assert checked.code == 0, checked.output
    assert (flow.weights(), dns_calls(checked)) == ((0, 50, 50), [])
    back = flow.run(*RESTORE)
    assert back.code == 0, back.output
    assert flow.weights() == (50, 50, 50)
    assert order_of(back, US) == [
        part
        for step in (5, 25, 50, 100)
        for part in (
            "dns_weight ramped ramp us-east-1",
            f"k8s_rollout_gate  ramp us-east-1 to {step} %",
        )
    ]
    assert "us-east-1 is back" in back.output
    nothing = flow.run(*RESTORE)
    assert (nothing.code, dns_calls(nothing)) == (0, []), nothing.output
    assert "us-east-1 has its weight already" in nothing.output


def test_a_dead_region_is_evacuated_and_not_brought_back_before_it_answers(flow: RegionFlow) -> None:
    flow.variables(dns=DNS, dns_ramp_hold_s=0, release_unreachable_s=1, trading={"engine": {"url": "http://engine"}})
    dead = {US: {"away": True, "status": "no route"}}
    out = flow.run(*EVACUATE, faults=dead)
    assert out.code == 0, out.output
    assert flow.weights() == (0, 50, 50)
    told = " ".join(out.output.split())
    assert "resting orders of us-east-1: unknown, the region does not answer (the API server is away)" in told
    assert "cancellable at us-east-1's own name" in told
    back = flow.run(*RESTORE, faults=dead)
    assert back.code == 2, back.output
    assert flow.weights() == (0, 50, 50)

    # What the others got meanwhile it has to have first.
    assert flow.run(*V2, "-e", f"without={US}").code == 0
    behind = flow.run(*RESTORE)
    assert behind.code == 2, behind.output
    assert "revision 2, went without it; bring it up with deploy.yml --limit us-east-1" in " ".join(
        behind.output.split()
    )
    assert "went without it; it gets no weight before it has been brought up" in " ".join(
        flow.run(*STATUS).output.split()
    )
    assert flow.run(*V2, "--limit", US).code == 0
    assert flow.weights() == (0, 50, 50), "a release brings nobody back whom somebody has evacuated"
    assert flow.run(*RESTORE).code == 0
    assert flow.weights() == (50, 50, 50)


def test_the_orders_that_rest_are_told(flow: RegionFlow) -> None:
    flow.variables(dns=DNS, dns_ramp_hold_s=0, trading={"engine": {"url": "http://engine"}})
    out = flow.run(*EVACUATE, faults={US: {"orders": 12}})
    assert out.code == 0, out.output
    assert "resting orders of us-east-1: 12; new orders go elsewhere" in " ".join(out.output.split())


def test_a_gate_that_fails_on_the_way_in_takes_the_region_out_again(flow: RegionFlow) -> None:
    flow.fleet(weights_of={**DNS["full"], US: 0})
    back = flow.run(*RESTORE, faults={US: {"gate": "ramp us-east-1 to 25 %"}})
    assert back.code == 2, back.output
    assert "us-east-1 is evacuated again, at 25 % its gate did not pass: core-api error rate is 20 %" in " ".join(
        back.output.split()
    )
    assert flow.weights() == (0, 50, 50)
    assert flow.fleet()["locked"] is None


def test_a_refusal_writes_nothing_and_leaves_nothing_open(flow: RegionFlow) -> None:
    flow.fleet(weights_of={**DNS["full"], EU: 0, AP: 0})
    refused = flow.run(*EVACUATE)
    assert refused.code == 2
    assert "refused by last_region" in refused.output
    assert (flow.weights(), flow.fleet().get("locked")) == ((50, 0, 0), None)
    # It was refused before it was opened; what fails later is not closed as done.
    flow.fleet(weights_of=DNS["full"])
    late = flow.run(*EVACUATE, faults={"fleet": {"dns": {"drained": "the provider does not answer"}}})
    assert late.code == 2, late.output
    assert closed_as(late) == ["failed"]
    flow.fleet(weights_of={**DNS["full"], EU: 0, AP: 0})
    forced = flow.run(*EVACUATE, "-e", "override=last_region")
    assert forced.code == 0, forced.output
    assert flow.weights() == (0, 0, 0)
    assert closed_as(forced) == ["evacuated"]


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (("-e", "state=drain", "-e", f"region={US}"), "state: 'drain' is unknown; use -e state=evacuated, restored"),
        (("-e", "state=evacuated"), "region: missing; say which one with -e region=us-east-1."),
        (
            ("-e", "state=evacuated", "-e", "region=us-east-2"),
            "region: unknown region us-east-2; did you mean us-east-1?",
        ),
        (
            ("-e", "state=restored", "-e", f"region={US}", "-e", "release_confirm=lab"),
            "confirm: missing; this environment wants a change of weights confirmed by -e confirm=lab.",
        ),
    ],
)
def test_a_request_that_cannot_go_well_is_refused_before_anything_is_asked(
    flow: RegionFlow, args: tuple[str, ...], told: str
) -> None:
    done = flow.run("region", *args)
    assert done.code == 2, done.output
    assert told in " ".join(done.output.split())
    assert done.calls == []


def test_broken_off_an_evacuation_is_finished_and_a_ramp_is_left(flow: RegionFlow) -> None:
    flow.fleet(locked="d1", left={"state": "evacuated", "regions": [US], "override": []})
    refused = flow.run(*V2)
    assert refused.code == 2
    assert "dns d1 by anna is unfinished" in refused.output
    done = flow.run("recover")
    assert done.code == 0, done.output
    assert dns_calls(done) == [("evacuated", [US])]
    assert (flow.weights(), flow.fleet()["locked"]) == ((0, 50, 50), None)
    assert "us-east-1: weight 0, 0.0 %, healthy, evacuated" in done.output

    flow.fleet(
        weights_of={**DNS["full"], US: 12}, locked="d1", left={"state": "ramped", "regions": [US], "override": []}
    )
    done = flow.run("recover")
    assert done.code == 0, done.output
    assert (flow.weights(), flow.fleet()["locked"], dns_calls(done)) == ((12, 50, 50), None, [])
    assert "us-east-1: weight 12" in done.output

    flow.fleet(locked="d1", left={"state": "evacuated", "regions": [EU], "override": []})
    stuck = flow.run("recover", faults={"fleet": {"dns": {"evacuated": "the provider does not answer"}}})
    assert stuck.code == 2, stuck.output
    assert "fleet is stuck (the provider does not answer)" in " ".join(stuck.output.split())
    assert flow.fleet()["locked"] == "d1"


def test_an_evacuation_that_a_guard_refuses_meanwhile_does_not_block_the_fleet(flow: RegionFlow) -> None:
    left = {"state": "evacuated", "regions": [US], "override": []}
    flow.fleet(weights_of={**DNS["full"], EU: 0, AP: 0}, locked="d1", left=left)
    done = flow.run("recover")
    assert done.code == 0, done.output
    assert "warning: the evacuation is not finished: refused by last_region" in " ".join(done.output.split())
    assert (flow.weights(), flow.fleet()["locked"]) == ((50, 0, 0), None)


def test_a_deploy_takes_each_region_out_and_brings_it_back(leaving: RegionFlow) -> None:
    checked = leaving.run(*V2, "--check")
    assert checked.code == 0, checked.output
    assert dns_calls(checked) == []

    done = leaving.run(*V2)
    assert done.code == 0, done.output
    assert set(done.versions().values()) == {"v2"}
    assert leaving.weights() == (50, 50, 50)
    order = order_of(done, US)
    assert order[:2] == ["dns_weight evacuated evacuate us-east-1", "dns_weight drained drain us-east-1"]
    first, last = order.index("dns_weight ramped ramp us-east-1 to 5 %"), order.index("k8s_rollout_gate  bake")
    assert order[first - 1] == "k8s_rollout_gate  core-api 100 %"
    assert order[first + 1] == "k8s_rollout_gate  ramp us-east-1 to 5 %"
    assert order[last - 1] == "k8s_rollout_gate  ramp us-east-1 to 100 %"
    gates = {call["step"]: call for call in done.calls if (call["region"], call["module"]) == (US, "k8s_rollout_gate")}
    assert gates["core-api 100 %"]["metrics"] == [], "nobody asks it for anything"
    assert gates["ramp us-east-1 to 5 %"]["metrics"] == gates["judge"]["metrics"] != []
    thin = [gates[f"ramp us-east-1 to {step} %"]["on_thin_evidence"] for step in (5, 25, 50, 100)]
    assert thin == ["ask", "ask", "ask", gates["judge"]["on_thin_evidence"]]
    reads = [call for call in done.calls if (call["module"], call["state"]) == ("dns_weight", "status")]
    assert [(call["verify"], call["deadline_s"]) for call in reads] == [({"queries": 0}, 60), ({"queries": 0}, 5)]
    fleet = leaving.fleet()
    assert fleet["document"] == {"dns": {"name": "api.pincex.test.", "type": "A", "weights": DNS["full"]}}
    assert fleet["revisions"]["2"]["document"]["dns"]["weights"] == DNS["full"]
    assert done.report is not None
    assert done.report["regions"][0]["steps"][0]["name"] == "evacuate us-east-1"


def test_a_small_weight_comes_back_in_fewer_steps(leaving: RegionFlow) -> None:
    leaving.fleet(weights_of={**DNS["full"], US: 2})
    done = leaving.run(*V2)
    assert done.code == 0, done.output
    assert leaving.weights() == (2, 50, 50)
    ramps = [step for step in order_of(done, US) if step.startswith("dns_weight ramped")]
    assert ramps == ["dns_weight ramped ramp us-east-1 to 50 %", "dns_weight ramped ramp us-east-1 to 100 %"]


def test_a_weight_that_somebody_changes_during_the_ramp_takes_the_release_back(leaving: RegionFlow) -> None:
    done = leaving.run(*V2, faults={"fleet": {"meanwhile": {"ramp us-east-1 to 25 %": {US: 25}}}})
    assert done.code == 2, done.output
    assert (
        "us-east-1: somebody else changed its weight meanwhile: ramp us-east-1 to 25 % led to 100 % of it"
        in " ".join(done.output.split())
    )
    assert set(done.versions().values()) == {"v1"}


@pytest.mark.parametrize(
    ("weights", "has"),
    [(None, "no weights"), ({US: 50, EU: 50}, "eu-west-1, us-east-1")],
    ids=["no such set", "a region less"],
)
def test_a_set_with_other_regions_is_refused_before_the_first_write(
    leaving: RegionFlow, weights: dict[str, int] | None, has: str
) -> None:
    leaving.fleet(weights_of=weights)
    done = leaving.run(*V2)
    assert done.code == 2, done.output
    assert (
        "dns.full names ap-northeast-1, eu-west-1, us-east-1, and the set api.pincex.test. has "
        f"{has}; both have to name the same regions" in " ".join(done.output.split())
    )
    assert dns_calls(done) == []


def test_a_gate_that_fails_outside_of_the_traffic_gives_the_weights_back_when_the_region_is(
    leaving: RegionFlow,
) -> None:
    done = leaving.run(*V2, faults={EU: {"gate": "ramp eu-west-1 to 50 %"}})
    assert done.code == 2, done.output
    assert set(done.versions().values()) == {"v1"}
    assert leaving.weights() == (50, 50, 50)
    assert dns_calls(done)[-1][0] == "restored"
    states = [(call["module"], call["state"]) for call in done.calls]
    assert states.index(("dns_weight", "restored")) > states.index(("k8s_revision", "restored"))
    assert done.verdicts()[EU] == "taken_back"


def test_what_is_stuck_gets_no_weight_and_recover_gives_it_back(leaving: RegionFlow) -> None:
    done = leaving.run(*V2, faults={US: {"gate": "core-api 100 %", "restore": True}})
    assert done.code == 2, done.output
    assert leaving.weights() == (0, 50, 50)
    restored = next(call for call in done.calls if (call["module"], call["state"]) == ("dns_weight", "restored"))
    assert restored["behind"] == [US]

    again = leaving.run("recover")
    assert again.code == 0, again.output
    assert leaving.weights() == (50, 50, 50)
    assert leaving.fleet()["open"] is None


def test_weights_that_do_not_come_back_keep_the_release_open(leaving: RegionFlow) -> None:
    faults = {US: {"gate": "core-api 100 %"}, "fleet": {"dns": {"restored": "the provider does not answer"}}}
    done = leaving.run(*V2, faults=faults)
    assert done.code == 2, done.output
    assert "the release is stuck in fleet: the weights are not back: the provider does not answer" in " ".join(
        done.output.split()
    )
    assert leaving.fleet()["open"] is not None
    assert leaving.run("recover").code == 0
    assert (leaving.weights(), leaving.fleet()["open"]) == ((50, 50, 50), None)


def test_a_refused_evacuation_takes_the_release_back(leaving: RegionFlow) -> None:
    done = leaving.run(*V2, faults={"fleet": {"dns": {f"evacuate {US}": "refused by min_regions: 1 is left"}}})
    assert done.code == 2, done.output
    assert "refused by min_regions: 1 is left" in done.output
    assert set(done.versions().values()) == {"v1"}
    assert done.report is not None
    assert done.report["regions"][0]["steps"][0]["name"] == f"evacuate {US}"


def test_a_wave_that_leaves_nobody_is_refused_before_the_first_write(leaving: RegionFlow) -> None:
    done = leaving.run(*V2, "-e", '{"release_waves": ["100%"]}')
    assert done.code == 2, done.output
    assert "release_waves: wave 1 evacuates us-east-1, eu-west-1, ap-northeast-1 at once" in " ".join(
        done.output.split()
    )
    assert {call["module"] for call in done.calls} <= {"dns_weight", "release_journal"}
    assert dns_calls(done) == []


def test_a_rollback_writes_the_weights_of_its_revision_and_evacuates_nobody(leaving: RegionFlow) -> None:
    assert leaving.run(*V2).code == 0
    assert leaving.run("deploy", "-e", "release_version=v3").code == 0
    leaving.fleet(weights_of={US: 10, EU: 0, AP: 90})
    done = leaving.run("rollback")
    assert done.code == 0, done.output
    assert dns_calls(done) == [("absolute", None)]
    assert leaving.weights() == (50, 0, 50)
    assert leaving.fleet()["revisions"]["4"]["document"]["dns"]["weights"] == {US: 50, EU: 0, AP: 50}


def test_a_wrong_variable_stops_no_rollback(leaving: RegionFlow) -> None:
    assert leaving.run(*V2).code == 0
    leaving.variables(dns="route53", dns_ramp_hold_s=0, region_strategy="evacuate")
    done = leaving.run("rollback")
    assert done.code == 0, done.output
    assert "warning: dns: use a mapping with name, provider and full." in " ".join(done.output.split())
    assert set(done.versions().values()) == {"v1"}


def test_a_provider_that_is_away_stops_only_who_needs_it(leaving: RegionFlow) -> None:
    away = {"fleet": {"dns": {"status": "the provider does not answer"}}}
    leaving.variables(dns=DNS, dns_ramp_hold_s=0)
    done = leaving.run(*V2, faults=away)
    assert done.code == 0, done.output
    assert "the weights are not part of this deploy: the provider does not answer" in " ".join(done.output.split())
    leaving.variables(dns=DNS, dns_ramp_hold_s=0, region_strategy="evacuate")
    refused = leaving.run("deploy", "-e", "release_version=v3", faults=away)
    assert refused.code == 2
    assert "the release was refused: us-east-1: the provider does not answer" in " ".join(refused.output.split())
