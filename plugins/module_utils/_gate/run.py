# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""k8s_rollout_gate: judge, and at a fail take the traffic back in the same process."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core import kube as kube_module
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import Clock
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import ReleaseError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.journal import Journal
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.kube import KubeApi
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.progress import Progress
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.records import ReleaseRef
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.result import JsonObject, ok_result
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.cluster import ClusterReader
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.gate import Gate
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.options import ARGUMENT_SPEC, question_of
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.prometheus import (
    HttpTransport,
    MetricProvider,
    Prometheus,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.trip import trip

__all__ = ["ARGUMENT_SPEC", "EMPTY_RESULT", "run"]

EMPTY_RESULT: t.Final[JsonObject] = {
    "verdict": "hold",
    "cause": "",
    "reason": "",
    "started_at": None,
    "ready_at": None,
    "breached_at": None,
    "decided_at": None,
    "evidence": {"workloads": [], "metrics": []},
    "tripped": None,
    "undo": None,
    "warnings": [],
}

#: While it looks, an API server that does not answer must not keep the gate from seeing the metrics.
_LOOK_S: t.Final = 2.0
_ACT_S: t.Final = 30.0


def run(params: Mapping[str, t.Any], *, check_mode: bool, diff: bool, clock: Clock, progress: Progress) -> JsonObject:
    """The whole task. Only a trip changes something, and the traffic module knows what."""
    question = question_of(params)
    provider = _provider(params["prometheus"], clock) if question.checks else None
    release = ReleaseRef.from_option(params["release"]) if params["release"] else None
    region = params["region"] or params["context"]
    kube = kube_module.connect(params["kubeconfig"], params["context"], region, clock)
    fleet = kube_module.connect(release.fleet.kubeconfig, release.fleet.context, "fleet", clock) if release else None
    journal = Journal(kube, params["namespace"], release, clock, fleet, check_mode=check_mode)
    _patience(_LOOK_S, kube, fleet)
    gate = Gate(
        question,
        cluster=ClusterReader(kube, params["namespace"], question.workloads),
        provider=provider,
        # Whoever may not write finds out before anything is at stake. In check mode nothing was opened.
        guard=journal.guard if (release or params["trip"]) and not check_mode else None,
        clock=clock,
        progress=progress,
    )
    judgement, known = gate.judge(once=check_mode)
    result = {
        **ok_result(False),
        "verdict": judgement.verdict,
        "cause": judgement.cause,
        "reason": judgement.reason,
        # The instant of the decision; what is done about it comes after.
        "decided_at": round(clock.now(), 3),
        **known,
    }
    if judgement.verdict == "fail" and not check_mode:
        _patience(_ACT_S, kube, fleet)
        way_back = Journal(kube, params["namespace"], release, clock, fleet, undoing=True)
        wanted = {**params["trip"], "step": f"{params['step']} trip".strip()} if params["trip"] else None
        _act(result, way_back, wanted, progress)
    if not diff:
        result["diff"] = {"before": None, "after": None}
    progress(f"{params['step'] + ': ' if params['step'] else ''}{result['verdict']}: {result['reason']}")
    if judgement.verdict in params["fail_on"] and not check_mode:
        error = ReleaseError(
            f"{region}: {result['reason']}",
            kind=judgement.cause or str(judgement.verdict),
            system="gate",
            region=region,
        )
        error.partial.update(result)
        raise error
    return result


def _act(
    result: JsonObject,
    journal: Journal,
    wanted: Mapping[str, t.Any] | None,
    progress: Progress,
) -> None:
    """First the traffic, then the word to the fleet. A verdict stands whether or not either of them works."""
    reason = str(result["reason"])
    if wanted:
        progress(f"fail: {reason}; taking the traffic back to {wanted['to']}")
        try:
            done = trip(journal.kube, journal, list(wanted["routes"]), wanted["to"], wanted["step"])
            result["tripped"] = {"at": round(done["at"], 3), "to": done["to"], "error": ""}
            result["changed"] = done["changed"]
            result["diff"] = {"before": done["before"], "after": done["after"]}
        except ReleaseError as error:
            result["tripped"] = {"at": None, "to": wanted["to"], "error": error.message}
            result["reason"] += f"; the traffic could not be taken back: {error.message}"
    release = journal.release
    if release is not None and not release.is_way_back:
        try:
            decision = journal.write_undo(journal.kube.region, reason)
            result["undo"] = {"decision": decision.decision, "by": decision.by, "reason": decision.reason}
        except ReleaseError as error:
            # The region's own way back writes it again.
            result["undo"] = {"decision": None, "by": None, "reason": error.message}


def _patience(seconds: float, *apis: KubeApi | None) -> None:
    for api in apis:
        if api is not None:
            api.deadline_s = seconds


def _provider(options: Mapping[str, t.Any], clock: Clock) -> MetricProvider:
    return Prometheus(
        options["url"],
        clock,
        HttpTransport(clock, options["ca_cert"]),
        headers={name: str(value) for name, value in (options["headers"] or {}).items()},
        token_file=options["token_file"],
        timeout_s=options["timeout_s"],
    )
