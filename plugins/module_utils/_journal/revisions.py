# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The revisions of an environment: a counter in the fleet's namespace, and one immutable ConfigMap for each number."""

from __future__ import annotations

import json
import typing as t

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import ApiError, ReleaseError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.kube import JsonObject, KubeApi, Ref
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.records import unpack
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.store import Data, Store

COUNTER_NAME: t.Final = "pincex-release-revisions"
REVISION_LABEL: t.Final = "pincex.io/revision"
_MANAGED: t.Final = {"app.kubernetes.io/managed-by": "pincex-zero-downtime"}


def next_number(kube: KubeApi, namespace: str) -> int:
    """Take the next number, by compare-and-swap. It stays used, whatever becomes of the release."""
    taken = 0

    def count(data: Data) -> Data:
        nonlocal taken
        taken = int(data.get("counter", "0")) + 1
        return {**data, "counter": str(taken)}

    Store(kube, namespace, COUNTER_NAME, _MANAGED).change(count)
    return taken


class Revisions:
    """The revisions that one cluster keeps."""

    def __init__(self, kube: KubeApi, namespace: str) -> None:
        self._kube = kube
        self._namespace = namespace

    def headers(self) -> list[JsonObject]:
        """What is kept, oldest first."""
        found = self._kube.list("v1", "ConfigMap", self._namespace, REVISION_LABEL)
        headers = [t.cast("JsonObject", json.loads(obj["data"]["header"])) for obj in found]
        return sorted(headers, key=lambda header: int(header["number"]))

    def read(self, number: int) -> JsonObject | None:
        """The document of one revision; None when it is not kept here."""
        obj = self._kube.get(self._ref(number))
        text = (obj or {}).get("data", {}).get("document")
        return None if text is None else t.cast("JsonObject", unpack(text))

    def record(self, header: JsonObject, document: str | None) -> None:
        """Write a revision once. Writing the same release again is no error, because an answer may have been lost."""
        ref = self._ref(int(header["number"]))
        data = {"header": json.dumps(header, sort_keys=True)}
        if document is not None:
            data["document"] = document
        meta = {
            "name": ref.name,
            "namespace": ref.namespace,
            "labels": {REVISION_LABEL: str(header["number"]), **_MANAGED},
        }
        obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "immutable": True, "data": data}
        try:
            self._kube.create(obj)
        except ApiError as error:
            if error.kind != "conflict":
                raise
            found = self._kube.get(ref) or {}
            there = json.loads((found.get("data") or {}).get("header", "{}"))
            if there.get("id") != header["id"]:
                raise ReleaseError(
                    f"{self._kube.region}: revision {header['number']} is recorded already, by {there.get('id')}",
                    kind="conflict",
                    system="journal",
                    region=self._kube.region,
                ) from error

    def remove(self, number: int) -> None:
        self._kube.delete(self._ref(number))

    def _ref(self, number: int) -> Ref:
        return Ref("v1", "ConfigMap", f"pincex-revision-{number}", self._namespace)
