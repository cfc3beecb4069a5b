# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What dns_weight talks to on loopback: a fleet's cluster in memory, a real PowerDNS, and Route 53's rules.

The servers are those of tests/.
"""

from __future__ import annotations

import collections.abc as c
import contextlib
import dataclasses
import json
import os
import pathlib
import re
import subprocess
import tempfile
import time
import typing as t

import yaml
from fakes import FakeKube
from kube_over_http import served
from powerdns_server import ZONE, CountingProxy, Health, PowerDnsServer
from route53_shim import Bucket

from bench.dns.task import Json, ran

Weights = t.Mapping[str, int]
CONTEXT: t.Final = "management"
NAMESPACE: t.Final = "pincex-fleet"


@contextlib.contextmanager
def fleet() -> c.Iterator[tuple[pathlib.Path, Json]]:
    """A folder, and the options that name the fleet's cluster, in which no release is open."""
    with tempfile.TemporaryDirectory() as scratch, served(FakeKube()) as url:
        folder = pathlib.Path(scratch)
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": CONTEXT, "cluster": {"server": url}}],
            "users": [{"name": "bench", "user": {"token": "none"}}],
            "contexts": [{"name": CONTEXT, "context": {"cluster": CONTEXT, "user": "bench"}}],
        }
        path = folder / "kubeconfig"
        path.write_text(yaml.safe_dump(config), encoding="utf-8")
        yield folder, {"kubeconfig": str(path), "context": CONTEXT, "namespace": NAMESPACE, "region": "fleet"}


@contextlib.contextmanager
def environment(**variables: str) -> c.Iterator[None]:
    """These variables of the environment while the block runs."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


class PowerDnsWorld:
    """A server of its own, asked through a proxy that counts. `options` are those of every task."""

    def __init__(self, folder: pathlib.Path, cluster: Json) -> None:
        self.server = PowerDnsServer(folder)
        self._stack = contextlib.ExitStack()
        self._stack.callback(self.server.stop)
        self.server.start()
        self.proxy = CountingProxy(self.server.api.port)
        self._stack.callback(self.proxy.stop)
        self._cluster = cluster

    def close(self) -> None:
        self._stack.close()

    @property
    def options(self) -> Json:
        powerdns = {**self.server.options, "url": self.proxy.url}
        return {**self._cluster, "provider": "powerdns", "powerdns": powerdns, "verify": {"queries": 0}}

    def health(self) -> Health:
        """A health endpoint that answers 200."""
        made = Health()
        self._stack.callback(made.stop)
        return made

    def make(self, name: str, weights: Weights, health: t.Mapping[str, Health] | None = None) -> None:
        """A set; the regions of `health` have these endpoints. Raises RuntimeError when it is refused."""
        urls = {region: endpoint.url for region, endpoint in (health or {}).items()}
        members = {
            region: {"targets": [f"127.{number}.0.1"], "health": urls.get(region)}
            for number, region in enumerate(weights, start=1)
        }
        given = {"state": "absolute", "name": name, "weights": dict(weights), "members": members, "ttl": 30}
        must(ran({**self.options, **given}))

    def serial(self) -> int:
        """Of the zone: every write raises it."""
        _status, body = self.server.api.request("GET", f"/{ZONE}?rrsets=false")
        return int(json.loads(body)["edited_serial"])


def must(result: Json) -> Json:
    """The result of a task that has to succeed. Raises RuntimeError."""
    if result.get("failed"):
        raise RuntimeError(result["msg"])
    return result


@dataclasses.dataclass
class CountedBucket(Bucket):
    """Route 53's limit, with the instant of each request that came through it."""

    instants: list[float] = dataclasses.field(default_factory=list)

    def take(self) -> None:
        self.instants.append(time.monotonic())
        super().take()


def most_in_a_second(instants: c.Sequence[float]) -> int:
    """The largest number of them within any second."""
    ordered = sorted(instants)
    most = first = 0
    for last, instant in enumerate(ordered):
        while instant - ordered[first] >= 1:
            first += 1
        most = max(most, last - first + 1)
    return most


def powerdns_version() -> str:
    done = subprocess.run(
        ["pdns_server", "--version"],
        env={**os.environ, "PATH": f"{os.environ.get('PATH', '')}:/usr/sbin"},
        check=False,
        capture_output=True,
        text=True,
    )
    found = re.search(r"Server (\S+)", done.stdout + done.stderr)
    return found[1] if found else "unknown"
