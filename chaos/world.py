# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads an environment out of its API servers, and wipes one that cannot be trusted any more."""

from __future__ import annotations

import json
import typing as t

from chaos.engines import Engines
from chaos.names import Names
from chaos.oracle import Json, SiteState, State
from lab.kube import Kube
from lab.model import Lab, Site

_MADE: t.Final = "app.kubernetes.io/managed-by=pincex-zero-downtime"
#: Journals and revisions belong to no service and have no name of one.
_NAME: t.Final = "app.kubernetes.io/name"
_OURS: t.Final = f"{_MADE},{_NAME}"
_KINDS: t.Final = (
    ("v1", "ServiceAccount"),
    ("v1", "Service"),
    ("v1", "ConfigMap"),
    ("policy/v1", "PodDisruptionBudget"),
    ("apps/v1", "Deployment"),
    ("autoscaling/v2", "HorizontalPodAutoscaler"),
)
#: The slots of an engine. They are read and never wiped: the journals on their volumes are all that is left of a book.
_SLOTS_OF_ENGINE: t.Final = ("apps/v1", "StatefulSet")
_ROUTE: t.Final = ("gateway.networking.k8s.io/v1", "HTTPRoute")
_LEASE: t.Final = ("coordination.k8s.io/v1", "Lease", "pincex-release")
_JOURNAL: t.Final = ("v1", "ConfigMap", "pincex-release-journal")


class World:
    """A lab, looked at past all proxies. `services` is what may be wiped; `engine` is looked at as well, and with
    `by_weights` the weights of the regions."""

    def __init__(
        self,
        lab: Lab,
        services: tuple[str, ...],
        namespace: str = "exchange",
        *,
        engine: str = "",
        by_weights: bool = False,
    ) -> None:
        self._lab = lab
        self._services = services
        self._namespace = namespace
        self._engine = engine
        self.engines = Engines(lab, engine)
        self.names = Names(lab) if by_weights else None

    def read(self) -> State:
        return State(
            {site.name: self._site(site) for site in self._lab.regions},
            self._site(self._lab.management),
            self.names.state() if self.names else None,
        )

    def wipe(self) -> None:
        """Remove what the releases made: every slot, route, journal, revision and lock. Weights are as at first."""
        if self.names is not None:
            self.names.reset()
        for site in self._lab.sites:
            kube, space = Kube(site.admin_kubeconfig), self._space(site)
            kube.delete(*_LEASE, space)
            kinds = _KINDS if site.has_node else (("v1", "ConfigMap"),)
            for api_version, kind in kinds:
                for obj in kube.list(api_version, kind, space, _MADE):
                    # The lab's own engine carries the label too once a release has had it.
                    if (obj["metadata"].get("labels") or {}).get(_NAME) in (None, *self._services):
                        kube.delete(api_version, kind, obj["metadata"]["name"], space)
            if site.has_node:
                for name in self._services:
                    kube.delete(*_ROUTE, name, space)
                kube.wait(f"{site.name}: no pods of a service", lambda kube=kube: not self._pods(kube), 90)  # type: ignore[misc]  # a default has no inferred type

    def _pods(self, kube: Kube) -> list[Json]:
        return [pod for name in self._services for pod in kube.list("v1", "Pod", self._namespace, _named(name))]

    def _space(self, site: Site) -> str:
        return self._namespace if site.has_node else "pincex-fleet"

    def _site(self, site: Site) -> SiteState:
        kube, space = Kube(site.admin_kubeconfig), self._space(site)
        lease, journal = kube.get(*_LEASE, space), kube.get(*_JOURNAL, space)
        header = json.loads(((journal or {}).get("data") or {}).get("release") or "{}")
        objects = self._objects(kube) if site.has_node else {}
        engines = {self._engine: self.engines.state(site)} if self._engine and site.has_node else {}
        return SiteState(
            objects=objects,
            weights={
                obj["metadata"]["name"]: weights_of(obj) for obj in objects.values() if obj["kind"] == "HTTPRoute"
            },
            engines=engines,
            holder=str(((lease or {}).get("spec") or {}).get("holderIdentity") or ""),
            open_release=str(header["id"]) if header.get("state") == "open" else "",
        )

    def _objects(self, kube: Kube) -> dict[str, Json]:
        found: list[Json] = []
        for api_version, kind in (*_KINDS, *([_SLOTS_OF_ENGINE] if self._engine else [])):
            # Items of a list do not say what they are.
            listed = kube.list(api_version, kind, self._namespace, _OURS)
            found += [{**obj, "apiVersion": api_version, "kind": kind} for obj in listed]
        found += [route for name in self._services if (route := kube.get(*_ROUTE, name, self._namespace))]
        return {f"{obj['kind']} {obj['metadata']['name']}": obj for obj in found}


def _named(service: str) -> str:
    return f"{_NAME}={service}"


def weights_of(route: Json) -> dict[str, int]:
    """Slot -> weight of the rule without a condition; a route has one for requests that name their slot as well."""
    for rule in route["spec"].get("rules") or []:
        if not any(match.get("headers") for match in rule.get("matches") or []):
            return {
                str(backend["name"]).rpartition("-")[2]: int(backend.get("weight", 1))
                for backend in rule.get("backendRefs") or []
            }
    return {}
