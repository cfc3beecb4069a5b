# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""k8s_rollout_gate: judge, and at a fail take the traffic back in the same process."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Mapping, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core import kube as kube_module
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import Clock
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import ReleaseError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.journal import Journal
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.kube import KubeApi
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.progress import Progress, quiet
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.records import ReleaseRef
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.result import JsonObject, ok_result
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.clues import ClueReader, text_of
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.cluster import ClusterReader
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.gate import Gate, Question
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.options import (
    ARGUMENT_SPEC,
    health_checkers_of,
    metric_checkers_of,
    provider_of,
    question_of,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.readings import MetricProvider
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.replay import (
    ReplayProvider,
    left_out,
    replay,
    span_of,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.decide_trip import routes_to_trip
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.trip import checked_trip, trip

__all__ = ["ARGUMENT_SPEC", "EMPTY_RESULT", "run"]

EMPTY_RESULT: t.Final[JsonObject] = {
    "verdict": "hold",
    "cause": "",
    "reason": "",
    "started_at": None,
    "ready_at": None,
    "breached_at": None,
    "decided_at": None,
    "evidence": {"workloads": [], "checks": [], "pods": []},
    "tripped": None,
    "undo": None,
    "decisions": [],
    "warnings": [],
}

#: While it looks, an API server that does not answer must not keep the gate from seeing the metrics.
_LOOK_S: t.Final = 2.0
_ACT_S: t.Final = 30.0


def run(params: Mapping[str, t.Any], *, check_mode: bool, diff: bool, clock: Clock, progress: Progress) -> JsonObject:
    """The whole task. Only a trip changes something, and the traffic module knows what."""
    question = question_of(params)
    wanted = checked_trip(params["trip"])
    provider = provider_of(params, clock)
    if params["replay"] and provider is not None:
        return _replayed(params, question, provider, clock, progress)
    # The provider's clock is another one than ours.
    ahead_s = provider.tick() - clock.now() if provider is not None else 0.0
    since = None if params["since"] is None else params["since"] + ahead_s
    checkers = [*metric_checkers_of(params, provider, since), *health_checkers_of(params, clock)]
    release = ReleaseRef.from_option(params["release"]) if params["release"] else None
    region = params["region"] or params["context"]
    kube = kube_module.connect(params["kubeconfig"], params["context"], region, clock)
    fleet = kube_module.connect(release.fleet.kubeconfig, release.fleet.context, "fleet", clock) if release else None
    journal = Journal(kube, params["namespace"], release, clock, fleet, check_mode=check_mode)
    _patience(_LOOK_S, kube, fleet)
    cluster = (
        ClusterReader(kube, params["namespace"], question.workloads, watch=not check_mode)
        if question.workloads
        else None
    )
    gate = Gate(
        question,
        checkers,
        cluster=cluster,
        provider=provider,
        # Whoever may not write finds out before anything is at stake. In check mode nothing was opened.
        guard=journal.guard if (release or wanted) and not check_mode else None,
        clock=clock,
        progress=progress,
    )
    try:
        judgement, known = gate.judge(once=check_mode)
    finally:
        if cluster is not None:
            cluster.close()
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
        _act(
            result,
            way_back,
            routes_to_trip(wanted, judgement.services),
            f"{params['step']} trip".strip(),
            progress,
        )
    details: list[str] = []
    suspects = gate.suspects(judgement)
    if suspects:
        # After the trip: traders do not wait for logs.
        clues = ClueReader(kube, params["namespace"], params["log_lines"]).read(suspects)
        result["evidence"]["pods"] = [clue.to_json() for clue in clues]
        details = text_of(clues)
    if not diff:
        result["diff"] = {"before": None, "after": None}
    for line in (f"{params['step'] + ': ' if params['step'] else ''}{result['verdict']}: {result['reason']}", *details):
        progress(line)
    if judgement.verdict in params["fail_on"] and not check_mode:
        error = ReleaseError(
            "\n".join([f"{region}: {result['reason']}", *details]),
            kind=judgement.cause or str(judgement.verdict),
            system="gate",
            region=region,
        )
        error.partial.update(result)
        raise error
    return result


def _replayed(
    params: Mapping[str, t.Any], question: Question, provider: MetricProvider, clock: Clock, progress: Progress
) -> JsonObject:
    """What the checks would have decided. A verdict on the past fails no task."""
    start, end = span_of(params["replay"], clock.now())

    def make_gate(pretended: Clock, recorded: ReplayProvider) -> Gate:
        return Gate(
            dataclasses.replace(question, workloads=[]),
            metric_checkers_of(params, recorded, None),
            cluster=None,
            provider=recorded,
            guard=None,
            clock=pretended,
            progress=quiet,
        )

    found = replay(make_gate, provider, start, end, params["interval_s"])
    for decision in found.decisions:
        progress(f"{decision.to_json()['time']} {decision.verdict}: {decision.reason}")
    first = found.decisions[0]
    warnings = [f"{option} cannot be replayed and was left out" for option in left_out(params)]
    if found.cut:
        warnings.append(f"only the first {len(found.decisions)} decisions are listed")
    return {
        **ok_result(False),
        **found.known,
        "verdict": first.verdict,
        "cause": first.cause,
        "reason": first.reason,
        "decided_at": round(first.at, 3),
        "decisions": [decision.to_json() for decision in found.decisions],
        "warnings": [*found.known.get("warnings", []), *warnings],
    }


def _act(
    result: JsonObject,
    journal: Journal,
    entries: Sequence[t.Any],
    step: str,
    progress: Progress,
) -> None:
    """First the traffic, then the word to the fleet. A verdict stands whether or not either of them works."""
    reason = str(result["reason"])
    if entries:
        progress(f"fail: {reason}; taking the traffic back of {', '.join(entry.route for entry in entries)}")
        try:
            done = trip(journal.kube, journal, entries, step)
            result["tripped"] = {"at": done["at"], "routes": done["routes"], "error": done["error"]}
            result["changed"] = done["changed"]
            result["warnings"] = [*result["warnings"], *done["warnings"]]
            result["diff"] = {
                side: {route["route"]: route[side] for route in done["routes"]} for side in ("before", "after")
            }
        except ReleaseError as error:
            result["tripped"] = {"at": None, "routes": [], "error": error.message}
        if result["tripped"]["error"]:
            result["reason"] += f"; the traffic could not be taken back: {result['tripped']['error']}"
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
