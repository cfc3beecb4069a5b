# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A release that has to be taken back, and a proxy that spoils the write that does it."""

from __future__ import annotations

import datetime
import pathlib
import typing as t

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.journal import (
    JOURNAL_NAME,
    Entry,
    FleetRef,
    ReleaseRef,
    entries_of,
    header_text,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.lease import LEASE_NAME
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic import route
from gate_under_fault import Json, Region
from small_api import SmallApi

SERVICE: t.Final = "core-api"
BEFORE: t.Final = {"blue": 90, "green": 10}
WANTED: t.Final = {"blue": 100, "green": 0}

FLEET = """
apiVersion: v1
kind: Config
clusters: [{{name: f, cluster: {{server: "{url}"}}}}]
users: [{{name: f, user: {{token: "fleet"}}}}]
contexts: [{{name: fleet, context: {{cluster: f, user: f}}}}]
"""


class ReleasedRegion(Region):
    """Green has a tenth of the traffic, and answers badly. The fleet's journal lies on another API server."""

    def __init__(self, folder: pathlib.Path) -> None:
        super().__init__(folder)
        self.fleet = SmallApi()
        kubeconfig = folder / "fleet"
        kubeconfig.write_text(FLEET.format(url=self.fleet.url))
        fleet = FleetRef(str(kubeconfig), "fleet", "exchange")
        self.release = ReleaseRef("r1", "deploy", "me", 1, "exchange", 1, "", fleet)
        header = header_text(
            {"id": "r1", "kind": "deploy", "by": "me", "state": "open", "opened_at": "2026-01-01T00:00:00Z"}
        )
        for api in (self.api, self.fleet):
            api.put({**_object("v1", "ConfigMap", JOURNAL_NAME), "data": {"release": header}})
        now = datetime.datetime.now(datetime.UTC)
        self.api.put(
            {
                **_object("coordination.k8s.io/v1", "Lease", LEASE_NAME),
                "spec": {
                    "holderIdentity": "me",
                    "leaseTransitions": 1,
                    "leaseDurationSeconds": 60,
                    "renewTime": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
                },
            }
        )
        blue = _object("apps/v1", "Deployment", f"{SERVICE}-blue")
        self.api.put({**blue, "spec": {"replicas": 2}, "status": {"readyReplicas": 2}})
        parent = {"name": "exchange"}
        self.api.put(route.build_route(SERVICE, "exchange", weights=BEFORE, port=8080, hostnames=["x"], parent=parent))
        self.to_api.only, self.to_api.method = f"httproutes/{SERVICE}", "PUT"
        self.become("errors")

    def trip(self) -> Json:
        """The gate, which says `fail` at its first look and trips."""
        entry = {"service": SERVICE, "route": SERVICE, "weights": WANTED}
        return self.judge(trip=[entry], release=self.release.to_option(), step="canary", timeout_s=5)

    def weights(self) -> dict[str, int] | None:
        """As the API server has them."""
        return route.weights_of(self.api.take("httproutes", SERVICE))

    def entries(self) -> list[Entry]:
        """Of the region's journal."""
        return entries_of(self.api.take("configmaps", JOURNAL_NAME)["data"])

    def close(self) -> None:
        super().close()
        self.fleet.stop()


def _object(api_version: str, kind: str, name: str) -> Json:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": "exchange", "uid": name}}
