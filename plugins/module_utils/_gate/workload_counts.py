# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the controller of a workload is done with it, kind by kind, and which pods a selector means. Pure.

As `kubectl rollout status` has it, and stricter where that says done too early: ready counts as well as available. Pods
that are on their way out are awaited by neither: the controllers do not count them.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t
from collections.abc import Callable, Mapping, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.pod_problems import (
    JsonObject,
    is_ready,
    was_sent_away,
)

#: Kinds that can be judged, with their API version.
KINDS: t.Final[Mapping[str, str]] = {
    "Deployment": "apps/v1",
    "StatefulSet": "apps/v1",
    "DaemonSet": "apps/v1",
    "Job": "batch/v1",
    "Pod": "v1",
}
#: A Job's and a pod's spec hardly ever change, and what they say is of the present one.
_WITHOUT_GENERATION: t.Final = {"Job", "Pod"}
_DAEMON_GENERATION: t.Final = "deprecated.daemonset.template.generation"


@dataclasses.dataclass(frozen=True)
class Counts:
    """How many pods there are to be and are. `waiting` is empty when the controller is done.

    `newest` is how many of the ready pods are of the newest revision where `ready` counts others as well, because no
    controller replaces them: of a StatefulSet with OnDelete.
    """

    desired: int
    updated: int
    ready: int
    waiting: str = ""
    newest: int | None = None


def counts_of(kind: str, obj: JsonObject) -> Counts:
    """The counts of one object. A workload that its controller has not seen has none."""
    if obj["metadata"].get("deletionTimestamp"):
        return dataclasses.replace(_COUNTS[kind](obj), waiting="it is being deleted")
    if not observed(kind, obj):
        desired = _COUNTS[kind](obj).desired
        return Counts(desired, 0, 0, "the controller has not seen this revision yet")
    return _COUNTS[kind](obj)


def observed(kind: str, obj: JsonObject) -> bool:
    """Whether the status speaks of the present spec, and not of the revision before."""
    if kind in _WITHOUT_GENERATION:
        return True
    return _number(obj.get("status"), "observedGeneration") >= _number(obj["metadata"], "generation")


def pods_of_newest(kind: str, obj: JsonObject, pods: Sequence[JsonObject]) -> list[JsonObject]:
    """The pods of the newest revision, out of those that a workload (no Deployment) owns."""
    if not observed(kind, obj):
        return []
    if kind == "StatefulSet" and _strategy(obj) != "OnDelete":
        revision = str((obj.get("status") or {}).get("updateRevision"))
        return [pod for pod in pods if _label(pod, "controller-revision-hash") in ("", revision)]
    if kind == "DaemonSet":
        generation = str((obj["metadata"].get("annotations") or {}).get(_DAEMON_GENERATION) or "")
        return [pod for pod in pods if _label(pod, "pod-template-generation") in ("", generation)]
    return list(pods)


def _label(obj: JsonObject, name: str) -> str:
    return str((obj["metadata"].get("labels") or {}).get(name) or "")


def _strategy(obj: JsonObject) -> str:
    """RollingUpdate or OnDelete, of a StatefulSet or DaemonSet."""
    return str(((obj.get("spec") or {}).get("updateStrategy") or {}).get("type") or "RollingUpdate")


def condition_of(obj: JsonObject, kind: str) -> Mapping[str, t.Any] | None:
    """The condition of that type if it is true."""
    conditions = (obj.get("status") or {}).get("conditions") or []
    return next((one for one in conditions if (one.get("type"), one.get("status")) == (kind, "True")), None)


def _number(where: Mapping[str, t.Any] | None, key: str, default: int = 0) -> int:
    found = (where or {}).get(key)
    return default if found is None else int(found)


def _deployment(obj: JsonObject) -> Counts:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    desired, total = _number(spec, "replicas", 1), _number(status, "replicas")
    updated, ready = _number(status, "updatedReplicas"), _number(status, "readyReplicas")
    available = _number(status, "availableReplicas")
    waiting = ""
    if updated < desired:
        waiting = f"{updated} of {desired} pods are of the new revision"
    elif total > updated:
        waiting = f"{total - updated} pods of an old revision are still there"
    elif total > desired:
        waiting = f"{total - desired} pods more than wanted"
    elif ready < desired:
        waiting = f"{ready} of {desired} pods ready"
    elif available < desired:
        waiting = f"{available} of {desired} pods available"
    if spec.get("paused") and (updated < desired or total > updated):
        # Nothing of this will change by itself.
        waiting = f"the rollout is paused, {waiting}"
    return Counts(desired, updated, min(updated, ready), waiting)


def _stateful_set(obj: JsonObject) -> Counts:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    desired, total = _number(spec, "replicas", 1), _number(status, "replicas")
    partition = _number((spec.get("updateStrategy") or {}).get("rollingUpdate"), "partition")
    updated, ready = _number(status, "updatedReplicas"), _number(status, "readyReplicas")
    if status.get("updateRevision") and status.get("updateRevision") == status.get("currentRevision"):
        # After a rollout the controller counts every pod as current.
        updated = max(updated, _number(status, "currentReplicas"))
    available = _number(status, "availableReplicas", ready)
    by_hand = _strategy(obj) == "OnDelete"
    to_update = 0 if by_hand else max(0, desired - partition)
    waiting = ""
    if updated < to_update:
        waiting = f"{updated} of {to_update} pods are of the new revision"
    elif total > desired:
        waiting = f"{total - desired} pods more than wanted"
    elif ready < desired:
        waiting = f"{ready} of {desired} pods ready"
    elif available < desired:
        waiting = f"{available} of {desired} pods available"
    return Counts(desired, updated, ready, waiting, min(updated, ready) if by_hand else None)


def _daemon_set(obj: JsonObject) -> Counts:
    status = obj.get("status") or {}
    desired = _number(status, "desiredNumberScheduled")
    updated, ready = _number(status, "updatedNumberScheduled"), _number(status, "numberReady")
    available = _number(status, "numberAvailable")
    waiting = ""
    if _strategy(obj) != "OnDelete" and updated < desired:
        waiting = f"{updated} of {desired} pods are of the new revision"
    elif ready < desired:
        waiting = f"{ready} of {desired} pods ready"
    elif available < desired:
        waiting = f"{available} of {desired} pods available"
    return Counts(desired, updated, ready, waiting)


def _job(obj: JsonObject) -> Counts:
    """`updated` are the pods at work, `ready` those that have done it."""
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    done, failed = _number(status, "succeeded"), _number(status, "failed")
    if condition_of(obj, "Complete"):
        # A success policy may be content with fewer than `completions`.
        return Counts(max(done, 1), max(done, 1), max(done, 1))
    desired = _number(spec, "completions", 1)
    if spec.get("suspend"):
        waiting = "the job is suspended"
    elif not status.get("startTime"):
        waiting = "the job has not started yet"
    else:
        waiting = f"{done} of {desired} pods have succeeded"
    if failed:
        tries = _number(spec, "backoffLimit", 6) + 1
        waiting += f", {failed} of {tries} tries have failed"
    return Counts(desired, _number(status, "active") + done, done, waiting)


def _pod(obj: JsonObject) -> Counts:
    done = (obj.get("status") or {}).get("phase") == "Succeeded"
    ready = int(is_ready(obj) or done)
    return Counts(1, 1, ready, "" if ready else "the pod is not ready")


_COUNTS: t.Final[Mapping[str, Callable[[JsonObject], Counts]]] = {
    "Deployment": _deployment,
    "StatefulSet": _stateful_set,
    "DaemonSet": _daemon_set,
    "Job": _job,
    "Pod": _pod,
}


# Pods that no controller counts for us.


def counts_of_pods(pods: Sequence[JsonObject]) -> Counts:
    """The counts of pods that were found by a selector: all of them are to be ready."""
    ready = sum(is_ready(pod) for pod in pods)
    return Counts(len(pods), len(pods), ready, "" if ready == len(pods) else f"{ready} of {len(pods)} pods ready")


def selected(pods: Sequence[JsonObject], selector: Selector) -> list[JsonObject]:
    """The pods that are to serve: not those that have done their work, were sent away, or are on their way out."""
    return [
        pod
        for pod in pods
        if selector.matches(pod["metadata"].get("labels") or {})
        and not pod["metadata"].get("deletionTimestamp")
        and (pod.get("status") or {}).get("phase") != "Succeeded"
        and not was_sent_away(pod)
    ]


@dataclasses.dataclass(frozen=True)
class _Requirement:
    key: str
    operator: t.Literal["in", "notin", "exists", "absent"]
    values: frozenset[str] = frozenset()

    def matches(self, labels: Mapping[str, str]) -> bool:
        if self.operator == "exists":
            return self.key in labels
        if self.operator == "absent":
            return self.key not in labels
        # As in Kubernetes, a label that is not there is not equal to anything.
        return (self.key in labels and labels[self.key] in self.values) == (self.operator == "in")


@dataclasses.dataclass(frozen=True)
class Selector:
    """A label selector; all of its requirements have to hold."""

    requirements: tuple[_Requirement, ...]

    def matches(self, labels: Mapping[str, str]) -> bool:
        return all(requirement.matches(labels) for requirement in self.requirements)


_PART: t.Final = r"[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_KEY: t.Final = rf"(?P<key>(?:[a-z0-9](?:[-a-z0-9.]{{0,251}}[a-z0-9])?/)?{_PART})"
_VALUE: t.Final = rf"(?:{_PART})?"
_FORMS: t.Final = (
    re.compile(rf"{_KEY}\s*(?P<operator>==|=|!=)\s*(?P<values>{_VALUE})"),
    re.compile(rf"{_KEY}\s+(?P<operator>in|notin)\s*\((?P<values>\s*{_VALUE}\s*(?:,\s*{_VALUE}\s*)*)\)"),
    re.compile(rf"(?P<operator>!?)\s*{_KEY}"),
)
_OPERATORS: t.Final[Mapping[str, t.Literal["in", "notin", "exists", "absent"]]] = {
    "=": "in",
    "==": "in",
    "in": "in",
    "!=": "notin",
    "notin": "notin",
    "": "exists",
    "!": "absent",
}


def parse_selector(text: str) -> Selector:
    """`app=x,tier in (web, api),!canary` as the API server reads it. Raises ValueError naming the part it cannot read.

    Nothing at all is refused as well: for the API server it means every pod there is.
    """
    # Commas between parentheses separate values.
    parts = re.split(r",(?![^()]*\))", text)
    return Selector(tuple(_requirement(part.strip()) for part in parts))


def _requirement(part: str) -> _Requirement:
    found = next((match for form in _FORMS if (match := form.fullmatch(part))), None)
    if found is None:
        raise ValueError(f"{part!r} is no part of a label selector")
    values = found.groupdict().get("values")
    listed = frozenset() if values is None else frozenset(value.strip() for value in values.split(","))
    return _Requirement(found["key"], _OPERATORS[found["operator"]], listed)
