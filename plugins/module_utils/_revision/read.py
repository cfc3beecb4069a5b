# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read what runs of the services."""

from __future__ import annotations

import typing as t
from collections.abc import Iterable, Mapping, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import ApiError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.kube import KubeApi, Ref
from ansible_collections.pincex.zero_downtime.plugins.module_utils._revision.documents import (
    KINDS_OF_A_SERVICE,
    NAME_LABEL,
    make_document,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic import route as routes
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.refusals import must_exist

JsonObject = dict[str, t.Any]


def read_revision(kube: KubeApi, namespace: str, services: Sequence[str]) -> JsonObject:
    """The revision document of these services."""
    must_exist(kube, namespace)
    selector = f"{NAME_LABEL} in ({','.join(sorted(services))})"
    objects: list[JsonObject] = []
    if services:
        for kind, api_version in KINDS_OF_A_SERVICE.items():
            objects += kube.list(api_version, kind, namespace, selector)
    found = read_routes(kube, namespace, services)
    return make_document(kube.region, namespace, services, [*objects, *found.values()], weights_by_service(found))


def read_routes(kube: KubeApi, namespace: str, services: Iterable[str]) -> dict[str, JsonObject]:
    """The routes of the services that have one."""
    found: dict[str, JsonObject] = {}
    try:
        for service in services:
            obj = kube.get(Ref(routes.API_VERSION, routes.KIND, service, namespace))
            if obj is not None:
                found[service] = obj
    except ApiError as error:
        # A cluster without the Gateway API has no routes.
        if error.kind != "not_found":
            raise
    return found


def weights_by_service(found: Mapping[str, JsonObject]) -> dict[str, dict[str, int]]:
    """The weights of the routes that have any."""
    weights = {service: routes.weights_of(obj) for service, obj in found.items()}
    return {service: slots for service, slots in weights.items() if slots is not None}
