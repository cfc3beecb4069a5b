# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same kills through a ConfigMap that a pod has mounted, as a lab's kubelet brings it there, beside the bridge.

The ConfigMap is in a region of the lab, and a pod there mounts it as a folder. The gateway runs outside of the pod and
reads the file in the kubelet's own folder, which is what a container sees: all but the way to the file is the same for
both gateways.
"""

from __future__ import annotations

import asyncio
import contextlib
import pathlib
import time
import typing as t

from bench.flags.exchange import FEATURE, exchange
from bench.flags.kill import CASE, LISTENING, Killed, bridges, kill_rows, tasks, visit
from bench.flags.task import Json
from bench.flags.world import FILE_KEY, MAP, NAMESPACES, REGIONS, World, switch, versions, world
from bench.gate.part import Measured, Options, Row
from bench.results import OURS
from bench.rollback.ours import lab_up
from lab import pause
from lab.errors import LabError
from lab.kube import Kube
from lab.model import Lab, plan_lab

MOUNTED: t.Final = "mounted"
SUBJECTS: t.Final = {LISTENING: OURS, MOUNTED: "ConfigMap mounted in a pod"}
#: Each takes up to two minutes until the kubelet has looked, and as long until the feature is on again.
_KILLS: t.Final = 10
_WITHIN_S: t.Final = 300.0
_POD_S: t.Final = 120.0
_POD: t.Final = "flags-mounted"
_VOLUME: t.Final = "flags"


def pod(namespace: str) -> Json:
    """It does nothing, and has the ConfigMap as a folder."""
    container: Json = {"name": "pause", "image": pause.IMAGE, "imagePullPolicy": "Never"}
    container["volumeMounts"] = [{"name": _VOLUME, "mountPath": "/flags"}]
    volumes = [{"name": _VOLUME, "configMap": {"name": MAP}}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": _POD, "namespace": namespace},
        "spec": {"automountServiceAccountToken": False, "containers": [container], "volumes": volumes},
    }


def _mounted(lab: Lab, kube: Kube, namespace: str) -> pathlib.Path:
    """The document as the pod has it. Raises LabError."""
    kube.apply(pod(namespace))
    uid = str((kube.get("v1", "Pod", _POD, namespace) or {})["metadata"]["uid"])
    folder = lab.regions[0].home / "kubelet" / "pods" / uid / "volumes" / "kubernetes.io~configmap" / _VOLUME
    deadline = time.monotonic() + _POD_S
    while not (folder / FILE_KEY).exists():
        if time.monotonic() > deadline:
            raise LabError(f"the kubelet has mounted nothing at {folder} after {_POD_S:g} s")
        time.sleep(0.2)
    return folder / FILE_KEY


async def _run(place: World, path: pathlib.Path, kills: int) -> list[Killed]:
    def task(action: str) -> Json:
        return place.given(action, flags=[FEATURE])

    found = []
    with bridges(place, LISTENING) as ways:
        async with exchange(place.folder, {**ways, MOUNTED: {"FLAGS_FILE": str(path)}}) as flows, tasks() as process:
            for flow in flows:
                await flow.on(_WITHIN_S)
            for _ in range(kills):
                found.append(await visit(process, flows, task, _WITHIN_S))
                print(", ".join(f"{flow.name} {found[-1].ms(flow.name):.1f} ms" for flow in flows), flush=True)
    return found


def measure(options: Options) -> Measured:
    """The whole part, on a lab of its own. Rounds: kills."""
    lab, region = plan_lab(options.lab), REGIONS[0]
    with contextlib.ExitStack() as stack:
        stack.enter_context(lab_up(options.lab, 1))
        place = stack.enter_context(world())
        site, namespace = lab.regions[0], NAMESPACES[region]
        kube = Kube(lab.kubeconfig, site.name)
        kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        there = {"kubeconfig": str(lab.kubeconfig), "context": site.name, "namespace": namespace}
        place.instead[region] = {"configmap": there}
        place.good("set", definitions={FEATURE: switch("on"), "high_frequency_orders": switch("on")})
        path = _mounted(lab, kube, namespace)
        found = asyncio.run(_run(place, path, options.rounds or _KILLS))
    return Measured(rows(found), versions())


def rows(found: list[Killed]) -> list[Row]:
    return kill_rows(f"{len(found)} kills, {CASE}", found, SUBJECTS, MOUNTED)
