# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Few beside many: what counts as a request, and what the audit log says."""

from __future__ import annotations

import json
import pathlib
import typing as t

import pytest

from bench.gate import region
from bench.gate.scale import Call, deployment, requests, rows
from lab.model import Site, plan_lab

Requests = dict[tuple[str, str], int]


def call(number: int, asked: Requests, late_s: float | None = 0.5, peak_mb: float = 90, verdict: str = "pass") -> Call:
    return Call(number, verdict, late_s, peak_mb, asked)


USUAL: Requests = {("list", "pods"): 2, ("watch", "pods"): 1, ("list", "deployments"): 2, ("watch", "deployments"): 1}


def value(made: list[dict[str, t.Any]], case: str, metric: str) -> dict[str, t.Any]:
    (one,) = (row for row in made if (row["case"], row["metric"]) == (case, metric))
    return one


def test_a_watch_that_is_asked_for_again_is_no_more_requests_for_more_workloads() -> None:
    longer = {**USUAL, ("watch", "pods"): 9}
    assert call(500, longer).asked == call(5, USUAL).asked == 6
    made = rows([call(5, USUAL), call(500, longer)])
    assert value(made, "500 Deployments", "API requests")["met"] is True
    assert value(made, "500 Deployments", "watches asked for again")["value"] == 8.0


def test_a_request_for_each_workload_misses_the_goal() -> None:
    made = rows([call(5, USUAL), call(500, {**USUAL, ("get", "deployments"): 500})])
    assert value(made, "500 Deployments", "API requests")["met"] is False


@pytest.mark.parametrize("late", [None, 2.1])
def test_late_or_no_verdict_misses_the_goal(late: float | None) -> None:
    assert value(rows([call(500, USUAL, late)]), "500 Deployments", "last ready to verdict")["met"] is False


def test_a_call_that_did_not_pass_has_no_requests_to_compare() -> None:
    made = rows([call(5, USUAL), call(500, USUAL, verdict="fail")])
    assert value(made, "500 Deployments", "API requests")["met"] is False


def test_each_deployment_has_its_own_pods() -> None:
    selectors = {json.dumps(deployment(number, "s")["spec"]["selector"]) for number in range(20)}
    assert len(selectors) == 20


def event(user: str, audit_id: str, verb: str, space: str = "scale-1") -> str:
    ref = {"resource": "pods", "namespace": space}
    return json.dumps({"auditID": audit_id, "verb": verb, "user": {"username": user}, "objectRef": ref})


def test_only_the_gates_own_requests_count_and_each_once(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site: Site = plan_lab("test", 1).regions[0]
    monkeypatch.setattr(region.control_plane, "audit_log", lambda _site: tmp_path / "audit.log")
    (tmp_path / "audit-2026-01-01.log").write_text(event(region.USER, "a", "list") + "\n")
    lines = [event(region.USER, "b", "watch"), event(region.USER, "b", "watch"), event("admin", "c", "list")]
    lines.append(event(region.USER, "d", "list", "elsewhere"))
    (tmp_path / "audit.log").write_text("\n".join(lines) + "\n")
    assert requests(region.audit_events(site, "scale-1")) == {("list", "pods"): 1, ("watch", "pods"): 1}
