# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fleet with one region on API servers in memory, and the journal module run in it."""

from __future__ import annotations

import os
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core import controller, fleet_lease
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core import kube as kube_module
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.journal import Journal
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.kube import KubeApi
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import Ref
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.records import ReleaseRef
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.result import execute
from ansible_collections.pincex.zero_downtime.plugins.module_utils._journal.run import ARGUMENT_SPEC, EMPTY_RESULT, run
from fakes import FakeClock, FakeKube

JOURNAL = Ref("v1", "ConfigMap", "pincex-release-journal", "exchange")
FLEET_JOURNAL = Ref("v1", "ConfigMap", "pincex-release-journal", "pincex-fleet")
LEASE = Ref("coordination.k8s.io/v1", "Lease", "pincex-release", "exchange")

Result = dict[str, t.Any]


class World:
    """`management` and `us-east-1` are the contexts; calls go through the module's own `run`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock = FakeClock()
        self.servers = {"management": FakeKube(), "us-east-1": FakeKube(), "eu-west-1": FakeKube()}
        self.lines: list[str] = []
        monkeypatch.setattr(kube_module, "connect", self.connect)
        # What is done beside is done at once: a test knows who writes when.
        monkeypatch.setattr(fleet_lease, "start", lambda work: work())

    def connect(self, _kubeconfig: str, context: str, region: str, _clock: object) -> KubeApi:
        return self.servers[context].api(self.clock, region)

    @property
    def fleet_server(self) -> FakeKube:
        return self.servers["management"]

    @property
    def server(self) -> FakeKube:
        return self.servers["us-east-1"]

    def call(self, *, check_mode: bool = False, **given: t.Any) -> Result:
        fleet = given.get("scope") == "fleet"
        params: dict[str, t.Any] = {name: spec.get("default") for name, spec in ARGUMENT_SPEC.items()}
        params |= {
            "context": "management" if fleet else "us-east-1",
            "namespace": "pincex-fleet" if fleet else "exchange",
            "region": "fleet" if fleet else None,
            "lease_s": 6.0,
            "renew_s": 2.0,
            "by": "anna",
            "controller": {"pid": os.getpid(), "started": controller.started(os.getpid())},
        }
        return execute(
            run,
            {**params, **given},
            check_mode=check_mode,
            diff=True,
            clock=self.clock,
            progress=self.lines.append,
            empty=EMPTY_RESULT,
        )

    def open_fleet(self, **given: t.Any) -> Result:
        return self.call(**{"state": "opened", "scope": "fleet", "release_id": "r1", **given})

    def open_region(self, fleet: Result, **given: t.Any) -> Result:
        return self.call(
            **{"state": "opened", "fleet_release": fleet["release"], "before": {"services": {}, "objects": []}, **given}
        )

    def opened(self, **given: t.Any) -> tuple[ReleaseRef, ReleaseRef]:
        """An open release: the fleet's and the region's part."""
        fleet = self.open_fleet(**given)
        region = self.open_region(fleet)
        assert not fleet.get("failed"), fleet["msg"]
        assert not region.get("failed"), region["msg"]
        return ReleaseRef.from_option(fleet["release"]), ReleaseRef.from_option(region["release"])

    def journal(self, release: ReleaseRef | None, **given: t.Any) -> Journal:
        """A fresh client, as each task has one."""
        kube = self.server.api(self.clock)
        fleet = self.fleet_server.api(self.clock, "fleet")
        return Journal(kube, "exchange", release, self.clock, fleet, **given)
