# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A ConfigMap that is changed by compare-and-swap only."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import (
    ApiError,
    OptionError,
    ReleaseError,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.kube import KubeApi
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import JsonObject, Ref

Data = dict[str, str]
#: The data as they should be, or None when they are right as they are.
Make = Callable[[Data], "Data | None"]

_TRIES = 8


def nothing_to_check() -> None:
    """Nothing is asked before a write."""


class Store:
    """One ConfigMap. It remembers what it wrote last, so that a journal is not read again before each entry."""

    def __init__(self, kube: KubeApi, namespace: str, name: str, labels: Mapping[str, str]) -> None:
        self.kube = kube
        self.ref = Ref("v1", "ConfigMap", name, namespace)
        self._labels = dict(labels)
        self._known: JsonObject | None = None

    def read(self) -> Data:
        """The data as they are now; none when there is no such object."""
        self._known = self.kube.get(self.ref)
        return _data(self._known)

    def change(self, make: Make, check: Callable[[], None] = nothing_to_check) -> bool:
        """Write what `make` makes of the data. False when nothing was to be written.

        Whenever somebody wrote in between, `check` is asked and `make` is called again: after a conflict the writer
        looks at its lock first. `make` must find its own work again, because an answer may be lost.
        """
        for _attempt in range(_TRIES):
            check()
            if self._known is None:
                self.read()
            old = _data(self._known)
            new = make(dict(old))
            if new is None or (self._known is not None and new == old):
                return False
            try:
                self._known = self._write(old, new)
                return True
            except ApiError as error:
                self._known = None
                if error.kind != "conflict":
                    raise
        raise ReleaseError(
            f"{self.kube.region}: {self.ref} changes faster than it can be written",
            kind="conflict",
            system="journal",
            region=self.kube.region,
            retriable=True,
        )

    def _write(self, old: Data, new: Data) -> JsonObject:
        if self._known is None:
            meta = {"name": self.ref.name, "namespace": self.ref.namespace, "labels": self._labels}
            obj = {"apiVersion": self.ref.api_version, "kind": self.ref.kind, "metadata": meta, "data": new}
            try:
                return self.kube.create(obj)
            except ApiError as error:
                if error.kind == "not_found":
                    problem = f"{self.ref.namespace} does not exist in {self.kube.region}"
                    raise OptionError("namespace", problem, region=self.kube.region) from error
                raise
        # Only what differs: a journal holds whole manifests.
        changed: dict[str, str | None] = {key: value for key, value in new.items() if old.get(key) != value}
        changed.update({key: None for key in old if key not in new})
        version = self._known["metadata"]["resourceVersion"]
        return self.kube.patch(self.ref, {"metadata": {"resourceVersion": version}, "data": changed})


def _data(obj: JsonObject | None) -> Data:
    return dict((obj or {}).get("data") or {})
