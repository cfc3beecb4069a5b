# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be wrong with one pod, out of its JSON. Pure: no I/O, no clock, no patience (that is decide_workload's)."""

from __future__ import annotations

import dataclasses
import re
import typing as t
from collections.abc import Iterator, Mapping

JsonObject = dict[str, t.Any]

#: What the registry itself said about this image. Everything else that stops a pull may pass: a time-out, a 503, a name
#: server that is away ("no such host", "server misbehaving").
_NO_SUCH_IMAGE: t.Final = re.compile(
    r"not found\b|manifest unknown|name unknown|unauthorized|authorization failed|access denied"
    r"|\bdenied:|401 Unauthorized|403 Forbidden|InvalidImageName|couldn't parse image",
    re.IGNORECASE,
)
#: "lookup registry.example: host not found" is the name server, not the registry.
_NO_REGISTRY: t.Final = re.compile(
    r"no such host|host not found|lookup .* on |dial tcp|server misbehaving", re.IGNORECASE
)
#: The kubelet had not heard of the ConfigMap or Secret yet.
_CACHE: t.Final = re.compile(r"failed to sync \w+ cache", re.IGNORECASE)

_PULL: t.Final = {"ErrImagePull", "ImagePullBackOff", "RegistryUnavailable", "ImageInspectError"}
_BAD_IMAGE: t.Final = {"InvalidImageName", "ErrImageNeverPull"}
_START: t.Final = {
    "CreateContainerError",
    "RunContainerError",
    "PreStartHookError",
    "PostStartHookError",
    "CreatePodSandboxError",
}
#: A pod that failed for one of these says nothing about its version; its owner makes another one.
_NOT_ITS_FAULT: t.Final = {
    "Evicted",
    "Preempting",
    "Terminated",
    "NodeShutdown",
    "NodeLost",
    "NodeAffinity",
    "UnexpectedAdmissionError",
}
_LONGEST_MESSAGE: t.Final = 300

ProblemKind = t.Literal[
    "crash",
    "oom",
    "image_missing",
    "image_pull",
    "config_error",
    "start_error",
    "unschedulable",
    "pod_failed",
    "replica_failure",
    "progress_deadline",
]


@dataclasses.dataclass(frozen=True)
class Problem:
    """One thing that is wrong. `count` is the number of exits for crash and oom."""

    kind: ProblemKind
    message: str
    pod: str = ""
    container: str = ""
    exit_code: int | None = None
    count: int = 0


@dataclasses.dataclass(frozen=True)
class Exits:
    """How often a container has ended so far, and how the last time."""

    count: int
    exit_code: int | None
    reason: str


def pod_problems(pod: Mapping[str, t.Any], forgiven: Mapping[str, int]) -> Iterator[Problem]:
    """Everything that is wrong with a pod now. `forgiven` is container -> exits that are not counted."""
    name = str(pod["metadata"]["name"])
    status = pod.get("status") or {}
    phase, why = status.get("phase"), str(status.get("reason") or "")
    if phase == "Failed" and why not in _NOT_ITS_FAULT and not why.startswith("OutOf"):
        yield Problem("pod_failed", shorten(f"the pod has failed {why} {status.get('message') or ''}"), name)
    for condition in status.get("conditions") or []:
        if (condition.get("type"), condition.get("status"), condition.get("reason")) == (
            "PodScheduled",
            "False",
            "Unschedulable",
        ):
            yield Problem("unschedulable", shorten(f"unschedulable: {condition.get('message') or ''}"), name)
    for container, state in containers(pod):
        yield from _waiting(name, container, state)
        yield from _ended(name, container, state, forgiven.get(container, 0))


def containers(pod: Mapping[str, t.Any]) -> Iterator[tuple[str, Mapping[str, t.Any]]]:
    """Name and status of every container that is to stay healthy: init containers until they are done, and sidecars."""
    status = pod.get("status") or {}
    for state in status.get("initContainerStatuses") or []:
        ended = (state.get("state") or {}).get("terminated")
        if not (ended and ended.get("exitCode") == 0):
            yield str(state["name"]), state
    for state in status.get("containerStatuses") or []:
        yield str(state["name"]), state


def exits_of(state: Mapping[str, t.Any]) -> Exits:
    """A first crash shows as restartCount 1 and lastState, before the kubelet speaks of a CrashLoopBackOff."""
    restarts = int(state.get("restartCount") or 0)
    now, last = state.get("state") or {}, (state.get("lastState") or {}).get("terminated")
    ended = now.get("terminated")
    # Backing off is also an end: the container of this count has exited and the next one has not been made.
    backing_off = (now.get("waiting") or {}).get("reason") == "CrashLoopBackOff"
    count = restarts + (1 if ended or backing_off else 0)
    final = ended or last or {}
    return Exits(count, final.get("exitCode"), str(final.get("reason") or ""))


def is_ready(pod: Mapping[str, t.Any]) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or []
    return any(condition.get("type") == "Ready" and condition.get("status") == "True" for condition in conditions)


def shorten(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST_MESSAGE else text[: _LONGEST_MESSAGE - 1] + "…"


def _waiting(pod: str, container: str, state: Mapping[str, t.Any]) -> Iterator[Problem]:
    waiting = (state.get("state") or {}).get("waiting") or {}
    reason, message = str(waiting.get("reason") or ""), str(waiting.get("message") or "")
    text = shorten(f"{reason}: {message}" if message else reason)
    if reason in _BAD_IMAGE:
        yield Problem("image_missing", text, pod, container)
    elif reason in _PULL:
        sure = bool(_NO_SUCH_IMAGE.search(message)) and not _NO_REGISTRY.search(message)
        yield Problem("image_missing" if sure else "image_pull", text, pod, container)
    elif reason == "CreateContainerConfigError":
        if not _CACHE.search(message):
            yield Problem("config_error", text, pod, container)
    elif reason in _START:
        yield Problem("start_error", text, pod, container)


def _ended(pod: str, container: str, state: Mapping[str, t.Any], forgiven: int) -> Iterator[Problem]:
    exits = exits_of(state)
    count = exits.count - forgiven
    if count <= 0:
        return
    times = "once" if count == 1 else f"{count} times"
    code = "" if exits.exit_code is None else f", last with exit code {exits.exit_code}"
    kind: ProblemKind = "oom" if exits.reason == "OOMKilled" else "crash"
    why = " (out of memory)" if kind == "oom" else ""
    yield Problem(kind, f"ended {times}{code}{why}", pod, container, exits.exit_code, count)
