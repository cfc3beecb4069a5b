# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be wrong with one pod, out of its JSON. Pure: no I/O, no clock, no patience (that is decide_workload's)."""

from __future__ import annotations

import dataclasses
import re
import typing as t
from collections.abc import Iterator, Mapping, Sequence

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

_PULL: t.Final = {
    "ErrImagePull",
    "ImagePullBackOff",
    "RegistryUnavailable",
    "ImageInspectError",
    "SignatureValidationFailed",
}
_BAD_IMAGE: t.Final = {"InvalidImageName", "ErrImageNeverPull"}
_START: t.Final = {
    "CreateContainerError",
    "RunContainerError",
    "PreStartHookError",
    "PostStartHookError",
    "CreatePodSandboxError",
}
#: The runtime could not run what the image says; its message says why.
_CANNOT_RUN: t.Final = {"StartError", "ContainerCannotRun"}
#: SIGKILL and SIGTERM: somebody else ended it. With a restart that is the kubelet, after a liveness probe.
_KILLED: t.Final = {137, 143}
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
    "restarts",
    "image_missing",
    "image_pull",
    "config_error",
    "start_error",
    "unschedulable",
    "pod_failed",
    "replica_failure",
    "progress_deadline",
    "job_failed",
    "missing",
]


@dataclasses.dataclass(frozen=True)
class Problem:
    """One thing that is wrong. `count` is the number of exits for crash, oom and restarts."""

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
    message: str = ""

    @property
    def killed(self) -> bool:
        """Ended from outside and not by itself; out of memory has a rule of its own."""
        return self.reason != "OOMKilled" and self.exit_code in _KILLED


def pod_problems(pod: Mapping[str, t.Any], forgiven: Mapping[str, int]) -> Iterator[Problem]:
    """Everything that is wrong with a pod now. `forgiven` is container -> exits that are not counted."""
    name = str(pod["metadata"]["name"])
    status = pod.get("status") or {}
    phase, why = status.get("phase"), str(status.get("reason") or "")
    if phase == "Succeeded" or was_sent_away(pod):
        # The kubelet has ended its containers (sidecars after the work was done), which looks like a crash.
        return
    if phase == "Failed":
        yield Problem("pod_failed", shorten(f"the pod has failed {why} {status.get('message') or ''}"), name)
    for condition in status.get("conditions") or []:
        if (condition.get("type"), condition.get("status"), condition.get("reason")) == (
            "PodScheduled",
            "False",
            "Unschedulable",
        ):
            yield Problem("unschedulable", shorten(f"unschedulable: {condition.get('message') or ''}"), name)
    counted = []
    for container, state in containers(pod):
        yield from _waiting(name, container, state)
        exits = exits_of(state)
        count = exits.count - forgiven.get(container, 0)
        if count > 0:
            counted.append((count, container, exits))
            if not exits.killed:
                yield _crash(name, container, exits, count)
    if len(counted) > 1 or any(exits.killed for _count, _container, exits in counted):
        # Each of them may be within its own grace; all together they are a pod that does not stay up.
        yield _restarts(name, counted)


def containers(pod: Mapping[str, t.Any]) -> Iterator[tuple[str, Mapping[str, t.Any]]]:
    """Name and status of every container that is to stay healthy; what has done its work and stays ended is not."""
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    of_pod = str(spec.get("restartPolicy") or "Always")
    for part, default in (("initContainer", "OnFailure"), ("container", of_pod)):
        # A sidecar is an init container that says Always.
        own = {str(one["name"]): one.get("restartPolicy") for one in spec.get(f"{part}s") or []}
        for state in status.get(f"{part}Statuses") or []:
            name, ended = str(state["name"]), (state.get("state") or {}).get("terminated")
            stays_ended = (own.get(name) or default) != "Always"
            if not (ended and ended.get("exitCode") == 0 and stays_ended):
                yield name, state


def unready_container(pod: Mapping[str, t.Any]) -> str:
    """The container whose log would tell why the pod is not ready; empty when none has been made yet."""
    for name, state in containers(pod):
        made = (state.get("state") or {}).keys() & {"running", "terminated"} or state.get("lastState")
        if not state.get("ready") and made:
            return name
    return ""


def was_sent_away(pod: Mapping[str, t.Any]) -> bool:
    """Failed for a reason that is not its own; its owner makes another one, and the object stays behind."""
    status = pod.get("status") or {}
    why = str(status.get("reason") or "")
    return status.get("phase") == "Failed" and (why in _NOT_ITS_FAULT or why.startswith("OutOf"))


def exits_of(state: Mapping[str, t.Any]) -> Exits:
    """A first crash shows as restartCount 1 and lastState, before the kubelet speaks of a CrashLoopBackOff."""
    restarts = int(state.get("restartCount") or 0)
    now, last = state.get("state") or {}, (state.get("lastState") or {}).get("terminated")
    ended = now.get("terminated")
    # Backing off is also an end: the container of this count has exited and the next one has not been made.
    backing_off = (now.get("waiting") or {}).get("reason") == "CrashLoopBackOff"
    count = restarts + (1 if ended or backing_off else 0)
    final = ended or last or {}
    return Exits(count, final.get("exitCode"), str(final.get("reason") or ""), str(final.get("message") or ""))


def is_ready(pod: Mapping[str, t.Any]) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or []
    return any(condition.get("type") == "Ready" and condition.get("status") == "True" for condition in conditions)


def shorten(text: str) -> str:
    """One line with both of its ends: what is wrong stands last, as in "...: failed to resolve ...: not found"."""
    text = " ".join(text.split())
    if len(text) <= _LONGEST_MESSAGE:
        return text
    head = _LONGEST_MESSAGE // 2
    return text[:head] + "…" + text[head + 1 - _LONGEST_MESSAGE :]


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


def _crash(pod: str, container: str, exits: Exits, count: int) -> Problem:
    code = "" if exits.exit_code is None else f", last with exit code {exits.exit_code}"
    if exits.reason == "OOMKilled":
        return Problem("oom", f"ended {_times(count)}{code} (out of memory)", pod, container, exits.exit_code, count)
    if exits.reason in _CANNOT_RUN:
        text = shorten(f"could not be started {_times(count)}{code}: {exits.message}")
        return Problem("crash", text, pod, container, exits.exit_code, count)
    return Problem("crash", f"ended {_times(count)}{code}", pod, container, exits.exit_code, count)


def _restarts(pod: str, counted: Sequence[tuple[int, str, Exits]]) -> Problem:
    # What was killed from outside has no problem of its own, so that it is the one to name.
    _count, container, exits = max(counted, key=lambda one: (one[2].killed, one[0], one[1]))
    total = sum(count for count, _container, _exits in counted)
    among = f" ({len(counted)} containers together)" if len(counted) > 1 else ""
    code = "" if exits.exit_code is None else f", last with exit code {exits.exit_code}"
    why = " (killed from outside, as by its liveness probe)" if exits.killed else ""
    return Problem("restarts", f"ended {_times(total)}{among}{code}{why}", pod, container, exits.exit_code, total)


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
