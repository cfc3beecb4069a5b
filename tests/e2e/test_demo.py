# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo on the lab, and what an operator does around a release, on what the demo has left: v2 everywhere."""

from __future__ import annotations

import json
import pathlib
import re

import pytest
from lab_run import AuditLogs, LabRun, by_hand, playbook, reader_kubeconfig

from chaos.sweep import SERVICES
from chaos.world import World
from lab.kube import Kube
from lab.model import plan_lab

V2_STAYS = "released=v2 refused=v3,v5,v7"


def test_a_good_version_goes_out_and_bad_ones_are_refused_without_losing_an_order(demo: LabRun) -> None:
    assert demo.ended.last_line.startswith(f"demo ok: {V2_STAYS}"), demo.told
    assert " lost=0 duplicated=0 failed_by_healthy_versions=0 " in demo.ended.last_line
    assert demo.ended.code == 0


def test_the_report_of_the_bad_release_names_condition_value_and_limit(demo: LabRun) -> None:
    reports = [json.loads(path.read_text()) for path in demo.reports.glob("2*.json")]
    bad = next(report for report in reports if set(report["versions"].values()) == {"v3"})
    region = next(entry for entry in bad["regions"] if entry["verdict"] == "taken_back")
    reason = region["reason"]
    assert re.search(r"core-api errors \d+ of \d+ requests, healthy below 1 %", reason)
    assert re.search(r"1 in 10000 allowed split over \d+ tests", reason)


def test_the_same_version_again_changes_nothing(demo: LabRun) -> None:
    audit = AuditLogs()
    ended = playbook("deploy", reports=demo.reports, release_version="v2")
    assert ended.code == 0
    assert re.findall(r"changed=(\d+)", ended.output)
    assert set(re.findall(r"changed=(\d+)", ended.output)) == {"0"}
    assert audit.writes() == []


def test_check_mode_writes_nothing(demo: LabRun) -> None:
    audit = AuditLogs()
    ended = playbook("deploy", "--check", "--diff", reports=demo.reports, release_version="v1")
    assert ended.code == 0
    assert audit.writes() == []
    assert "check mode, nothing was written; the release would change" in ended.output
    assert "core-api v2 -> v1" in ended.output
    assert audit.events(), "the audit log shows no request at all, so it proves nothing"


@pytest.mark.parametrize(
    ("more", "variables", "says"),
    [
        (["--limit", "us-east-1,mars-1"], {"release_version": "v2"}, "--limit: unknown region mars-1"),
        ([], {}, "release_version: missing"),
        ([], {"release_version": "no version"}, "release_version: 'no version' is no version"),
        (
            [],
            {"release_versions": {"core-apy": "v2"}},
            "release_versions: unknown service core-apy; did you mean core-api",
        ),
        ([], {"release_version": "v1", "cluster_context": "mars"}, "context: mars is not in"),
    ],
)
def test_bad_input_is_one_sentence_before_any_write(
    demo: LabRun, more: list[str], variables: dict[str, str], says: str
) -> None:
    audit = AuditLogs()
    ended = playbook("deploy", *more, reports=demo.reports, **variables)
    assert ended.code != 0
    assert says in ended.output.replace('\\"', '"')
    assert audit.writes() == []


def test_a_user_without_rights_is_told_so_before_any_write(demo: LabRun, tmp_path: pathlib.Path) -> None:
    kubeconfig = reader_kubeconfig("us-east-1", tmp_path)
    audit = AuditLogs()
    ended = playbook(
        "deploy",
        "--limit",
        "us-east-1",
        reports=demo.reports,
        release_version="v1",
        cluster_kubeconfig=str(kubeconfig),
    )
    assert ended.code != 0
    assert "forbidden" in ended.output
    assert "e2e-reader" in ended.output
    assert audit.writes() == []


def test_what_runs_is_valid_and_the_history_can_be_read(demo: LabRun) -> None:
    assert playbook("validate", reports=demo.reports).code == 0
    history = playbook("report", reports=demo.reports)
    assert history.code == 0
    assert "taken_back" in history.output


def test_the_history_has_every_release_of_the_demo(demo: LabRun, tmp_path: pathlib.Path) -> None:
    assert playbook("history", reports=demo.reports, output=str(tmp_path / "history.json")).code == 0
    known = json.loads((tmp_path / "history.json").read_text())
    # What stands after each of them, and what it was about.
    assert [
        (one["number"], one["outcome"], one["kind"], one["versions"], one["changes"]) for one in known["revisions"][:5]
    ] == [
        (number, outcome, "deploy", dict.fromkeys(SERVICES, stands), dict.fromkeys(SERVICES, change))
        for number, outcome, stands, change in (
            (1, "released", "v1", "nothing -> v1"),
            (2, "released", "v2", "v1 -> v2"),
            (3, "taken_back", "v2", "v2 -> v3"),
            (4, "taken_back", "v2", "v2 -> v5"),
            (5, "taken_back", "v2", "v2 -> v7"),
        )
    ]
    assert (known["open"], known["lock"]) == (None, None)


def test_status_finds_no_drift_but_what_somebody_changed_by_hand(demo: LabRun, tmp_path: pathlib.Path) -> None:
    """Every other field of every object is as the newest revision recorded it, with all that an API server fills in."""
    lab = plan_lab("test")
    region = lab.regions[0]
    slots = World(lab, SERVICES).read().regions[region.name].weights["reference-data"]
    # Whoever has set a field by hand owns it from then on, also when it is put back: so of a service for which no later
    # test asks another limit.
    autoscaler = f"reference-data-{max(slots, key=lambda slot: slots[slot])}"
    kube, path = Kube(region.admin_kubeconfig), f"autoscaling/v2 horizontalpodautoscalers/{autoscaler}"
    wanted = {"fail_on_drift": True, "output": str(tmp_path / "status.json")}
    by_hand(kube, path, {"maxReplicas": 6})
    try:
        drifted = playbook("status", reports=demo.reports, **wanted)
        found = json.loads((tmp_path / "status.json").read_text())
    finally:
        by_hand(kube, path, {"maxReplicas": 4})
    assert drifted.code != 0
    assert {one["region"]: one["drift"] for one in found["regions"]} == {
        "us-east-1": [
            {
                "ref": f"HorizontalPodAutoscaler exchange/{autoscaler}",
                "path": "spec.maxReplicas",
                "recorded": 4,
                "now": 6,
            }
        ],
        "eu-west-1": [],
    }
    assert "drift in us-east-1" in drifted.output

    as_recorded = playbook("status", reports=demo.reports, **wanted)
    assert as_recorded.code == 0
    assert "no drift in all 2 regions, revision 2" in as_recorded.output
    assert json.loads((tmp_path / "status.json").read_text())["ok"]


def test_rollback_returns_to_the_revision_before(demo: LabRun) -> None:
    ended = playbook("rollback", reports=demo.reports)
    assert ended.code == 0
    newest = max(demo.reports.glob("2*.json"))
    report = json.loads(newest.read_text())
    assert report["kind"] == "rollback"
    assert set(report["versions"].values()) == {"v1"}
    assert {region["verdict"] for region in report["regions"]} == {"released"}
