# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands in an environment, its history, and the way of a revision into the next environment."""

from __future__ import annotations

import copy
import datetime
import json
import pathlib
import typing as t

from flow_runner import REGIONS, Flow
from stand_in import document, empty

S = "core-api"
VERSIONS = {S: "v7", "reference-data": "v3"}


def ago(hours: float) -> str:
    instant = datetime.datetime.now(tz=datetime.UTC) - datetime.timedelta(hours=hours)
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")


def write_state(flow: Flow, region: str, state: dict[str, t.Any]) -> None:
    (flow.home / f"{region}.json").write_text(json.dumps(state))


def region_state(region: str, number: int) -> dict[str, t.Any]:
    """A region with both slots of one service, and the revision that recorded them."""
    state = {**empty(region), "weights": {S: {"blue": 0, "green": 100}}, "number": number}
    for slot, version, replicas in (("blue", "v1", 2), ("green", "v2", 3)):
        state["objects"][f"Deployment/{S}-{slot}"] = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": f"{S}-{slot}", "labels": {"app.kubernetes.io/version": version}},
            "spec": {"replicas": replicas},
        }
    recorded = copy.deepcopy(document(state, [S]))
    state["revisions"] = {str(number): {"outcome": "released", "id": f"r{number}", "document": recorded}}
    return state


def write_environment(flow: Flow) -> None:
    """Revision 4 stands in two regions, one of them with weights that somebody changed; the third one is behind."""
    first, second, third = (region_state(region, number) for region, number in zip(REGIONS, (4, 4, 3), strict=True))
    first["standby"] = {"release": "r4", "until": 4102444800.0, "fields": [{"kind": "Deployment", "name": f"{S}-blue"}]}
    second["weights"][S] = {"blue": 10, "green": 90}
    second["objects"][f"Deployment/{S}-green"]["spec"]["replicas"] = 1
    for state in (first, second, third):
        write_state(flow, state["region"], state)
    fleet = empty("fleet")
    fleet["revisions"] = {
        "3": {"outcome": "released", "id": "r3", "kind": "deploy", "by": "anna", "document": None},
        "4": {
            "outcome": "released",
            "id": "r4",
            "kind": "deploy",
            "by": "ben",
            "reason": "the release is done",
            "versions": {S: "v2"},
            "changes": {S: "v1 -> v2"},
            "document": None,
        },
    }
    write_state(flow, "fleet", fleet)


def test_status_tells_drift_and_a_region_that_is_away(flow: Flow) -> None:
    write_environment(flow)
    output = flow.home / "status.json"
    done = flow.run("status", "-e", f"output={output}", faults={REGIONS[2]: {"away": True}})
    assert done.code == 0, done.output
    assert {call["state"] for call in done.calls} == {"read"}
    known = json.loads(output.read_text())
    first, second, third = known["regions"]
    assert (first["drift"], first["behind"]) == ([], False)
    assert "core-api-blue has 2 replicas and no traffic, as warm standby until 2100-01-01T00:00:00Z" in first["told"]
    assert [(field["path"], field["recorded"], field["now"]) for field in second["drift"]] == [
        ("weights.blue", 0, 10),
        ("weights.green", 100, 90),
        ("spec.replicas", 3, 1),
    ]
    assert (third["problem"]["kind"], third["behind"]) == ("unreachable", None)
    assert "[us-east-1] revision 4, no drift" in done.output
    assert "drift in eu-west-1; could not be read: ap-northeast-1" in done.output

    strict = flow.run("status", "-e", "fail_on_drift=true")
    assert strict.code == 2, strict.output
    assert "3 (not the newest)" in strict.output
    assert "drift in eu-west-1; not on the newest revision: ap-northeast-1" in strict.output


def test_history_needs_the_fleet_only(flow: Flow) -> None:
    write_environment(flow)
    output = flow.home / "history.json"
    done = flow.run("history", "-e", f"output={output}", "-e", "environment_name=lab")
    assert done.code == 0, done.output
    assert {call["region"] for call in done.calls} == {"fleet"}
    known = json.loads(output.read_text())
    assert [entry["number"] for entry in known["revisions"]] == [3, 4]
    assert known["revisions"][0]["versions"] is None
    assert "core-api v1 -> v2" in done.output
    assert "4: the release is done" in done.output


def promote(home: pathlib.Path) -> tuple[str, ...]:
    source = {"kubeconfig": "none", "context": "development-management", "namespace": "pincex-fleet"}
    settings = {"from": "development", "to": "staging", "environment_name": "staging"}
    extra = home / "promotion.json"
    extra.write_text(json.dumps({**settings, "promotion_sources": {"development": source}, "release_by": "anna"}))
    return ("-e", f"@{extra}")


def write_source(flow: Flow) -> None:
    """Development stands on revision 12 for three hours."""
    revision = {"outcome": "released", "id": "r12", "document": None, "versions": VERSIONS, "closed_at": ago(3)}
    write_state(flow, "development", {**empty("development"), "revisions": {"12": revision}})


def test_a_refused_promotion_ends_before_the_release_begins(flow: Flow) -> None:
    write_source(flow)
    early = flow.run("promote", *promote(flow.home))
    assert early.code == 2, early.output
    assert "revision: 12 stands in development for 3.0 h" in early.output
    assert early.output.count("FAILED!") == 1
    assert [(call["region"], call["state"]) for call in early.calls] == [("development", "read")]

    named = flow.run("promote", *promote(flow.home), "-e", "release_version=v9")
    assert named.code == 2, named.output
    assert named.calls == []


def test_what_stands_in_one_environment_is_released_in_the_next(flow: Flow) -> None:
    write_source(flow)
    done = flow.run("promote", *promote(flow.home), "-e", "promotion_soak_h=2")
    assert done.code == 0, done.output
    assert set(done.versions().values()) == {"v7"}
    assert done.report is not None
    assert done.report["versions"] == VERSIONS
    assert done.report["by"] == "anna, promoted from development revision 12"
    written = {call["region"] for call in done.calls if call["state"] != "read"}
    assert "development" not in written
