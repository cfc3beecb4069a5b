# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m bench.gate.capture KUBECONFIG [CONTEXT]`: the cases of `rollout` and some more as a real cluster has them.

Writes what the API server answers, one file for each case, to tests/unit/plugins/module_utils/_gate/captured/: the
golden cases of the gate. Every case has a namespace of its own, and all of them go on at the same time (a minute).
"""

from __future__ import annotations

import argparse
import collections.abc as c
import json
import pathlib
import time
import typing as t

from bench.gate import cases
from bench.gate.cases import CASES, NAME, Case
from bench.gate.region import namespace, wait_until_complete
from bench.gate.rollout import placed
from bench.results import ROOT
from lab.kube import Kube, Object

FOLDER: t.Final = ROOT / "tests" / "unit" / "plugins" / "module_utils" / "_gate" / "captured"
#: A crash loop backs off after its second end, a kubelet tries a mount again after two seconds and an image after ten.
_AFTER_S: t.Final = 40.0
#: What a client that reads the list of a kind gets to see.
_KINDS: t.Final = (
    ("apps/v1", "Deployment"),
    ("apps/v1", "StatefulSet"),
    ("apps/v1", "DaemonSet"),
    ("batch/v1", "Job"),
    ("apps/v1", "ReplicaSet"),
    ("v1", "Pod"),
    ("v1", "Event"),
)


#: Pod Security refuses the bench's pods there: they may run as root.
_RESTRICTED: t.Final = "admission refusal"


def _more() -> c.Iterator[Case]:
    """What the benchmark has no peer for."""
    yield Case("healthy", "pass", "it serves", after=(cases.deployment("1"),))
    yield Case("healthy DaemonSet", "pass", "it serves on every node", after=(_daemon_set(),), kind="DaemonSet")
    yield Case(
        "quota refusal, DaemonSet",
        "fail",
        "the namespace's quota refuses the pods, and a DaemonSet has no condition for it",
        after=(_daemon_set(),),
        settings=(cases.QUOTA,),
        kind="DaemonSet",
        doomed=True,
    )
    yield Case("healthy sidecar", "pass", "both containers serve", after=(_beside("exec sleep 3600"),))
    yield Case(
        "crashing sidecar",
        "fail",
        "the sidecar ends with exit code 4 at every start, and its pod is never ready",
        after=(_beside("echo 'no certificate' >&2; exit 4"),),
        doomed=True,
    )
    yield Case(
        _RESTRICTED, "fail", "admission refuses a pod that may run as root", after=(cases.deployment("1"),), doomed=True
    )
    late = cases.deployment("1", "exec sleep 3600")
    # The others are looked at after _AFTER_S.
    late["spec"]["progressDeadlineSeconds"] = 10
    yield Case("progress deadline", "fail", "no pod was ready in time", after=(late,), doomed=True)
    killed = cases.deployment("1", "exec tail /dev/zero")
    killed["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"] = {"memory": "8Mi"}
    yield Case("out of memory", "fail", "more than its limit", after=(killed,), doomed=True)
    template = cases.deployment("1", "echo 'no such table' >&2; exit 1")["spec"]["template"]
    template["spec"]["restartPolicy"] = "Never"
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": NAME},
        "spec": {"backoffLimit": 0, "template": template},
    }
    yield Case("failed Job", "fail", "its only pod failed", after=(job,), kind="Job", doomed=True)


def _daemon_set() -> Object:
    made = {**cases.deployment("1"), "kind": "DaemonSet"}
    # It runs on every node.
    del made["spec"]["replicas"]
    return made


def _beside(command: str) -> Object:
    """A pod with a sidecar: an init container that stays."""
    made = cases.deployment("1")
    own = made["spec"]["template"]["spec"]["containers"][0]
    sidecar = {key: own[key] for key in ("image", "resources")}
    made["spec"]["template"]["spec"]["initContainers"] = [
        {**sidecar, "name": "sidecar", "command": ["sh", "-c", command], "restartPolicy": "Always"}
    ]
    return made


def _space(case: Case) -> str:
    return f"captured-{case.name.lower().replace(',', '').replace(' ', '-')}"


def _begin(kube: Kube, case: Case) -> None:
    space = _space(case)
    labels = {"pod-security.kubernetes.io/enforce": "restricted"} if case.name == _RESTRICTED else {}
    kube.apply({**namespace(space), "metadata": {"name": space, "labels": labels}})
    kube.wait("the namespace", lambda: kube.get("v1", "ServiceAccount", "default", space) is not None, 60)
    kube.apply(*placed(case.settings, space))
    for quota in case.settings:
        name = quota["metadata"]["name"]

        def in_force(name: str = name) -> bool:
            return bool(((kube.get("v1", "ResourceQuota", name, space) or {}).get("status") or {}).get("hard"))

        kube.wait("the quota", in_force, 60)
    if case.before:
        kube.apply(*placed(case.before, space))
        wait_until_complete(kube, case.kind, NAME, space)
    kube.apply(*placed(case.after, space))


def _seen(kube: Kube, case: Case) -> dict[str, list[Object]]:
    space = _space(case)
    return {kind: found for version, kind in _KINDS if (found := kube.list(version, kind, space))}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.gate.capture", description=__doc__)
    parser.add_argument("kubeconfig", type=pathlib.Path)
    parser.add_argument("context", nargs="?")
    arguments = parser.parse_args()
    kube = Kube(arguments.kubeconfig, arguments.context)
    wanted = [*CASES, *_more()]
    try:
        for case in wanted:
            _begin(kube, case)
        time.sleep(_AFTER_S)
        FOLDER.mkdir(exist_ok=True)
        for case in wanted:
            path = FOLDER / f"{case.name.replace(',', '').replace(' ', '_').lower()}.json"
            path.write_text(
                json.dumps(_seen(kube, case), sort_keys=True, separators=(",", ":")) + "\n", encoding="utf-8"
            )
            print(f"written: {path.relative_to(ROOT)}")
    finally:
        for case in wanted:
            kube.delete("v1", "Namespace", _space(case))


if __name__ == "__main__":
    main()
