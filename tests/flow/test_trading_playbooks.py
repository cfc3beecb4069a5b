# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""drain.yml and resume.yml from end to end, over regions that are files."""

from __future__ import annotations

import pathlib

import pytest
from flow_runner import REGIONS
from maintenance_flow import ENGINE, MaintenanceFlow, acts, call_of

REASON = ("-e", "reason='storage migration'")
REGION = REGIONS[0]
GREEN = f"StatefulSet/{ENGINE}-green"
PROVED = [
    ("release_journal", "opened"),
    ("k8s_revision", "applied"),
    ("k8s_rollout_gate", None),
    ("drain_trading", "drained"),
    ("k8s_revision", "restored"),
]
CLOSED = ("release_journal", "closed")


@pytest.fixture
def flow(tmp_path: pathlib.Path, after_v1: pathlib.Path) -> MaintenanceFlow:
    return MaintenanceFlow(tmp_path, after_v1)


def test_drain_and_resume_under_the_lock_of_each_region(flow: MaintenanceFlow) -> None:
    checked = flow.run("drain", *REASON, "--check")
    assert checked.code == 0, checked.output
    assert [acts(checked, region) for region in REGIONS] == [[], [], []]
    stuck = REGIONS[0]
    done = flow.run("drain", *REASON, "-e", "mode=halted", faults={stuck: {"drain": "3 trades are not settled"}})
    assert done.code != 0
    for region in REGIONS:
        assert acts(done, region) == [
            ("release_journal", "opened"),
            ("drain_trading", "drained"),
            ("release_journal", "closed"),
        ]
    assert f"{stuck} is failed (3 trades are not settled)" in done.output
    assert f"{REGIONS[1]} is drained (the engine is halted)" in done.output
    assert "2 sessions did not end" in done.output
    assert call_of(done, REGIONS[1], "drain_trading")["prove"] == {"url": "http://standby"}
    back = flow.run("resume", *REASON, "-e", '{"cancel_only_s": 0}')
    assert back.code == 0, back.output
    assert acts(back, REGIONS[1])[1] == ("drain_trading", "online")
    assert f"{REGIONS[1]} is online (the engine is online)" in back.output
    assert call_of(back, REGIONS[1], "drain_trading")["resume"] == {"cancel_only_s": 0.0, "post_only_s": 60.0}


def test_a_lock_that_is_held_and_a_missing_reason(flow: MaintenanceFlow) -> None:
    held = flow.run("drain", *REASON, "--limit", REGIONS[0], faults={REGIONS[0]: {"open": "deploy r7 is unfinished"}})
    assert held.code != 0
    assert "deploy r7 is unfinished" in held.output
    assert acts(held, REGIONS[0]) == [("release_journal", "opened")]
    silent = flow.run("resume", "-e", "emergency=maybe")
    assert silent.code != 0
    assert silent.calls == []
    assert "reason: missing" in silent.output
    assert "emergency: 'maybe' is neither true nor false." in silent.output


def test_the_other_slot_proves_the_book_as_the_engine_that_leads_and_is_put_back(flow: MaintenanceFlow) -> None:
    catalogue = flow.with_engine(REGION)
    before = flow.state_of(REGION)["objects"]
    checked = flow.run("drain", *REASON, *catalogue, "--check")
    assert checked.code == 0, checked.output
    assert f"{ENGINE}-green would be brought up to prove the snapshot" in checked.output
    # The stand-in asks that it is up, and of the leader's version.
    done = flow.run("drain", *REASON, *catalogue)
    assert done.code == 0, done.output
    assert acts(done, REGION) == [*PROVED, CLOSED]
    brought_up = call_of(done, REGION, "k8s_revision", "applied")
    assert GREEN in brought_up["objects"]
    assert brought_up["fields"] == [f"{GREEN} spec.replicas"]
    assert call_of(done, REGION, "drain_trading")["prove"]["pod"] == f"{ENGINE}-green-0"
    assert done.regions[REGION]["objects"] == before


def test_a_drain_that_fails_puts_the_slot_back_as_well(flow: MaintenanceFlow) -> None:
    catalogue = flow.with_engine(REGION)
    before = flow.state_of(REGION)["objects"]
    done = flow.run("drain", *REASON, *catalogue, faults={REGION: {"drain": "3 trades are not settled"}})
    assert done.code != 0
    assert acts(done, REGION) == [*PROVED, CLOSED]
    assert f"{REGION} is failed (3 trades are not settled)" in done.output
    assert done.regions[REGION]["objects"] == before


def test_a_slot_that_cannot_be_put_back_keeps_the_lock_until_a_recovery_has_done_it(flow: MaintenanceFlow) -> None:
    catalogue = flow.with_engine(REGION)
    before = flow.state_of(REGION)["objects"]
    done = flow.run("drain", *REASON, *catalogue, faults={REGION: {"put_back": "the API server is gone"}})
    assert done.code != 0
    assert acts(done, REGION) == PROVED
    assert (
        f"{REGION} is failed (the engine is cancel_only; its lock stays, run recover.yml: {ENGINE}-green was not put "
        "back: the API server is gone)"
    ) in done.output
    assert GREEN in done.regions[REGION]["objects"]
    recovered = flow.run("recover", *catalogue)
    assert recovered.code == 0, recovered.output
    assert acts(recovered, REGION)[-2:] == [("k8s_revision", "restored"), CLOSED]
    assert recovered.regions[REGION]["objects"] == before
    # What has nothing more to be put back is only unlocked: only an operator knows whether to go on or to leave.
    halfway = {REGION: {"halfway": True}}
    enter = ("maintenance", "-e", "state=entered", *REASON, *catalogue)
    assert flow.run(*enter, faults=halfway).code != 0
    flow.reopen(REGION)
    unlocked = flow.run("recover", *catalogue)
    assert unlocked.code == 0, unlocked.output
    assert ("k8s_revision", "restored") not in acts(unlocked, REGION)
