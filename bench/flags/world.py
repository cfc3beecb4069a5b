# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A flag set with every store that the issue names: three clusters, a Redis and a file, all of them on loopback."""

from __future__ import annotations

import collections.abc as c
import contextlib
import dataclasses
import importlib.metadata
import json
import pathlib
import tempfile
import typing as t

import yaml
from redis_server import RedisServer

from bench.flags import task
from bench.flags.clusters import Cluster, clusters, kill, version
from bench.flags.task import Json
from lab.kube import Object

SET: t.Final = "pincex-bench"
FLEET: t.Final = "management"
REGIONS: t.Final = ("us-east-1", "eu-west-1")
#: By cluster.
NAMESPACES: t.Final = {FLEET: "pincex-fleet", **dict.fromkeys(REGIONS, "exchange")}
MAP: t.Final = "pincex-flags"
#: Keys of the Redis.
DOCUMENT: t.Final = f"{{{MAP}}}:document"
HISTORY: t.Final = f"{{{MAP}}}:history"
CHANGED: t.Final = f"{{{MAP}}}:changed"
FILE_KEY: t.Final = "flags.flagd.json"
#: As the module's results name them.
STORES: t.Final = ("fleet", "redis", *REGIONS, "backup")
_READS: t.Final = ("status", "history", "reconcile")


def switch(default: str = "off", **more: t.Any) -> Json:
    """A flag as an operator writes it."""
    return {"state": "ENABLED", "variants": {"on": True, "off": False}, "defaultVariant": default, **more}


@dataclasses.dataclass
class World:
    """`folder` has the file store in a folder of its own, `files`, which may be another file system. `instead`: by name
    of a store, the options of another one in its place."""

    folder: pathlib.Path
    clusters: dict[str, Cluster]
    redis: RedisServer
    instead: dict[str, Json] = dataclasses.field(default_factory=dict)

    @property
    def path(self) -> pathlib.Path:
        return self.folder / "files" / FILE_KEY

    @property
    def kubeconfig(self) -> pathlib.Path:
        return self.folder / "kubeconfig"

    @property
    def options(self) -> Json:
        """Those of every task."""
        stores: dict[str, Json] = {"redis": {"redis": self.redis.options}}
        for region in REGIONS:
            stores[region] = {"configmap": {"context": region, "namespace": NAMESPACES[region]}}
        stores |= {"backup": {"file": {"path": str(self.path)}}, **self.instead}
        return {
            "name": SET,
            "kubeconfig": str(self.kubeconfig),
            "context": FLEET,
            "namespace": NAMESPACES[FLEET],
            "stores": [{"name": name, **one} for name, one in stores.items()],
        }

    def given(self, action: str, **given: t.Any) -> Json:
        """The options of one task."""
        writing = {} if action in _READS else {"actor": "anna", "reason": "a benchmark"}
        return {**self.options, **writing, "action": action, **given}

    def ran(self, action: str, **given: t.Any) -> Json:
        return task.ran(self.given(action, **given))

    def good(self, action: str, **given: t.Any) -> Json:
        """The result of a task that has to succeed. Raises AssertionError."""
        return task.good(self.given(action, **given))

    # -- what is there, as somebody else sees it

    def map_path(self, cluster: str, name: str = MAP) -> str:
        return f"/api/v1/namespaces/{NAMESPACES[cluster]}/configmaps/{name}"

    def config_map(self, cluster: str, name: str = MAP) -> Object:
        found: Object = self.clusters[cluster].kube.request("GET", self.map_path(cluster, name))
        return found

    def documents(self) -> dict[str, Json]:
        """What clients read, by store."""
        found = {name: json.loads(self.config_map(name)["data"][FILE_KEY]) for name in self.clusters}
        found["fleet"] = found.pop(FLEET)
        text = self.redis.client().get(DOCUMENT)
        found["redis"] = json.loads(t.cast("bytes", text)) if text is not None else {}
        found["backup"] = json.loads(self.path.read_text(encoding="utf-8"))
        return found

    def pages(self) -> dict[str, set[int]]:
        """The revisions in the history of each store."""
        found = {}
        for name in self.clusters:
            labels = f"pincex.io/flag-history={MAP}"
            maps = self.clusters[name].kube.list("v1", "ConfigMap", NAMESPACES[name], labels)
            found[name] = {int(str(one["metadata"]["name"]).rpartition("-")[2]) for one in maps}
        found["fleet"] = found.pop(FLEET)
        kept = t.cast("dict[bytes, bytes]", self.redis.client().hgetall(HISTORY))
        found["redis"] = {int(number) for number in kept}
        found["backup"] = {int(path.stem) for path in self.path.with_name(f"{FILE_KEY}.history").glob("*.json")}
        return found


@contextlib.contextmanager
def world() -> c.Iterator[World]:
    """Empty stores, gone after the block. Raises LabError."""
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-flags-")))
        (folder / "files").mkdir()
        redis = RedisServer(folder / "redis")
        stack.callback(lambda: kill_redis(redis))
        redis.start()
        made = World(folder, stack.enter_context(clusters(folder, NAMESPACES)), redis)
        merged: Json = {"apiVersion": "v1", "kind": "Config"}
        for one in made.clusters.values():
            config = yaml.safe_load(one.kubeconfig.read_text(encoding="utf-8"))
            for key in ("clusters", "users", "contexts"):
                merged[key] = [*merged.get(key, []), *config[key]]
        made.kubeconfig.write_text(yaml.safe_dump(merged), encoding="utf-8")
        yield made


def kill_redis(server: RedisServer) -> None:
    """As a machine that fails does it: nothing is saved."""
    if server._server is not None:
        kill(server._server)
        server._server = None


def versions() -> dict[str, str]:
    names = ("redis", "openfeature-sdk", "openfeature-provider-flagd", "openfeature-flagd-core", "ansible-core")
    return {"Kubernetes": version(), **{name: importlib.metadata.version(name) for name in names}}
