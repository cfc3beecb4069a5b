# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verdict out of the states of workloads and checks, with its reason in one sentence. Pure: no I/O, no clock."""

from __future__ import annotations

import dataclasses
import math
import typing as t
from collections.abc import Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate import decide_workload
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.check import SLACK_S, CheckState

Verdict = t.Literal["pass", "fail", "hold"]
#: What a verdict rests on. Only `workload`, `deadline` and `metric` (a check of any kind) speak against the version.
Cause = t.Literal["", "workload", "deadline", "metric", "no_evidence", "thin_evidence", "undone"]
Thin = t.Literal["fail", "ask", "pass_on_workloads"]


@dataclasses.dataclass(frozen=True)
class Rules:
    """How long, and what counts when there is too little to judge."""

    observe_s: float
    deadline_s: float
    blind_s: float
    evidence_max_s: float
    on_thin_evidence: Thin
    traffic: bool


@dataclasses.dataclass(frozen=True)
class Situation:
    """Everything at one instant. Durations are of the monotonic clock."""

    workloads: Sequence[decide_workload.State]
    checks: Sequence[CheckState]
    now: float
    #: Since when all workloads are ready without a break, and when they were for the first time.
    ready_since: float | None
    first_ready: float | None
    #: How long workloads were ready and not ready, each all together: what is ready for a moment in between does not
    #: start the deadline anew, and what is not does not use up the time for evidence.
    ready_s: float
    unready_s: float
    #: Since when the API server or the fleet's journal has not answered, and what it said.
    unread_since: float | None = None
    unread: str = ""


@dataclasses.dataclass(frozen=True)
class Judgement:
    """`verdict` None: go on looking."""

    verdict: Verdict | None
    reason: str
    cause: Cause = ""
    #: The services that a `fail` speaks of; empty when it speaks of none in particular.
    services: frozenset[str] = frozenset()


def judge(rules: Rules, at: Situation) -> Judgement:
    """The first rule that speaks decides. What is bad comes before what is missing, and that before what is good."""
    for rule in (_doomed, _outside, _lost, _blind, _late, _good, _thin):
        judgement = rule(rules, at)
        if judgement is not None:
            return judgement
    return Judgement(None, _pending(rules, at))


def glance(rules: Rules, at: Situation) -> Judgement:
    """The verdict of one look, for check mode: what time would have to show is `hold`."""
    judgement = judge(dataclasses.replace(rules, observe_s=0.0, blind_s=math.inf), at)
    return judgement if judgement.verdict else Judgement("hold", judgement.reason)


def _doomed(_rules: Rules, at: Situation) -> Judgement | None:
    failed = [state for state in at.workloads if state.status == "failed"]
    if not failed:
        return None
    return Judgement("fail", "; ".join(state.detail for state in failed), "workload", _services_of(failed))


def _outside(_rules: Rules, at: Situation) -> Judgement | None:
    bad = [state for state in _critical(at) if state.status == "bad"]
    if not bad:
        return None
    return Judgement("fail", max(bad, key=_nearness).sentence, "metric", _named(bad))


def _lost(_rules: Rules, at: Situation) -> Judgement | None:
    lost = [state for state in _critical(at) if state.status == "lost"]
    if not lost:
        return None
    reason = f"no evidence, which its policy does not wait for: {'; '.join(state.sentence for state in lost)}"
    return Judgement("fail", reason, "no_evidence", _named(lost))


def _blind(rules: Rules, at: Situation) -> Judgement | None:
    lost: list[tuple[float, str, str]] = []
    if at.unread_since is not None:
        lost.append((at.now - at.unread_since, at.unread, ""))
    for state in _critical(at):
        # Pods that are still starting have no metrics: the deadline of the workloads watches over that.
        since = at.first_ready if state.seen_at is None else state.seen_at
        if state.status == "blind" and since is not None:
            lost.append((at.now - since, state.sentence, state.service))
    longest, what, service = max(lost, default=(0.0, "", ""))
    if longest <= rules.blind_s:
        return None
    reason = f"no evidence for {longest:.1f} s (limit {rules.blind_s:g} s): {what}"
    services = frozenset({service} if service else ())
    return Judgement("fail" if rules.traffic else "hold", reason, "no_evidence", services)


def _late(rules: Rules, at: Situation) -> Judgement | None:
    if at.unready_s <= rules.deadline_s or _ready(at):
        return None
    waiting = [state for state in at.workloads if state.status != "ready"]
    what = "; ".join(state.detail for state in waiting)
    reason = f"not ready for {at.unready_s:.1f} s (limit {rules.deadline_s:g} s): {what}"
    return Judgement("fail", reason, "deadline", _services_of(waiting))


def _good(rules: Rules, at: Situation) -> Judgement | None:
    if not _ready(at) or at.unread_since is not None or at.ready_since is None:
        return None
    critical = _critical(at)
    if any(state.status != "good" or state.good_s < rules.observe_s - SLACK_S for state in critical):
        return None
    watched = at.now - at.ready_since
    if watched < rules.observe_s:
        return None
    reason = _workloads_ready(at)
    if critical:
        closest = max(critical, key=_nearness)
        reason += "; " if reason else ""
        reason += f"{len(critical)} checks good for {rules.observe_s:g} s, closest: {closest.sentence}"
    return Judgement("pass", reason + _warnings(at, reason))


def _thin(rules: Rules, at: Situation) -> Judgement | None:
    """The longest time is over and there is still not enough to say that it is good."""
    # While workloads are not ready, their own deadline speaks.
    if at.first_ready is None or not _ready(at):
        return None
    if at.ready_s <= max(rules.evidence_max_s, rules.observe_s):
        return None
    reason = f"not enough evidence within {at.ready_s:.1f} s: {_pending(rules, at)}"
    if rules.on_thin_evidence == "fail":
        return Judgement("fail", reason, "thin_evidence", _named(_open(at)))
    only_thin = all(state.status in ("good", "thin") for state in _critical(at)) and at.unread_since is None
    if rules.on_thin_evidence == "pass_on_workloads" and at.workloads and only_thin:
        return Judgement("pass", f"{_workloads_ready(at)}, passed on workloads alone; {reason}", "thin_evidence")
    return Judgement("hold", reason, "thin_evidence")


def _critical(at: Situation) -> list[CheckState]:
    return [state for state in at.checks if state.critical]


def _open(at: Situation) -> list[CheckState]:
    return [state for state in _critical(at) if state.status != "good"]


def _nearness(state: CheckState) -> float:
    return state.nearness


def _named(states: Sequence[CheckState]) -> frozenset[str]:
    """Their services; none in particular when one of them speaks of no service."""
    found = {state.service for state in states}
    return frozenset() if "" in found else frozenset(found)


def _services_of(states: Sequence[decide_workload.State]) -> frozenset[str]:
    found = {state.wanted.service for state in states}
    return frozenset() if "" in found else frozenset(found)


def _ready(at: Situation) -> bool:
    return all(state.status == "ready" for state in at.workloads)


def _workloads_ready(at: Situation) -> str:
    if not at.workloads:
        return ""
    pods = sum(state.ready for state in at.workloads)
    return f"{len(at.workloads)} workloads with {pods} pods ready"


def warnings(at: Situation) -> list[str]:
    """Checks that do not decide and are outside their limit or not visible, and what is good and may be a mistake."""
    return [
        state.sentence
        for state in at.checks
        if (not state.critical and state.status in ("bad", "over", "blind", "lost")) or state.evidence.get("warning")
    ]


def _warnings(at: Situation, told: str) -> str:
    found = [sentence for sentence in warnings(at) if sentence not in told]
    return f"; warning: {'; '.join(found)}" if found else ""


def _pending(rules: Rules, at: Situation) -> str:
    """What keeps the gate from passing now."""
    if at.unread_since is not None:
        return at.unread
    unready = [state.detail for state in at.workloads if state.status != "ready"]
    if unready:
        return "; ".join(unready)
    waiting = _open(at)
    if waiting:
        return "; ".join(state.sentence for state in waiting)
    return f"good so far, observed until {rules.observe_s:g} s of good samples"


def live_line(rules: Rules, at: Situation) -> str:
    """One line for the terminal: what is closest to failing, pods ready, time left."""
    parts = []
    unready = [state for state in at.workloads if state.status != "ready"]
    critical = _critical(at)
    if at.unread_since is not None:
        parts.append(at.unread)
    elif unready:
        # One with a problem fails when its grace is over, the others at the deadline.
        closest = next((state for state in unready if state.problems), unready[0])
        others = f", and {len(unready) - 1} more waiting" if len(unready) > 1 else ""
        parts.append(closest.detail + others)
    elif critical:
        parts.append(max(critical, key=_nearness).sentence)
    if at.workloads and not unready:
        ready, wanted = sum(s.ready for s in at.workloads), sum(max(s.desired, s.ready) for s in at.workloads)
        parts.append(f"{ready}/{wanted} pods ready")
    parts.append(f"{_left(rules, at):.0f} s left")
    return ", ".join(parts)


def _left(rules: Rules, at: Situation) -> float:
    """Until the soonest instant at which the gate can pass; while workloads start, until their deadline."""
    if not _ready(at) or at.ready_since is None:
        return max(0.0, rules.deadline_s - at.unready_s)
    good = min([at.now - at.ready_since, *(state.good_s for state in _critical(at))])
    return max(0.0, rules.observe_s - good)
