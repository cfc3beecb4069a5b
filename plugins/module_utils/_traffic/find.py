# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find what gives the traffic of services to their slots."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import ApiError, ReleaseError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.kube import KubeApi
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import JsonObject, Ref
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic import epoch, kinds, route, selector


def find_routes(kube: KubeApi, namespace: str, services: Iterable[str]) -> dict[str, JsonObject]:
    """The route of each service that has one: its HTTPRoute, or else its Service that selects a slot.

    A Service that selects none belongs to somebody else and is not in the answer.
    """
    found: dict[str, JsonObject] = {}
    gateway_api = True
    for service in services:
        obj = None
        if gateway_api:
            try:
                obj = kube.get(Ref(route.API_VERSION, route.KIND, service, namespace))
            except ApiError as error:
                # A cluster without the Gateway API has no HTTPRoutes.
                if error.kind != "not_found":
                    raise
                gateway_api = False
        if obj is None or route.weights_of(obj) is None:
            other = kube.get(Ref(selector.API_VERSION, selector.KIND, service, namespace))
            if other is not None and selector.weights_of(other) is not None:
                obj = other
        if obj is not None:
            found[service] = obj
    return found


@dataclasses.dataclass(frozen=True)
class Traffic:
    """Where the traffic of services goes: by the route of each, or by the epoch record of an engine that has none."""

    routes: Mapping[str, JsonObject]
    epochs: Mapping[str, epoch.Epoch]

    @property
    def weights(self) -> dict[str, dict[str, int]]:
        """By service, of those whose traffic goes to slots."""
        return {**weights_by_service(self.routes), **{name: dict(one.weights) for name, one in self.epochs.items()}}


def find_traffic(kube: KubeApi, namespace: str, services: Iterable[str]) -> Traffic:
    """Raises ReleaseError for an epoch record that cannot be read."""
    services = list(services)
    routes = find_routes(kube, namespace, services)
    routed = weights_by_service(routes)
    epochs: dict[str, epoch.Epoch] = {}
    for service in services:
        if service in routed:
            continue
        ref = Ref(epoch.API_VERSION, epoch.KIND, epoch.record_name(service), namespace)
        record = kube.get(ref)
        if record is None:
            continue
        try:
            epochs[service] = epoch.epoch_of(record, service)
        except ValueError as error:
            raise ReleaseError(
                f"{kube.region}: {ref} {error}; look at the engines, which alone write it",
                kind="epoch_record",
                system="exchange",
                region=kube.region,
                retriable=False,
            ) from error
    return Traffic(routes, epochs)


def weights_by_service(found: Mapping[str, JsonObject]) -> dict[str, dict[str, int]]:
    """The weights of the routes that have any."""
    weights = {service: kinds.weights_of(obj) for service, obj in found.items()}
    return {service: slots for service, slots in weights.items() if slots is not None}


def rights_to_shift(kube: KubeApi, namespace: str, services: Iterable[str]) -> list[tuple[str, Ref]]:
    """What our user has to be allowed, as verb and object, for the traffic of these services to be shifted.

    A route that is not there yet is created, and removed again by a way back. The shift of a Service is proved by its
    endpoints.
    """
    services = list(services)
    there = find_routes(kube, namespace, services)
    rights: list[tuple[str, Ref]] = []
    for service in services:
        ref = Ref.of(there[service]) if service in there else _new_route(kube, namespace, service)
        rights += [(verb, ref) for verb in (("update",) if service in there else ("create", "delete"))]
        if ref.kind == selector.KIND:
            rights.append(("list", Ref("discovery.k8s.io/v1", "EndpointSlice", service, namespace)))
    return rights


def _new_route(kube: KubeApi, namespace: str, service: str) -> Ref:
    ref = Ref(route.API_VERSION, route.KIND, service, namespace)
    try:
        kube.get(ref)
    except ApiError as error:
        if error.kind != "not_found":
            raise
        return Ref(selector.API_VERSION, selector.KIND, service, namespace)
    return ref
