# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The models in the regions: their images, the champion of each in slot blue, and a challenger where somebody asks."""

from __future__ import annotations

import dataclasses
import pathlib
import string
import typing as t

import yaml

from lab import images
from lab.exchange_install import NAMESPACE, RELEASES
from lab.kube import MANAGER, Kube, Object
from lab.model import Lab, Site
from lab.models import recorder
from lab.models.service.kinds import KINDS
from lab.models.service.versions import CHAMPION, VERSIONS
from lab.registry import Registry

REPOSITORY: t.Final = "pincex/models"
SLOTS: t.Final = ("blue", "green")
_LAB: t.Final = pathlib.Path(__file__).parents[1]
_MANIFESTS: t.Final = _LAB / "manifests"
#: What no release changes.
_OURS: t.Final = ("NetworkPolicy",)


def host(model: str) -> str:
    """The name that the gateway knows the model by."""
    return f"{model}.models.lab"


def packages() -> dict[str, list[pathlib.Path]]:
    """What an image has beside Python: the service, and what it takes from the exchange."""
    return {
        "lab": [_LAB / "__init__.py"],
        "lab/exchange": images.sources(images.SOURCE),
        "lab/models": [_LAB / "models" / "__init__.py"],
        "lab/models/service": images.sources(_LAB / "models" / "service"),
    }


def push_images(lab: Lab) -> None:
    """An image of each version; they differ in the configuration alone."""
    layers = [images.base_layer(), images.app_layer(packages())]
    registry = Registry(lab.management.address)
    for version in VERSIONS:
        configuration = images.image_config(version, layers, "lab.models.service")
        images.push(registry, REPOSITORY, version, configuration, layers)


@dataclasses.dataclass(frozen=True)
class Placed:
    """A version of a model in a slot."""

    model: str
    slot: str
    version: str


def slot_manifests(lab: Lab, site: Site, placed: Placed) -> list[Object]:
    """Everything of a slot, and the policy that closes its pods' network but for the recorder."""
    return _filled(
        "model-slot",
        **dataclasses.asdict(placed),
        region=site.name,
        recorder_address=lab.management.address,
        recorder_port=str(recorder.PORT),
    )


def route_manifest(model: str) -> Object:
    (route,) = _filled("model-route", model=model, host=host(model))
    return route


def _filled(name: str, **values: str) -> list[Object]:
    text = string.Template((_MANIFESTS / f"{name}.yaml").read_text()).substitute(values)
    return list(yaml.safe_load(text)["items"])


def deploy(lab: Lab, site: Site, placed: Placed, timeout_s: float = 120) -> None:
    """Put a version into a slot and wait until it is ready; nothing is sent to it."""
    kube = Kube(site.admin_kubeconfig)
    _apply(kube, slot_manifests(lab, site, placed))
    _await(kube, site, placed, timeout_s)


def install_champions(lab: Lab, site: Site, timeout_s: float = 180) -> None:
    """The champion of each model that has no route yet: where there is one, releases may have changed it."""
    kube = Kube(site.admin_kubeconfig)
    first, second = SLOTS
    missing = [Placed(model, first, CHAMPION) for model in KINDS if kube.get(*_route(model), NAMESPACE) is None]
    # All of them first, so that they start side by side.
    for placed in missing:
        _apply(kube, slot_manifests(lab, site, placed))
        # The address that the route names, and the policy: it is there before any pod of a challenger.
        other = slot_manifests(lab, site, dataclasses.replace(placed, slot=second))
        _apply(kube, [obj for obj in other if obj["kind"] in ("NetworkPolicy", "Service")])
    for placed in missing:
        _await(kube, site, placed, timeout_s)
        _apply(kube, [route_manifest(placed.model)])


def _apply(kube: Kube, objects: list[Object]) -> None:
    for obj in objects:
        kube.apply(obj, manager=MANAGER if obj["kind"] in _OURS else RELEASES)


def _await(kube: Kube, site: Site, placed: Placed, timeout_s: float) -> None:
    """Until all pods of the slot are ready, and none is of another version."""

    def ready() -> bool:
        found = kube.get("apps/v1", "Deployment", f"{placed.model}-{placed.slot}", NAMESPACE) or {}
        status, generation = found.get("status") or {}, (found.get("metadata") or {}).get("generation")
        updated = status.get("updatedReplicas") or 0
        whole = status.get("observedGeneration") == generation and updated == status.get("replicas")
        return whole and 1 <= updated <= (status.get("readyReplicas") or 0)

    labels = f"app.kubernetes.io/name={placed.model},pincex.io/slot={placed.slot}"
    hint = f"kubectl describe pod -n {NAMESPACE} -l {labels}"
    what = f"{site.name}: {placed.model} {placed.version} ready in slot {placed.slot} (see `{hint}`)"
    kube.wait(what, ready, timeout_s)


def remove(site: Site) -> None:
    """Everything of the models in a region."""
    kube = Kube(site.admin_kubeconfig)
    for model in KINDS:
        kube.delete(*_route(model), NAMESPACE)
        for slot in SLOTS:
            name = f"{model}-{slot}"
            kube.delete("apps/v1", "Deployment", name, NAMESPACE)
            kube.delete("policy/v1", "PodDisruptionBudget", name, NAMESPACE)
            kube.delete("v1", "Service", name, NAMESPACE)
            kube.delete("networking.k8s.io/v1", "NetworkPolicy", f"{name}-egress", NAMESPACE)
        kube.delete("v1", "ServiceAccount", model, NAMESPACE)


def _route(model: str) -> tuple[str, str, str]:
    return "gateway.networking.k8s.io/v1", "HTTPRoute", model
