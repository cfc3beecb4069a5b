# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""maintenance.yml from end to end, over regions that are files."""

from __future__ import annotations

import json
import pathlib

import pytest
from flow_runner import REGIONS
from maintenance_flow import MaintenanceFlow, acts, call_of, scales

ENTER = ("maintenance", "-e", "state=entered", "-e", "reason='storage migration'")
LEAVE = ("maintenance", "-e", "state=left")


@pytest.fixture
def flow(tmp_path: pathlib.Path, after_v1: pathlib.Path) -> MaintenanceFlow:
    return MaintenanceFlow(tmp_path, after_v1)


def test_in_and_out_again_with_a_refused_deploy_between(flow: MaintenanceFlow) -> None:
    files = [flow.home / f"{region}.json" for region in REGIONS]
    before = [path.read_text() for path in files]
    checked = flow.run(*ENTER, "--check", "--diff")
    assert checked.code == 0, checked.output
    assert [path.read_text() for path in files] == before
    assert "us-east-1 is checked (to maintenance: core-api, reference-data; to zero: core-api-blue" in checked.output

    up = scales(checked, "us-east-1")
    done = flow.run(*ENTER, "-e", "announce_s=300")
    assert done.code == 0, done.output
    assert "us-east-1 is entered (in maintenance, entered by" in done.output
    for region in REGIONS:
        assert acts(done, region) == [
            ("release_journal", "opened"),
            ("drain_trading", "drained"),
            ("k8s_traffic", "maintenance"),
            ("k8s_revision", "applied"),
            ("release_journal", "closed"),
        ]
        assert set(scales(done, region).values()) == {0}
        assert (done.regions[region]["mode"], done.regions[region]["locked"]) == ("halted", False)
    drained = call_of(done, "us-east-1", "drain_trading")
    assert (drained["announce_s"], drained["emergency"], drained["reason"]) == (300.0, False, "storage migration")
    assert call_of(done, "us-east-1", "k8s_traffic")["maintenance"]["proof"] == {"sequence": 7}

    again = flow.run(*ENTER)
    assert again.code == 0, again.output
    assert [acts(again, region) for region in REGIONS] == [[], [], []]
    assert "us-east-1 is unchanged (in maintenance" in again.output
    refused = flow.run("deploy", "-e", "release_version=v2")
    assert refused.code != 0
    assert "is in maintenance, by" in refused.output
    assert "run maintenance.yml -e state=left first" in refused.output

    back = flow.run(*LEAVE)
    assert back.code == 0, back.output
    for region in REGIONS:
        assert acts(back, region) == [
            ("release_journal", "opened"),
            ("k8s_revision", "applied"),
            ("k8s_rollout_gate", None),
            ("drain_trading", "online"),
            ("k8s_traffic", "returned"),
            ("release_journal", "closed"),
        ]
        assert scales(back, region) == up
        assert (back.regions[region]["mode"], back.regions[region]["maintenance"]) == ("online", None)
    resumed = call_of(back, "us-east-1", "drain_trading")
    assert (resumed["expected"], resumed["reason"]) == ({"sequence": 7}, "storage migration")
    nothing = flow.run(*LEAVE)
    assert nothing.code == 0, nothing.output
    assert "us-east-1 is unchanged (not in maintenance)" in nothing.output


def test_an_emergency_answers_first_and_what_fails_in_one_region_stays_there(flow: MaintenanceFlow) -> None:
    away, failing, fine = REGIONS
    faults = {away: {"away": True}, failing: {"drain": "the engine does not answer"}}
    done = flow.run(*ENTER, "-e", "emergency=yes", faults=faults)
    assert done.code != 0
    assert acts(done, away) == []
    answer = ("k8s_traffic", "maintenance")
    lock, unlock = ("release_journal", "opened"), ("release_journal", "closed")
    drain = ("drain_trading", "drained")
    assert acts(done, failing) == [lock, answer, drain, unlock]
    assert acts(done, fine) == [lock, answer, drain, answer, ("k8s_revision", "applied"), unlock]
    assert call_of(done, fine, "drain_trading")["emergency"] is True
    assert f"{away} is unreachable (the API server is away)" in done.output
    assert f"{failing} is failed (the engine does not answer)" in done.output
    assert f"{fine} is entered" in done.output
    assert done.regions[failing]["locked"] is False
    # It goes on where it failed, and only there.
    on = flow.run(*ENTER, "-e", "emergency=yes", faults={away: {"away": True}})
    assert (acts(on, fine), acts(on, failing)[-4:]) == ([], [drain, answer, ("k8s_revision", "applied"), unlock])


def test_some_services_do_not_stop_trading(flow: MaintenanceFlow) -> None:
    done = flow.run(*ENTER, "-e", "maintenance_services=reference-data", "--limit", "us-east-1")
    assert done.code == 0, done.output
    assert "drain_trading" not in {call["module"] for call in done.calls}
    assert scales(done, "us-east-1")["reference-data-blue"] == 0
    assert scales(done, "us-east-1")["core-api-blue"] > 0
    gate = {"us-east-1": {"gate": "maintenance"}}
    stays = flow.run(*LEAVE, "--limit", "us-east-1", faults=gate)
    assert stays.code != 0
    assert stays.regions["us-east-1"]["answering"] == ["reference-data"]
    back = flow.run(*LEAVE, "--limit", "us-east-1")
    assert back.code == 0, back.output
    assert "drain_trading" not in {call["module"] for call in back.calls}


@pytest.mark.parametrize("place", ["in the catalogue", "elsewhere"])
def test_what_was_broken_off_between_gateways_and_engine_is_gone_on_with(flow: MaintenanceFlow, place: str) -> None:
    region = "us-east-1"
    where = flow.with_engine(region) if place == "in the catalogue" else ("--limit", region)
    broken = flow.run(*ENTER, *where, faults={region: {"halfway": True}})
    assert broken.code != 0
    assert scales(broken, region)["core-api-blue"] == 0
    checked = flow.run(*ENTER, *where, "--check")
    assert checked.code == 0, checked.output
    # Nobody is there to prove another drain, and the engine still stands as the first one has left it.
    done = flow.run(*ENTER, *where)
    assert done.code == 0, done.output
    assert acts(done, region) == [
        ("release_journal", "opened"),
        ("drain_trading", "status"),
        ("k8s_traffic", "maintenance"),
        ("k8s_revision", "applied"),
        ("release_journal", "closed"),
    ]
    assert done.regions[region]["maintenance"]["proof"] == {"sequence": 7}
    assert flow.run(*LEAVE, *where).code == 0


def test_an_exchange_that_traded_in_between_is_drained_again(flow: MaintenanceFlow) -> None:
    region = "us-east-1"
    where = flow.with_engine(region)
    assert flow.run(*ENTER, *where, faults={region: {"answer": "the Service maintenance has no ready endpoint"}}).code
    halted = flow.run("drain", "-e", "reason='storage migration'", "-e", "mode=halted", *where)
    assert halted.code == 0, halted.output
    # It was drained, and nobody has kept the proof.
    assert flow.run(*ENTER, *where, faults={region: {"halfway": True}}).code != 0
    assert flow.state_of(region)["maintenance"]["proof"] == {"sequence": 7}
    state = flow.state_of(region) | {"mode": "online"}
    state["objects"]["Deployment/core-api-blue"]["spec"]["replicas"] = 2
    (flow.home / f"{region}.json").write_text(json.dumps(state))
    done = flow.run(*ENTER, *where)
    assert done.code == 0, done.output
    assert ("drain_trading", "drained") in acts(done, region)


def test_a_request_that_cannot_go_well_asks_nobody(flow: MaintenanceFlow) -> None:
    done = flow.run("maintenance", "-e", "maintenance_services=core", "-e", "release_confirm=production")
    assert done.code != 0
    assert done.calls == []
    assert "confirm: missing; this environment wants a maintenance confirmed by -e confirm=production." in done.output
    named = flow.run(*ENTER, "-e", "maintenance_services=core", "-e", "drain=perhaps")
    assert named.calls == []
    assert "maintenance_services: unknown service core; did you mean core-api?" in named.output
    assert "drain: 'perhaps' is neither true nor false." in named.output
