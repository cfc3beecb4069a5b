# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What events say of a workload that does not get on, and whose are worth reading. Pure.

Two troubles stand in no status: pods of a StatefulSet, DaemonSet or Job that are refused, and a ConfigMap or Secret
that cannot be mounted. Events are kept for an hour and nobody promises any, so that they make a verdict sooner, and
never better: without them the gate's deadline speaks.
"""

from __future__ import annotations

import re
import typing as t
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.pod_problems import (
    JsonObject,
    Problem,
    shorten,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.workload_counts import observed

Reason = t.Literal["FailedCreate", "FailedMount"]
#: A reason, and the uid of the object that events with it may speak of.
Question = tuple[Reason, str]
#: Events by what they answer.
Answers = Mapping[Question, Sequence[JsonObject]]

#: Fewer pods than wanted, or a container that is being made, is normal for a moment.
_SUSPICION_S: t.Final = 2.0
#: The reader asks at once, or two seconds after the list before.
_FIRST_ANSWER_S: t.Final = 2 * _SUSPICION_S
#: The kubelet's own words about the object itself. Others may pass, such as a driver or a cache that is not there yet.
_NO_CONFIG: t.Final = re.compile(
    r'\b(?:configmap|secret) "[^"]+" not found|references non-existent (?:config|secret) key', re.IGNORECASE
)
_BEING_MADE: t.Final = {"ContainerCreating", "PodInitializing"}
#: A container's own status tells of a key that is missing as well, and names the container.
_TOLD_BY: t.Final[Mapping[str, Reason]] = {"replica_failure": "FailedCreate", "config_error": "FailedMount"}


def answers(events: Iterable[JsonObject]) -> Answers:
    """Events by reason and object, the newest of each last."""
    found: dict[Question, list[JsonObject]] = {}
    for event in events:
        uid = str((event.get("involvedObject") or {}).get("uid") or "")
        found.setdefault((t.cast("Reason", event.get("reason")), uid), []).append(event)
    for one in found.values():
        one.sort(key=_seen)
    return found


def questions(kind: str, obj: JsonObject | None, pods: Iterable[JsonObject]) -> Iterator[Question]:
    """What events may tell about a workload and its pods of the newest revision."""
    if obj is not None and _is_short(kind, obj):
        yield "FailedCreate", _uid(obj)
    for pod in pods:
        if _is_being_made(pod):
            yield "FailedMount", _uid(pod)


def due(since: Mapping[Question, float], now: float) -> dict[Reason, frozenset[str]]:
    """The questions that have been open for long enough, as reason -> uids. `since` is when each was first open."""
    found: dict[Reason, set[str]] = {}
    for (reason, uid), first in since.items():
        if now - first >= _SUSPICION_S:
            found.setdefault(reason, set()).add(uid)
    return {reason: frozenset(uids) for reason, uids in found.items()}


def first_amiss(problem: Problem, uids: Collection[str], since: Mapping[Question, float], now: float) -> float:
    """Since when there is a trouble that is told for the first time now. What the first answer tells was there while
    nobody asked; `uids` are the workload and its pods. All others begin now."""
    reason = None if problem.container else _TOLD_BY.get(problem.kind)
    asked = [first for (about, uid), first in since.items() if about == reason and uid in uids]
    return next((first for first in sorted(asked) if now - first <= _FIRST_ANSWER_S), now)


def refusal(kind: str, obj: JsonObject, pods: Iterable[JsonObject], told: Answers) -> Problem | None:
    """That the pods of a workload are refused now, by a quota or by admission. `pods` are all that it owns.

    An event of an earlier revision stays where it is: one from before the last change of the workload does not count,
    nor one from before a pod that was made since.
    """
    if not _is_short(kind, obj):
        return None
    first = max([_written(obj), *(_created(pod) for pod in pods)])
    found = [event for event in told.get(("FailedCreate", _uid(obj)), ()) if _seen(event) >= first]
    return Problem("replica_failure", _text(found[-1])) if found else None


def mount_failure(pod: JsonObject, told: Answers) -> Problem | None:
    """That a pod waits for a ConfigMap or Secret, or a key of one, that does not exist."""
    if not _is_being_made(pod):
        return None
    # Between two of them the kubelet may say that it has waited for long, which tells less.
    found = [
        event for event in told.get(("FailedMount", _uid(pod)), ()) if _NO_CONFIG.search(str(event.get("message")))
    ]
    return Problem("config_error", _text(found[-1]), str(pod["metadata"]["name"])) if found else None


def last_seen(event: Mapping[str, t.Any]) -> str:
    """When it happened last: by the old recorder (lastTimestamp) or the new one (eventTime, series)."""
    series = event.get("series") or {}
    at = series.get("lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime")
    return str(at or (event.get("metadata") or {}).get("creationTimestamp") or "")


def instant(at: str) -> str:
    """For sorting: "…:05Z" is before "…:05.2Z"."""
    return at.rstrip("Z")


def _seen(event: Mapping[str, t.Any]) -> str:
    return instant(last_seen(event))


def _created(obj: JsonObject) -> str:
    return instant(str(obj["metadata"].get("creationTimestamp") or ""))


#: After every instant.
_NEVER: t.Final = "~"


def _written(obj: JsonObject) -> str:
    """Not before the instant at which the newest revision was written, by the API server's clock."""
    meta = obj["metadata"]
    if int(meta.get("generation") or 1) == 1:
        # It is as it was made.
        return _created(obj)
    # Whoever writes the status or the scale alone says so. The others may have written something else than the
    # template: then an event is waited for that is newer than that.
    times = [
        str(one["time"]) for one in meta.get("managedFields") or [] if one.get("time") and not one.get("subresource")
    ]
    return instant(max(times)) if times else _NEVER


def _uid(obj: JsonObject) -> str:
    return str(obj["metadata"].get("uid"))


def _text(event: Mapping[str, t.Any]) -> str:
    return shorten(f"{event.get('reason')}: {event.get('message') or ''}")


def _is_being_made(pod: JsonObject) -> bool:
    """Whether no container of a pod has been made: with any, all volumes are there."""
    status = pod.get("status") or {}
    states = [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]
    return bool(states) and all(
        ((one.get("state") or {}).get("waiting") or {}).get("reason") in _BEING_MADE and not one.get("lastState")
        for one in states
    )


def _number(where: Mapping[str, t.Any] | None, key: str, default: int = 0) -> int:
    found = (where or {}).get(key)
    return default if found is None else int(found)


def _stateful_set(obj: JsonObject) -> bool:
    return _number(obj.get("status"), "replicas") < _number(obj.get("spec"), "replicas", 1)


def _daemon_set(obj: JsonObject) -> bool:
    status = obj.get("status")
    return _number(status, "currentNumberScheduled") < _number(status, "desiredNumberScheduled")


def _job(obj: JsonObject) -> bool:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    return not spec.get("suspend") and _number(status, "active") < min(
        _number(spec, "parallelism", 1), _number(spec, "completions", 1) - _number(status, "succeeded")
    )


#: A Deployment is not among them: its ReplicaSet has a condition for that.
_SHORT: t.Final[Mapping[str, Callable[[JsonObject], bool]]] = {
    "StatefulSet": _stateful_set,
    "DaemonSet": _daemon_set,
    "Job": _job,
}


def _is_short(kind: str, obj: JsonObject) -> bool:
    """Whether there are fewer pods than its controller is to make."""
    return kind in _SHORT and not obj["metadata"].get("deletionTimestamp") and observed(kind, obj) and _SHORT[kind](obj)
