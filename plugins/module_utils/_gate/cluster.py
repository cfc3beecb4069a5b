# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the gate sees of one cluster: one list and one watch per kind, however many workloads there are."""

from __future__ import annotations

import threading
import typing as t
from collections.abc import Collection, Mapping, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.kube import KubeApi, Trim
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import JsonObject
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.watch import Watch
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.decide_workload import Cluster, Wanted
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.event_reader import Asked, EventReader
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.workload_counts import KINDS

#: How late the gate wakes up after news, at most; and how often it does at most while a rollout makes many.
_STEP_S: t.Final = 0.05
_LONGEST_ANNOTATION: t.Final = 200
_CONTROLLER: t.Final = "deployment.kubernetes.io/"

# What the decisions read, kept by name: a cluster may add to its objects what it likes.
_META: t.Final = (
    "name",
    "namespace",
    "uid",
    "labels",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "ownerReferences",
)
_SPEC: t.Final = (
    "replicas",
    "paused",
    "updateStrategy",
    "strategy",
    "suspend",
    "backoffLimit",
    "completions",
    "parallelism",
    "progressDeadlineSeconds",
)
#: Of a container's status nobody asks how its volumes are mounted or what it may use: half of it, in new releases.
_HEAVY: t.Final = {
    "imageID",
    "volumeMounts",
    "resources",
    "allocatedResources",
    "allocatedResourcesStatus",
    "user",
}


class ClusterReader:
    """Reads the workloads, their pods and the ReplicaSets between them.

    With `watch` the API server says what changes, and a look costs no request. Without it a look is one list per kind,
    for whoever looks only once. Events are read only while they are asked for.
    """

    def __init__(self, kube: KubeApi, namespace: str, wanted: Sequence[Wanted], *, watch: bool = True) -> None:
        self._kube = kube
        self._namespace = namespace
        self._events = EventReader(kube, namespace)
        self._news = threading.Event()
        names = {kind: {one.name for one in wanted if one.kind == kind} for kind in {one.kind for one in wanted}}
        # Workloads before pods: in a list, a pod may be newer than the status that is judged, never older.
        self._trims: dict[str, Trim] = {
            # The ReplicaSet of a Deployment tells its revision.
            kind: _workload(names[kind], written=kind != "Deployment")
            for kind in sorted(names.keys() - {"Pod"})
        }
        if "Deployment" in names:
            self._trims["ReplicaSet"] = _replica_set(names["Deployment"])
        # All of the namespace: whose they are may only be known after they are there.
        self._trims["Pod"] = _pod
        self._watches = {
            kind: Watch(kube, _api_version(kind), kind, namespace, trim=trim, changed=self._news)
            for kind, trim in self._trims.items()
            if watch
        }

    def read(self) -> Cluster:
        """What is there now. Raises ApiError; a retriable one says that there is no sight at present."""
        if not self._watches:
            return self.confirm()
        for watch in self._watches.values():
            # All of them begin before the first one waits for its answer.
            watch.start()
        self._news.clear()
        found = {kind: watch.snapshot() for kind, watch in self._watches.items()}
        self._events.read()
        return _cluster(found, self._events.known)

    def confirm(self) -> Cluster:
        """The same by fresh lists: a connection that died in silence has no say in a pass. Raises ApiError."""
        if self._watches:
            return _cluster({kind: watch.refresh() for kind, watch in self._watches.items()}, self._events.known)
        return _cluster({kind: self._list(kind, trim) for kind, trim in self._trims.items()}, self._events.known)

    def ask(self, asked: Asked) -> None:
        """Events to read along with the next looks: reasons, each with the uids of the objects."""
        if self._events.ask(asked):
            # The grace of a trouble begins when it is first seen: the next look is not waited for.
            self._news.set()

    @property
    def notes(self) -> list[str]:
        """What is not read now, and why; the verdict is the same without."""
        return [self._events.note] if self._events.note else []

    def wait(self, seconds: float) -> None:
        """Let time pass, and no more of it when something has changed since the last read."""
        clock = self._kube.clock
        end = clock.monotonic() + seconds
        while (left := end - clock.monotonic()) > 0:
            # In steps, because only the clock may let time pass.
            clock.sleep(min(_STEP_S, left) if self._watches else left)
            if self._news.is_set():
                return

    def close(self) -> None:
        for watch in self._watches.values():
            watch.close()

    def _list(self, kind: str, trim: Trim) -> Sequence[JsonObject]:
        return self._kube.list_raw(_api_version(kind), kind, self._namespace, trim=trim)[0]


def _api_version(kind: str) -> str:
    return KINDS.get(kind, "apps/v1")


def _cluster(found: Mapping[str, Sequence[JsonObject]], events: Sequence[JsonObject]) -> Cluster:
    workloads = {
        (kind, str(obj["metadata"]["name"])): obj for kind, objects in found.items() if kind in KINDS for obj in objects
    }
    return Cluster(workloads, found.get("ReplicaSet", ()), found["Pod"], events)


def _workload(names: Collection[str], *, written: bool) -> Trim:
    def trim(obj: JsonObject) -> JsonObject | None:
        if obj["metadata"]["name"] not in names:
            return None
        meta = _meta(obj) | ({"managedFields": _writers(obj)} if written else {})
        return {"metadata": meta, "spec": _pick(obj.get("spec"), _SPEC), "status": obj.get("status") or {}}

    return trim


def _replica_set(deployments: Collection[str]) -> Trim:
    def trim(obj: JsonObject) -> JsonObject | None:
        owners = obj["metadata"].get("ownerReferences") or []
        if not any(owner.get("name") in deployments for owner in owners):
            # Ten old ones of every Deployment of the namespace is what Kubernetes keeps.
            return None
        return {"metadata": _meta(obj), "spec": _pick(obj.get("spec"), _SPEC), "status": obj.get("status") or {}}

    return trim


def _pod(obj: JsonObject) -> JsonObject:
    spec = obj.get("spec") or {}
    kept = _pick(spec, ("nodeName", "restartPolicy"))
    for part in ("containers", "initContainers"):
        kept[part] = [_pick(one, ("name", "restartPolicy")) for one in spec.get(part) or []]
    status = {
        key: [_drop(one, _HEAVY) for one in value or []] if key.endswith("ontainerStatuses") else value
        for key, value in (obj.get("status") or {}).items()
    }
    return {"metadata": _meta(obj), "spec": kept, "status": status}


def _meta(obj: JsonObject) -> JsonObject:
    meta = obj["metadata"]
    # What is longer is some tool's document, such as the manifest that kubectl applied last.
    kept = {
        name: value
        for name, value in (meta.get("annotations") or {}).items()
        if len(value) <= _LONGEST_ANNOTATION or name.startswith(_CONTROLLER)
    }
    return _pick(meta, _META) | {"annotations": kept}


def _writers(obj: JsonObject) -> list[JsonObject]:
    """When the object was written, besides its status and its scale: that goes on all the time."""
    fields = obj["metadata"].get("managedFields") or []
    return [_pick(one, ("time",)) for one in fields if not one.get("subresource")]


def _pick(obj: Mapping[str, t.Any] | None, keys: Collection[str]) -> JsonObject:
    return {key: obj[key] for key in keys if key in obj} if obj else {}


def _drop(obj: Mapping[str, t.Any], keys: Collection[str]) -> JsonObject:
    return {key: value for key, value in obj.items() if key not in keys}
