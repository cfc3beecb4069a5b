# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What follows a release while its old slots are warm."""

from __future__ import annotations

from flow_runner import REGIONS, Flow, Run

STEP = "core-api, reference-data 100 %"
PREPARE = "prepare core-api, reference-data"


def locked(done: Run, region: str) -> list[tuple[str, str | None, str | None]]:
    """Module, state and step of every call in a region from its lock to the gate of its last step."""
    calls = [call for call in done.calls if call["region"] == region]
    opened = next(place for place, call in enumerate(calls) if call["state"] == "opened")
    found = [(call["module"], call["state"], call["step"]) for call in calls[opened + 1 :]]
    return found[: found.index(("k8s_rollout_gate", None, STEP)) + 1]


def test_back_to_warm_slots_the_traffic_is_first_and_otherwise_they_are_brought_up(stands_by: Flow) -> None:
    """One region is warm, in one the standby ends before it is locked, in one a pod has died since the preflight."""
    warm, ended, small = REGIONS
    done = stands_by.run("rollback", faults={ended: {"ended": True}, small: {"capacity": STEP}})
    assert done.code == 0, done.output
    assert set(done.versions().values()) == {"v1"}
    shift, gate = ("k8s_traffic", "shifted", STEP), ("k8s_rollout_gate", None, STEP)
    brought_up = [
        ("k8s_revision", "applied", PREPARE),
        ("k8s_rollout_gate", None, PREPARE),
        ("k8s_traffic", "probed", PREPARE),
        shift,
        gate,
    ]
    assert locked(done, warm) == [shift, ("k8s_revision", "applied", STEP), gate]
    assert locked(done, ended) == brought_up
    assert locked(done, small) == [shift, *brought_up]
    held, tried = [
        next(call for call in done.calls if (call["region"], call["step"], call["module"]) == (warm, *of))
        for of in ((STEP, "k8s_revision"), ("preflight", "k8s_revision"))
    ]
    # Only what loses the traffic, and never its scale.
    assert {field.split()[0] for field in held["fields"]} == {
        "HorizontalPodAutoscaler/core-api-green",
        "HorizontalPodAutoscaler/reference-data-green",
    }
    assert (tried["check"], tried["fields"], tried["services"]) == (
        True,
        held["fields"],
        ["core-api", "reference-data"],
    )
    # The journal is read once for the preflight, with the revision.
    assert [call["number"] for call in done.calls if (call["region"], call["state"]) == (warm, "read")] == [
        None,
        1,
        None,
    ]


def test_a_check_tells_which_warm_slots_would_end_and_writes_nothing(stands_by: Flow) -> None:
    before = {region: (stands_by.home / f"{region}.json").read_text() for region in REGIONS}
    done = stands_by.run("deploy", "-e", "release_version=v3", "--check", "--diff")
    assert done.code == 0, done.output
    assert {region: (stands_by.home / f"{region}.json").read_text() for region in REGIONS} == before
    tried = [call for call in done.calls if call["step"] == "standby"]
    assert sorted((call["region"], call["check"]) for call in tried) == sorted((region, True) for region in REGIONS)
    assert "Deployment/core-api-blue spec.replicas" in tried[0]["fields"]
    for region in REGIONS:
        assert f"{region}: the warm standby of release" in done.output
    assert "would be ended, to zero: core-api-blue, reference-data-blue" in done.output
