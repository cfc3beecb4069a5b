# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What somebody changes by hand during a release, on real API servers: it survives the undo, and the undo tells it.

The release is killed at its first share of the traffic, so it ends where it began, and the other tests find what they
expect.
"""

from __future__ import annotations

import pathlib
import typing as t

from lab_run import LabRun, by_hand, lab_services, playbook

from chaos.controller import Controllers
from chaos.oracle import Json, differences
from chaos.sweep import SERVICES, VERSIONS, version_of
from chaos.world import World, weights_of
from lab.kube import Kube
from lab.model import plan_lab

LAB = plan_lab("test")
#: Alone in the first wave.
REGION = LAB.regions[0]
SERVICE = "core-api"
#: More than what runs: the release writes the minimum of the slot that is live as well.
ASKED = {"min": 3, "max": 5, "cpu": 70, "memory": 80}
BY_HAND = {"minReplicas": 1, "maxReplicas": 9}
#: As many as the new slot's HPA allows: it has nothing to add.
SCALED = 5
ROUTE = f"/apis/gateway.networking.k8s.io/v1/namespaces/exchange/httproutes/{SERVICE}"


def weights(kube: Kube) -> t.Mapping[str, int]:
    return weights_of(kube.request("GET", ROUTE))


def spec(kube: Kube, api_version: str, kind: str, slot: str) -> Json:
    found = kube.get(api_version, kind, f"{SERVICE}-{slot}", "exchange")
    assert found is not None
    return t.cast(Json, found["spec"])


def kill_at_the_first_share(kube: Kube, folder: pathlib.Path, version: str, slot: str) -> None:
    """A deploy of which every process is killed when the slot has got traffic."""
    services = lab_services()
    services[SERVICE]["hpa"] = ASKED
    started = {"services": services, "release_versions": {SERVICE: version}}
    controller = Controllers(LAB.name, folder).start("deploy", LAB.kubeconfig, **started)
    try:
        kube.wait("a share of the traffic", lambda: controller.ended or weights(kube)[slot] > 0, 240)
        assert not controller.ended, controller.output()[-2000:]
    finally:
        controller.kill_tree()


def shift(kube: Kube, wanted: t.Mapping[str, int]) -> None:
    route = kube.request("GET", ROUTE)
    for rule in route["spec"]["rules"]:
        if not any(match.get("headers") for match in rule.get("matches") or []):
            for backend in rule["backendRefs"]:
                backend["weight"] = wanted[backend["name"].rpartition("-")[2]]
    kube.request("PUT", ROUTE, route)


def test_changes_by_hand_survive_an_undo_and_are_told(demo: LabRun, tmp_path: pathlib.Path) -> None:
    world, kube = World(LAB, SERVICES), Kube(REGION.admin_kubeconfig)
    before = world.read()
    here = before.regions[REGION.name]
    live, idle = sorted(here.weights[SERVICE], key=lambda slot: -here.weights[SERVICE][slot])
    held = f"{SERVICE}-{live}"
    limits = {name: here.objects[f"HorizontalPodAutoscaler {held}"]["spec"][name] for name in BY_HAND}
    version = next(version for version in VERSIONS if version != version_of(before))
    kill_at_the_first_share(kube, tmp_path, version, idle)
    lowest = spec(kube, "autoscaling/v2", "HorizontalPodAutoscaler", live)["minReplicas"]
    started = spec(kube, "apps/v1", "Deployment", idle)["replicas"]
    try:
        by_hand(kube, f"autoscaling/v2 horizontalpodautoscalers/{held}", BY_HAND)
        by_hand(kube, f"apps/v1 deployments/{SERVICE}-{idle}/scale", {"replicas": SCALED})
        shift(kube, {live: 40, idle: 60})
        assert weights(kube) == {live: 40, idle: 60}

        recovered = playbook("recover", reports=demo.reports)
        assert recovered.code == 0
        after = world.read()
        # What the release did is taken back. What others did is not, but for the traffic of the undone version.
        assert after.regions[REGION.name].weights[SERVICE] == {live: 100, idle: 0}
        # The idle slot's HPA has its old maximum again, and may have come to enforce it.
        replicas = after.regions[REGION.name].objects[f"Deployment {SERVICE}-{idle}"]["spec"]["replicas"]
        assert replicas in (SCALED, limits["maxReplicas"])
        assert {name: differences(before.regions[name], found) for name, found in after.regions.items()} == {
            "us-east-1": [
                f"Deployment {SERVICE}-{idle} spec.replicas: {replicas} instead of 0",
                f"HorizontalPodAutoscaler {held} spec.maxReplicas: 9 instead of {limits['maxReplicas']}",
                f"HorizontalPodAutoscaler {held} spec.minReplicas: 1 instead of {limits['minReplicas']}",
            ],
            "eu-west-1": [],
        }
        assert [state.holder + state.open_release for state in (*after.regions.values(), after.fleet)] == ["", "", ""]
        theirs = "changed by somebody else after the release wrote"
        # Of a field that it has not written, as the maximum, the release has nothing to tell.
        assert {line for line in recovered.output.splitlines() if line.startswith("kept: ")} == {
            f"kept: us-east-1: HorizontalPodAutoscaler exchange/{held}: spec.minReplicas is 1, {theirs} {lowest} "
            f"({limits['minReplicas']} before); it stays",
            f"kept: us-east-1: Deployment exchange/{SERVICE}-{idle}: spec.replicas is {SCALED}, {theirs} {started} "
            "(0 before); it stays",
        }
    finally:
        by_hand(kube, f"autoscaling/v2 horizontalpodautoscalers/{held}", limits)
        by_hand(kube, f"apps/v1 deployments/{SERVICE}-{idle}/scale", {"replicas": 0})
