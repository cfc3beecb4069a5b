# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read what runs of the services."""

from __future__ import annotations

import typing as t
from collections.abc import Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.kube import KubeApi
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import Ref
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.references import referenced
from ansible_collections.pincex.zero_downtime.plugins.module_utils._revision.documents import (
    KINDS_OF_A_SERVICE,
    NAME_LABEL,
    make_document,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._revision.fingerprints import fingerprints
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.find import find_traffic
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
    found = find_traffic(kube, namespace, services)
    # A Service that gives the traffic to a slot is among the Services already.
    all_objects = list({Ref.of(obj): obj for obj in [*objects, *found.routes.values()]}.values())
    secrets = fingerprints(kube, namespace, referenced(objects, "Secret"))
    epochs = {name: one.number for name, one in found.epochs.items()}
    return make_document(kube.region, namespace, services, all_objects, found.weights, secrets=secrets, epochs=epochs)
