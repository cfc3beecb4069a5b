# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rollouts that are judged, and what is right to say about each. No I/O."""

from __future__ import annotations

import copy
import dataclasses
import typing as t

from lab.kube import Object

IMAGE: t.Final = "registry.lab:5000/pincex/exchange"
NAME: t.Final = "app"
#: The label that tells the pods of one rollout from those of the one before.
REVISION: t.Final = "bench-revision"

#: Ready at once, and for ever. By a port and not by a command: 30 pods with a probe of that kind take both cores.
_SERVE: t.Final = "exec busybox httpd -f -p 8080 -h /tmp"
_STUBBORN: t.Final = "trap '' TERM; busybox httpd -p 8080 -h /tmp; while :; do sleep 5; done"
_CRASH: t.Final = "echo 'cannot bind port 8080' >&2; exit 3"
#: Ready for five seconds, unready for five: never available, because that takes a minute without a break. Ten seconds
#: would not do: a kubelet that is short of time once looks past an unready phase, and the rollout is complete.
_OSCILLATE: t.Final = "while :; do busybox timeout 5 busybox httpd -f -p 8080 -h /tmp; sleep 5; done"

Verdict = t.Literal["pass", "fail"]


@dataclasses.dataclass(frozen=True)
class Case:
    """`before` is there and ready when the change to `after` is made; without `before`, `after` is new.

    `settings` are there before both and are nobody's workload. `doomed` cases will never end by themselves, and whoever
    only waits finds out at its deadline. `evidence` are words that the sentence of a judge who knows why contains.
    """

    name: str
    expected: Verdict
    why: str
    after: tuple[Object, ...] = ()
    before: tuple[Object, ...] = ()
    settings: tuple[Object, ...] = ()
    kind: str = "Deployment"
    doomed: bool = False
    evidence: tuple[str, ...] = ()


def deployment(revision: str, command: str = _SERVE, tag: str = "v1", **pod: t.Any) -> Object:
    """A Deployment of one pod; `pod` goes into the pod's spec."""
    return _workload("Deployment", revision, command, tag, pod)


def stateful_set(revision: str, partition: int) -> Object:
    made = _workload("StatefulSet", revision, _SERVE, "v1", {})
    made["spec"].update(
        replicas=2,
        serviceName=NAME,
        podManagementPolicy="Parallel",
        updateStrategy={"type": "RollingUpdate", "rollingUpdate": {"partition": partition}},
    )
    return made


def _workload(kind: str, revision: str, command: str, tag: str, pod: dict[str, t.Any]) -> Object:
    container = {
        "name": "app",
        "image": f"{IMAGE}:{tag}",
        "command": ["sh", "-c", command],
        "readinessProbe": {
            "tcpSocket": {"port": 8080},
            "periodSeconds": 1,
            "failureThreshold": 1,
        },
        "resources": {"requests": {"cpu": "1m", "memory": "8Mi"}},
    }
    spec = {"terminationGracePeriodSeconds": 1, "containers": [container], **pod}
    labels = {"app": NAME, REVISION: revision}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": NAME},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": NAME}},
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }


def _changed(workload: Object, **spec: t.Any) -> Object:
    made = copy.deepcopy(workload)
    made["spec"].update(spec)
    return made


def _with_absent_config() -> Object:
    made = deployment("1")
    made["spec"]["template"]["spec"]["containers"][0]["envFrom"] = [{"configMapRef": {"name": "absent-settings"}}]
    return made


def _with_absent_volume() -> Object:
    made = deployment("1", volumes=[{"name": "keys", "secret": {"secretName": "absent-keys"}}])
    # One that no container mounts is never asked for.
    container = made["spec"]["template"]["spec"]["containers"][0]
    container["volumeMounts"] = [{"name": "keys", "mountPath": "/keys"}]
    return made


def healthy(revision: int, ready_after_s: float) -> Object:
    """Two pods that become ready so long after their start, so that everybody is watching by then."""
    made = deployment(str(revision), f"sleep {ready_after_s:g}; {_SERVE}")
    return _changed(made, replicas=2)


QUOTA: t.Final[Object] = {
    "apiVersion": "v1",
    "kind": "ResourceQuota",
    "metadata": {"name": "no-more-pods"},
    "spec": {"hard": {"pods": "0"}},
}

CASES: t.Final = (
    Case(
        "crash loop",
        "fail",
        "the container ends with exit code 3 at every start",
        after=(deployment("1", _CRASH),),
        doomed=True,
        evidence=("exit code 3",),
    ),
    Case(
        "absent tag",
        "fail",
        "the registry does not have the tag",
        after=(deployment("1", tag="v7"),),
        doomed=True,
        evidence=("v7",),
    ),
    Case(
        "bad config",
        "fail",
        "the ConfigMap that the container needs does not exist",
        after=(_with_absent_config(),),
        doomed=True,
        evidence=("absent-settings",),
    ),
    Case(
        "quota refusal",
        "fail",
        "the namespace's quota refuses the pod",
        after=(deployment("1"),),
        settings=(QUOTA,),
        doomed=True,
        evidence=("exceeded quota",),
    ),
    # No status says these two, only events.
    Case(
        "quota refusal, StatefulSet",
        "fail",
        "the namespace's quota refuses the pod, and a StatefulSet has no condition for it",
        after=(stateful_set("1", 0),),
        settings=(QUOTA,),
        kind="StatefulSet",
        doomed=True,
        evidence=("exceeded quota",),
    ),
    Case(
        "absent volume",
        "fail",
        "the Secret that the container mounts does not exist",
        after=(_with_absent_volume(),),
        doomed=True,
        evidence=("absent-keys",),
    ),
    Case(
        "readiness oscillation",
        "fail",
        "the pod is ready for five seconds of ten and never for the minute that minReadySeconds asks for",
        after=(_changed(deployment("1", _OSCILLATE), minReadySeconds=60),),
    ),
    Case(
        "old pods stuck",
        "pass",
        "the new revision serves; an old pod that takes 15 minutes to end gets no traffic, and no controller counts it",
        before=(deployment("1", _STUBBORN, terminationGracePeriodSeconds=900),),
        after=(deployment("2"),),
    ),
    Case(
        "paused Deployment",
        "fail",
        "no pod of the new revision is ever made",
        before=(deployment("1"),),
        after=(_changed(deployment("2"), paused=True),),
        evidence=("paused",),
    ),
    Case("missing Deployment", "fail", "it does not exist", evidence=("does not exist",)),
    Case(
        "partitioned StatefulSet",
        "pass",
        "as many pods are of the new revision as the partition asks for",
        before=(stateful_set("1", 0),),
        after=(stateful_set("2", 1),),
        kind="StatefulSet",
    ),
    Case(
        "unschedulable",
        "fail",
        "no node has the label that the pod asks for",
        after=(deployment("1", nodeSelector={"bench.invalid/absent": "true"}),),
        evidence=("nodes are available",),
    ),
)
